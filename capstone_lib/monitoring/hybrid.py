"""Hybrid serving: how often a nightly score was passed on, how old it was, and why none was."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.rates import wilson
from capstone_lib.store.measurement import Measurement, within

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HybridUse", "measure_hybrid"]

_NAN = float("nan")
_DAY_S = 86_400


@dataclass(frozen=True)
class HybridUse:
    """What became of requests to an endpoint that passes nightly scores on.

    Attributes
    ----------
    hits : int
        Answered with a nightly score.
    misses : mapping of str to int
        Computed live, by why: ``unknown``, ``stale``, ``other_version``, ``route``, ``explained``.
    median_days, p95_days, max_days : float
        Ages of the scores that were passed on, when they were; NaN without any.
    """

    hits: int
    misses: Mapping[str, int]
    median_days: float
    p95_days: float
    max_days: float

    @property
    def n(self) -> int:
        """Rows asked about."""
        return self.hits + sum(self.misses.values())

    @property
    def hit_rate(self) -> float:
        """Share of rows that were answered with a nightly score; NaN without any row."""
        return self.hits / self.n if self.n else _NAN

    def measurements(self, *, level: float = 0.95, **window: Any) -> list[Measurement]:
        """Hit rate, misses by reason and ages; ``window`` fills in whose they are."""
        return within(list(self._found(level)), **window)

    def _found(self, level: float) -> Iterator[Measurement]:
        low, high = wilson(self.hits, self.n, level=level)
        yield Measurement(
            "hybrid_hit_rate", self.hit_rate, float(low), float(high), n=self.n, unit="share"
        )
        for reason, count in sorted(self.misses.items()):
            low, high = wilson(count, self.n, level=level)
            yield Measurement(
                "hybrid_miss_share", count / self.n, float(low), float(high), n=self.n,
                unit="share", feature="miss", group=f"miss={reason}",
            )  # fmt: skip
        for name in ("median", "p95", "max"):
            age = getattr(self, f"{name}_days")
            note = "" if self.hits else "no nightly score was passed on"
            yield Measurement(f"served_staleness_{name}", age, n=self.hits, unit="days", note=note)


def measure_hybrid(requests: "pd.DataFrame") -> HybridUse:
    """Measure how a log of requests was answered.

    Parameters
    ----------
    requests : pandas.DataFrame
        What ``store.requests()`` gives, or some rows of it. Rows of an endpoint that passes no
        nightly scores on, and a shadow's, count for nothing.

    Raises
    ------
    MonitoringError
        If it is no log of requests.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"received_at": pd.to_datetime(["2016-02-01 12:00"] * 4),
    ...                     "as_of": pd.to_datetime(["2016-02-01"] * 3 + [None]),
    ...                     "miss": [None] * 3 + ["unknown"]})
    >>> use = measure_hybrid(log)
    >>> use.hit_rate, use.median_days, use.misses
    (0.75, 0.5, {'unknown': 1})
    """
    lacking = [
        name
        for name in ("received_at", "as_of", "miss")
        if name not in getattr(requests, "columns", ())
    ]
    if lacking:
        raise MonitoringError(
            f"this is no log of requests: it lacks {', '.join(lacking)}; give what store.requests()"
            " returns"
        )
    hit = requests["as_of"].notna().to_numpy()
    times = requests[hit]
    age_s = (times["received_at"] - times["as_of"]).dt.total_seconds().to_numpy(dtype=float)
    median, p95, oldest = (
        np.quantile(age_s / _DAY_S, [0.5, 0.95, 1.0]).tolist() if len(age_s) else [_NAN] * 3
    )
    counts = requests["miss"].dropna().astype(str).value_counts()
    misses = {str(reason): int(count) for reason, count in sorted(counts.items())}
    return HybridUse(int(hit.sum()), misses, median, p95, oldest)
