"""From what a store knows of one model to the figures of the table.

A figure that cannot be had is there all the same, and says how to measure it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.decide.asking import HYBRID, LIVE, Asked, Questions, load_words
from capstone_lib.decide.cost import Prices, Speed, Volume, monthly_costs
from capstone_lib.decide.figure import Figure, Source, not_measured
from capstone_lib.monitoring.operations import measure_latency
from capstone_lib.monitoring.rates import share_of

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.loadtest import LoadTest

__all__ = ["Measured", "Promise"]

_DAY_S = 86_400
_BATCH = "score a batch into this store: cap.score_batch(..., store=store)"
_LIVE = "ask an endpoint that logs here: cap.serve(..., store=store)"
_HYBRID = "ask an endpoint that passes nightly scores on: cap.serve(..., store=store, hybrid='36h')"
_LOAD = (
    "keep a load test: store.write_measurements(test.measurements(model=artifact.name, "
    "version=artifact.version{}))"
)
_REVIEW = "let people decide cases: cap.ReviewQueue(store)"
_COST = "give volume=Volume(...): how much there is to do is yours to say"

Figures = dict[tuple[str, str], list[Figure]]


@dataclass(frozen=True)
class Promise:
    """What an endpoint has to keep under load, and on how many cores.

    Attributes
    ----------
    p99_ms : float
        99 of 100 good answers come within this.
    error_rate : float
        At most this share of requests has no good answer.
    cores : int
        Of the endpoint that was loaded: one for each of its processes.
    """

    p99_ms: float = 100.0
    error_rate: float = 0.01
    cores: int = 1


class Measured:
    """All figures of one model.

    Parameters
    ----------
    ask : Questions
    desk : Questions
        The same, of the store in which reviewers decided.
    load_tests : mapping of str to LoadTest
        Of ``"real time"`` and ``"hybrid"``, beside those that the store has.
    promise : Promise
    prices : Prices
    volume : Volume or None
        Without it nothing is said of costs.
    """

    def __init__(
        self,
        ask: Questions,
        *,
        desk: Questions,
        load_tests: "Mapping[str, LoadTest]",
        promise: Promise,
        prices: Prices,
        volume: Volume | None,
    ) -> None:
        self._ask, self._reviews, self._given = ask, desk, load_tests
        self._promise = promise
        self._prices, self._volume = prices, volume
        self._ended = ask.runs()
        self._live, self._hybrid = ask.requests(LIVE), ask.requests(HYBRID)

    def figures(self) -> Figures:
        """By row and column of the table."""
        passed_on, computed = self._hybrid_parts
        return {
            ("latency", "batch"): [self._run_time, self._gap],
            ("latency", "real time"): [
                *_times(self._live, (50, 99), how=_LIVE),
                self._load_figure("real time", "p99", "under load, 99 of 100 within"),
            ],
            ("latency", "hybrid"): [
                *_times(passed_on, (50,), what="passed on, ", how=_HYBRID),
                *_times(computed, (50,), what="computed, ", how=_HYBRID),
                *_times(self._hybrid, (99,), how=_HYBRID),
            ],
            ("throughput", "batch"): [self.batch_rate],
            ("throughput", "real time"): [self.live_rate],
            ("throughput", "hybrid"): [
                self._load_figure("hybrid", "rate", "answers within the promise"),
                self.hit_rate,
            ],
            ("monitoring needs", "batch"): [self._succeeded, self._rejected],
            ("monitoring needs", "real time"): [
                self._load_figure("real time", "error_rate", "under load, without an answer")
            ],
            ("monitoring needs", "hybrid"): [*self._ages, self._stale],
            ("human in the loop", "batch"): [self._batch_reviews, *self._desk],
            ("human in the loop", "real time"): [_reviewed(self._live, _LIVE), *self._desk],
            ("human in the loop", "hybrid"): [_reviewed(self._hybrid, _HYBRID), *self._desk],
            **self._costs,
        }

    @property
    def speed(self) -> Speed | None:
        """What costs need; None if it was not measured."""
        batch, live, hits = self.batch_rate, self.live_rate, self.hit_rate
        if not (batch.is_known and live.is_known):
            return None
        rate = live.value / self._promise.cores
        return Speed(batch.value, rate, hit_rate=hits.value if hits.is_known else 0.0)

    # ------------------------------------------------------------------ batch

    @cached_property
    def _done(self) -> Asked:
        rows = self._ended.rows
        return replace(self._ended, rows=rows[rows["status"].isin(["published", "superseded"])])

    @property
    def _run_time(self) -> Figure:
        return _median("a run takes", self._done.rows["seconds"], "s", self._done, how=_BATCH)

    @property
    def _gap(self) -> Figure:
        days = np.unique(self._done.rows["as_of"].to_numpy(dtype="datetime64[D]"))
        gaps = np.diff(days).astype(int)
        how = "score the batches of two days"
        note = "so old may a score be before the next one comes"
        return (
            replace(_median("days between two runs", gaps, "days", self._done, how=how), note=note)
            if len(gaps)
            else not_measured("days between two runs", how)
        )

    @cached_property
    def batch_rate(self) -> Figure:
        """Rows a second of a whole run."""
        rows = self._done.rows
        read = rows["rows"] + rows["rejected"]
        rates = read / rows["seconds"]
        found = _median("read, scored and written", rates, "rows/s", self._done, how=_BATCH)
        note = f"runs of {read.median():,.0f} rows; a small one takes most of its time to begin"
        return replace(found, note=note) if found.is_known else found

    @property
    def _succeeded(self) -> Figure:
        n_done, n = len(self._done), len(self._ended)
        return _share("runs that succeeded", n_done, n, self._ended.source, how=_BATCH)

    @property
    def _rejected(self) -> Figure:
        rows = self._done.rows
        rejected = int(rows["rejected"].sum())
        read = int(rows["rows"].sum()) + rejected
        return _share("rows rejected", rejected, read, self._done.source, how=_BATCH)

    @cached_property
    def _batch_reviews(self) -> Figure:
        found = self._ask.reviewed_by_run()
        reviewed, n = (int(found.rows[name].sum()) for name in ("reviewed", "predictions"))
        return _share("handed to a person", reviewed, n, found.source, how=_BATCH)

    # ------------------------------------------------------------------ live

    @cached_property
    def live_rate(self) -> Figure:
        """The highest rate of good answers at which the promise was kept."""
        return self._load_figure("real time", "rate", "answers within the promise")

    def _load_figure(self, column: str, what: str, name: str) -> Figure:
        how = _LOAD.format("" if column == "real time" else ", feature='hybrid'")
        steps = self._steps[column]
        if not steps:
            return not_measured(name, how)
        kept = [step for step in steps if self._keeps(step)]
        if not kept:
            broken = f"no load kept the promise of {self._promise.p99_ms:g} ms: try a smaller one"
            return not_measured(name, broken)
        best = max(kept, key=lambda step: step["rate"]["value"])
        row = best[what]
        return Figure(
            name, row["value"], row["unit"], row["low"], row["high"], row["n"],
            best["source"], note=f"{row['group']}; {row['note']}",
        )  # fmt: skip

    def _keeps(self, step: Mapping[str, Any]) -> bool:
        kept = step["p99"]["value"] <= self._promise.p99_ms
        return bool(kept and step["error_rate"]["value"] <= self._promise.error_rate)

    @cached_property
    def _steps(self) -> dict[str, list[dict[str, Any]]]:
        """Steps of load tests by column: their measurements by name, and their source."""
        features = {"real time": "", "hybrid": "hybrid"}
        kept = self._ask.load_steps()
        found: dict[str, list[dict[str, Any]]] = {}
        for column, feature in features.items():
            found[column] = _by_step(kept[kept["feature"] == feature], self._ask.load_source)
            given = self._given.get(column)
            found[column] += [] if given is None else _by_step(_frame(given), _unkept)
        return found

    # ------------------------------------------------------------------ hybrid

    @cached_property
    def _hybrid_parts(self) -> tuple[Asked, Asked]:
        rows = self._hybrid.rows
        passed_on = rows["route"] == "batch"
        return (
            replace(self._hybrid, rows=rows[passed_on]),
            replace(self._hybrid, rows=rows[~passed_on]),
        )

    @cached_property
    def hit_rate(self) -> Figure:
        """The share of questions that a nightly score answered."""
        hits, n = len(self._hybrid_parts[0]), len(self._hybrid)
        return _share("answered by a nightly score", hits, n, self._hybrid.source, how=_HYBRID)

    @property
    def _ages(self) -> list[Figure]:
        rows = self._hybrid_parts[0].rows
        days = rows["as_of"].to_numpy(dtype="datetime64[s]").astype(float)
        hours = (rows["received_at"].to_numpy(dtype=float) - days) / 3_600
        return _percentiles(
            hours, (50, 99), "h", self._hybrid.source, what="age of those, ", how=_HYBRID
        )

    @property
    def _stale(self) -> Figure:
        stale = int((self._hybrid.rows["miss"] == "stale").sum())
        n, source = len(self._hybrid), self._hybrid.source
        return _share("too old to be passed on", stale, n, source, how=_HYBRID)

    # ------------------------------------------------------------------ people and money

    @cached_property
    def _desk(self) -> list[Figure]:
        found = self._reviews.reviews(named=self._reviews is not self._ask)
        overruled = int((found.rows["verdict"] == "override").sum())
        return [
            _median("a case takes", found.rows["seconds"].dropna(), "s", found, how=_REVIEW),
            _share("overridden", overruled, len(found), found.source, how=_REVIEW),
        ]

    @property
    def _costs(self) -> Figures:
        columns, name = ("batch", "real time", "hybrid"), "machines, a month"
        speed = self.speed
        if self._volume is None or speed is None:
            how = _COST if self._volume is None else "measure the throughputs above first"
            return {("cost model", column): [not_measured(name, how)] for column in columns}
        costs = monthly_costs(speed, self._volume, self._prices).to_dict()
        rates = [self.batch_rate, self.live_rate, self.hit_rate]
        parts = tuple(one.source for one in rates if one.source is not None)
        words = (
            "computed by monthly_costs from the throughputs of this table, assumed "
            f"{_assumed(self._volume)}, {_assumed(self._prices)}"
        )
        source = Source("computed", words, parts=parts)
        return {
            ("cost model", column): [Figure(name, costs[column], source=source)]
            for column in columns
        }


def _assumed(about: Volume | Prices) -> str:
    return ", ".join(f"{name} = {value:,}" for name, value in vars(about).items())


def _times(found: Asked, percents: Sequence[float], *, what: str = "", how: str) -> list[Figure]:
    values = found.rows["latency_ms"].to_numpy(dtype=float)
    return _percentiles(values, percents, "ms", found.source, what=what, how=how)


def _percentiles(
    values: Any, percents: Sequence[float], unit: str, source: Source | None, *, what: str, how: str
) -> list[Figure]:
    names = {50: "half within", 99: "99 of 100 within"}
    if not len(values):
        return [not_measured(what + names[int(one)], how) for one in percents]
    found = measure_latency(values, percentiles=percents)  # of any times: they need not be in ms
    return [
        Figure(what + names[int(one.percent)], one.value, unit, one.low, one.high, found.n, source)
        for one in found.percentiles
    ]


def _median(name: str, values: Any, unit: str, found: Asked, *, how: str) -> Figure:
    if not len(values):
        return not_measured(name, how)
    middle = measure_latency(np.asarray(values, dtype=float), percentiles=(50,))[50]
    return Figure(name, middle.value, unit, middle.low, middle.high, len(values), found.source)


def _share(name: str, part: int, whole: int, source: Source | None, *, how: str) -> Figure:
    if not whole:
        return not_measured(name, how)
    one = share_of(part, whole)
    return Figure(name, one.value, "share", one.low, one.high, one.n, source)


def _reviewed(found: Asked, how: str) -> Figure:
    reviewed = int(found.rows["review"].sum())
    return _share("handed to a person", reviewed, len(found), found.source, how=how)


def _by_step(rows: "pd.DataFrame", source_of: Any) -> list[dict[str, Any]]:
    found = []
    for _, some in rows.groupby(["window_start", "group"]):
        by_name = {
            row["name"].removeprefix("load_test_"): {k: _plain(v) for k, v in row.items()}
            for row in some.to_dict("records")
        }
        if {"p99", "rate", "error_rate"} <= set(by_name):
            found.append({**by_name, "source": source_of(by_name["rate"])})
    return found


def _frame(test: "LoadTest") -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame([vars(one) for one in test.measurements()])


def _unkept(step: Mapping[str, Any]) -> Source:
    return Source("load test", f"{load_words(step)}, which no store keeps")


def _plain(value: Any) -> Any:
    return math.nan if value is None else value
