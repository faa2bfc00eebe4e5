"""The audit against Fairlearn, to the last digit, and what it says where Fairlearn says 0."""

import json

import fairlearn.metrics as fl
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import binom, ttest_1samp
from sklearn.metrics import accuracy_score, precision_score

import capstone_lib as cap
from capstone_lib.artifact.groups import GroupCounts
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.fairness import FairnessAudit, audit_fairness

EXACT = 1e-15
METRICS = {
    "base_rate": fl.mean_prediction,
    "selection_rate": fl.selection_rate,
    "accuracy": accuracy_score,
    "true_positive_rate": fl.true_positive_rate,
    "false_positive_rate": fl.false_positive_rate,
    "false_negative_rate": fl.false_negative_rate,
    "precision": lambda y, p: precision_score(y, p, zero_division=0),
}
METRICS["base_rate"] = lambda y, p: np.mean(y)
GAPS = {
    "demographic_parity": (fl.demographic_parity_difference, fl.demographic_parity_ratio),
    "equalized_odds": (fl.equalized_odds_difference, fl.equalized_odds_ratio),
    "equal_opportunity": (fl.equal_opportunity_difference, fl.equal_opportunity_ratio),
    "false_positive_rate": (
        fl.make_derived_metric(metric=fl.false_positive_rate, transform="difference"),
        fl.make_derived_metric(metric=fl.false_positive_rate, transform="ratio"),
    ),
    "accuracy": (
        fl.make_derived_metric(metric=accuracy_score, transform="difference"),
        fl.make_derived_metric(metric=accuracy_score, transform="ratio"),
    ),
}
QUICK = {"n_boot": 100}


@pytest.fixture(scope="module")
def people():
    """Real people, and decisions by a rule of thumb that anybody can check."""
    frame = cap.load_census().frame(2016).sample(12_000, random_state=0)
    score = np.clip((75 - frame["AGEP"]) / 60 - 0.3 * (frame["DIS"] == 1), 0, 1)
    return frame.assign(score=score, decided=(score > 0.5).astype(int))


def assert_equals_fairlearn(truth, decided, features, audit):
    frame = fl.MetricFrame(
        metrics=METRICS, y_true=truth, y_pred=decided, sensitive_features=features
    )
    for group in audit.groups:
        if len(group.over) != features.shape[1]:
            continue
        values = group.values if len(group.values) > 1 else group.values[0]
        for name in METRICS:
            estimate = group.rates[name]
            if estimate.n == 0:
                assert np.isnan(estimate.value)
                continue
            assert estimate.value == pytest.approx(frame.by_group.loc[values, name], abs=EXACT)


@pytest.mark.parametrize("columns", [["SEX"], ["RAC1P"], ["SEX", "RAC1P", "DIS"]])
def test_real_rates_are_fairlearns_to_the_last_digit(people, columns):
    truth, decided, features = people["employed"], people["decided"], people[columns]
    audit = audit_fairness(truth, decided, sensitive_features=features, **QUICK)
    assert_equals_fairlearn(truth, decided, features, audit)


@pytest.mark.parametrize("column", ["SEX", "DIS"])
@pytest.mark.parametrize("name", GAPS)
def test_real_gaps_are_fairlearns_to_the_last_digit(people, column, name):
    truth, decided, group = people["employed"], people["decided"], people[column]
    gap = audit_fairness(truth, decided, sensitive_features=group, **QUICK).gap(name)
    want = [f(truth, decided, sensitive_features=group) for f in GAPS[name]]
    assert [gap.difference, gap.ratio] == pytest.approx(want, abs=EXACT)
    assert [gap.raw_difference, gap.raw_ratio] == [gap.difference, gap.ratio]
    assert gap.low <= gap.difference <= gap.high
    assert gap.ratio_low <= gap.ratio <= gap.ratio_high


@st.composite
def decisions(draw):
    person = st.tuples(st.integers(0, 1), st.integers(0, 1), st.sampled_from("abc"))
    people = draw(st.lists(person, min_size=4, max_size=60))
    truth, decided, group = (np.array(part) for part in zip(*people, strict=True))
    assume(len(set(truth)) == 2)
    return truth, decided, pd.DataFrame({"group": group})


@given(decisions())
@settings(max_examples=15, deadline=None)
def test_generated_rates_and_gaps_are_fairlearns(drawn):
    truth, decided, features = drawn
    audit = audit_fairness(truth, decided, sensitive_features=features, min_group=1, **QUICK)
    assert_equals_fairlearn(truth, decided, features, audit)
    undefined = {rate for _, rate in audit.undefined}
    needs = {"demographic_parity": set(), "accuracy": set()}
    for name, (difference, ratio) in GAPS.items():
        if needs.get(name, {"true_positive_rate", "false_positive_rate"}) & undefined:
            continue  # Fairlearn takes 0 for a rate that is not defined
        if features["group"].nunique() < 2:
            continue
        gap = audit.gap(name)
        want = difference(truth, decided, sensitive_features=features)
        assert gap.difference == gap.raw_difference == pytest.approx(want, abs=EXACT)
        if name != "equalized_odds" and not np.isnan(gap.ratio):
            want = ratio(truth, decided, sensitive_features=features)
            assert gap.ratio == pytest.approx(want, abs=EXACT)


def test_a_rate_without_people_is_not_defined_and_never_0():
    truth, decided = [1] * 40 + [0, 1] * 40, [1] * 40 + [0, 0] * 20 + [1, 1] * 20
    group = ["all at work"] * 40 + ["mixed"] * 80
    audit = audit_fairness(truth, decided, sensitive_features=group)
    assert audit.undefined == (("group=all at work", "false_positive_rate"),)
    one = audit["group=all at work"].rates["false_positive_rate"]
    assert np.isnan([one.value, one.low, one.high]).all()
    gap = audit.gap("false_positive_rate")
    assert np.isnan([gap.difference, gap.ratio, gap.lower_bound, gap.raw_difference]).all()
    assert "not defined" in str(gap)
    odds = audit.gap("equalized_odds")
    assert (odds.rate, odds.n_groups) == ("true_positive_rate", 2)


def test_small_groups_are_named_and_do_not_make_a_gap():
    group = ["large"] * 200 + ["other"] * 200 + ["tiny"] * 4
    decided = [0, 1] * 200 + [1] * 4
    audit = audit_fairness([0, 1] * 202, decided, sensitive_features=group)
    assert audit.too_small == ("group=tiny",)
    assert ("group=tiny", "false_positive_rate", 2) in audit.not_judged
    gap = audit.gap("false_positive_rate")
    assert (gap.difference, gap.raw_difference, gap.n_groups) == (0.0, 1.0, 2)
    assert "not judged: group=tiny" in str(audit)
    assert audit["group=tiny"].rates["false_positive_rate"].value == 1.0


def test_missing_groups_are_a_group():
    sex = np.array([1.0, 2.0, np.nan, np.nan] * 20)
    audit = audit_fairness([0, 1] * 40, [0, 1] * 40, sensitive_features={"SEX": sex})
    assert [(g.name, g.n) for g in audit.groups] == [
        ("SEX=1", 20), ("SEX=2", 20), ("SEX=missing", 40),
    ]  # fmt: skip


def test_counts_added_up_give_the_same_audit(people):
    cut = len(people) // 3

    def count(rows):
        return GroupCounts.of(
            rows["employed"], rows["decided"], sensitive_features=rows[["SEX", "DIS"]]
        )

    merged = FairnessAudit.of(count(people[:cut]) + count(people[cut:]))
    direct = audit_fairness(
        people["employed"], people["decided"], sensitive_features=people[["SEX", "DIS"]]
    )
    assert merged.groups == direct.groups
    assert merged.gaps == direct.gaps
    assert direct.over("DIS").groups == tuple(g for g in direct.groups if g.over == ("DIS",))


def test_calibration_is_the_mean_score_less_the_base_rate(people):
    audit = audit_fairness(
        people["employed"], people["decided"],
        sensitive_features=people["SEX"], y_score=people["score"],
    )  # fmt: skip
    for sex, rows in people.groupby("SEX"):
        off = rows["score"] - rows["employed"]
        one = audit[f"SEX={sex}"].rates["calibration"]
        half = 1.959964 * off.std() / np.sqrt(len(off))
        want = (off.mean(), off.mean() - half, off.mean() + half)
        assert (one.value, one.low, one.high) == pytest.approx(want, abs=1e-9)


def test_positive_turns_the_question_round(people):
    truth, decided, sex = people["employed"], people["decided"], people["SEX"]
    turned = audit_fairness(truth, decided, sensitive_features=sex, positive=0, **QUICK)
    plain = audit_fairness(truth, decided, sensitive_features=sex, **QUICK)
    for group in ("SEX=1", "SEX=2"):
        fnr = plain[group].rates["false_negative_rate"]
        assert turned[group].rates["false_positive_rate"] == fnr


def test_each_of_three_classes_is_held_against_the_rest():
    rng = np.random.default_rng(0)
    truth, decided = rng.choice(list("abc"), 600), rng.choice(list("abc"), 600)
    group = rng.integers(1, 3, 600)
    audit = audit_fairness(truth, decided, sensitive_features=group)
    for label in "abc":
        alone = audit_fairness(truth == label, decided == label, sensitive_features=group)
        mine = [g.rates for g in audit.groups if g.label == label]
        assert mine == [g.rates for g in alone.groups]
        gap = audit.gap("equalized_odds", label=label)
        assert gap.difference == alone.gap("equalized_odds").difference
    assert set(audit.to_frame()["label"]) == set("abc")
    with pytest.raises(MonitoringError, match="name the class"):
        audit_fairness(truth, decided, sensitive_features=group, y_score=np.full(600, 0.5))


def test_a_regression_is_audited_by_its_errors():
    rng = np.random.default_rng(0)
    group = np.repeat(["a", "b", "few"], [400, 400, 10])
    truth = rng.normal(10, 3, 810)
    guess = truth + rng.normal(0, 1, 810) + 0.5 * (group == "b")
    audit = audit_fairness(truth, guess, sensitive_features=group)
    for name in ("a", "b", "few"):
        off, found = (guess - truth)[group == name], audit[f"group={name}"].rates
        assert found["mean_error"].value == pytest.approx(off.mean())
        assert found["mean_absolute_error"].value == pytest.approx(abs(off).mean())
        assert found["root_mean_squared_error"].value == pytest.approx(np.sqrt((off**2).mean()))
        want = ttest_1samp(off, 0).confidence_interval(0.95)
        got = found["mean_error"]
        assert (got.low, got.high) == pytest.approx((want.low, want.high), rel=1e-9)
    gap = audit.gap("mean_error")
    assert (gap.highest, gap.lowest) == ("group=b", "group=a")
    assert 0 < gap.low <= gap.lower_bound < gap.difference < gap.high < 0.8
    assert np.isnan(gap.ratio)  # a ratio of errors either side of 0 means nothing
    assert audit.gap("mean_absolute_error").ratio < 1
    assert audit.too_small == ("group=few",)
    same = audit_fairness([1, 2, 3] * 20, [1, 2, 4] * 20, sensitive_features=[1, 2] * 30,
                          kind="regression")  # fmt: skip
    assert "mean_error" in same.groups[0].rates


def test_regressions_without_a_gap_raise_no_more_false_alarms_than_the_level():
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(20), 40)
    fired = np.zeros(3)
    for _ in range(150):
        errors = rng.standard_normal(len(group))
        audit = audit_fairness(
            np.zeros(len(group)), errors, sensitive_features=group, kind="regression", **QUICK
        )
        fired += [gap.is_real for gap in audit.gaps]
    assert (fired <= binom(150, 0.05).ppf(0.999)).all()


def test_intervals_of_gaps_are_those_of_resampling_people(people):
    """The plain bootstrap, person by person, is right where there are many of them."""
    rng = np.random.default_rng(0)
    truth, decided, sex = (people[name].to_numpy() for name in ("employed", "decided", "SEX"))
    drawn = []
    for _ in range(600):
        rows = rng.integers(0, len(people), len(people))
        wrong, mine = (decided[rows] == 1) & (truth[rows] == 0), truth[rows] == 0
        rates = [(wrong & (sex[rows] == s)).sum() / (mine & (sex[rows] == s)).sum() for s in (1, 2)]
        drawn.append(abs(rates[0] - rates[1]))
    gap = audit_fairness(truth, decided, sensitive_features=sex).gap("false_positive_rate")
    want = np.quantile(drawn, [0.025, 0.975])
    assert (gap.low, gap.high) == pytest.approx(want, abs=0.15 * np.ptp(want))


def test_frames_words_and_pages_say_what_was_found(people):
    audit = audit_fairness(
        people["employed"], people["decided"], sensitive_features=people[["SEX", "RAC1P"]]
    )
    frame = audit.to_frame()
    assert frame["over"].unique().tolist() == ["SEX", "RAC1P", "SEX × RAC1P"]
    assert {"n", "positives", "negatives", "accuracy_low", "precision_n"} <= set(frame)
    assert len(audit.gaps_frame()) == len(audit.gaps) == 15
    page = audit._repr_html_()
    assert "not defined" in page
    assert "not judged" in page
    assert audit.worst in audit.gaps
    assert audit.worst.lower_bound == max(gap.lower_bound for gap in audit.gaps)


def test_measurements_hold_rates_gaps_and_the_bound_for_alerts(people):
    audit = audit_fairness(
        people["employed"], people["decided"], sensitive_features=people[["SEX", "RAC1P"]]
    )
    rows = audit.measurements(window_start="2016-01-01", model="employment", version="1")
    keys = {(r.name, r.feature, r.group) for r in rows}
    assert len(keys) == len(rows)
    bound = next(r for r in rows if r.name == "false_positive_rate_lower_bound")
    assert (bound.value, bound.feature) == (audit.gap("false_positive_rate").lower_bound, "SEX")
    small = next(r for r in rows if r.group == "RAC1P=4" and r.name == "accuracy")
    assert "not judged" in small.note
    assert json.dumps([vars(r) for r in rows])


BAD = {
    "few replicates": ({"n_boot": 10}, "100 replicates or more"),
    "level": ({"level": 95}, "a share from 0.5 to below 1"),
    "min_group": ({"min_group": 0}, "a group that is judged has people"),
    "kind": ({"kind": "ranking"}, "'classification', 'regression' or 'auto'"),
    "positive": ({"positive": "yes"}, "no label is 'yes'"),
    "score of a regression": ({"kind": "regression", "y_score": [0.1, 0.2]}, "leave them out"),
}


@pytest.mark.parametrize("name", BAD)
def test_settings_without_sense_are_refused_in_words(name):
    more, message = BAD[name]
    with pytest.raises(MonitoringError, match=message):
        audit_fairness([0, 1], [1, 1], sensitive_features=[1, 2], **more)


def test_a_regression_with_a_missing_value_is_refused():
    with pytest.raises(MonitoringError, match="1 values of y_true or y_pred are missing"):
        audit_fairness([0.5, 1.5], [np.nan, 1.0], sensitive_features=[1, 2])


def test_a_gap_or_group_that_is_not_there_is_named():
    audit = audit_fairness([0, 1], [1, 1], sensitive_features=[1, 2])
    with pytest.raises(MonitoringError, match="there are demographic_parity"):
        audit.gap("parity")
    with pytest.raises(KeyError, match="no group 'SEX=1'"):
        audit["SEX=1"]


@pytest.mark.parametrize("rate", ["", "calibration", "precision"])
def test_groups_are_drawn_with_their_counts(people, rate):
    from matplotlib.figure import Figure

    audit = audit_fairness(
        people["employed"], people["decided"],
        sensitive_features=people[["SEX", "RAC1P"]], y_score=people["score"],
    )  # fmt: skip
    ax = audit.plot(rate, over=("SEX", "RAC1P"), ax=Figure().subplots())
    words = [label.get_text() for label in ax.get_yticklabels()]
    shown = [g for g in audit.groups if len(g.over) == 2]
    want = [f"{g.name}   n = {g.rates[rate or 'false_positive_rate'].n:,}" for g in shown]
    assert words == want
    missing = sum(np.isnan(g.rates[rate or "false_positive_rate"].value) for g in shown)
    assert [t.get_text() for t in ax.texts] == ["not defined"] * missing
    with pytest.raises(MonitoringError, match="no rate 'fpr'; there are base_rate"):
        audit.plot("fpr", ax=ax)
    with pytest.raises(MonitoringError, match="no groups over 'AGEP'"):
        audit.plot(over="AGEP", ax=ax)


@pytest.fixture(scope="module")
def decided_years():
    """A real model of 2015, and what it decides of everybody later."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    census = cap.load_census()
    train, _ = census.split(2015)
    model = HistGradientBoostingClassifier(random_state=0, max_iter=50)
    model.fit(train[census.features], train["employed"])
    years = {year: census.frame(year) for year in (2016, 2017, 2018)}
    return {
        year: frame.assign(decided=model.predict(frame[census.features]))
        for year, frame in years.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("year", [2016, 2017, 2018])
def test_the_gaps_of_production_years_are_fairlearns(decided_years, year):
    frame = decided_years[year]
    columns = ["SEX", "DIS", "RAC1P"]
    audit = audit_fairness(
        frame["employed"], frame["decided"], sensitive_features=frame[columns], min_group=1
    )
    compared = 0
    for column in columns:
        for name, functions in GAPS.items():
            gap = audit.gap(name, over=column)
            mine = [group for group in audit.groups if group.over == (column,)]
            needed = ["true_positive_rate", "false_positive_rate"] if "odds" in name else [gap.rate]
            none = {g.values[0] for g in mine for rate in needed if not g.rates[rate].n}
            if none and name == "equalized_odds":
                continue
            known = frame[~frame[column].isin(none)]  # where Fairlearn would take 0 for no rate
            want = [
                function(known["employed"], known["decided"], sensitive_features=known[column])
                for function in functions
            ]
            assert [gap.difference, gap.ratio] == pytest.approx(want, abs=EXACT)
            compared += 1
    assert compared >= 14
    # what DESIGN.md found with another model: women who are not at work are passed over more often
    sex = audit.gap("false_positive_rate", over="SEX")
    assert (sex.highest, sex.is_real) == ("SEX=2", True)
    assert 0.05 < sex.difference < 0.08


@pytest.mark.slow
def test_decisions_that_ignore_the_group_raise_no_alarm_on_real_people(decided_years):
    """Sex and disability drawn at random: 200 windows, each with five gaps over 34 cells."""
    frame = decided_years[2016]
    rng = np.random.default_rng(0)
    cells = frame[["SEX", "RAC1P", "DIS"]].to_numpy()
    fired = np.zeros(len(GAPS))
    for _ in range(200):
        rows = rng.integers(0, len(frame), 5000)
        strangers = cells[rng.permutation(len(frame))[:5000]]
        audit = audit_fairness(
            frame["employed"].to_numpy()[rows], frame["decided"].to_numpy()[rows],
            sensitive_features=dict(zip("abc", strangers.T, strict=True)), **QUICK,
        )  # fmt: skip
        found = audit.over("a", "b", "c")
        fired += [found.gap(name, over=("a", "b", "c")).is_real for name in GAPS]
    assert (fired <= 200 * 0.05 + 3.1 * np.sqrt(200 * 0.05 * 0.95)).all()
