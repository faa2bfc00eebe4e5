"""What an endpoint counts, for Prometheus and for a notebook.

Counting costs next to nothing: plain numbers, brought into Prometheus' form only when somebody
asks. Several worker processes share a folder in which each leaves its counts once a second, so
that whichever is asked answers for all.
"""

import contextlib
import json
import os
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "AGE_BUCKETS_S",
    "LATENCY_BUCKETS_S",
    "SCORE_BUCKETS",
    "Counts",
    "Gauges",
    "Latency",
    "Metrics",
    "Spread",
    "bury",
]

LATENCY_BUCKETS_S = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    10.0,
)  # fmt: skip
AGE_BUCKETS_S = tuple(hours * 3600 for hours in (1, 3, 6, 12, 18, 24, 36, 48, 72, 168, 720))
SCORE_BUCKETS = tuple(k / 10 for k in range(1, 11))
WINDOW = 100_000
_SEP = "\t"


@dataclass
class Spread:
    """A histogram: how many fell into each bucket, and their sum."""

    buckets: list[int]
    total: float = 0.0

    def add(self, values: Sequence[float], bounds: Sequence[float]) -> None:
        """Count values; a value equal to a bucket's upper end belongs to it."""
        for value in values:
            self.buckets[bisect_left(bounds, value)] += 1
        self.total += sum(values)

    def merge(self, other: "Spread") -> None:
        """Add another's counts."""
        self.buckets = [a + b for a, b in zip(self.buckets, other.buckets, strict=True)]
        self.total += other.total


@dataclass
class Counts:
    """All that only ever grows. Addition merges the counts of several processes."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)  # path, status
    answers: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # route, model, version
    reviews: Counter[str] = field(default_factory=Counter)  # route
    shed: Counter[str] = field(default_factory=Counter)  # reason
    misses: Counter[str] = field(default_factory=Counter)  # why no nightly score was passed on
    latency: dict[str, Spread] = field(default_factory=dict)  # route, seconds
    score: dict[str, Spread] = field(default_factory=dict)  # route
    age: dict[str, Spread] = field(default_factory=dict)  # route, seconds, of nightly scores

    @property
    def hits(self) -> int:
        """Nightly scores that were passed on."""
        return sum(sum(spread.buckets) for spread in self.age.values())

    def merge(self, other: "Counts") -> None:
        """Add another process's counts."""
        for name in ("requests", "answers", "reviews", "shed", "misses"):
            getattr(self, name).update(getattr(other, name))
        for name in ("latency", "score", "age"):
            mine = getattr(self, name)
            for route, spread in getattr(other, name).items():
                mine.setdefault(route, Spread([0] * len(spread.buckets))).merge(spread)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "requests": {_SEP.join(key): n for key, n in self.requests.items()},
            "answers": {_SEP.join(key): n for key, n in self.answers.items()},
            "reviews": dict(self.reviews),
            "shed": dict(self.shed),
            "misses": dict(self.misses),
            **{
                name: {route: vars(spread) for route, spread in getattr(self, name).items()}
                for name in ("latency", "score", "age")
            },
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Counts":
        """Read what :meth:`to_dict` wrote."""
        requests = {(path, status): n for (path, status), n in _split(data["requests"])}
        answers = {(r, model, version): n for (r, model, version), n in _split(data["answers"])}
        return cls(
            Counter(requests),
            Counter(answers),
            Counter(data["reviews"]),
            Counter(data["shed"]),
            Counter(data["misses"]),
            *(
                {route: Spread(**spread) for route, spread in data[name].items()}
                for name in ("latency", "score", "age")
            ),
        )


@dataclass(frozen=True)
class Gauges:
    """All that goes up and down, of one process."""

    in_flight: int = 0
    log_waiting: int = 0
    log_written: int = 0


@dataclass(frozen=True)
class Latency:
    """Percentiles over the last answers of one process.

    Attributes
    ----------
    n : int
        Answers in the window; without any, the percentiles are NaN.
    mean_ms, p50_ms, p90_ms, p95_ms, p99_ms, max_ms : float
        From the first byte of the request to the answer, in milliseconds.
    """

    n: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency":
        """Summarise latencies given in seconds."""
        if not seconds:
            nan = float("nan")
            return cls(0, nan, nan, nan, nan, nan, nan)
        values = np.array(seconds) * 1000
        p50, p90, p95, p99 = np.percentile(values, [50, 90, 95, 99]).tolist()
        return cls(len(values), float(values.mean()), p50, p90, p95, p99, float(values.max()))


class Metrics:
    """The counts of this process, and of its fellows.

    Parameters
    ----------
    folder : pathlib.Path, optional
        Where the workers of one endpoint leave their counts for one another.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.counts = Counts()
        self._folder = folder
        self._recent: deque[tuple[float, float]] = deque(maxlen=WINDOW)

    def request(self, path: str, status: int) -> None:
        """Count one request by what became of it."""
        self.counts.requests[path, str(status)] += 1

    def shed(self, reason: str) -> None:
        """Count one request that was turned away unread."""
        self.counts.shed[reason] += 1

    def answered(
        self,
        route: str,
        model: str,
        version: str,
        *,
        seconds: Sequence[float],
        scores: Sequence[float],
        reviews: int,
    ) -> None:
        """Count answers of one model."""
        counts = self.counts
        counts.answers[route, model, version] += len(scores)
        counts.reviews[route] += reviews
        spread = counts.latency.get(route)
        if spread is None:
            spread = counts.latency[route] = Spread([0] * (len(LATENCY_BUCKETS_S) + 1))
            counts.score[route] = Spread([0] * (len(SCORE_BUCKETS) + 1))
        spread.add(seconds, LATENCY_BUCKETS_S)
        counts.score[route].add(scores, SCORE_BUCKETS)
        now = time.monotonic()
        self._recent.extend([(now, one) for one in seconds])

    def looked_up(self, found: Iterable[tuple[Any, str | None]]) -> None:
        """Count rows by the nightly score that was passed on, or why none was."""
        counts = self.counts
        ages = []
        for hit, miss in found:
            if hit is None:
                counts.misses[miss or "unknown"] += 1
            else:
                ages.append(hit.age_s)
        if ages:
            empty = Spread([0] * (len(AGE_BUCKETS_S) + 1))
            counts.age.setdefault("batch", empty).add(ages, AGE_BUCKETS_S)

    def latency(self, window_s: float = 60.0) -> Latency:
        """Percentiles of this process over the last seconds (at most 100,000 answers)."""
        since = time.monotonic() - window_s
        recent = []
        for moment, seconds in reversed(self._recent):
            if moment < since:
                break
            recent.append(seconds)
        return Latency.of(recent)

    def share(self, gauges: Gauges) -> None:
        """Leave this process's counts where its fellows find them."""
        if self._folder is None:
            return
        path = self._folder / f"{os.getpid()}.json"
        _replace(path, {"counts": self.counts.to_dict(), "gauges": vars(gauges)})

    def expose(
        self,
        gauges: Gauges,
        *,
        models: Iterable[tuple[str, str, str, str]],
        rollout: Any,
        replicas_wanted: int | None = None,
        n_nightly: int | None = None,
    ) -> bytes:
        """All figures in Prometheus' text form.

        Parameters
        ----------
        gauges : Gauges
            Of this process.
        models : iterable of (route, name, version, sha256)
            The models at work.
        rollout : Rollout
            How they share the traffic.
        replicas_wanted : int, optional
            How many processes somebody has asked for.
        n_nightly : int, optional
            Ids whose nightly scores are at hand; None: none is passed on here.
        """
        from capstone_lib.serving.exposition import write

        counts, total = self.together(gauges)
        further = {"replicas_wanted": replicas_wanted, "hybrid_ids": n_nightly}
        return write(counts, total, models=models, rollout=rollout, further=further)

    def together(self, gauges: Gauges) -> tuple[Counts, Gauges]:
        """Add what the fellow workers left to the figures of this process."""
        counts = Counts()
        counts.merge(self.counts)
        total = [gauges.in_flight, gauges.log_waiting, gauges.log_written]
        for path in self._folder.glob("*.json") if self._folder else ():
            if path.stem == str(os.getpid()):
                continue
            with contextlib.suppress(OSError, ValueError):  # it is just being replaced
                left = json.loads(path.read_text())
                counts.merge(Counts.from_dict(left["counts"]))
                total = [a + b for a, b in zip(total, left["gauges"].values(), strict=True)]
        return counts, Gauges(*total)


def bury(folder: Path, pid: int) -> None:
    """Keep what a process that died has counted, but not what went up and down in it."""
    path = folder / f"{pid}.json"
    with contextlib.suppress(FileNotFoundError):  # it died before it had counted anything
        left = json.loads(path.read_text())
        gauges = Gauges(log_written=left["gauges"]["log_written"])
        _replace(path, {**left, "gauges": vars(gauges)})


def _replace(path: Path, left: dict[str, Any]) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(left))
    new.replace(path)


def _split(data: dict[str, int]) -> Iterator[tuple[list[str], int]]:
    return ((key.split(_SEP), value) for key, value in data.items())
