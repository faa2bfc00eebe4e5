"""Outcomes joined to answers by id: what is known by now, and what is still missing.

An outcome belongs to the last answers before it was observed: of each answer it is the first
outcome at or after the moment the answer speaks of. What was observed earlier was known already and
says nothing of how good the answer is.

What a reviewer says of somebody is an outcome too, but nobody has seen it happen. It is left aside
unless it is asked for: reviewers look at chosen people, the doubtful and the suspected, and most of
them have seen the model's answer first. Counted as the truth, they would make a model look worse
where it asks for help, and better where they follow it. Where it is asked for, what was observed
still goes before it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.artifact.tally import names_of
from capstone_lib.errors import MonitoringError
from capstone_lib.store.ids import decode_ids, encode_ids
from capstone_lib.store.outcomes import REVIEW
from capstone_lib.store.staleness import parse_moment

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Joined", "join_outcomes"]

_LAST = np.datetime64("9999-12-31", "us")


@dataclass(frozen=True, eq=False)
class Joined:
    """Answers beside what really happened.

    Attributes
    ----------
    known : numpy.ndarray of bool, shape (n_rows,)
        Of which answers the outcome is known.
    truth : numpy.ndarray, shape (n_known,)
        Those outcomes, in the order of the answers.
    n_early : int
        Answers whose id has outcomes, but only from before the answer.
    as_of : datetime
        What was observed later is left aside (UTC).
    median_delay_days : float
        From the answer to its outcome; NaN if none is known.
    n_reviewed : int
        Of those known, how many only a reviewer says.
    """

    known: np.ndarray
    truth: np.ndarray
    n_early: int
    as_of: datetime
    median_delay_days: float
    n_reviewed: int = 0

    @property
    def n(self) -> int:
        """Answers."""
        return len(self.known)

    @property
    def n_known(self) -> int:
        """Answers whose outcome is known."""
        return int(self.known.sum())

    @property
    def missing_share(self) -> float:
        """The share of answers whose outcome is not known; NaN without answers."""
        return 1 - self.n_known / self.n if self.n else float("nan")

    def __str__(self) -> str:
        """Say it in one sentence."""
        said = f"as of {self.as_of:%Y-%m-%d %H:%M}, {self.n_known:,} of {self.n:,} outcomes known"
        said += f" ({self.n_reviewed:,} by a reviewer's word)" if self.n_reviewed else ""
        return said + (f" ({self.n_early:,} only from before the answer)" if self.n_early else "")


def join_outcomes(
    answers: "pd.DataFrame",
    outcomes: "pd.DataFrame",
    *,
    as_of: Any = None,
    made_at: str | None = None,
    only_later: bool = True,
    reviews: bool = False,
) -> Joined:
    """Find for each answer what really happened, as far as it is known.

    Parameters
    ----------
    answers : pandas.DataFrame
        With ``row_id`` and the moment each answer speaks of: what ``store.predictions()`` or
        ``store.requests()`` gives.
    outcomes : pandas.DataFrame
        ``row_id``, ``outcome`` and ``observed_at``: what ``store.outcomes()`` gives. Without a
        column ``source`` all of them were observed.
    as_of : str, date or datetime, optional
        Look no further than this moment; the last observation unless told otherwise.
    made_at : str, optional
        The column with that moment; ``received_at`` or else ``as_of`` unless told otherwise.
    only_later : bool, default True
        Whether an outcome must not be older than the answer. False where the two go by different
        clocks, as when people of the past are asked about today: then the last outcome counts.

    Returns
    -------
    Joined

    Raises
    ------
    MonitoringError
        If a column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> said = pd.DataFrame({"row_id": [1, 2], "as_of": pd.to_datetime(["2016-01-31"] * 2)})
    >>> came = pd.DataFrame({"row_id": [2], "outcome": [1],
    ...                      "observed_at": pd.to_datetime(["2016-03-01"])})
    >>> print(join_outcomes(said, came))
    as of 2016-03-01 00:00, 1 of 2 outcomes known
    """
    import pandas as pd

    made_at = made_at or ("received_at" if "received_at" in names_of(answers) else "as_of")
    _check(answers, ("row_id", made_at), "the answers")
    _check(outcomes, ("row_id", "outcome", "observed_at"), "the outcomes")
    reviewed = _reviewed(outcomes)
    wanted = np.ones(len(outcomes), dtype=bool) if reviews else ~reviewed
    last = outcomes["observed_at"][wanted].max() if wanted.any() else pd.Timestamp.now(tz="UTC")
    moment = parse_moment(last.to_pydatetime() if as_of is None else as_of, name="as_of")
    ids, theirs = _same_ids(answers["row_id"], outcomes["row_id"])
    kind: Any = (
        np.int64 if ids.dtype == np.int64 else "str"
    )  # of none pandas would guess something else
    wanted &= (outcomes["observed_at"] <= moment.replace(tzinfo=None)).to_numpy()
    asked = pd.DataFrame(
        {
            "id": pd.array(ids, dtype=kind),
            "at": _micros(answers[made_at]),
            "place": np.arange(len(answers)),
        }
    )
    came = pd.DataFrame(
        {
            "id": pd.array(theirs[wanted], dtype=kind),
            "at": _micros(outcomes["observed_at"])[wanted],
            "outcome": np.flatnonzero(wanted),
        }
    )
    said = reviewed[wanted]
    met = _met(asked, came[~said], only_later=only_later, only_last=not only_later)
    n_seen = int(met["outcome"].notna().sum())
    if said.any():
        met = met.fillna(_met(asked, came[said], only_later=only_later, only_last=True))
    known = met["outcome"].notna().to_numpy()
    truth = outcomes["outcome"].to_numpy()[met["outcome"].to_numpy()[known].astype(np.intp)]
    early = ~known & asked["id"].isin(came["id"]).to_numpy()
    delay = (met["seen"] - met["at"])[known].to_numpy().astype("timedelta64[s]").astype(np.int64)
    days = float(np.median(delay)) / 86_400 if len(delay) else float("nan")
    return Joined(known, truth, int(early.sum()), moment, days, int(known.sum()) - n_seen)


def _met(
    asked: "pd.DataFrame", came: "pd.DataFrame", *, only_later: bool, only_last: bool
) -> "pd.DataFrame":
    """Each answer with the place of its outcome and when that was seen, in the answers' order."""
    import pandas as pd

    came = came.assign(seen=came["at"]).sort_values("at", kind="stable")
    if only_last:
        came = came.drop_duplicates("id", keep="last")
    if not only_later:  # as if it had been observed at the end of time
        came["at"] = np.full(len(came), _LAST)
    met = pd.merge_asof(
        asked.sort_values("at", kind="stable"), came, on="at", by="id", direction="forward"
    )
    return met.sort_values("place", ignore_index=True)


def _reviewed(outcomes: "pd.DataFrame") -> np.ndarray:
    """Which outcomes only a reviewer says."""
    if "source" not in names_of(outcomes):
        return np.zeros(len(outcomes), dtype=bool)
    return np.asarray(outcomes["source"] == REVIEW)


def _micros(times: "pd.Series[Any]") -> Any:
    return times.astype("datetime64[us]").to_numpy()


def _same_ids(first: Any, second: Any) -> tuple[np.ndarray, np.ndarray]:
    """Ids in one form: 7 is "7", whichever table says it how."""
    if first.dtype == np.int64 and second.dtype == np.int64:
        return first.to_numpy(), second.to_numpy()
    one, two = (encode_ids(part) for part in (first, second))
    both = decode_ids([*one, *two])
    return both[: len(one)], both[len(one) :]


def _check(table: Any, wanted: tuple[str, ...], what: str) -> None:
    missing = [name for name in wanted if name not in names_of(table)]
    if missing:
        raise MonitoringError(
            f"{what} lack the columns {', '.join(missing)}; they have "
            f"{', '.join(map(str, names_of(table)[:8])) or 'none'}"
        )
