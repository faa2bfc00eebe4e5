"""Rates and their intervals against a closed form, scipy and the papers' own examples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from capstone_lib.monitoring.rates import (
    RATES,
    newcombe,
    normal_quantile,
    one_vs_rest,
    rate_of,
    wilson,
)

PEOPLE = st.integers(0, 400)


@given(
    st.lists(st.tuples(PEOPLE, PEOPLE), min_size=1, max_size=5), st.sampled_from([0.5, 0.9, 0.99])
)
def test_wilson_is_scipys(pairs, level):
    part = np.array([a for a, _ in pairs])
    whole = part + np.array([b for _, b in pairs])
    low, high = wilson(part, whole, level=level)
    for k, n in enumerate(whole):
        if n == 0:
            assert np.isnan([low[k], high[k]]).all()
            continue
        want = binomtest(int(part[k]), int(n)).proportion_ci(level, method="wilson")
        assert (low[k], high[k]) == pytest.approx((want.low, want.high), abs=1e-12)
        assert low[k] <= part[k] / n <= high[k]


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [  # Newcombe 1998, table II, method 10
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0000),
    ],
)
def test_newcombe_gives_the_papers_examples(counts, low, high):
    assert newcombe(*counts, level=0.95) == pytest.approx((low, high), abs=5e-5)


@given(PEOPLE, PEOPLE, PEOPLE, PEOPLE)
def test_newcombe_turned_round_is_its_own_mirror(a, b, c, d):
    low, high = newcombe(a, a + b, c, c + d, level=0.95)
    back = newcombe(c, c + d, a, a + b, level=0.95)
    np.testing.assert_allclose((low, high), (-back[1], -back[0]), atol=1e-12)


def test_normal_quantile_is_scipys():
    assert normal_quantile(0.99) == pytest.approx(norm.ppf(0.995), abs=1e-12)


def test_a_rate_without_a_denominator_is_not_defined():
    table = np.array([[[0, 0], [3, 1]]])  # nobody is negative
    assert np.isnan(rate_of(RATES["false_positive_rate"], table)[0])
    assert rate_of(RATES["true_positive_rate"], table)[0] == 0.25


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30))
def test_one_class_against_the_rest_is_a_loop_over_people(people):
    confusion = np.zeros((1, 3, 3), dtype=int)
    for truth, decided in people:
        confusion[0, truth, decided] += 1
    for place in range(3):
        want = np.zeros((2, 2), dtype=int)
        for truth, decided in people:
            want[int(truth == place), int(decided == place)] += 1
        assert one_vs_rest(confusion, place)[0].tolist() == want.tolist()
