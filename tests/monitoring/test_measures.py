"""Each measure of two counts equals SciPy's of the rows behind them, or a closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance

from capstone_lib.artifact.binning import bin_amounts
from capstone_lib.monitoring import measures
from capstone_lib.monitoring.feature import effect_size

cells = st.integers(2, 12).flatmap(
    lambda k: st.tuples(*[st.lists(st.integers(0, 5000), min_size=k, max_size=k)] * 2)
)
whole = st.lists(st.integers(0, 40), min_size=1, max_size=80)


def counts(pair):
    return np.array(pair[0], dtype=float), np.array(pair[1], dtype=float)


@given(cells)
@settings(deadline=None)
def test_jensen_shannon_and_chi2_are_scipys(pair):
    p, q = counts(pair)
    if not p.sum() or not q.sum():
        assert np.isnan(measures.jensen_shannon(p, q))
        return
    want = distance.jensenshannon(p, q, base=2)
    # near 0 SciPy's own square root of a rounding error is 1e-8
    assert measures.jensen_shannon(p, q) ** 2 == pytest.approx(want**2, abs=1e-12)
    some = p + q > 0
    if some.sum() < 2:
        return
    found = stats.chi2_contingency(np.stack([p[some], q[some]]), correction=False)
    mine = measures.chi2(p, q)
    assert mine.statistic == pytest.approx(found.statistic, rel=1e-10, abs=1e-10)
    assert mine.dof == found.dof
    assert mine.p_value == pytest.approx(found.pvalue, rel=1e-8, abs=1e-12)
    v = stats.contingency.association(np.stack([p[some], q[some]]).astype(int), method="cramer")
    assert measures.cramers_v(p, q) == pytest.approx(v, rel=1e-10, abs=1e-12)


@given(whole, whole)
@settings(deadline=None)
def test_order_measures_of_whole_numbers_are_exact(a, b):
    bins = bin_amounts("x", np.arange(5, 31), is_whole=True)
    p, q = (ordered(bins, values) for values in (a, b))
    inside = [np.clip(values, 4, 31) for values in (a, b)]
    with np.errstate(divide="ignore"):  # in SciPy's p-value of constant samples
        want = stats.ks_2samp(*inside, method="asymp").statistic
    assert measures.kolmogorov_smirnov(p, q) == pytest.approx(want, abs=1e-12)
    kept = [v for v in a if 5 <= v <= 30]
    if not kept:
        return
    p = ordered(bins, kept)
    excess = (bins.count(np.array(b))[-2:] / len(b)).sum()
    got = measures.wasserstein(p, q, np.array(bins.cuts), whole=True, tails=(0.0, excess))
    assert got == pytest.approx(stats.wasserstein_distance(kept, b), abs=1e-12)


def ordered(bins, values):
    count = bins.count(np.array(values))
    n = bins.n_bins
    return np.concatenate([[count[n]], count[:n], [count[n + 1]]])


@given(st.integers(0, 10_000), st.floats(-1, 1), st.floats(0.5, 2))
@settings(deadline=None, max_examples=30)
def test_order_measures_of_other_numbers_are_within_a_bin(seed, shift, scale):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=4000), rng.normal(shift, scale, size=1500)
    bins = bin_amounts("x", a, is_whole=False)
    p, q = ordered(bins, a), ordered(bins, b)
    binned = [np.searchsorted(bins.cuts, values, side="right") for values in (a, b)]
    want = stats.ks_2samp(*binned, method="asymp").statistic
    assert measures.kolmogorov_smirnov(p, q) == pytest.approx(want, abs=1e-12)
    # a bin holds a hundredth of the reference, so the gap between edges is at most as large
    assert abs(measures.kolmogorov_smirnov(p, q) - stats.ks_2samp(a, b).statistic) < 0.03
    tail = bins.count(b)[-2:].sum() / len(b)
    got = measures.wasserstein(p, q, np.array(bins.cuts), whole=False, tails=(0.0, tail))
    # rows are taken to lie evenly within their bin: none is off by more than the bin is wide
    share = p[1:-1] / p.sum() + q[1:-1] / q.sum()
    off = float(share @ np.diff(bins.cuts)) / 2
    assert abs(got - stats.wasserstein_distance(a, b)) <= off


@given(cells)
@settings(deadline=None)
def test_psi_and_total_variation_are_their_formulas(pair):
    p, q = counts(pair)
    if not p.sum() or not q.sum():
        assert np.isnan(measures.psi(p, q))
        assert np.isnan(measures.total_variation(p, q))
        return
    some = [(a + 0.5, b + 0.5) for a, b in zip(p, q, strict=True) if a + b]
    a, b = (np.array(side) / sum(side) for side in zip(*some, strict=True))
    want = sum((y - x) * np.log(y / x) for x, y in zip(a, b, strict=True))
    assert measures.psi(p, q) == pytest.approx(want, abs=1e-12)
    assert measures.psi(q, p) == pytest.approx(measures.psi(p, q), abs=1e-12)
    tv = sum(abs(x / p.sum() - y / q.sum()) for x, y in zip(p, q, strict=True)) / 2
    assert measures.total_variation(p, q) == pytest.approx(tv, abs=1e-12)


def test_nothing_changed_is_zero_and_everything_changed_is_one():
    p, q = np.array([40.0, 60.0, 0.0]), np.array([0.0, 0.0, 70.0])
    for measure in (measures.jensen_shannon, measures.total_variation, measures.cramers_v):
        assert measure(p, 2 * p) == pytest.approx(0, abs=1e-12)
        assert measure(p, q) == pytest.approx(1)
    assert measures.kolmogorov_smirnov(p, q) == 1
    assert effect_size(p, 2 * p)[0] == 0


def test_cohens_h_is_the_largest_change_of_an_arcsine():
    p, q = np.array([986.0, 14.0, 0.0]), np.array([460.0, 40.0, 0.0])
    want = 2 * np.arcsin(np.sqrt(0.08)) - 2 * np.arcsin(np.sqrt(0.014))
    assert measures.cohens_h(p, q) == pytest.approx(want)
    assert measures.cohens_h(p, p) == 0


def test_constant_columns_differ_in_nothing():
    p, q = np.array([50.0]), np.array([1.0])
    assert measures.psi(p, q) == 0
    assert measures.kolmogorov_smirnov(p, q) == 0
    assert tuple(measures.chi2(p, q)) == (0.0, 0, 1.0)


@pytest.mark.parametrize("moved", [0.05, 0.15, 0.3])
def test_the_effect_is_what_moved_without_what_chance_adds(moved):
    rng = np.random.default_rng(0)
    before = np.full(10, 0.1)
    after = before.copy()
    after[:2] += moved / 2
    after[2:] -= moved / 8
    found = []
    for _ in range(400):
        p = rng.multinomial(14_000, before).astype(float)
        found.append(effect_size(p, rng.multinomial(1_000, after).astype(float)))
    effect, low, high = np.array(found).T
    assert effect.mean() == pytest.approx(moved, abs=0.012)
    assert ((low <= moved) & (moved <= high)).mean() >= 0.88
