"""Realized performance against scikit-learn, DeLong by brute force, and simulated coverage."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics as sk

from capstone_lib.artifact.model import Predictions
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.outcomes import join_outcomes
from capstone_lib.monitoring.performance import METRICS, measure_performance
from capstone_lib.monitoring.ranking import auc_interval, midranks


def said(score, label, classes=(0, 1)):
    n, k = len(score), len(classes)
    return Predictions(
        np.asarray(score), np.asarray(label), np.zeros(n, np.float32), np.ones((n, k), bool),
        np.zeros(n, bool), classes,
    )  # fmt: skip


SCORES = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=60
)


@given(SCORES)
@settings(deadline=None)
def test_every_value_is_scikit_learns(rows):
    score, truth, label = (np.array(part) for part in zip(*rows, strict=True))
    score = score / 20
    found = measure_performance(truth, said(score, label))
    both = len(set(truth)) == 2

    confusion = sk.confusion_matrix(truth, label, labels=[0, 1])
    nan = float("nan")
    expected = {
        "auc": sk.roc_auc_score(truth, score) if both else nan,
        "accuracy": sk.accuracy_score(truth, label),
        "false_positive_rate": confusion[0, 1] / confusion[0].sum() if (truth == 0).any() else nan,
        "false_negative_rate": confusion[1, 0] / confusion[1].sum() if truth.any() else nan,
        "precision": sk.precision_score(truth, label) if label.any() else nan,
        "base_rate": truth.mean(),
        "brier": sk.brier_score_loss(truth, score),
        "log_loss": sk.log_loss(truth, score, labels=[0, 1]),
    }
    assert list(found.metrics) == list(METRICS) == list(expected)
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, abs=1e-12, nan_ok=True), name


def test_shares_have_wilsons_intervals_and_means_the_normal_one():
    rng = np.random.default_rng(1)
    score, truth = rng.random(300), rng.integers(0, 2, 300)
    label = (score > 0.6).astype(int)
    found = measure_performance(truth, said(score, label))
    negative = truth == 0
    theirs = binomtest(int(label[negative].sum()), int(negative.sum())).proportion_ci(
        method="wilson"
    )
    one = found["false_positive_rate"]
    assert (one.low, one.high, one.n) == pytest.approx((theirs.low, theirs.high, negative.sum()))
    reach = 1.959963984540054 * pd.Series((score - truth) ** 2).sem()
    assert found["brier"].high - found["brier"].value == pytest.approx(reach)
    assert list(found.to_frame().columns) == ["value", "low", "high", "n"]


def test_delongs_variance_is_that_of_the_brute_force():
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 2, 80) == 1
    score = np.round(rng.normal(size=80) + truth, 1)
    pairs = np.subtract.outer(score[truth], score[~truth])
    wins = (pairs > 0) + 0.5 * (pairs == 0)
    variance = wins.mean(1).var(ddof=1) / truth.sum() + wins.mean(0).var(ddof=1) / (~truth).sum()
    auc, low, high = auc_interval(truth, score)
    assert auc == pytest.approx(wins.mean(), abs=1e-12)
    logit = [np.log(end / (1 - end)) for end in (low, high)]
    width = 2 * 1.959963984540054 * np.sqrt(variance) / (auc * (1 - auc))
    assert logit[1] - logit[0] == pytest.approx(width, rel=1e-9)


@pytest.mark.parametrize(("n", "shift"), [(60, 1.0), (60, 2.5), (400, 1.5)])
def test_the_interval_of_the_auc_covers_what_it_says(n, shift):
    from scipy.stats import norm

    rng = np.random.default_rng(n)
    true, hits, rounds = norm.cdf(shift / np.sqrt(2)), 0, 2000
    for _ in range(rounds):
        truth = np.arange(n) % 3 == 0
        _, low, high = auc_interval(truth, rng.normal(size=n) + shift * truth)
        hits += low <= true <= high
    assert 0.93 <= hits / rounds <= 0.985


def test_a_perfect_order_of_few_is_no_certainty():
    auc, low, high = auc_interval(np.array([0, 0, 0, 1, 1]) == 1, np.arange(5.0))
    assert (auc, high) == (1.0, 1.0)
    assert 0.3 < low < 0.9
    assert auc_interval(np.array([1, 0]) == 1, np.array([0.1, 0.9]))[:2] == (0.0, 0.0)
    assert np.isnan(auc_interval(np.array([True]), np.array([0.5]))).all()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_midranks_are_scipys(values):
    from scipy.stats import rankdata

    assert midranks(np.array(values)).tolist() == rankdata(values).tolist()


def test_only_answers_with_an_outcome_count_and_the_rest_is_said():
    answers = pd.DataFrame(
        {"row_id": [1, 2, 3, 4], "as_of": pd.Timestamp("2016-01-31"),
         "score": np.float32([0.9, 0.2, 0.6, 0.4]), "label": [1, 0, 1, 0], "uncertainty": 0.5,
         "prediction_set": "[0, 1]", "review": False}
    )  # fmt: skip
    outcomes = pd.DataFrame(
        {"row_id": [3, 1, 2], "outcome": [0, 1, 0],
         "observed_at": pd.to_datetime(["2016-03-01", "2016-03-02", "2016-06-01"])}
    )  # fmt: skip
    joined = join_outcomes(answers, outcomes, as_of="2016-04-01")
    found = measure_performance(joined, answers)
    assert (found.n, found["accuracy"].value) == (2, 0.5)
    kept = {one.name: one for one in found.measurements()}
    assert kept["outcomes_missing"].value == 0.5
    assert kept["accuracy"].note == "as of 2016-04-01 00:00, 2 of 4 outcomes known"
    assert kept["log_loss"].unit == "nats"
    assert "2 of 4 outcomes" in found._repr_html_()
    with pytest.raises(MonitoringError, match="no outcome is known yet: as of 2016-02-01"):
        measure_performance(join_outcomes(answers, outcomes, as_of="2016-02-01"), answers)


def test_of_three_classes_the_accuracy():
    found = measure_performance(["a", "c"], said([0.5, 0.4], ["a", "b"], ("a", "b", "c")))
    assert list(found.metrics) == ["accuracy"]
    assert found["accuracy"].value == 0.5
