"""The domain classifier: scikit-learn's AUC, an honest p-value, and the columns that tell."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from capstone_lib.artifact.binning import Binning
from capstone_lib.monitoring.classifier import _auc, tell_apart
from capstone_lib.schema import Schema


def people(n, seed, *, older=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": np.clip(rng.normal(45 + older, 15, n), 17, 89).astype(int),
            "town": rng.choice(["Adams", "Lee", "Ware"], n),
            "pay": rng.gamma(2.0, 900.0, n),
        }
    )


def test_the_area_is_scikit_learns():
    rng = np.random.default_rng(0)
    score, truth = rng.integers(0, 20, 500) / 20, rng.integers(0, 2, 500)
    assert _auc(score, truth)[0] == pytest.approx(roc_auc_score(truth, score), abs=1e-12)


def test_its_variance_under_chance_is_that_of_shuffled_labels():
    rng = np.random.default_rng(1)
    score, truth = rng.integers(0, 6, 300), np.repeat([0, 1], [200, 100])
    seen = [_auc(score, rng.permutation(truth))[0] for _ in range(3000)]
    assert np.var(seen) == pytest.approx(_auc(score, truth)[1], rel=0.1)
    assert np.mean(seen) == pytest.approx(0.5, abs=0.005)


def test_a_shift_is_told_by_its_column():
    before, now = people(1500, 0), people(900, 1, older=12)
    binning = Binning.of(before, Schema.infer(before))
    found = tell_apart(before, now, binning=binning, columns=["age", "town", "pay"])
    assert found.n == 2400
    assert found.p_value < 1e-6
    assert found.auc_low > 0.6
    assert found.columns[0][0] == "age"
    assert found == tell_apart(before, now, binning=binning, columns=["age", "town", "pay"])


@pytest.mark.slow
def test_chance_is_called_drift_no_more_often_than_the_level():
    binning = Binning.of(people(2000, 0), Schema.infer(people(2000, 0)))
    found = [
        tell_apart(
            people(500, 2 * k), people(300, 2 * k + 1), binning=binning,
            columns=["age", "town", "pay"], seed=k,
        )
        for k in range(1, 151)
    ]  # fmt: skip
    share = np.mean([one.p_value <= 0.05 for one in found])
    assert share <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)
    covered = np.mean([one.auc_low <= 0.5 <= one.auc_high for one in found])
    assert covered >= 0.88
