"""The measurements that a rule can name are those that are measured, as they are measured."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import capstone_lib as cap
from capstone_lib.alerts.catalogue import KNOWN, known_as
from capstone_lib.monitoring import Traffic, measure, measure_hybrid
from capstone_lib.monitoring.drift import detect_drift
from capstone_lib.review import ReviewQueue, measure_reviews
from capstone_lib.store import open_store


def people(n, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"row_id": np.arange(n), "age": rng.integers(18, 80, n),
                          "sex": rng.integers(1, 3, n)})  # fmt: skip
    chance = 1 / (1 + np.exp((frame["age"] - 50) / 8))
    return frame.assign(work=(rng.random(n) < chance).astype(int))


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Everything that is measured of a batch and a live endpoint, and a few more."""
    folder = tmp_path_factory.mktemp("catalogue")
    train, held, frame = (people(n, seed) for seed, n in enumerate((1500, 1500, 800)))
    artifact = cap.export_model(
        LogisticRegression(max_iter=500).fit(train[["age", "sex"]], train["work"]),
        train[["age", "sex"]], folder / "m.onnx", name="work", version="1",
        X_calibration=held[["age", "sex"]], y_calibration=held["work"], sensitive=["sex"],
    )  # fmt: skip
    with open_store(folder / "store.db") as store:
        cap.score_batch(artifact, frame, store=store, as_of="2016-01-31", id="row_id",
                        show_progress=False)  # fmt: skip
        said = artifact.predict(frame[["age", "sex"]])
        key = store.register_served(name="work", version="1", artifact="1", snapshot="x")
        rows = zip(frame.to_dict("records"), said.score.tolist(), said.label.tolist(), strict=True)
        store.write_requests([
            (str(row["row_id"]), 1454241600.0, key, ("stable", "canary")[place % 2],
             {"age": row["age"], "sex": row["sex"]}, score, label, 0.5, [label], False, 1.0, None)
            for place, (row, score, label) in enumerate(rows)
        ])  # fmt: skip
        store.record_outcomes(frame, outcome="work", observed_at="2016-03-01")
        found = measure(artifact, store, window=("2016-01-01", "2016-03-01"), source=frame,
                        seen=Traffic(900, 880, 10, 5, {"busy": 5}))  # fmt: skip
        queue = ReviewQueue(store, double_share=1)
        queue.fill_audit(artifact=artifact, source=frame, alert_id="a", group="sex=2", n=10)
        for turn, reviewer in enumerate(["ana", "bo"]):
            while case := queue.next(reviewer):
                queue.see(case)
                verdict = "accept" if (turn + len(case.case_id)) % 2 else "cannot say"
                queue.decide(case.case_id, reviewer=reviewer, verdict=verdict)
        found += measure_reviews(store, artifact=artifact)
    found += detect_drift(train, frame, classifier=True).measurements()
    truth = frame["age"] + 0.5
    guess = LinearRegression().fit(frame[["sex"]], truth).predict(frame[["sex"]])
    audit = cap.audit_fairness(truth, guess, sensitive_features=frame["sex"])
    log = pd.DataFrame({"received_at": pd.to_datetime(["2016-02-01 12:00"] * 40),
                        "as_of": pd.to_datetime(["2016-02-01"] * 30 + [None] * 10),
                        "miss": [None] * 30 + ["unknown"] * 10})  # fmt: skip
    return [*found, *audit.measurements(), *measure_hybrid(log).measurements()]


def test_every_measurement_is_known_and_every_known_one_is_measured(measured):
    names = {one.name for one in measured}
    assert names - set(KNOWN) == set()
    rates = {name for name in KNOWN if name.endswith("_change")}  # of the rates that are watched
    assert set(KNOWN) - names - rates == set()


def test_they_are_as_the_catalogue_says(measured):
    for one in measured:
        known = known_as(one.name)
        if one.is_known:
            assert known.least <= one.value <= known.most, one
        if not math.isnan(one.low):
            assert known.ends, one
        is_of = (bool(one.feature), bool(one.group))
        allowed = {
            "everybody": {(False, False)},
            "features": {(True, False)},
            "groups": {(True, True)},
            "either": {(False, False), (True, True)},
        }[known.where]
        assert is_of in allowed, one
        if known.floor and one.is_known and not math.isnan(one.value):
            assert one.threshold is not None, one


def test_what_has_an_interval_in_the_catalogue_has_one(measured):
    with_ends = {one.name for one in measured if not math.isnan(one.low)}
    told = {name for name, known in KNOWN.items() if known.ends}
    rates = {name for name in told if name.endswith("_change")}
    assert told - with_ends - rates == set()


def test_classes_stand_in_brackets():
    assert known_as("precision[b]") is KNOWN["precision"]
    assert known_as("nonsense[b]") is None
