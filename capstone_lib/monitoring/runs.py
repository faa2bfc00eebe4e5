"""Batch runs: whether they succeed, how long they take, what they reject, how old the newest is."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.rates import share_of
from capstone_lib.store.measurement import Measurement, within
from capstone_lib.store.staleness import parse_moment

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BatchRuns", "measure_runs"]

_NAN = float("nan")
_DONE = ("published", "superseded")


@dataclass(frozen=True)
class BatchRuns:
    """How batch runs went.

    Attributes
    ----------
    succeeded, failed, running : int
        Attempts. A run that a later one has taken the place of has succeeded.
    rows, rejected : int
        Of those that succeeded: rows of the sources, and how many of them were not scored.
    median_s, max_s : float
        How long those took, in seconds; NaN if there are none.
    newest_as_of : str
        The last day that published predictions speak of; empty if there is none.
    freshness_days : float
        From the start of that day to ``now``.
    now : datetime
        UTC.
    errors : tuple of str
        What failed attempts said, the last one first.
    """

    succeeded: int
    failed: int
    running: int
    rows: int
    rejected: int
    median_s: float
    max_s: float
    newest_as_of: str
    freshness_days: float
    now: datetime
    errors: tuple[str, ...] = ()

    def measurements(self, *, level: float = 0.95, **window: Any) -> list[Measurement]:
        """Shares of success and rejects, durations and freshness.

        ``window`` fills in whose they are: window, model, version, traffic.
        """
        n = self.succeeded + self.failed
        note = f"the last failure: {self.errors[0]}" if self.errors else ""
        read = self.rows + self.rejected
        found = [
            _share("run_success_rate", self.succeeded, n, level, note=note),
            _share("reject_rate", self.rejected, read, level),
            Measurement("run_duration_median", self.median_s, n=self.succeeded, unit="s"),
            Measurement("run_duration_max", self.max_s, n=self.succeeded, unit="s"),
            Measurement(
                "freshness",
                self.freshness_days,
                n=self.succeeded,
                unit="days",
                note=f"predictions speak of {self.newest_as_of or 'no day yet'}",
            ),
        ]
        return within(found, **window)


def measure_runs(runs: "pd.DataFrame", *, now: Any = None) -> BatchRuns:
    """Measure batch runs.

    Parameters
    ----------
    runs : pandas.DataFrame
        What ``store.runs()`` gives, or some rows of it.
    now : str, date or datetime, optional
        The moment of asking, for the freshness; the present unless told otherwise.

    Returns
    -------
    BatchRuns
        Durations in seconds, freshness in days; NaN if no run has succeeded.

    Raises
    ------
    MonitoringError
        If it is no table of runs.

    Examples
    --------
    >>> import pandas as pd
    >>> runs = pd.DataFrame({"status": ["failed", "published"], "as_of": ["2016-01-31"] * 2,
    ...                      "rows": [None, 90], "rejected": [None, 10], "seconds": [1.0, 2.0],
    ...                      "error": ["no such file", None]})
    >>> found = measure_runs(runs, now="2016-02-02")
    >>> found.succeeded, found.failed, found.freshness_days
    (1, 1, 2.0)
    """
    wanted = ("status", "as_of", "rows", "rejected", "seconds", "error")
    lacking = [name for name in wanted if name not in getattr(runs, "columns", ())]
    if lacking:
        raise MonitoringError(f"this is no table of runs: it lacks {', '.join(lacking)}")
    moment = datetime.now(UTC) if now is None else parse_moment(now)
    done = runs[runs["status"].isin(_DONE)]
    failed = runs[runs["status"] == "failed"]
    seconds = done["seconds"].dropna().to_numpy(dtype=float)
    days = sorted(day for day in done["as_of"] if parse_moment(str(day)) <= moment)
    age = _NAN if not days else (moment - parse_moment(str(days[-1]))).total_seconds() / 86_400
    said = [str(error).strip().splitlines()[0] for error in failed["error"].dropna() if error]
    return BatchRuns(
        succeeded=len(done),
        failed=len(failed),
        running=int((runs["status"] == "running").sum()),
        rows=int(done["rows"].fillna(0).sum()),
        rejected=int(done["rejected"].fillna(0).sum()),
        median_s=float(np.median(seconds)) if len(seconds) else _NAN,
        max_s=float(seconds.max()) if len(seconds) else _NAN,
        newest_as_of=str(days[-1]) if days else "",
        freshness_days=age,
        now=moment,
        errors=tuple(reversed(said)),
    )


def _share(name: str, part: int, whole: int, level: float, *, note: str = "") -> Measurement:
    one = share_of(part, whole, level=level)
    return Measurement(name, one.value, one.low, one.high, n=whole, unit="share", note=note)
