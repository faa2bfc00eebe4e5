"""Estimated performance: exact by brute force, right under covariate shift, blind elsewhere."""

import re
from itertools import product
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier

from capstone_lib.artifact.model import Predictions
from capstone_lib.artifact.recalibration import Recalibration
from capstone_lib.data import load_census
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.curves import draw_estimates
from capstone_lib.monitoring.estimate import estimate_performance
from capstone_lib.monitoring.performance import METRICS, measure_performance

mpl.use("Agg")

AS_SAID = Recalibration((0.0, 1.0), (0.0, 1.0), (), (10**9,), (5 * 10**8,))


def said(score, label=None, classes=(0, 1)):
    score = np.asarray(score, dtype=float)
    n, k = len(score), len(classes)
    label = (score >= 0.5).astype(int) if label is None else np.asarray(label)
    return Predictions(
        score, label, np.zeros(n, np.float32), np.ones((n, k), bool), np.zeros(n, bool), classes
    )


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 1)), min_size=2, max_size=6))
@settings(deadline=None, max_examples=50)
def test_each_is_the_expectation_over_all_outcomes_that_could_be(rows):
    """Linear figures exactly; ratios as the ratio of the expected parts."""
    score, label = (np.array(part) for part in zip(*rows, strict=True))
    score = score / 10
    parts = dict.fromkeys(("right", "fp", "neg", "fn", "pos", "tp", "pairs", "won"), 0.0)
    brier = surprise = 0.0
    for outcome in product((0, 1), repeat=len(rows)):
        y = np.array(outcome)
        weight = np.prod(np.where(y == 1, score, 1 - score))
        duel = np.subtract.outer(score[y == 1], score[y == 0])
        parts["won"] += weight * ((duel > 0) + 0.5 * (duel == 0)).sum()
        parts["pairs"] += weight * duel.size
        parts["right"] += weight * (y == label).mean()
        wrong = y != label
        masks = {"fp": wrong & (y == 0), "neg": y == 0, "fn": wrong & (y == 1), "pos": y == 1}
        for name, mask in (masks | {"tp": ~wrong & (y == 1)}).items():
            parts[name] += weight * mask.sum()
        brier += weight * ((score - y) ** 2).mean()
        surprise += weight * -np.log(np.where(y == 1, score, 1 - score)).mean()
    found = estimate_performance(said(score, label), AS_SAID)
    expected = {
        "auc": parts["won"] / parts["pairs"],
        "accuracy": parts["right"],
        "false_positive_rate": parts["fp"] / parts["neg"],
        "false_negative_rate": parts["fn"] / parts["pos"],
        "precision": parts["tp"] / label.sum() if label.any() else float("nan"),
        "base_rate": score.mean(),
        "brier": brier,
        "log_loss": surprise,
    }
    assert list(found.metrics) == list(METRICS)
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, abs=1e-9, nan_ok=True), name


def test_the_interval_holds_what_is_realized():
    """Calibration rows and the window both drawn anew: the chance of either is in the interval."""
    rng, rounds = np.random.default_rng(0), 300
    hits = dict.fromkeys(METRICS, 0)
    for _ in range(rounds):
        past, now = rng.beta(1, 1.5, 2000), rng.beta(1.5, 1, 1500)  # other people come
        curve = Recalibration.fit(past, rng.random(2000) < past**1.3)
        truth = (rng.random(1500) < now**1.3).astype(int)
        estimated = estimate_performance(said(now), curve)
        realized = measure_performance(truth, said(now))
        for name in METRICS:
            one = estimated[name]
            hits[name] += one.low <= realized[name].value <= one.high
    shares = {name: hit / rounds for name, hit in hits.items()}
    assert all(0.90 <= share <= 0.99 for share in shares.values()), shares


def test_of_three_classes_the_accuracy_is_the_mean_confidence():
    found = estimate_performance(said([0.4, 0.8], ["a", "b"], ("a", "b", "c")), AS_SAID)
    assert {name: one.value for name, one in found.metrics.items()} == {
        "accuracy": pytest.approx(0.6)
    }


def reported(**rises):
    nothing = {"missing": 0.0, "unseen": 0.0, "out_of_range": 0.0}
    return SimpleNamespace(
        features=[
            SimpleNamespace(name=name, is_real=real, rise=nothing | rise)
            for name, (real, rise) in rises.items()
        ]
    )


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"unexpected": {"AGEP": 0.02, "SEX": 0.001}}, r"^AGEP: 2.0% of the values .*from 1%"),
        ({"drift": reported(AGEP=(True, {"unseen": 0.4}))}, "AGEP: 40.0%"),
        ({"drift": reported(AGEP=(True, {"missing": 0.01}))}, "AGEP: 1.0%"),
        ({"drift": reported(AGEP=(False, {"unseen": 0.4}))}, None),
        ({"drift": reported(AGEP=(True, {"unseen": 0.001}))}, None),
        ({"unexpected": {"AGEP": 0.02}, "limit": 0.05}, None),
    ],
)
def test_it_is_withheld_while_the_model_does_not_understand_what_comes_in(given, reason):
    found = estimate_performance(said([0.2, 0.8]), AS_SAID, **given)
    kept = {one.name: one for one in found.measurements()}
    assert set(kept) == {f"estimated_{name}" for name in METRICS}
    if reason is None:
        assert not found.withheld
        assert kept["estimated_auc"].note.startswith("assumes that people with the same score")
        assert "Assumes that" in found._repr_html_()
        return
    assert np.isnan([one.value for one in found.metrics.values()]).all()
    assert kept["estimated_auc"].note.startswith("withheld: ")
    assert "Nothing is estimated" in found._repr_html_()
    assert re.search(reason, found.withheld)


def test_without_a_calibration_it_says_how_to_get_one():
    found = estimate_performance(said([0.2, 0.8]), None)
    assert "export the model with X_calibration= and y_calibration=" in found.withheld
    with pytest.raises(MonitoringError, match="no answers in this window"):
        estimate_performance(said([]), AS_SAID)


@pytest.fixture(scope="module")
def course():
    """The census model as scikit-learn has it, and its calibration on held-out households."""
    census = load_census()
    train, held_out = census.split(2015)
    model = HistGradientBoostingClassifier(max_iter=50, random_state=0).fit(
        train[census.features], train["employed"]
    )
    score = model.predict_proba(held_out[census.features])[:, 1]
    curve = Recalibration.fit(score, held_out["employed"] == 1)
    return census, curve, lambda people: said(model.predict_proba(people[census.features])[:, 1])


def test_on_the_census_it_follows_who_comes(course):
    census, curve, ask = course
    people = census.frame(2016)
    rng = np.random.default_rng(0)
    usual = measure_performance(people["employed"], ask(people))["false_positive_rate"].value
    for many in (people["AGEP"] > 65, people["DIS"] == 1):
        shifted = people.iloc[rng.choice(len(people), 60_000, p=_weights(many, 4))]
        answers = ask(shifted)
        estimated = estimate_performance(answers, curve)
        realized = measure_performance(shifted["employed"], answers)
        accuracy = realized["accuracy"].value
        assert estimated["accuracy"].value == pytest.approx(accuracy, abs=0.006)
        rate = realized["false_positive_rate"].value
        assert usual - rate > 0.1
        assert estimated["false_positive_rate"].value == pytest.approx(rate, abs=0.015)


def test_on_the_census_it_is_blind_to_what_becomes_of_people(course):
    census, curve, ask = course
    people = census.frame(2016)
    answers = ask(people)
    lost = np.random.default_rng(0).random(len(people)) < 0.3
    crisis = np.where(lost, 0, people["employed"])
    before = measure_performance(people["employed"], answers)["accuracy"].value
    after = measure_performance(crisis, answers)["accuracy"].value
    estimated = estimate_performance(answers, curve)["accuracy"]
    assert abs(estimated.value - before) < 0.01
    assert estimated.low > after + 0.05


def test_three_years_of_months_estimated_and_realized(course):
    """Employment rises, which the estimate cannot see: it lags by less than a point, and says so
    nowhere. Its interval still holds accuracy and AUC in nearly every month."""
    census, curve, ask = course
    estimated, realized, names = [], [], []
    for year in (2016, 2017, 2018):
        people = census.frame(year)
        for month, rows in people.groupby(people["arrived_at"].dt.to_period("M")):
            answers = ask(rows)
            estimated.append(estimate_performance(answers, curve))
            realized.append(measure_performance(rows["employed"], answers))
            names.append(str(month))
    for name in ("accuracy", "auc"):
        pairs = [(one[name], two[name].value) for one, two in zip(estimated, realized, strict=True)]
        assert abs(np.mean([one.value - value for one, value in pairs])) < 0.01
        assert np.mean([one.low <= value <= one.high for one, value in pairs]) >= 0.85
    behind = [one["base_rate"].value - two["base_rate"].value
              for one, two in zip(estimated, realized, strict=True)]  # fmt: skip
    assert -0.02 < np.mean(behind) < -0.005

    ax = draw_estimates(
        names, [one["auc"] for one in estimated], [two["auc"] for two in realized], label="AUC"
    )
    assert ax.get_ylabel() == "AUC"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == names[::3]
    mpl.pyplot.close("all")


def _weights(many, times):
    weight = np.where(many, times, 1.0)
    return weight / weight.sum()
