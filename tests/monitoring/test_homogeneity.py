"""P-values of two counts: SciPy's where it has the test, and of the right size where it has not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from capstone_lib.monitoring.homogeneity import homogeneity_p, order_p, rare_p


@given(
    st.lists(st.integers(0, 12), min_size=8, max_size=60),
    st.lists(st.integers(0, 12), min_size=8, max_size=60),
)
@settings(deadline=None, max_examples=60)
def test_the_order_test_is_scipys(a, b):
    p, q = (np.bincount(values, minlength=13).astype(float) for values in (a, b))
    if len({*a, *b}) < 2:
        assert order_p(p, q) == 1
        return
    want = stats.mannwhitneyu(a, b, use_continuity=False, method="asymptotic").pvalue
    assert order_p(p, q) == pytest.approx(want, abs=1e-12)


@given(st.integers(0, 30), st.integers(0, 30))
@settings(deadline=None)
def test_a_rare_cell_gets_the_conditional_test(x, y):
    p, q = np.array([10_000.0, x]), np.array([300.0, y])
    share = q.sum() / (p.sum() + q.sum())
    got = rare_p(p, q, np.array([False, True]))
    if not np.isnan(got):
        tails = [
            stats.binomtest(y, x + y, share, alternative=side).pvalue
            for side in ("greater", "less")
        ]
        assert got == pytest.approx(min(1, 2 * min(tails)), rel=1e-9)


def test_common_cells_get_pearsons_test():
    p, q = np.array([500.0, 300.0, 200.0]), np.array([60.0, 20.0, 20.0])
    want = stats.chi2_contingency(np.stack([p, q]), correction=False).pvalue
    assert homogeneity_p(p, q) == pytest.approx(want, rel=1e-9)


def test_three_strangers_among_two_hundred_rows_are_seen():
    p, q = np.array([7000.0, 7000.0, 0.0]), np.array([99.0, 98.0, 3.0])
    assert homogeneity_p(p, q) < 1e-3


def test_nothing_to_compare_is_no_evidence():
    assert homogeneity_p(np.zeros(3), np.array([1.0, 2.0, 0.0])) == 1
    assert homogeneity_p(np.array([9.0, 0.0]), np.array([4.0, 0.0])) == 1
    assert homogeneity_p(np.array([50.0, 50.0]), np.array([1.0, 0.0])) > 0.05


SHARES = {
    "even": np.full(10, 0.1),
    "rare": np.array([0.7, 0.2, 0.06, 0.02, 0.01, 0.005, 0.003, 0.0015, 0.0005]),
    "two": np.array([0.97, 0.03]),
}


@pytest.mark.parametrize("shares", SHARES.values(), ids=SHARES)
@pytest.mark.parametrize("rows", [30, 200, 2_000, 30_000])
def test_chance_is_called_drift_no_more_often_than_the_level(shares, rows):
    rng = np.random.default_rng(rows)
    n, alpha = 3_000, 0.05
    p = rng.multinomial(14_000, shares / shares.sum(), size=n).astype(float)
    q = rng.multinomial(rows, shares / shares.sum(), size=n).astype(float)
    found = homogeneity_p(p, q, ordered=(p, q))
    for level in (alpha, 0.003):
        allowed = level + 3 * np.sqrt(level * (1 - level) / n)
        assert (found <= level).mean() <= allowed
    if rows >= 200 and len(shares) > 2:  # and nearly as often, or it would not see much
        assert (found <= alpha).mean() >= 0.025
