"""Percentiles against NumPy's, on samples of many shapes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capstone_lib.loadtest import Histogram

TIMES = st.lists(st.floats(0.001, 1e5), min_size=1, max_size=300)
NEAR = 6e-4  # four significant digits


@given(TIMES, st.floats(0.01, 100))
def test_percentiles_are_numpys_by_nearest_rank(samples, percent):
    expected = np.percentile(samples, percent, method="inverted_cdf")
    assert Histogram.of(samples).percentile(percent) == pytest.approx(expected, rel=NEAR, abs=6e-4)


@pytest.mark.parametrize("percent", [50, 90, 95, 99, 99.9, 100])
def test_a_million_times_with_a_long_tail(percent):
    samples = np.random.default_rng(3).lognormal(0, 2, 1_000_000)
    found = Histogram.of(samples)
    assert found.total == len(samples)
    expected = np.percentile(samples, percent, method="inverted_cdf")
    assert found.percentile(percent) == pytest.approx(expected, rel=NEAR)
    assert (found.mean_ms, found.max_ms) == (pytest.approx(samples.mean()), samples.max())


@given(TIMES, TIMES)
def test_merging_is_the_same_as_counting_together(left, right):
    merged = Histogram.merged([Histogram.of(left), Histogram.of([]), Histogram.of(right)])
    together = Histogram.of([*left, *right])
    np.testing.assert_array_equal(merged.values_ms, together.values_ms)
    np.testing.assert_array_equal(merged.counts, together.counts)
    assert merged.max_ms == together.max_ms
    assert merged.mean_ms == pytest.approx(together.mean_ms)


def test_times_below_a_millisecond_are_told_apart():
    found = Histogram.of([0.12, 0.121, 0.31])
    assert found.values_ms.tolist() == [0.12, 0.121, 0.31]


def test_no_samples_have_no_percentile():
    nothing = Histogram.of([])
    assert nothing.total == 0
    for figure in (
        nothing.percentile(99),
        nothing.mean_ms,
        nothing.max_ms,
        nothing.share_within(1),
    ):
        assert np.isnan(figure)
    assert Histogram.merged([nothing]).total == 0


def test_the_share_within_a_limit():
    assert Histogram.of([1, 2, 3, 4]).share_within(2) == 0.5


@pytest.mark.parametrize("percent", [0, -1, 101, float("nan")])
def test_a_percentile_out_of_range_is_an_error(percent):
    with pytest.raises(ValueError, match="above 0 and up to 100"):
        Histogram.of([1]).percentile(percent)
