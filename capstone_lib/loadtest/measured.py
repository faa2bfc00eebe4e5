"""A load test as measurements, so that a store can keep it and a later question can find it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from capstone_lib.store.measurement import Measurement, within

if TYPE_CHECKING:
    from capstone_lib.loadtest.histogram import Histogram
    from capstone_lib.loadtest.result import LoadTest
    from capstone_lib.loadtest.step import LoadStep

__all__ = ["measure_load"]


def measure_load(result: "LoadTest", *, level: float = 0.95, **about: Any) -> list[Measurement]:
    """Four measurements a step: p50, p99, good answers a second, and the share without one.

    Parameters
    ----------
    result : LoadTest
    level : float, default 0.95
        Of the intervals of percentiles and of the share; a rate has none.
    **about
        Whose they are: model, version, feature.

    Returns
    -------
    list of Measurement
        The load in words stands in ``group``, the test's time in the window.
    """
    window = {"window_start": result.began_at, "window_end": result.ended_at, "traffic": "live"}
    words = [step.load_words for step in result.steps]
    found: list[Measurement] = []
    for place, step in enumerate(result.steps):
        again = f", step {place + 1}" if words.count(words[place]) > 1 else ""
        note = (
            f"{step.seconds:g} s of load from this machine; limited by: {result.limited_by}; "
            f"the generator came up to {step.generator_late_p99_ms:.2g} ms late"
        )
        found += within(_of_step(step, level), group=words[place] + again, note=note)
    return within(found, **window, **about)


def _of_step(step: "LoadStep", level: float) -> Iterator[Measurement]:
    from capstone_lib.monitoring.rates import share_of

    for percent in (50, 99):
        low, high = _between(step.histogram, percent / 100, level)
        value = step.histogram.percentile(percent)
        yield Measurement(f"load_test_p{percent}", value, low, high, n=step.good, unit="ms")
    yield Measurement("load_test_rate", step.good_per_s, n=step.good, unit="answers/s")
    asked = step.requests + step.unsent
    bad = share_of(asked - step.good, asked, level=level)
    yield Measurement(
        "load_test_error_rate", bad.value, bad.low, bad.high, n=asked, unit="share"
    )  # fmt: skip


def _between(times: "Histogram", share: float, level: float) -> tuple[float, float]:
    """The ends of a percentile's interval; NaN where so few answers do not bound it."""
    from capstone_lib.monitoring.operations import percentile_ranks

    n = times.total
    ranks = percentile_ranks(n, share, level=level) if n else (0, 1)
    low, high = (
        times.percentile(100 * rank / n) if 1 <= rank <= n else float("nan") for rank in ranks
    )
    return low, high
