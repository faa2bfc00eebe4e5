"""The queue of the review desk: who is looked at, by whom, and what they said.

Everything is in the store, so that several reviewers, kernels and endpoints share it, and whatever
dies loses nothing. Pages and panels stand on this; nothing here shows anything.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, func, select, update

from capstone_lib.errors import ReviewError
from capstone_lib.review import desk, filling
from capstone_lib.review.case import Case, Decision, read_case
from capstone_lib.store import Store
from capstone_lib.store.engine import engine_of, reading, writing
from capstone_lib.store.ids import decode_ids, encode_id
from capstone_lib.store.overrides import MODEL
from capstone_lib.store.review_tables import case_decisions, cases

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.artifact.model import Artifact

__all__ = ["AIM_S", "ReviewQueue"]

AIM_S = 120.0
"""Seconds that a reviewer should need for a case."""

_LONGEST_NAME = 100


class ReviewQueue:
    """Cases for reviewers.

    Parameters
    ----------
    store : Store
        In a database; it holds all that the queue knows.
    lease_s : float, default 600
        Seconds for which a case is a reviewer's own. Then somebody else may get it.
    double_share : float, default 0.1
        Share of the cases that two reviewers decide, one not knowing of the other: what they agree
        on is measured. The first word counts.
    blind : bool, default False
        Whether reviewers decide before they see what the model said. It is kept beside each
        decision, so that the two ways can be compared.
    clock : callable
        Seconds since 1970.

    Raises
    ------
    StoreError
        If the store is a folder.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from capstone_lib.store import open_store
    >>> queue = ReviewQueue(open_store(f"sqlite:///{mkdtemp()}/store.db"))
    >>> queue.next("ana") is None
    True
    """

    def __init__(
        self,
        store: Store,
        *,
        lease_s: float = 600.0,
        double_share: float = 0.1,
        blind: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not 0 <= double_share <= 1:
            raise ReviewError(f"double_share is between 0 and 1; seen {double_share!r}")
        if not lease_s > 0:
            raise ReviewError(f"lease_s is a number of seconds above 0; seen {lease_s!r}")
        self.store, self.lease_s, self.blind = store, lease_s, blind
        self.double_share, self._clock = double_share, clock
        self._engine = engine_of(store, who="reviews need")

    def fill_uncertain(
        self,
        *,
        artifact: "Artifact",
        n: int | None = None,
        source: Any = None,
        window: tuple[Any, Any] = (None, None),
        traffic: str = "",
    ) -> int:
        """Add the answers that ask for a person; the less certain come first.

        Parameters
        ----------
        artifact : Artifact
            Whose answers.
        n : int, optional
            At most so many, the least certain ones.
        source : DataFrame, pyarrow.Table, path or paths, optional
            What a batch scored: a store keeps its answers, and a reviewer must see the person.
        window : tuple of two dates, times or None
            Batch rows count by their as-of date, live ones by their arrival.
        traffic : str
            ``batch``, ``live``, or empty for both.

        Returns
        -------
        int
            How many were added. The same answer about the same values is added once.

        Raises
        ------
        ReviewError
            If no answer is known with what was asked.
        """
        where = {"window": window, "source": source, "traffic": traffic}
        answers = filling.answers_in(artifact, self.store, **where)
        rows = [
            self._row(artifact, answers, place, source="uncertainty")
            for place in filling.most_uncertain(answers, n)
        ]
        return self._add(rows)

    def fill_audit(
        self,
        *,
        artifact: "Artifact",
        alert_id: str,
        group: str = "",
        n: int = 50,
        others: int | None = None,
        seed: int = 0,
        source: Any = None,
        window: tuple[Any, Any] = (None, None),
        traffic: str = "",
    ) -> int:
        """Add a sample of a group that an alert speaks of, and one of everybody else.

        Within each, every label and band of the score has its share. The others are there to
        compare with, and so that nobody can tell from the queue which group is suspected.

        Parameters
        ----------
        artifact, source, window, traffic
            As for :meth:`fill_uncertain`.
        alert_id : str
            Which alert; a sample is drawn once for each.
        group : str
            As in a measurement: ``"SEX=2"``, ``"AGEP=25 to below 55"``; empty for everybody.
        n : int, default 50
            Cases of the group that are open at one time: a second call tops up to it.
        others : int, optional
            Cases of everybody else; as many as of the group unless told otherwise.
        seed : int, default 0
            The same answers, alert and seed give the same sample.

        Returns
        -------
        int
            How many cases were added; 0 if they are there already.

        Raises
        ------
        ReviewError
            If no answer of the group is known with what was asked.
        """
        if not alert_id:
            raise ReviewError("an audit belongs to an alert: give its alert_id")
        where = {"window": window, "source": source, "traffic": traffic}
        answers = filling.answers_in(artifact, self.store, **where)
        parts = filling.audited(answers, group, n=n, others=n if others is None else others)
        with writing(self._engine) as connection:
            desk.take_turn(connection)
            known = desk.of_alert(connection, alert_id)
            rows = [
                self._row(artifact, answers, place, source="audit", why=alert_id, group=part.name)
                for part in parts
                for place in part.fresh(answers, known, seed=seed, alert_id=alert_id)
            ]
            return desk.add(connection, rows, at=self._clock())

    def withdraw(self, alert_id: str) -> int:
        """Take an alert's cases out of the queue, those that nobody has decided or has in hand.

        Returns
        -------
        int
            How many went.
        """
        with writing(self._engine) as connection:
            return desk.withdraw(connection, alert_id, at=self._clock())

    def appeal(self, row_id: Any, reason: str, *, artifact: "Artifact", source: Any = None) -> str:
        """Add somebody's objection to the last answer about them; the case's name.

        Raises
        ------
        ReviewError
            If there is no such answer, or no reason.
        """
        if not reason.strip():
            raise ReviewError("an appeal needs a reason, in the person's own words")
        answers = filling.answers_in(artifact, self.store, source=source)
        place = filling.last_answer(answers, str(encode_id(row_id)))
        row = self._row(
            artifact, answers, place, source="appeal", why=reason.strip(), reason=reason.strip()
        )
        self._add([row])
        return str(row["case_id"])

    def next(self, reviewer: str) -> Case | None:
        """Give a reviewer a case that nobody else has; the one they have, if they have one.

        Whoever decided a case does not get it again, so of two opinions each has its own reviewer.

        Raises
        ------
        ReviewError
            If the reviewer's name is none.
        """
        name, at = _name(reviewer), self._clock()
        with writing(self._engine) as connection:
            row = desk.hold(connection, name, at=at, until=at + self.lease_s)
            return None if row is None else read_case(row)

    def peek(self, reviewer: str = "") -> Case | None:
        """The case that :meth:`next` would give, without giving it; empty for any reviewer."""
        name = _name(reviewer) if reviewer.strip() else ""
        with reading(self._engine) as connection:
            row = desk.first(connection, name, at=self._clock())
            return None if row is None else read_case(row)

    def see(self, case: Case) -> Case:
        """Remember when the reviewer saw the case they have; the first time counts."""
        with writing(self._engine) as connection:
            row = desk.mark_seen(connection, case.case_id, case.reviewer, at=self._clock())
            return read_case(row)

    def decide(
        self,
        case_id: str,
        *,
        reviewer: str,
        verdict: str,
        label: Any = None,
        note: str = "",
    ) -> Decision:
        """Write what a reviewer says of the case they have.

        The decision, the override that batch and live then return for this id, and the outcome (as
        a reviewer's word, not an observation) are written together or not at all. A second
        reviewer's word on a case measures agreement and changes nothing.

        Parameters
        ----------
        case_id : str
        reviewer : str
        verdict : str
            ``accept`` the model's label, ``override`` it by another, or ``cannot say``.
        label : optional
            Of an override: what holds.
        note : str
            Why, in words; at most 4,000 characters.

        Raises
        ------
        ReviewError
            If the case is not this reviewer's, was decided before, or the label is none of the
            model's.
        """
        with writing(self._engine) as connection:
            return desk.decide(
                connection,
                case_id,
                _name(reviewer),
                verdict=verdict,
                label=label,
                note=note.strip(),
                blind=self.blind,
                at=self._clock(),
            )

    def verdict_on(self, case_id: str, label: Any) -> str:
        """What it means to say this label of a case: ``accept`` or ``override``.

        For desks that ask for a label without showing the model's.
        """
        with reading(self._engine) as connection:
            said = desk.label_of(connection, case_id)
        given = int(label) if isinstance(label, bool) else label
        return "accept" if str(given) == str(said) else "override"

    def put_back(self, case_id: str, *, reviewer: str) -> None:
        """Give a case back undecided; somebody else may have it."""
        with writing(self._engine) as connection:
            desk.put_back(connection, case_id, _name(reviewer), at=self._clock())

    def waiting(self, reviewer: str) -> int:
        """How many cases this reviewer could be given, the one they have among them."""
        wanted = desk.open_to(_name(reviewer), at=self._clock())
        query = select(func.count()).select_from(cases).where(*wanted)
        with reading(self._engine) as connection:
            return int(connection.execute(query).scalar_one())

    def keep_reasons(self, case_id: str, explanation: str) -> None:
        """Keep an explanation (JSON) of a case that has none, so that all see the same."""
        with writing(self._engine) as connection:
            none = cases.c.case_id == case_id, cases.c.reasons.is_(None)
            connection.execute(update(cases).where(*none).values(reasons=explanation))

    def cases(self) -> "pd.DataFrame":
        """Every case, the oldest first; ``closed_at`` is empty while one waits."""
        frame = self._frame(cases, cases.c.opened_at, cases.c.case_id)
        return frame.astype({"priority": float, "score": float, "uncertainty": float})

    def decisions(self) -> "pd.DataFrame":
        """Every decision, the oldest first, with the case's row, model and answer."""
        about = ("row_id", "model", "version", "source", "group", "features", "classes")
        query = (
            select(
                case_decisions,
                *(cases.c[name] for name in about),
                cases.c.label.label("model_label"),
                cases.c.score,
            )
            .join(cases)
            .order_by(case_decisions.c.decision_key)
        )
        frame = self._read(query)
        return frame.astype({"seconds": float, "score": float, "blind": bool})

    def _frame(self, table: Table, *order: Any) -> "pd.DataFrame":
        return self._read(select(table).order_by(*order))

    def _read(self, query: Any) -> "pd.DataFrame":
        import pandas as pd

        with reading(self._engine) as connection:
            result = connection.execute(query)
            names, rows = list(result.keys()), [tuple(row) for row in result]
        frame = pd.DataFrame(rows, columns=names)
        for name in ("label", "model_label"):  # None beside whole numbers would make them floats
            if name in names:
                values = [row[names.index(name)] for row in rows]
                frame[name] = pd.Series(values, dtype=object, index=frame.index)
        frame["row_id"] = decode_ids(encode_id(str(value)) for value in frame["row_id"])
        for name in ("opened_at", "closed_at", "decided_at"):
            if name in names:
                times = pd.to_datetime(frame[name], format="ISO8601", utc=True)
                frame[name] = times.dt.tz_localize(None)
        return frame

    def _row(
        self, artifact: "Artifact", answers: "pd.DataFrame", place: int, **about: Any
    ) -> dict[str, Any]:
        return filling.case_row(artifact, answers, place, double_share=self.double_share, **about)

    def _add(self, rows: list[dict[str, Any]]) -> int:
        with writing(self._engine) as connection:
            return desk.add(connection, rows, at=self._clock())


def _name(reviewer: str) -> str:
    name = reviewer.strip() if isinstance(reviewer, str) else ""
    if not name or len(name) > _LONGEST_NAME or name == MODEL or not name.isprintable():
        raise ReviewError(
            f"a reviewer has a name of 1 to {_LONGEST_NAME} characters, other than {MODEL!r}; seen "
            f"{reviewer!r}"
        )
    return name
