"""The result of a load test."""

import zlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capstone_lib.loadtest import sla as promises
from capstone_lib.loadtest.histogram import Histogram
from capstone_lib.loadtest.limits import Limit, fastest, find_limit, knee
from capstone_lib.loadtest.sla import SlaVerdict
from capstone_lib.loadtest.step import LoadStep

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from capstone_lib.store.measurement import Measurement

__all__ = ["LoadTest"]

_CROWDED = 0.1
_ENOUGH = 1_000


@dataclass(frozen=True)
class LoadTest:
    """What an endpoint bore.

    Figures of the whole test, such as ``p99_ms``, put all steps together; for a ramp look at the
    steps.

    Attributes
    ----------
    url : str
        What was asked.
    steps : tuple of LoadStep
        In the order in which they were made.
    seed : int
        What drew the rows.
    duration_s : float
        How long each step lasted.
    bare : LoadStep or None
        The same users against a server that does nothing, where that was measured.
    packed_report : bytes
        Locust's own HTML report, compressed; see :meth:`save_report`.
    began_at, ended_at : str
        ISO time, UTC.
    """

    url: str
    steps: tuple[LoadStep, ...]
    seed: int
    duration_s: float
    bare: LoadStep | None = None
    packed_report: bytes = field(default=b"", repr=False, compare=False)
    began_at: str = ""
    ended_at: str = ""

    @cached_property
    def histogram(self) -> Histogram:
        """Of all good answers."""
        return Histogram.merged(step.histogram for step in self.steps)

    @property
    def requests(self) -> int:
        """All that were sent."""
        return sum(step.requests for step in self.steps)

    @property
    def good(self) -> int:
        """How many were answered with a prediction."""
        return sum(step.good for step in self.steps)

    @property
    def shed(self) -> int:
        """How many were refused with 429 or 503."""
        return sum(step.shed for step in self.steps)

    @property
    def failures(self) -> dict[str, int]:
        """Everything else that went wrong, by kind."""
        found: dict[str, int] = {}
        for step in self.steps:
            for kind, count in step.failures.items():
                found[kind] = found.get(kind, 0) + count
        return found

    @property
    def error_rate(self) -> float:
        """The share of requests, sent or due, without a good answer: sheds count too."""
        asked = self.requests + sum(step.unsent for step in self.steps)
        return (asked - self.good) / asked if asked else float("nan")

    @property
    def requests_per_s(self) -> float:
        """Answers a second, over all steps."""
        return sum(s.requests_per_s * s.seconds for s in self.steps) / self._seconds

    @property
    def good_per_s(self) -> float:
        """Good answers a second, over all steps."""
        return sum(s.good_per_s * s.seconds for s in self.steps) / self._seconds

    @property
    def mean_ms(self) -> float:
        """Mean time to a good answer; the mean hides the tail."""
        return self.histogram.mean_ms

    @property
    def p50_ms(self) -> float:
        """Half of the good answers came within this."""
        return self.histogram.percentile(50)

    @property
    def p90_ms(self) -> float:
        """Nine of ten good answers came within this."""
        return self.histogram.percentile(90)

    @property
    def p95_ms(self) -> float:
        """Nineteen of twenty good answers came within this."""
        return self.histogram.percentile(95)

    @property
    def p99_ms(self) -> float:
        """Ninety-nine of a hundred good answers came within this."""
        return self.histogram.percentile(99)

    @property
    def max_ms(self) -> float:
        """The slowest good answer."""
        return self.histogram.max_ms

    @property
    def knee(self) -> LoadStep | None:
        """The step after which more load mostly buys waiting (Kleinrock's power); or ``None``."""
        return knee(self.steps)

    @property
    def limited_by(self) -> Limit:
        """What set the limit: ``"server"``, ``"load generator"`` or ``"neither"``."""
        return find_limit(self.steps, self.bare)[0]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before the figures are believed, a sentence each."""
        limit, reason = find_limit(self.steps, self.bare)
        return (f"Limited by: {limit}; {reason}.", _resolution(self), *_warnings(self.steps))

    def sla(self, *, p99_ms: float | None = None, error_rate: float | None = None) -> SlaVerdict:
        """Hold every step against a promise.

        Parameters
        ----------
        p99_ms
            99 of 100 good answers come within this.
        error_rate
            At most this share of requests has no good answer; sheds and requests that were never
            sent count.

        Raises
        ------
        ValueError
            Nothing was promised, or something that cannot be.
        """
        return promises.judge(
            self.steps, p99_ms=p99_ms, error_rate=error_rate, limit=self.limited_by
        )

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON can say them."""
        return {
            "url": self.url,
            "seed": self.seed,
            "duration_s": self.duration_s,
            "began_at": self.began_at,
            "ended_at": self.ended_at,
            "steps": [step.to_dict() for step in self.steps],
            "knee": None if self.knee is None else self.steps.index(self.knee),
            "limited_by": self.limited_by,
            "notes": list(self.notes),
            "bare": None if self.bare is None else self.bare.to_dict(),
        }

    def measurements(self, *, level: float = 0.95, **about: Any) -> "list[Measurement]":
        """Each step's p50, p99, rate and error rate, for ``store.write_measurements``.

        ``about`` fills in whose they are: model, version, and ``feature="hybrid"`` for an endpoint
        that passes nightly scores on. The load in words is the ``group``.
        """
        from capstone_lib.loadtest.measured import measure_load

        return measure_load(self, level=level, **about)

    def save_report(self, path: str | Path) -> Path:
        """Write Locust's own HTML report to a file; its folder is made if need be."""
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(zlib.decompress(self.packed_report))
        return place

    def to_frame(self) -> "pd.DataFrame":
        """A row a step; failures as one column of counts by kind and one of their sum."""
        import pandas as pd

        return pd.DataFrame([step.to_dict() for step in self.steps])

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw latency and throughput against load, the knee marked; one step as a distribution."""
        from capstone_lib.loadtest.plots import draw_ramp, draw_times

        return draw_ramp(self, ax=ax) if len(self.steps) > 1 else draw_times(self.steps, ax=ax)

    def _repr_html_(self) -> str:
        from capstone_lib.loadtest.page import table

        return table(self)

    def __str__(self) -> str:
        from capstone_lib.loadtest.page import text

        return text(self)

    @property
    def _seconds(self) -> float:
        return sum(step.seconds for step in self.steps)


def _resolution(result: LoadTest) -> str:
    late = max(step.generator_late_p99_ms for step in result.steps)
    words = (
        "One client process on one core asked: its clock came up to "
        f"{late:.2g} ms late (99th percentile), which is in the figures above"
    )
    if result.bare is not None:
        words += (
            f"; of a server that does nothing it saw p50 {result.bare.p50_ms:.3g} ms, p99 "
            f"{result.bare.p99_ms:.3g} ms with {result.bare.load_words}"
        )
    if fastest(result.steps).rate is None:
        words += ". Users waited for their answers, so a stall hides what would have been asked"
    return words + "."


def _warnings(steps: tuple[LoadStep, ...]) -> list[str]:
    found = []
    crowded = max(step.generator_queue for step in steps)
    if crowded >= _CROWDED:
        found.append(
            f"Locust was ready to go on and had no core for {crowded:.0%} of the time: the server "
            "or something else on this machine had it, and some of the tail comes from there."
        )
    few = [step.good for step in steps if 0 < step.good < _ENOUGH]
    if few:
        tail = max(1, round(min(few) / 100))
        many = "only its slowest" if tail == 1 else f"its {tail} slowest"
        found.append(f"The p99 of {min(few):,} good answers rests on {many}: measure for longer.")
    return found
