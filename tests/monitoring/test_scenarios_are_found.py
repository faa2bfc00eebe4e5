"""A monitor at work: every scenario is found at its size, where it says, and the control is silent.

The model is a real artifact, its reference that of its passport, its windows people of a later
year than those it was trained and calibrated on.
"""

from copy import copy

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits

import capstone_lib as cap
from capstone_lib.data import scenarios
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.parity import compare_features
from capstone_lib.monitoring.trial import SIGNS, Monitor, is_right, put_on_trial

CENSUS = cap.load_census()
PEOPLE = CENSUS.frame(2016)
N = 10
SHOWN = [(one, sign) for one in scenarios.names() for sign in scenarios.get(one).shows_in]
OUTCOMES = [one for one in scenarios.names() if scenarios.get(one).changes_labels]


@pytest.fixture(scope="module")
def monitor(tmp_path_factory):
    fit, held_out = CENSUS.split(2015)
    codes = [name for name in CENSUS.features if name != "AGEP"]
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    pipeline = make_pipeline(
        make_column_transformer((one_hot, codes), remainder="passthrough"),
        HistGradientBoostingClassifier(max_iter=40, random_state=0),
    )
    with threadpool_limits(1):
        pipeline.fit(fit[CENSUS.features], fit[CENSUS.target])
    artifact = cap.export_model(
        pipeline,
        fit[CENSUS.features],
        tmp_path_factory.mktemp("model") / "model.onnx",
        name="employment",
        version="1.0.0",
        schema=CENSUS.schema,
        X_calibration=held_out[CENSUS.features],
        y_calibration=held_out[CENSUS.target],
    )
    return Monitor.of(artifact, held_out, target=CENSUS.target, sensitive=["SEX", "RAC1P", "DIS"])


def windows(size, n=N):
    return [PEOPLE.sample(size, random_state=seed) for seed in range(n)]


@pytest.mark.parametrize(("name", "sign"), SHOWN)
def test_it_is_found_at_its_size_at_the_right_place(monitor, name, sign):
    scenario = scenarios.get(name)
    right = []
    for seed, rows in enumerate(windows(scenario.shows_from)):
        altered, _ = scenarios.apply(name, rows, seed=seed)
        right.append(is_right(scenario, sign, monitor.alarms(altered, signs=[sign])[sign]))
    assert np.mean(right) >= 0.9


@pytest.mark.parametrize(("size", "n"), [(200, 60), (1_000, 30), (5_000, 10)])
def test_the_control_is_silent(monitor, size, n):
    fired = dict.fromkeys(SIGNS, 0)
    for rows in windows(size, n):
        control, _ = scenarios.apply("nothing", rows)
        for sign, alarms in monitor.alarms(control).items():
            fired[sign] += bool(alarms)
    assert max(fired.values()) <= binom.ppf(0.999, n, 0.05)
    if size >= 1_000:  # what chance does there is real once in twenty windows, but never large
        assert fired["columns"] == fired["pairs"] == fired["performance"] == 0


@pytest.mark.parametrize("name", OUTCOMES)
def test_only_outcomes_show_a_change_of_outcomes(monitor, name):
    for seed, rows in enumerate(windows(2_000)):
        altered, _ = scenarios.apply(name, rows, seed=seed)
        found = monitor.alarms(altered, signs=["columns", "pairs"])
        assert found == {"columns": (), "pairs": ()}


def test_a_bad_join_shows_in_no_column_by_itself(monitor):
    for seed, rows in enumerate(windows(1_000)):
        altered, _ = scenarios.apply("bad_join", rows, seed=seed)
        found = monitor.alarms(altered)
        assert set(found["columns"]) <= {"score", "label"}  # the answers, no feature
        assert all("AGEP" in pair for pair in found["pairs"])


def test_the_groups_that_are_named_are_the_ones_concerned(monitor):
    for seed, rows in enumerate(windows(5_000)):
        women, _ = scenarios.apply("job_losses_women", rows, seed=seed)
        assert monitor.alarms(women, signs=["groups"])["groups"][0] == "SEX=2"
        few, _ = scenarios.apply("small_group_collapses", rows, seed=seed)
        assert monitor.alarms(few, signs=["groups"])["groups"] == ("RAC1P=8",)


def test_rows_that_the_model_refuses_have_no_performance(monitor):
    altered, _ = scenarios.apply("missing_ages", windows(1_000)[0])
    found = monitor.alarms(altered)
    assert found["columns"][0] == "AGEP"
    assert found["performance"] == found["groups"] == ()


def test_the_broken_months_are_told_from_the_others(monitor):
    since = "2016-04-01"
    broken, _ = scenarios.apply("age_as_birth_year", PEOPLE, since=since)
    for month in range(1, 7):
        rows = broken[broken["arrived_at"].dt.month == month]
        found = monitor.alarms(rows, signs=["columns"])["columns"]
        assert (found[:1] == ("AGEP",)) == (month >= 4)
        assert bool(found) == (month >= 4)


def test_batch_and_live_of_the_same_people_are_told_apart():
    people = windows(2_000)[0]
    live, truth = scenarios.apply("live_defaults", people)
    parity = compare_features(people, live, columns=CENSUS.features)
    assert {one.name for one in parity.disagreeing} == set(truth.columns)
    assert all(one.most_common_share == 1.0 for one in parity.disagreeing)
    assert parity.rows["id"].nunique() == truth.n_changed
    live, _ = scenarios.apply("bad_join", people)
    (ages,) = compare_features(people, live, columns=CENSUS.features).disagreeing
    assert (ages.name, ages.total_variation) == ("AGEP", 0.0)
    assert "wrong rows" in str(ages)


def test_power_grows_with_the_window_and_the_strength(monitor):
    names = ["older_population", "small_group_collapses", "nothing"]
    table = put_on_trial(monitor, PEOPLE, names=names, sizes=(100, 5_000), n_windows=5)
    assert list(table.columns) == [100, 5_000]
    assert table.loc[("older_population", "columns"), 5_000] == 1.0
    assert table.loc[("small_group_collapses", "groups")].tolist() == [0.0, 1.0]
    assert (table.loc["nothing", 5_000] == 0).all()
    faint = put_on_trial(
        monitor, PEOPLE, names=names[:1], sizes=(1_000,), n_windows=5, strength=0.05
    )
    assert faint.loc[("older_population", "columns"), 1_000] == 0.0


def test_the_same_seed_gives_the_same_power(monitor):
    how = {"names": ["older_population"], "sizes": (200,), "n_windows": 6}
    first, again = (put_on_trial(monitor, PEOPLE, seed=4, **how) for _ in range(2))
    assert first.equals(again)


def test_an_artifact_without_a_reference_cannot_be_watched(monitor):
    bare = copy(monitor.artifact)
    vars(bare)["reference"] = None
    with pytest.raises(MonitoringError, match=r"employment 1\.0\.0 carries no reference"):
        Monitor.of(bare, PEOPLE, target=CENSUS.target, sensitive=["SEX"])


@pytest.mark.slow
def test_power_against_window_size(monitor):
    n_windows, sizes = 100, (200, 1_000, 5_000)
    table = put_on_trial(monitor, PEOPLE, sizes=sizes, n_windows=n_windows, seed=1)
    error = 3 * np.sqrt(0.25 / n_windows)
    for name, sign in SHOWN:
        power = table.loc[(name, sign)]
        assert (np.diff(power) >= -error).all()
        assert (
            power[[size for size in sizes if size >= scenarios.get(name).shows_from]] >= 0.9
        ).all()
    assert (table.loc["nothing"] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_windows)).all(axis=None)
