"""Thresholds by group: fitted, compared with brute force, and what they cost."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.mitigation import fit_group_thresholds, group_thresholds_of
from capstone_lib.monitoring.single_thresholds import single_thresholds
from capstone_lib.monitoring.tradeoff import tradeoff

SINGLE = ["demographic_parity", "false_positive_rate_parity", "true_positive_rate_parity"]


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(0)
    sex = pd.Series(rng.integers(1, 3, 6000), name="sex")
    X = pd.DataFrame({"hours": rng.normal(35, 8, 6000) - 5 * (sex == 2), "age": rng.random(6000)})
    y = (X["hours"] + rng.normal(0, 6, 6000) > 33).astype(int)
    return LogisticRegression().fit(X[:2000], y[:2000]), X[2000:], y[2000:], sex[2000:]


def rates(rule, model, X, y, sex):
    yes = rule.decide(model.predict_proba(X)[:, 1], sex.to_numpy(), np.arange(len(X)))
    table = pd.DataFrame({"yes": yes, "y": y.to_numpy(), "sex": sex.to_numpy()})
    selected = table.groupby("sex")["yes"].mean()
    by_class = table.groupby(["y", "sex"])["yes"].mean()
    return {
        "demographic_parity": np.ptp(selected),
        "false_positive_rate_parity": np.ptp(by_class.loc[0]),
        "true_positive_rate_parity": np.ptp(by_class.loc[1]),
    }


@pytest.mark.parametrize("constraint", SINGLE)
@pytest.mark.parametrize("coin", [False, True])
def test_the_constraint_is_met_on_the_rows_it_was_fitted_on(people, constraint, coin):
    rule = fit_group_thresholds(
        *people[:3], sensitive_features=people[3], constraint=constraint, coin=coin, case="no"
    )
    assert rates(rule, *people)[constraint] < (0.01 if not coin else 0.03)
    assert rule.is_random == coin


def test_equalized_odds_are_fairlearns_table(people):
    model, X, y, sex = people
    rule = fit_group_thresholds(model, X, y, sensitive_features=sex, case="no")
    met = rates(rule, *people)
    assert met["false_positive_rate_parity"] < 0.03
    assert met["true_positive_rate_parity"] < 0.03
    assert list(rule.to_frame().columns[:6]) == [
        "threshold0", "threshold1", "p0", "p1", "p_ignore", "constant",
    ]  # fmt: skip


def test_flipped_operations_are_read_too(people):
    from fairlearn.postprocessing import ThresholdOptimizer

    _, X, y, sex = people
    upside_down = LogisticRegression().fit(X, 1 - y)
    optimizer = ThresholdOptimizer(
        estimator=upside_down, constraints="demographic_parity", prefit=True, flip=True,
        predict_method="predict_proba",
    ).fit(X, y, sensitive_features=sex)  # fmt: skip
    rule = group_thresholds_of(optimizer, column="sex", case="no")
    assert rule.to_frame()[["below0", "below1"]].to_numpy().any()
    want = optimizer._pmf_predict(X, sensitive_features=sex)[:, 1]
    score = upside_down.predict_proba(X)[:, 1]
    np.testing.assert_allclose(rule.chance(score, sex), want, atol=1e-15)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6), st.booleans()), min_size=2))
@settings(max_examples=40, deadline=None)
def test_without_a_coin_nobody_could_decide_more_people_rightly_at_equal_rates(drawn):
    """Brute force over every pair of thresholds whose selection rates are equal."""
    truth, score, group = (np.array(part) for part in zip(*drawn, strict=True))
    found = single_thresholds(truth, score, group, constraint="demographic_parity")
    yes = score >= np.vectorize(found.get)(group)
    cuts = np.arange(-0.5, 7)
    mine = [group == value for value in np.unique(group)]
    best = max(
        sum(((score >= cut) == truth)[rows].sum() for rows, cut in zip(mine, pair, strict=True))
        for pair in np.stack(np.meshgrid(*[cuts] * len(mine)), -1).reshape(-1, len(mine))
        if np.ptp([(score >= cut)[rows].mean() for rows, cut in zip(mine, pair, strict=True)]) == 0
    )
    if np.ptp([yes[rows].mean() for rows in mine]) == 0:
        assert (yes == truth).sum() <= best
    assert (yes == truth).sum() >= best or np.ptp([yes[rows].mean() for rows in mine]) < 0.1


def test_a_tolerance_buys_accuracy(people):
    right = []
    for tolerance in (0.0, 0.1, 0.3):
        rule = fit_group_thresholds(
            *people[:3], sensitive_features=people[3], constraint="demographic_parity",
            coin=False, tolerance=tolerance,
        )  # fmt: skip
        assert rates(rule, *people)["demographic_parity"] <= tolerance + 0.01
        model, X, y, sex = people
        yes = rule.decide(model.predict_proba(X)[:, 1], sex.to_numpy())
        right.append((yes == y).mean())
    assert right == sorted(right)


def test_people_without_a_group_are_left_out_and_decided_otherwise(people):
    model, X, y, sex = people
    gaps = sex.astype(float).where(np.arange(len(sex)) % 5 > 0)
    rule = fit_group_thresholds(
        model, X, y, sensitive_features=gaps, constraint="demographic_parity", coin=False
    )
    assert sorted(rule.groups) == [1, 2]
    assert rule.decide([0.5, 0.4], [np.nan, np.nan]).tolist() == [True, False]


@pytest.mark.parametrize("coin", [False, True])
def test_the_tradeoff_is_judged_on_other_rows(people, coin):
    model, X, y, sex = people
    curve = tradeoff(
        model, X, y, sensitive_features=sex, constraint="demographic_parity",
        tolerances=(0.0, 0.1), coin=coin,
    )  # fmt: skip
    frame = curve.to_frame()
    assert frame["tolerance"].tolist()[1:] == [0.1, 0.0]
    assert curve.n_fitted + curve.n_judged == len(X)
    assert frame["gap"].iloc[0] > frame["gap"].iloc[1] > frame["gap"].iloc[2]
    assert frame["error"].iloc[2] > frame["error"].iloc[0]
    assert (frame["error_low"] < frame["error"]).all()
    assert "plain threshold" in curve._repr_html_()


def test_the_tradeoff_is_drawn_with_intervals(people):
    from matplotlib.figure import Figure

    model, X, y, sex = people
    odds = tradeoff(
        model, X, y, sensitive_features=sex, constraint="equalized_odds", tolerances=(), coin=True
    )
    ax = odds.plot(ax=Figure().subplots())
    assert [text.get_text() for text in ax.texts] == ["plain threshold", "within 0"]
    assert len(ax.containers) == 2


def test_what_does_not_fit_is_refused_in_words(people):
    model, X, y, sex = people

    def fit(**more):
        fit_group_thresholds(
            model, X, more.pop("y", y), sensitive_features=more.pop("sex", sex), **more
        )

    for more, message in (
        ({"constraint": "parity"}, "no constraint 'parity'"),
        ({"tolerance": 0.1, "case": "no"}, "cannot be relaxed"),
        ({"coin": False}, "equalized_odds needs a coin"),
        ({}, "name the column with the case's number"),
        ({"sex": sex.to_numpy(), "case": "no"}, "one column with a name"),
        ({"y": y + 5, "case": "no"}, "none of the model's classes"),
        ({"y": y[:5], "case": "no"}, "one value a row"),
        ({"constraint": "demographic_parity", "coin": False, "tolerance": 7}, "from 0 to 1"),
        ({"sex": sex.where(y == 1, 3), "case": "no"}, "everybody of sex=. is of the same class"),
    ):
        with pytest.raises(MonitoringError, match=message):
            fit(**more)
    with pytest.raises(MonitoringError, match="pass a ThresholdOptimizer"):
        group_thresholds_of(model, column="sex")
