"""Operations: how fast answers came, how many were not given, and how batch runs went.

The log of requests holds what was answered and nothing else. What was shed, refused or failed is
counted by the endpoint (``GET /metrics``) or by a load test, and must come from there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.errors import MissingExtraError, MonitoringError
from capstone_lib.monitoring.rates import share_of
from capstone_lib.store.measurement import Measurement, within

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.loadtest import LoadTest

__all__ = [
    "SLA_MS",
    "LatencyProfile",
    "Percentile",
    "Traffic",
    "measure_latency",
    "percentile_ranks",
]

PERCENTILES = (50.0, 90.0, 95.0, 99.0)
SLA_MS = 100.0
"""Within how many milliseconds an answer should come, unless somebody has promised otherwise."""

NOT_LOGGED = (
    "the log holds answered requests only; give the text of GET /metrics at the window's two ends, "
    "or a load test"
)
_NAN = float("nan")
_UNCOUNTED = "connections"  # turned away before there was a request to count


@dataclass(frozen=True)
class Percentile:
    """The time within which a share of answers came; its interval may be open.

    Attributes
    ----------
    percent : float
        Between 0 and 100.
    value : float
        In milliseconds.
    low, high : float
        In milliseconds; NaN where there are too few answers to bound it on that side.
    """

    percent: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class LatencyProfile:
    """How fast answers came.

    Attributes
    ----------
    percentiles : tuple of Percentile
    mean_ms, max_ms : float
        NaN without answers.
    n : int
    slow : int
        Answers that took longer than ``sla_ms``.
    sla_ms : float
        Within which an answer should come.
    level : float
        Of the intervals.
    """

    percentiles: tuple[Percentile, ...]
    mean_ms: float
    max_ms: float
    n: int
    slow: int
    sla_ms: float
    level: float

    def __getitem__(self, percent: float) -> Percentile:
        for one in self.percentiles:
            if one.percent == percent:
                return one
        raise KeyError(
            f"no percentile {percent!r}; there are {[p.percent for p in self.percentiles]}"
        )

    def to_frame(self) -> "pd.DataFrame":
        """One row a percentile: ``percent``, ``value``, ``low``, ``high`` in milliseconds."""
        import pandas as pd

        return pd.DataFrame([vars(one) for one in self.percentiles])

    def measurements(self, **window: Any) -> list[Measurement]:
        """Each percentile, the largest, and the share slower than promised.

        ``window`` fills in whose they are: window, model, version, traffic.
        """
        largest = Measurement("latency_max", self.max_ms, n=self.n, unit="ms")
        share = share_of(self.slow, self.n, level=self.level)
        slow = Measurement(
            "slow_share", share.value, share.low, share.high, n=share.n, unit="share",
            note=f"slower than {self.sla_ms:g} ms",
        )  # fmt: skip
        found = [
            Measurement(f"latency_p{p.percent:g}", p.value, p.low, p.high, n=self.n, unit="ms")
            for p in self.percentiles
        ]
        return within([*found, largest, slow], **window)


def measure_latency(
    latency_ms: Any,
    *,
    percentiles: Sequence[float] = PERCENTILES,
    sla_ms: float = SLA_MS,
    level: float = 0.95,
) -> LatencyProfile:
    """Percentiles of latencies, with intervals that assume nothing of their distribution.

    Parameters
    ----------
    latency_ms : array or pandas.DataFrame of n_rows
        Milliseconds; or what ``store.requests()`` gives.
    percentiles : sequence of float, default (50, 90, 95, 99)
        Between 0 and 100.
    sla_ms : float, default 100
        Within how many milliseconds an answer should come.
    level : float, default 0.95
        Of the intervals, which run from one ordered latency to another.

    Returns
    -------
    LatencyProfile
        In milliseconds; an end that so few answers do not bound is NaN.

    Raises
    ------
    MonitoringError
        If there are no answers, or a latency is negative or missing.

    Examples
    --------
    >>> profile = measure_latency(range(1, 1001))
    >>> profile[50.0]
    Percentile(percent=50.0, value=500.5, low=469.0, high=532.0)
    """
    values = np.asarray(getattr(latency_ms, "latency_ms", latency_ms), dtype=float)
    if not len(values):
        raise MonitoringError("there are no answers in this window; nothing can be said of nothing")
    if not values.min() >= 0:  # false for NaN too
        raise MonitoringError("a latency is negative or missing; give milliseconds, from 0 on")
    ordered = np.sort(values)
    found = []
    for percent in percentiles:
        if not 0 < percent < 100:
            raise MonitoringError(f"a percentile lies between 0 and 100; seen {percent!r}")
        low, high = percentile_ranks(len(values), percent / 100, level=level)
        value = float(np.percentile(ordered, percent))
        ends = (
            min(float(ordered[low - 1]), value) if low >= 1 else _NAN,
            max(float(ordered[high - 1]), value) if high <= len(values) else _NAN,
        )
        found.append(Percentile(float(percent), value, *ends))
    slow = int((values > sla_ms).sum())
    return LatencyProfile(
        tuple(found), float(values.mean()), float(ordered[-1]), len(values), slow, sla_ms, level
    )


def percentile_ranks(n: int, share: float, *, level: float = 0.95) -> tuple[int, int]:
    """Ranks, from 1 on, of the ordered values between which a quantile lies.

    Parameters
    ----------
    n : int
        How many values.
    share : float
        Of the quantile: 0.5 for the median.
    level : float, default 0.95
        How often the quantile lies between the two at least.

    Returns
    -------
    low, high : int
        Rank 0 or ``n + 1`` means that so few values do not bound it on that side.

    Notes
    -----
    The number of values below a quantile is binomial, whatever they are: Conover, "Practical
    Nonparametric Statistics".

    Examples
    --------
    >>> percentile_ranks(100, 0.5), percentile_ranks(100, 0.99)
    ((40, 61), (97, 101))
    """
    from scipy.stats import binom

    low, high = binom.ppf([(1 - level) / 2, (1 + level) / 2], n, share)
    return int(low), int(high) + 1


@dataclass(frozen=True)
class Traffic:
    """What became of requests for predictions. Later counts less earlier ones are a window's.

    Attributes
    ----------
    asked : int
        All of them.
    good : int
        Answered with a prediction.
    refused : int
        Turned down because the request was wrong (status 4xx).
    errors : int
        Failed, and no fault of whoever asked (5xx, but what was shed).
    shed : mapping of str to int
        Turned away by reason, so that others were answered in time.
    """

    asked: int
    good: int
    refused: int
    errors: int
    shed: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_metrics(cls, text: str | bytes) -> "Traffic":
        r"""Read what an endpoint says of itself, since it was started.

        Parameters
        ----------
        text : str or bytes
            The answer of ``GET /metrics``.

        Returns
        -------
        Traffic
            Counts of requests since the start.

        Raises
        ------
        MonitoringError
            If it is not that.
        MissingExtraError
            If prometheus_client is not installed.

        Examples
        --------
        >>> counted = 'capstone_requests_total{path="/predict",status="200"} 9.0'
        >>> Traffic.of_metrics(f"# TYPE capstone_requests_total counter\n{counted}\n").good
        9
        """
        samples = _samples(text.decode(errors="replace") if isinstance(text, bytes) else text)
        status = {"2": 0, "4": 0, "5": 0}
        for labels, value in samples["capstone_requests"]:
            path = labels.get("path", "")
            if path.startswith("/predict") or path.endswith("/infer"):
                kind = labels.get("status", "")[:1]
                status[kind] = status.get(kind, 0) + value
        shed = {labels.get("reason", ""): value for labels, value in samples["capstone_shed"]}
        unseen = shed.get(_UNCOUNTED, 0)
        told = min(status["5"], sum(shed.values()) - unseen)
        asked = sum(status.values()) + unseen
        return cls(asked, status["2"], status["4"], status["5"] - told, shed)

    @classmethod
    def of_load_test(cls, result: "LoadTest") -> "Traffic":
        """Read what a load test saw: all that had no good answer and was not shed is an error."""
        errors = result.requests - result.good - result.shed
        return cls(result.requests, result.good, 0, errors, {"seen": result.shed})

    def __sub__(self, earlier: "Traffic") -> "Traffic":
        """What came since then.

        Raises
        ------
        MonitoringError
            If less was counted than before: the endpoint was started again in between.
        """
        reasons = {**self.shed, **earlier.shed}
        shed = {name: self.shed.get(name, 0) - earlier.shed.get(name, 0) for name in reasons}
        since = Traffic(
            self.asked - earlier.asked,
            self.good - earlier.good,
            self.refused - earlier.refused,
            self.errors - earlier.errors,
            shed,
        )
        if min(since.asked, since.good, since.refused, since.errors, *shed.values()) < 0:
            raise MonitoringError(
                "the endpoint has counted less than before, so it was started again in between; "
                "take the later counts as they are"
            )
        return since

    def measurements(self, *, level: float = 0.95, **window: Any) -> list[Measurement]:
        """Requests asked, and the shares of errors, of refused and of shed ones.

        ``window`` fills in whose they are: window, model, version, traffic.
        """
        found = [Measurement("requests_asked", self.asked, n=self.asked, unit="requests")]
        parts = {"error_rate": self.errors, "refused_rate": self.refused}
        for name, part in (parts | {"shed_rate": sum(self.shed.values())}).items():
            one = share_of(part, self.asked, level=level)
            found.append(
                Measurement(name, one.value, one.low, one.high, n=self.asked, unit="share")
            )
        return within(found, **window)


def _samples(text: str) -> dict[str, list[tuple[Mapping[str, str], int]]]:
    try:
        from prometheus_client.parser import text_string_to_metric_families
    except ModuleNotFoundError as error:
        raise MissingExtraError("prometheus_client", "serve") from error
    found: dict[str, list[tuple[Mapping[str, str], int]]] = {
        "capstone_requests": [],
        "capstone_shed": [],
    }
    seen = False
    try:
        for family in text_string_to_metric_families(text):
            seen = seen or family.name.startswith("capstone_")
            if family.name in found:
                found[family.name] = [
                    (sample.labels, int(sample.value))
                    for sample in family.samples
                    if sample.name == f"{family.name}_total"
                ]
    except (ValueError, OverflowError) as error:  # a counter that is endless is none
        raise MonitoringError(f"this is no text of GET /metrics: {error}") from error
    if not seen:
        raise MonitoringError("this is no text of GET /metrics: it has no capstone_… figures")
    return found
