"""Calibration against scikit-learn's curve, and simulated models, calibrated or not."""

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from capstone_lib.artifact.model import Predictions
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.calibration import calibration_of, measure_calibration

mpl.use("Agg")


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80),
    st.integers(1, 12),
    st.sampled_from(["uniform", "quantile"]),
)
@settings(deadline=None)
def test_the_table_is_scikit_learns_curve(rows, bins, strategy):
    score, came = (np.array(part) for part in zip(*rows, strict=True))
    frame = calibration_of(came, score, bins=bins, strategy=strategy).frame
    true, said = calibration_curve(came, score, n_bins=bins, strategy=strategy, pos_label=True) \
        if len(set(came)) == 2 else (None, None)  # fmt: skip
    if true is not None:
        assert frame["rate"].to_numpy() == pytest.approx(true, abs=1e-12)
        assert frame["score"].to_numpy() == pytest.approx(said, abs=1e-12)
    assert frame["n"].sum() == len(rows)
    assert (frame["from"] <= frame["to"]).all()


def test_the_error_is_the_weighted_distance():
    rng = np.random.default_rng(0)
    score = rng.random(1000)
    came = rng.random(1000) < score**2
    found = calibration_of(came, score, bins=7)
    place = np.minimum((score * 7).astype(int), 6)
    by_hand = sum(
        abs(came[place == k].mean() - score[place == k].mean()) * (place == k).mean()
        for k in range(7)
    )
    assert found.ece == pytest.approx(by_hand, abs=1e-12)
    assert found.in_the_large == pytest.approx(came.mean() - score.mean(), abs=1e-12)
    assert found.is_real
    assert found.ece_low > 0
    assert found.large_high < 0


@pytest.mark.parametrize("n", [200, 5000])
def test_a_calibrated_model_is_seldom_accused_and_its_intervals_hold(n):
    rng, rounds = np.random.default_rng(n), 800
    accused = large = low = 0
    for _ in range(rounds):
        score = rng.beta(2, 3, n)
        found = calibration_of(rng.random(n) < score, score)
        accused += found.is_real
        large += found.large_low <= 0 <= found.large_high
        low += found.ece_low == 0
    assert accused / rounds <= 0.08
    assert low / rounds >= 0.935  # 0.95, less two of its binomial errors
    assert 0.92 <= large / rounds <= 0.98


def test_the_interval_holds_the_true_error_of_a_model_that_is_off():
    rng, hits = np.random.default_rng(5), 0
    shares = np.linspace(0.05, 0.95, 10)
    for _ in range(400):
        score = rng.choice(shares, 2000)
        true = score + 0.08 * np.sin(6 * score)
        found = calibration_of(rng.random(2000) < true, score)
        hits += found.ece_low <= np.abs(0.08 * np.sin(6 * shares)).mean() <= found.ece_high
    assert hits / 400 >= 0.95


def test_of_three_classes_the_confidence_is_judged():
    said = Predictions(
        np.float32([0.6, 0.9]), np.array(["a", "b"]), np.zeros(2, np.float32),
        np.ones((2, 3), bool), np.zeros(2, bool), ("a", "b", "c"),
    )  # fmt: skip
    found = measure_calibration(["c", "b"], said, bins=2)
    assert found.frame["rate"].tolist() == [0.5]
    names = {one.name: one for one in found.measurements()}
    assert names["ece"].threshold == found.ece_floor
    assert names["calibration_in_the_large"].n == 2
    assert list(found.to_frame()["n"]) == [2]


def test_it_is_drawn_with_its_error():
    rng = np.random.default_rng(0)
    score = rng.random(400)
    ax = calibration_of(rng.random(400) < score, score).plot()
    assert "n = 400, ECE" in ax.get_title() + ax.get_title(loc="left")
    mpl.pyplot.close("all")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], []), "one outcome a row, and one row at least"),
        (([1], [0.5, 0.6]), "2 scores and 1 outcomes"),
        (([1], [1.5]), "from 0 to 1"),
        (([1], [np.nan]), "from 0 to 1"),
    ],
)
def test_what_is_no_probability_is_refused(arguments, message):
    with pytest.raises(MonitoringError, match=message):
        calibration_of(*arguments)


@pytest.mark.parametrize("wrong", [{"bins": 0}, {"bins": True}, {"strategy": "even"}])
def test_arguments_that_make_no_sense_are_refused(wrong):
    with pytest.raises(MonitoringError, match="seen"):
        calibration_of([1], [0.5], **wrong)
