"""What every store can do, whether it is a database or a folder."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import date, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from capstone_lib.store.frames import predictions_frame, rejects_frame, runs_frame
from capstone_lib.store.live import LiveStore
from capstone_lib.store.measured import MeasuredStore
from capstone_lib.store.run import Reject, RunIdentity, RunRecord, ScoredBatch, parse_day

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.store.frames import Piece
    from capstone_lib.store.staleness import Staleness

__all__ = ["Attempt", "Selection", "Store"]


class Selection:
    """Which predictions are meant: any of as-of date, model, version, run, ids."""

    def __init__(
        self,
        *,
        as_of: str | date | None = None,
        model: str | None = None,
        version: str | None = None,
        run_id: str | None = None,
        ids: Any = None,
    ) -> None:
        self.as_of = None if as_of is None else parse_day(as_of)
        self.model, self.version, self.run_id, self.ids = model, version, run_id, ids

    def has(self, record: RunRecord, *, until: bool = False) -> bool:
        """Whether a run belongs to the selection; ``until`` takes earlier as-of dates in."""
        identity = record.identity
        day = self.as_of
        return (
            (day is None or identity.as_of == day or (until and identity.as_of < day))
            and self.model in (None, identity.model)
            and self.version in (None, identity.version)
            and self.run_id in (None, record.run_id)
        )


class Attempt(ABC):
    """One try at a run. What it writes is seen by nobody until :meth:`publish`."""

    record: RunRecord

    @abstractmethod
    def write(self, batch: ScoredBatch) -> int:
        """Stage a batch; return how many more rows so far were rejected, for a repeated id."""

    @abstractmethod
    def flush(self) -> int:
        """Stage what :meth:`write` may have held back; return as it does."""

    @abstractmethod
    def publish(self, record: RunRecord) -> RunRecord:
        """Show all rows to readers at once.

        Returns the published record: another attempt's if it was quicker, and then the rows of
        this one are gone.
        """

    @abstractmethod
    def fail(self, record: RunRecord) -> None:
        """Take the rows away; the record and the rejects stay, for whoever asks why."""


class Store(LiveStore, MeasuredStore, ABC):
    """Where runs, predictions, rejects and outcomes are kept. See :func:`open_store`.

    A database also keeps what a live endpoint answers, the rollout that it follows, and what was
    measured.
    """

    url: str

    @abstractmethod
    def begin(self, record: RunRecord) -> Attempt | RunRecord:
        """Start an attempt, or return the record of the run if it is published already."""

    @abstractmethod
    def published(self, identity: RunIdentity) -> RunRecord | None:
        """The record of the published run of this identity, if there is one."""

    @abstractmethod
    def records(self) -> list[RunRecord]:
        """Every attempt's record, oldest first."""

    @abstractmethod
    def record_outcomes(
        self,
        frame: "pd.DataFrame",
        *,
        id: str = "row_id",  # noqa: A002 - the column's role
        outcome: str = "outcome",
        observed_at: Any = "observed_at",
    ) -> int:
        """Record what really happened to people.

        Parameters
        ----------
        frame : DataFrame
            One row an outcome.
        id, outcome : str
            Names of the columns that hold the row id and the outcome (a label).
        observed_at : str, date or datetime
            Name of the column that holds when it was observed, or that date for all rows.

        Returns
        -------
        int
            Outcomes recorded. One for the same id and time replaces the earlier one.

        Raises
        ------
        StoreError
            If a column is missing, or a value in it is.
        """

    @abstractmethod
    def outcomes(self) -> "pd.DataFrame":
        """All outcomes: ``row_id``, ``outcome``, ``observed_at``, ``recorded_at``, ``source``.

        The source is ``observed``, or ``review`` where only a reviewer says so.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections."""

    @abstractmethod
    def _pieces(self, selection: Selection) -> list["Piece"]:
        """The selected published predictions."""

    @abstractmethod
    def _latest_pieces(self, selection: Selection) -> list["Piece"]:
        """Of each id the newest published prediction up to the selection's date."""

    def _ruled(self, pieces: list["Piece"]) -> list["Piece"]:
        """The predictions with reviewers' answers in the place of the model's."""
        return pieces

    @abstractmethod
    def _rejects(self, selection: Selection) -> list[tuple[RunRecord, Sequence[Reject]]]:
        """The rejects of the selected runs, published or failed."""

    def runs(self) -> "pd.DataFrame":
        """Every attempt with its status, counts, seconds, steps and, where it failed, the error."""
        return runs_frame(self.records())

    def predictions(
        self,
        *,
        as_of: str | date | None = None,
        model: str | None = None,
        version: str | None = None,
        run_id: str | None = None,
        ids: Any = None,
        overrides: bool = True,
    ) -> "pd.DataFrame":
        """Published predictions, all or those of one date, model, version, run or set of ids.

        Parameters
        ----------
        as_of, model, version, run_id, ids
            What is asked for; everything unless told otherwise.
        overrides : bool, default True
            Whether a reviewer's answer stands in the place of the model's. Without, the frame says
            what the model said, as the SQL view ``predictions`` always does: so it is judged.

        Returns
        -------
        DataFrame
            ``row_id`` (``int64`` if all ids are whole numbers, else text), ``score``, ``label``,
            ``uncertainty`` in bits, ``prediction_set`` (a JSON list), ``review``, ``as_of``,
            ``scored_at`` (UTC), ``model``, ``version``, ``snapshot``, ``run_id``, and with
            overrides ``decided_by`` (``model``, or the reviewer's name); in no particular order.
            Where a reviewer decided, ``label`` is the reviewer's and ``review`` false.
        """
        selection = Selection(as_of=as_of, model=model, version=version, run_id=run_id, ids=ids)
        return self._frame(self._pieces(selection), overrides=overrides)

    def latest(
        self,
        as_of: str | date | None = None,
        *,
        model: str | None = None,
        version: str | None = None,
        ids: Any = None,
        overrides: bool = True,
    ) -> "pd.DataFrame":
        """For every id the newest published prediction that speaks of no later day than ``as_of``.

        Of two runs of the same day the one scored last counts. The columns are those of
        :meth:`predictions`, and so is the meaning of ``overrides``.
        """
        selection = Selection(as_of=as_of, model=model, version=version, ids=ids)
        return self._frame(self._latest_pieces(selection), overrides=overrides)

    def staleness(
        self,
        now: str | date | datetime,
        *,
        model: str | None = None,
        version: str | None = None,
        ids: Any = None,
    ) -> "Staleness":
        """Tell how old the score is that would be shown at ``now``, for every id.

        Parameters
        ----------
        now : str, date or datetime
            The moment of asking. Age counts from the start of the prediction's as-of date.
        ids : array, optional
            Whom to ask about; an id without a prediction counts as missing.
        """
        from capstone_lib.store.staleness import measure, parse_moment

        moment = parse_moment(now)
        me = {"model": model, "version": version}
        shown = self.latest(moment.date(), **me, ids=ids, overrides=False)
        return measure(shown, moment, ids=ids)

    def rejects(
        self,
        *,
        as_of: str | date | None = None,
        model: str | None = None,
        version: str | None = None,
        run_id: str | None = None,
    ) -> "pd.DataFrame":
        """Rows that were not scored, with the reason; also of runs that failed."""
        selection = Selection(as_of=as_of, model=model, version=version, run_id=run_id)
        return rejects_frame(self._rejects(selection))

    def _frame(self, pieces: list["Piece"], *, overrides: bool) -> "pd.DataFrame":
        return predictions_frame(self._ruled(pieces) if overrides else pieces, deciders=overrides)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"
