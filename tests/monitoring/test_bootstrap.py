"""Intervals of gaps hold the truth as often as they say; lower bounds stay at 0 without a gap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom

from capstone_lib.monitoring.bootstrap import (
    lower_bound,
    lower_bound_of_means,
    range_interval,
    replicate,
    spread_of,
)
from capstone_lib.monitoring.fairness import audit_fairness
from capstone_lib.monitoring.gaps import compare_rates, gap_of
from capstone_lib.monitoring.rates import RATES, newcombe, rate_of, wilson

FPR = RATES["false_positive_rate"]


def tables_of(selected, n):
    """Groups of people who are all negative: so many selected of so many."""
    tables = np.zeros((len(selected), 2, 2), dtype=np.int64)
    tables[:, 0, 1] = selected
    tables[:, 0, 0] = n - np.asarray(selected)
    return tables


def test_replicates_are_seeded_and_spread_as_jeffreys_posterior_says():
    tables = np.array([[[27, 3], [40, 60]]])
    first, again, other = (replicate(tables, n_boot=20_000, seed=s) for s in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    for name, part, whole in (("false_positive_rate", 3, 30), ("true_positive_rate", 60, 100)):
        drawn = rate_of(RATES[name], first)[0]
        want = beta(part + 0.5, whole - part + 0.5).ppf([0.025, 0.5, 0.975])
        assert np.quantile(drawn, [0.025, 0.5, 0.975]) == pytest.approx(want, abs=0.006)


@given(st.lists(st.lists(st.floats(0, 1), min_size=5, max_size=5), min_size=2, max_size=6))
def test_the_spread_is_that_of_a_loop_over_pairs(values):
    values = np.array(values) + 1e-3 * np.arange(5)
    spread = spread_of(values)
    middle, off = values.mean(axis=1), values - values.mean(axis=1)[:, None]
    pairs = [(i, j) for i in range(len(values)) for j in range(i + 1, len(values))]
    apart = [abs(middle[i] - middle[j]) for i, j in pairs]
    error = [np.sqrt((off[i] ** 2).mean() + (off[j] ** 2).mean()) for i, j in pairs]
    strayed = [
        max(abs(off[i, b] - off[j, b]) / e for (i, j), e in zip(pairs, error, strict=True))
        for b in range(5)
    ]
    np.testing.assert_allclose(spread.apart, apart, atol=1e-12)
    np.testing.assert_allclose(spread.error, error, atol=1e-12)
    np.testing.assert_allclose(spread.strayed, strayed, rtol=1e-9)


def test_what_does_not_vary_has_no_width():
    low, high = range_interval([spread_of(np.array([[0.2, 0.2], [0.5, 0.5]]))], level=0.95)
    assert (low, high) == (pytest.approx(0.3), pytest.approx(0.3))


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=2, max_size=6))
@settings(max_examples=50)
def test_the_lower_bound_is_the_largest_of_a_loop_over_pairs(groups):
    part = np.array([a for a, _ in groups])
    whole = part + np.array([b for _, b in groups])
    pairs = [(i, j) for i in range(len(part)) for j in range(len(part)) if i != j]
    level = 1 - 0.05 / (len(pairs) / 2)
    lows = [newcombe(part[i], whole[i], part[j], whole[j], level=level)[0] for i, j in pairs]
    assert lower_bound(part, whole, level=0.95) == pytest.approx(max(0, *lows), abs=1e-12)


def test_one_group_has_no_gap():
    assert np.isnan(lower_bound(np.array([1]), np.array([2]), level=0.95))
    assert np.isnan(lower_bound_of_means(np.ones(1), np.ones(1), np.ones(1), level=0.95))


@pytest.mark.parametrize("n", [30, 100, 1000])
def test_wilson_covers_on_average_what_it_says(n):
    """Exactly, by summing over all outcomes; the truth is spread evenly from 5 to 95 %."""
    x = np.arange(n + 1)
    low, high = wilson(x, np.full(n + 1, n), level=0.95)
    covered = [
        binom(n, p).pmf(x)[(low <= p) & (p <= high)].sum() for p in np.linspace(0.05, 0.95, 501)
    ]
    assert 0.93 <= np.mean(covered) <= 0.97


def interval_of_gap(selected, n, seed, n_boot):
    names = [str(k) for k in range(len(selected))]
    compared = compare_rates(
        tables_of(selected, n), names, min_group=1, n_boot=n_boot, level=0.95, seed=seed
    )
    rates = [compared["false_positive_rate"]]
    return gap_of("false_positive_rate", rates, over=("g",), label=None, level=0.95)


def test_an_interval_ends_where_the_figure_itself_does():
    """Of twelve people all, of twelve none are selected: the replicates alone go too far."""
    names, tables = ["a", "b"], tables_of([12, 0], 12)
    rate = compare_rates(tables, names, min_group=1, n_boot=300, level=0.95, seed=0)
    compared = rate["false_positive_rate"]
    assert range_interval([compared.spread], level=0.95)[1] > 1
    gap = gap_of("false_positive_rate", [compared], over=("g",), label=None, level=0.95)
    assert gap.difference == 1.0
    assert 0.5 < gap.low < gap.high == 1.0


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=2, max_size=30),
    st.integers(0, 3),
)
@settings(max_examples=50, deadline=None)
def test_no_interval_leaves_the_possible_range(groups, seed):
    selected = [part for part, _ in groups]
    tables = tables_of(selected, [part + more for part, more in groups])
    names = [str(k) for k in range(len(groups))]
    compared = compare_rates(tables, names, min_group=1, n_boot=100, level=0.95, seed=seed)
    for name in ("selection_rate", "false_positive_rate", "accuracy"):
        gap = gap_of(name, [compared[name]], over=("g",), label=None, level=0.95)
        assert 0 <= gap.low <= gap.difference <= gap.high <= 1
        assert 0 <= gap.lower_bound <= gap.difference
        if not np.isnan(gap.ratio):
            assert 0 <= gap.ratio_low <= gap.ratio <= gap.ratio_high <= 1


def test_a_difference_of_means_has_no_upper_end():
    """Incomes in thousands: a group whose error is 40 more than the other's."""
    error = np.random.default_rng(2).normal(0, 5, 200)
    y_true = np.full(200, 50.5)
    y_pred = y_true + error + np.repeat([40, 0], 100)
    gap = audit_fairness(y_true, y_pred, sensitive_features=["a"] * 100 + ["b"] * 100).gap(
        "mean_error"
    )
    assert 38 < gap.low < gap.difference < gap.high < 42
    assert gap.high > 1


def share_covered(rates, n, *, trials, n_boot=300):
    rng, truth = np.random.default_rng(7), max(rates) - min(rates)
    gaps = [interval_of_gap(rng.binomial(n, rates), n, k, n_boot) for k in range(trials)]
    return (
        np.mean([gap.low <= truth <= gap.high for gap in gaps]),
        np.mean([gap.lower_bound <= truth for gap in gaps]),
        np.mean([gap.ratio_low <= min(rates) / max(rates) <= gap.ratio_high for gap in gaps]),
    )


def test_the_interval_of_a_gap_holds_the_truth_in_a_small_trial():
    covered, below, ratio = share_covered([0.2, 0.5], 100, trials=200)
    assert covered > 0.90
    assert below > 0.93
    assert ratio > 0.90


@pytest.mark.slow
@pytest.mark.parametrize("n", [30, 100, 1000])
def test_nominal_95_percent_cover_93_to_97_of_two_groups(n):
    """Averaged over true rates; three thousand samples have a standard error of 0.4 points."""
    truths = [(0.1, 0.4), (0.2, 0.6), (0.3, 0.8), (0.05, 0.35), (0.5, 0.9)]
    found = np.array([share_covered(truth, n, trials=600) for truth in truths]).mean(axis=0)
    assert 0.93 <= found[0] <= 0.97
    assert found[1] >= 0.95
    assert found[2] >= 0.93


@pytest.mark.slow
@pytest.mark.parametrize("n", [30, 100, 1000])
@pytest.mark.parametrize("n_groups", [3, 8, 34])
def test_the_largest_of_many_gaps_is_covered_too(n, n_groups):
    none = share_covered([0.3] * n_groups, n, trials=300)
    one = share_covered([0.6] + [0.3] * (n_groups - 1), n, trials=300)
    assert none[0] >= 0.93
    assert one[0] >= 0.93


@pytest.mark.parametrize("rate", [0.05, 0.3])
@pytest.mark.parametrize("n", [30, 100, 1000])
def test_34_groups_without_a_gap_raise_no_more_false_alarms_than_the_level(rate, n):
    rng = np.random.default_rng(3)
    fired = [
        lower_bound(rng.binomial(n, rate, 34), np.full(34, n), level=0.95) > 0 for _ in range(400)
    ]
    assert np.sum(fired) <= binom(400, 0.05).ppf(0.999)


def test_34_groups_of_any_size_without_a_gap_raise_no_false_alarms_either():
    rng = np.random.default_rng(4)
    sizes = rng.integers(30, 2000, 34)
    fired = [lower_bound(rng.binomial(sizes, 0.4), sizes, level=0.95) > 0 for _ in range(400)]
    assert np.sum(fired) <= binom(400, 0.05).ppf(0.999)


def test_a_gap_that_is_there_is_found():
    rng = np.random.default_rng(5)
    rates = [0.3] * 33 + [0.5]
    found = [
        lower_bound(rng.binomial(400, rates), np.full(34, 400), level=0.95) for _ in range(100)
    ]
    assert np.mean(np.array(found) > 0) > 0.95
    assert np.mean(np.array(found) < 0.2) > 0.95
