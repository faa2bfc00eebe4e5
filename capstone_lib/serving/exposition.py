"""The endpoint's counts in the text form that Prometheus reads."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)

from capstone_lib.serving.metrics import (
    AGE_BUCKETS_S,
    LATENCY_BUCKETS_S,
    SCORE_BUCKETS,
    Counts,
    Gauges,
    Spread,
)
from capstone_lib.store.rollout import Rollout

__all__ = ["write"]

Models = Iterable[tuple[str, str, str, str]]


_FURTHER = {
    "replicas_wanted": "Processes that somebody has asked for; read by an autoscaler.",
    "hybrid_ids": "Ids whose nightly scores are at hand in one process.",
}


def write(
    counts: Counts,
    gauges: Gauges,
    *,
    models: Models,
    rollout: Rollout,
    further: Mapping[str, int | None],
) -> bytes:
    """Write all figures; see :meth:`capstone_lib.serving.metrics.Metrics.expose`."""
    families = list(_families(counts, gauges, models, rollout))
    if further["hybrid_ids"] is not None:
        families += _hybrid(counts)
    families += [
        GaugeMetricFamily(f"capstone_{name}", _FURTHER[name], value=float(value))
        for name, value in further.items()
        if value is not None
    ]
    registry = CollectorRegistry()
    registry.register(_Ready(families))
    return bytes(generate_latest(registry))


class _Ready:
    """Families that are ready, in the shape that Prometheus' registry takes."""

    def __init__(self, families: list[Any]) -> None:
        self._families = families

    def collect(self) -> list[Any]:
        return self._families


def _families(counts: Counts, gauges: Gauges, models: Models, rollout: Rollout) -> Iterator[Any]:
    yield _counter("requests", "Requests by path and status.", ["path", "status"], counts.requests)
    yield _counter(
        "answers", "Rows scored by route and model.", ["route", "model", "version"], counts.answers
    )
    yield _counter("reviews", "Rows handed to a person.", ["route"], _single(counts.reviews))
    yield _counter("shed", "Requests turned away unread.", ["reason"], _single(counts.shed))
    yield _histogram(
        "latency_seconds", "From first byte to answer.", counts.latency, LATENCY_BUCKETS_S
    )
    yield _histogram("score", "The scores that were given.", counts.score, SCORE_BUCKETS)
    for name, text, value in (
        ("in_flight", "Requests accepted and not answered yet.", gauges.in_flight),
        (
            "log_waiting",
            "Answers not in the store yet: what a killed process would lose.",
            gauges.log_waiting,
        ),
        ("rollout_canary_share", "Share of cases that ask the canary.", rollout.effective_share),
        ("rollout_paused", "1 while the rollout is paused.", int(rollout.paused)),
        ("rollout_degraded", "1 while the degraded model answers.", rollout.route == "degraded"),
    ):
        yield GaugeMetricFamily(f"capstone_{name}", text, value=float(value))
    yield CounterMetricFamily(
        "capstone_log_written", "Answers written to the store.", value=gauges.log_written
    )
    info = InfoMetricFamily("capstone_model", "The models at work.", labels=["route"])
    for route, name, version, sha256 in models:
        info.add_metric([route], {"name": name, "version": version, "sha256": sha256})
    yield info


def _hybrid(counts: Counts) -> Iterator[Any]:
    yield CounterMetricFamily(
        "capstone_hybrid_hits", "Nightly scores that were passed on.", value=counts.hits
    )
    yield _counter(
        "hybrid_misses", "Rows computed live, by why.", ["reason"], _single(counts.misses)
    )
    ages = "Age of nightly scores that were passed on."
    yield _histogram("hybrid_age_seconds", ages, counts.age, AGE_BUCKETS_S)


def _counter(name: str, text: str, labels: list[str], values: Any) -> Any:
    family = CounterMetricFamily(f"capstone_{name}", text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(list(key), value)
    return family


def _histogram(name: str, text: str, spreads: dict[str, Spread], bounds: Sequence[float]) -> Any:
    family = HistogramMetricFamily(f"capstone_{name}", text, labels=["route"])
    ends = [*map(str, bounds), "+Inf"]
    for route, spread in sorted(spreads.items()):
        sums = accumulate(spread.buckets)
        family.add_metric([route], list(zip(ends, sums, strict=True)), sum_value=spread.total)
    return family


def _single(counter: Counter[str]) -> dict[tuple[str], int]:
    return {(key,): value for key, value in counter.items()}
