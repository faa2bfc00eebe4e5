"""The curve from scores to shares against scikit-learn's isotonic regression."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from capstone_lib.artifact.recalibration import Recalibration


def drawn(n=2000, *, seed=0):
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    return score, rng.random(n) < score**2


def test_it_is_scikit_learns_isotonic_curve_to_six_digits():
    score, came = drawn()
    curve = Recalibration.fit(score, came)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(score, came)
    asked = np.linspace(-0.1, 1.1, 500)
    assert curve(asked) == pytest.approx(theirs.predict(asked), abs=1e-6)
    assert curve.n_rows == sum(curve.rows) == 2000
    assert sum(curve.hits) == came.sum()


def test_it_survives_json_and_is_small():
    curve = Recalibration.fit(*drawn(20_000))
    text = json.dumps(curve.to_dict())
    assert Recalibration.from_dict(json.loads(text)) == curve
    assert len(text) < 20_000


@given(st.lists(st.integers(0, 3), min_size=60, max_size=60), st.integers(0, 9))
@settings(deadline=None)
def test_few_distinct_scores_are_no_trouble(levels, seed):
    came = np.random.default_rng(seed).random(60) < 0.5
    curve = Recalibration.fit(np.array(levels) / 3, came)
    if curve is None:
        assert came.all() or not came.any()
        return
    shares = curve(np.array([0, 1 / 3, 2 / 3, 1]))
    assert (np.diff(shares) >= 0).all()
    assert 0 <= shares.min() <= shares.max() <= 1


@pytest.mark.parametrize("came", [[True] * 60, [False] * 60, [True, False] * 20])
def test_too_little_to_learn_from_is_no_curve(came):
    assert Recalibration.fit(np.linspace(0, 1, len(came)), came) is None


def test_its_error_is_that_of_fitting_again():
    """The variance of a mean share over the curve's own error, against curves fitted anew."""
    asked = np.random.default_rng(9).random(5000)
    slope = np.full(5000, 1 / 5000)
    means = [Recalibration.fit(*drawn(seed=seed))(asked).mean() for seed in range(1, 300)]
    said = Recalibration.fit(*drawn()).variance(asked, slope)
    assert said == pytest.approx(np.var(means), rel=0.25)
