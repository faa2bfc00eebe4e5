"""One step of a load test: how many users asked, and what became of their requests."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np

from capstone_lib.loadtest.histogram import Histogram
from capstone_lib.loadtest.kinds import GOOD, SHED, words

__all__ = ["LoadStep", "ms_words"]


@dataclass(frozen=True)
class LoadStep:
    """A load that was held for a while.

    Latencies speak of good answers: a server that refuses quickly must not look fast. NaN where
    there was none. Failures have a histogram of their own.

    Attributes
    ----------
    users : int
        How many asked at the same time, at most.
    rate : float or None
        Requests a second that were due; ``None`` where each user asks again at once.
    seconds : float
        How long the step lasted.
    requests : int
        All that were sent.
    good : int
        How many of them were answered with a prediction.
    shed : int
        Refused with 429 or 503: the server protects itself and says come again.
    failures : dict of str to int
        Everything else that went wrong, by kind.
    unsent : int
        Due, and given up after ``timeout_s`` because every user was still waiting for an answer.
    requests_per_s, good_per_s : float
        Answers, and good answers, that came while the step lasted, a second.
    mean_ms, p50_ms, p90_ms, p95_ms, p99_ms, max_ms : float
        Time to a good answer; from the due time where there is a rate.
    generator_cpu : float
        The share of one core that the load generator used; near 1 it was the limit itself.
    generator_queue : float
        The share of the time that it was ready to run and something else had the core.
    generator_late_p50_ms, generator_late_p99_ms : float
        How late its own timer came, as a rule and at worst: what it may have added to latency.
    histogram, failed_histogram : Histogram
        Of good answers, and of everything else.
    """

    users: int
    rate: float | None
    seconds: float
    requests: int
    good: int
    shed: int
    failures: dict[str, int]
    unsent: int
    requests_per_s: float
    good_per_s: float
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    generator_cpu: float
    generator_queue: float
    generator_late_p50_ms: float
    generator_late_p99_ms: float
    histogram: Histogram = field(repr=False, compare=False)
    failed_histogram: Histogram = field(repr=False, compare=False)

    @classmethod
    def of(cls, records: np.ndarray, plan: Mapping[str, Any], summary: Mapping[str, Any]) -> Self:
        """Sum up the records of a step (:data:`capstone_lib.loadtest.records.RECORD`)."""
        seconds = float(plan["duration_s"])
        good = records["code"] == GOOD
        in_time = records["at_s"] <= seconds
        codes, counts = np.unique(records["code"][~good], return_counts=True)
        by_code = dict(zip(codes.tolist(), counts.tolist(), strict=True))
        times = Histogram.of(records["ms"][good])
        due = 0 if plan["rate"] is None else int(np.ceil(seconds * plan["rate"] - 1e-9))
        late = summary.get("late_ms") or [float("nan")]
        return cls(
            users=plan["users"],
            rate=plan["rate"],
            seconds=seconds,
            requests=len(records),
            good=int(good.sum()),
            shed=sum(count for code, count in by_code.items() if code in SHED),
            failures={words(c): count for c, count in by_code.items() if c not in SHED},
            unsent=max(0, due - len(records)),
            requests_per_s=int(in_time.sum()) / seconds,
            good_per_s=int((good & in_time).sum()) / seconds,
            mean_ms=times.mean_ms,
            p50_ms=times.percentile(50),
            p90_ms=times.percentile(90),
            p95_ms=times.percentile(95),
            p99_ms=times.percentile(99),
            max_ms=times.max_ms,
            generator_cpu=float(summary.get("generator_cpu", float("nan"))),
            generator_queue=float(summary.get("generator_queue", 0.0)),
            generator_late_p50_ms=float(np.percentile(late, 50)),
            generator_late_p99_ms=float(np.percentile(late, 99)),
            histogram=times,
            failed_histogram=Histogram.of(records["ms"][~good]),
        )

    @property
    def load(self) -> float:
        """Users; or requests due a second, where there was a rate."""
        return self.users if self.rate is None else self.rate

    @property
    def load_words(self) -> str:
        """The load, for people."""
        if self.rate is not None:
            return f"{self.rate:,g} requests/s"
        return f"{self.users:,} user{'' if self.users == 1 else 's'}"

    @property
    def failed(self) -> int:
        """Requests that failed, sheds not counted."""
        return sum(self.failures.values())

    @property
    def error_rate(self) -> float:
        """The share of requests, sent or due, without a good answer: sheds count too."""
        asked = self.requests + self.unsent
        return (asked - self.good) / asked if asked else float("nan")

    @property
    def generator_busy(self) -> float:
        """The share of the time in which the load generator had something to do."""
        return self.generator_cpu + self.generator_queue

    def to_dict(self) -> dict[str, Any]:
        """The figures, without the histograms; NaN becomes ``None``, as JSON wants it."""
        figures = {
            name: None if isinstance(value, float) and value != value else value
            for name, value in asdict(self).items()
            if not name.endswith("histogram")
        }
        rate = self.error_rate
        return {**figures, "failed": self.failed, "error_rate": None if rate != rate else rate}


def ms_words(value: float) -> str:
    """Milliseconds for people, a dash for none.

    Examples
    --------
    >>> ms_words(0.12345), ms_words(1066.0), ms_words(float("nan"))
    ('0.123', '1,066', '–')
    """
    if value != value:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
