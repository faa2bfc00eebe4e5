"""Noise floors against resampling, and many tests at once against SciPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from capstone_lib.monitoring import measures, noise

EVEN = np.full(10, 0.1)
SKEWED = np.array([0.5, 0.25, 0.12, 0.06, 0.03, 0.02, 0.01, 0.01])
BINARY = np.array([0.8, 0.2])


@pytest.mark.parametrize("shares", [EVEN, SKEWED, BINARY], ids=["even", "skewed", "binary"])
@pytest.mark.parametrize("rows", [500, 5_000, 50_000])
@pytest.mark.parametrize("alpha", [0.05, 0.005])
def test_chance_exceeds_a_floor_as_often_as_it_says(shares, rows, alpha):
    rng = np.random.default_rng(1)
    n = 2_000
    p = rng.multinomial(14_000, shares, size=n).astype(float)
    q = rng.multinomial(rows, shares, size=n).astype(float)
    widths = np.ones(len(shares) - 1)
    cuts = np.arange(len(shares) + 3.0)
    checks = {
        "psi": (measures.psi, noise.psi_floor, 1.0),
        "js": (measures.jensen_shannon, noise.jensen_shannon_floor, 1.0),
        "v": (measures.cramers_v, noise.cramers_v_floor, 1.0),
        "tv": (measures.total_variation, noise.total_variation_floor, 1.0),
        "w": (
            lambda a, b: measures.wasserstein(_ends(a), _ends(b), cuts[:-2], whole=True),
            lambda a, b, alpha: noise.wasserstein_floor(a, b, widths, alpha=alpha),
            1.6,  # the tail of a gamma law is only about that of the area
        ),
        "h": (measures.cohens_h, noise.cohens_h_floor, 3.0),  # cells of five rows are not normal
        "ks": (measures.kolmogorov_smirnov, noise.kolmogorov_smirnov_floor, 1.0),
    }
    error = 3.5 * np.sqrt(alpha * (1 - alpha) / n)
    for name, (measure, floor, slack) in checks.items():
        share = float(np.mean(measure(p, q) > floor(p, q, alpha=alpha)))
        assert share <= 1.3 * slack * alpha + error, name
        if name not in ("ks", "h"):  # these two are bounds
            assert share >= 0.6 * alpha - error, name


def _ends(a):
    return np.pad(a, [(0, 0), (1, 1)])


def test_chance_shows_the_expected_total_variation():
    rng = np.random.default_rng(2)
    p = rng.multinomial(14_000, EVEN, size=1_000).astype(float)
    q = rng.multinomial(1_000, EVEN, size=1_000).astype(float)
    said = noise.expected_total_variation(p, q).mean()
    assert said == pytest.approx(measures.total_variation(p, q).mean(), rel=0.02)


def test_without_rows_there_is_no_floor():
    nothing, some = np.zeros(3), np.array([3.0, 4.0, 5.0])
    for floor in (noise.psi_floor, noise.jensen_shannon_floor, noise.total_variation_floor,
                  noise.cramers_v_floor, noise.kolmogorov_smirnov_floor):  # fmt: skip
        assert np.isnan(floor(some, nothing, alpha=0.05))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.sampled_from([0.01, 0.05, 0.2]))
def test_corrections_are_scipys(p_values, alpha):
    adjusted = stats.false_discovery_control(p_values, method="bh")
    clear = np.abs(adjusted - alpha) > 1e-9
    got = noise.benjamini_hochberg(p_values, alpha=alpha)
    np.testing.assert_array_equal(got[clear], (adjusted <= alpha)[clear])
    one_by_one = np.array(p_values) * len(p_values)
    clear = np.abs(one_by_one - alpha) > 1e-9
    np.testing.assert_array_equal(
        noise.bonferroni(p_values, alpha=alpha)[clear], (one_by_one <= alpha)[clear]
    )
