"""All measurements of a window: batch and live alike, and what is not known is said."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import capstone_lib as cap
from capstone_lib.errors import MonitoringError, SourceError
from capstone_lib.monitoring import (
    Traffic,
    audit_fairness,
    detect_drift,
    estimate_performance,
    measure,
    measure_performance,
)
from capstone_lib.monitoring.gather import read_source
from capstone_lib.store import open_store

START, END = "2016-01-01", "2016-02-01"
FEATURES = ["age", "sex"]


def people(n, *, seed, first=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"row_id": np.arange(first, first + n), "age": rng.integers(18, 80, n),
         "sex": rng.integers(1, 3, n)}
    )  # fmt: skip
    chance = 1 / (1 + np.exp((frame["age"] - 50) / 8 - (frame["sex"] - 1.5)))
    return frame.assign(employed=(rng.random(n) < chance).astype(int))


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    train, held = people(2000, seed=1), people(2000, seed=2)
    return cap.export_model(
        LogisticRegression(max_iter=500).fit(train[FEATURES], train["employed"]),
        train[FEATURES],
        tmp_path_factory.mktemp("model") / "m.onnx",
        name="work",
        version="1.0",
        X_calibration=held[FEATURES],
        y_calibration=held["employed"],
        sensitive=["sex"],
    )


def log(store, artifact, frame, *, route="stable", at="2016-01-31", version="1.0"):
    """Log what an endpoint would have answered to these people."""
    said = artifact.predict(frame[FEATURES])
    key = store.register_served(name="work", version=version, artifact=version, snapshot="x")
    received = pd.Timestamp(at, tz=UTC).timestamp()
    sets = [[c for c, inside in zip((0, 1), row, strict=True) if inside]
            for row in said.prediction_set.tolist()]  # fmt: skip
    rows = zip(frame.to_dict("records"), said.score.tolist(), said.label.tolist(),
               said.uncertainty.tolist(), sets, said.review.tolist(), strict=True)  # fmt: skip
    store.write_requests(
        [
            (str(row["row_id"]), received, key, route, {name: row[name] for name in FEATURES},
             score, label, uncertainty, members, review, 1.0 + place % 7, None)
            for place, (row, score, label, uncertainty, members, review) in enumerate(rows)
        ]
    )  # fmt: skip


def score(store, artifact, frame, *, as_of="2016-01-31"):
    return cap.score_batch(
        artifact, frame, store=store, as_of=as_of, id="row_id", show_progress=False,
        max_reject_share=0.5,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store.db") as opened:
        yield opened


def by_key(measurements, traffic):
    return {(m.name, m.feature, m.group): m for m in measurements if m.traffic == traffic}


def test_the_same_rows_by_batch_and_live_are_measured_the_same(store, artifact):
    frame = people(900, seed=3)
    score(store, artifact, frame)
    log(store, artifact, frame)
    store.record_outcomes(frame[:700], outcome="employed", observed_at="2016-03-01")

    found = measure(artifact, store, window=(START, END), source=frame)

    batch, live = by_key(found, "batch"), by_key(found, "live")
    both = set(batch) & set(live)
    assert {("auc", "", ""), ("psi", "age", ""), ("review_share", "sex", "sex=1"),
            ("false_positive_rate", "sex", "sex=2"), ("estimated_accuracy", "", ""),
            ("ece", "", ""), ("aurc", "", "")} <= both  # fmt: skip
    for key in both - {("rows", "", "")}:
        one, two = batch[key], live[key]
        assert [one.value, one.low, one.high] == pytest.approx(
            [two.value, two.low, two.high], nan_ok=True, abs=1e-12
        ), key
        assert one.n == two.n
    only = {name for name, _, _ in set(batch) ^ set(live)}
    assert only == {
        "run_success_rate", "reject_rate", "run_duration_median", "run_duration_max", "freshness",
        "staleness_median", "staleness_p95", "staleness_max", "latency_p50", "latency_p90",
        "latency_p95", "latency_p99", "latency_max", "slow_share", "request_share", "error_rate",
        "shed_rate",
    }  # fmt: skip
    parity = by_key(found, "")
    assert parity["parity_differing_columns", "", ""].value == 0
    assert parity["parity_differing_share", "age", ""].n == 900


def test_every_figure_is_that_of_its_own_function(store, artifact):
    frame = people(800, seed=4)
    score(store, artifact, frame)
    store.record_outcomes(frame, outcome="employed", observed_at="2016-02-15")
    found = by_key(measure(artifact, store, window=(START, END), source=frame), "batch")
    said = artifact.predict(frame[FEATURES])

    for name, one in measure_performance(frame["employed"], said).metrics.items():
        assert found[name, "", ""].value == pytest.approx(one.value, abs=1e-12)
    for name, one in estimate_performance(said, artifact.recalibration).metrics.items():
        assert found[f"estimated_{name}", "", ""].value == pytest.approx(one.value, abs=1e-9)
    audit = audit_fairness(frame["employed"], said.label, sensitive_features=frame[["sex"]])
    gap = audit.gap("equalized_odds")
    assert found["equalized_odds_lower_bound", "sex", ""].value == gap.lower_bound
    report = detect_drift(artifact, frame[FEATURES])
    assert found["psi", "age", ""].value == pytest.approx(report["age"].psi, abs=1e-12)
    assert found["false_positive_rate_change", "sex", "sex=1"].n > 100
    psi = found["psi", "age", ""]
    assert psi.note == f"chance alone reaches {psi.threshold:.3g}"
    assert found["pair_alarms", "", ""].value == 0
    before = artifact.reference_groups.confusion.sum(0)
    assert found["accuracy_change", "", ""].value == pytest.approx(
        found["accuracy", "", ""].value - np.trace(before) / before.sum()
    )
    for one in found.values():
        assert (one.window_start, one.window_end) == ("2016-01-01T00:00:00", "2016-02-01T00:00:00")
        assert (one.model, one.version) == ("work", "1.0")


def test_measuring_a_window_again_replaces_it(store, artifact):
    frame = people(300, seed=5)
    score(store, artifact, frame)
    store.write_measurements(measure(artifact, store, window=(START, END)), whole=True)
    before = store.measurements(name="auc")
    store.record_outcomes(frame, outcome="employed", observed_at="2016-02-15")
    kept = store.write_measurements(measure(artifact, store, window=(START, END)), whole=True)
    assert len(before) == 0
    assert store.measurements(name="auc")["value"].notna().tolist() == [True]
    assert len(store.measurements()) == kept


def test_other_windows_versions_and_shadows_do_not_count(store, artifact):
    frame = people(100, seed=6)
    score(store, artifact, frame)
    score(store, artifact, people(50, seed=7, first=500), as_of="2016-02-29")
    log(store, artifact, frame[:30])
    log(store, artifact, frame[30:50], route="canary")
    log(store, artifact, frame[:40], route="shadow")
    log(store, artifact, frame[:40], version="2.0")
    log(store, artifact, frame[:40], at="2016-02-01")
    found = measure(artifact, store, window=(START, END))
    batch, live = by_key(found, "batch"), by_key(found, "live")
    assert (batch["rows", "", ""].n, live["rows", "", ""].n) == (100, 50)
    assert live["request_share", "route", "route=canary"].value == 0.4
    assert live["latency_p50", "route", "route=canary"].n == 20
    everything = by_key(measure(artifact, store), "batch")
    assert everything["rows", "", ""].n == 150


def test_without_a_source_answers_are_compared_and_the_rest_is_said(store, artifact):
    score(store, artifact, people(400, seed=8))
    found = by_key(measure(artifact, store, window=(START, END)), "batch")
    assert found["psi", "score", ""].is_known
    assert ("psi", "age", "") not in found
    assert "no features: name the source" in found["psi", "score", ""].note
    assert found["accuracy", "", ""].note.startswith("no outcome is known yet")
    assert found["outcomes_missing", "", ""].value == 1


def test_rejected_rows_count_as_asked_and_withhold_the_estimate(store, artifact):
    frame = people(600, seed=9)
    broken = frame.astype({"age": float})
    broken.loc[broken.index[:60], "age"] = np.nan
    score(store, artifact, broken)
    found = by_key(measure(artifact, store, window=(START, END), source=broken), "batch")
    assert found["reject_rate", "", ""].value == 0.1
    assert found["missing_share", "age", ""].value == 0.1
    assert np.isnan(found["estimated_auc", "", ""].value)
    assert found["estimated_auc", "", ""].note.startswith("withheld: age: 10.0%")


def test_a_live_path_that_fills_a_default_is_found_by_parity(store, artifact):
    frame = people(200, seed=10)
    score(store, artifact, frame)
    log(store, artifact, frame.assign(sex=np.where(frame["row_id"] % 2, 1, frame["sex"])))
    found = by_key(measure(artifact, store, window=(START, END), source=frame), "")
    assert found["parity_differing_columns", "", ""].value == 1
    assert 0.15 < found["parity_differing_share", "sex", ""].value < 0.35


def test_bands_of_a_number_and_columns_that_are_not_there(store, artifact):
    frame = people(500, seed=11).assign(region=["n", "s"] * 250)
    score(store, artifact, frame)
    asked = {"age": [65, 25], "region": None}
    found = measure(artifact, store, window=(START, END), source=frame, sensitive=asked)
    groups = {m.group: m.n for m in found if m.name == "review_share" and m.feature == "age"}
    ages = frame["age"]
    assert groups == {
        "age=below 25": (ages < 25).sum(),
        "age=25 to below 65": ((ages >= 25) & (ages < 65)).sum(),
        "age=from 65": (ages >= 65).sum(),
    }
    assert any(m.group == "region=n" for m in found)
    with pytest.raises(
        MonitoringError, match=r"no column 'race' to form groups by; the batch rows"
    ):
        measure(artifact, store, window=(START, END), source=frame, sensitive=["race"])


def test_an_empty_store_and_a_folder_say_why(store, artifact, tmp_path):
    empty = measure(artifact, store)
    assert all(m.value == 0 or not m.is_known for m in empty)
    assert all(m.note for m in empty)
    with open_store(tmp_path / "folder") as folder:
        score(folder, artifact, people(50, seed=12))
        found = measure(artifact, folder)
    assert by_key(found, "batch")["rows", "", ""].n == 50
    assert "a folder keeps no log of requests" in by_key(found, "live")["rows", "", ""].note


def test_what_was_shed_is_told_by_the_endpoint(store, artifact):
    log(store, artifact, people(30, seed=13))
    seen = Traffic(40, 30, 0, 2, {"in_flight": 8})
    found = by_key(measure(artifact, store, seen=seen), "live")
    assert found["shed_rate", "", ""].value == 0.2
    assert found["error_rate", "", ""].value == 0.05
    unknown = by_key(measure(artifact, store), "live")["shed_rate", "", ""]
    assert "answered requests only" in unknown.note


def test_late_outcomes_and_people_of_the_past(store, artifact):
    frame = people(300, seed=14)
    log(store, artifact, frame)
    store.record_outcomes(frame[:200], outcome="employed", observed_at="2015-06-01")
    store.record_outcomes(frame[200:], outcome="employed", observed_at="2016-06-01")

    def missing(**options):
        found = by_key(measure(artifact, store, window=(START, END), **options), "live")
        return found["outcomes_missing", "", ""].value

    assert missing() == pytest.approx(2 / 3)
    assert missing(outcomes_until="2016-05-01") == 1
    assert missing(replayed=True) == 0
    assert missing(replayed=True, outcomes_until="2016-05-01") == pytest.approx(1 / 3)


def test_staleness_is_asked_at_the_windows_end_or_now(store, artifact):
    score(store, artifact, people(20, seed=15), as_of="2016-01-10")
    for window, now, days in (((START, END), None, 22), ((None, None), "2016-01-12", 2)):
        found = by_key(measure(artifact, store, window=window, now=now), "batch")
        assert found["staleness_max", "", ""].value == days
        assert found["freshness", "", ""].value == days
    later = by_key(measure(artifact, store, window=("2016-02-01", "2016-02-10")), "batch")
    assert later["freshness", "", ""].value == 31  # a batch that did not come is late
    assert "no batch run of work 1.0 in this window" in later["freshness", "", ""].note
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    found = by_key(measure(artifact, store, window=(START, tomorrow)), "batch")
    assert found["freshness", "", ""].value == pytest.approx(
        (datetime.now(UTC) - datetime(2016, 1, 10, tzinfo=UTC)).days, abs=1.1
    )


@pytest.mark.parametrize(
    ("window", "message"),
    [((END, START), "ends .* before it begins"), ("2016", "two dates"), (None, "two dates")],
)
def test_what_is_no_window_is_refused(store, artifact, window, message):
    with pytest.raises(MonitoringError, match=message):
        measure(artifact, store, window=window)


def test_a_source_that_does_not_fit_is_refused(store, artifact, tmp_path):
    frame = people(50, seed=16)
    score(store, artifact, frame)
    with pytest.raises(MonitoringError, match="no column 'row_id', by which the run knew"):
        measure(artifact, store, source=frame.drop(columns="row_id"))
    with pytest.raises(MonitoringError, match="stands twice in the source"):
        measure(artifact, store, source=pd.concat([frame, frame]))
    other = by_key(measure(artifact, store, source=people(50, seed=1, first=900)), "batch")
    assert "no row of the source has the id" in other["psi", "score", ""].note
    (tmp_path / "x.txt").write_text("?")
    (tmp_path / "x.parquet").write_text("?")
    for name, message in (("x.txt", "none of"), ("x.parquet", "cannot be read as a table")):
        with pytest.raises(SourceError, match=message):
            read_source(tmp_path / name)


def test_rows_without_ids_are_known_by_their_number(store, artifact):
    frame = people(60, seed=17)[FEATURES]
    cap.score_batch(artifact, frame, store=store, as_of="2016-01-31", show_progress=False)
    found = by_key(measure(artifact, store, source=frame), "batch")
    assert found["psi", "age", ""].n == 60


def test_files_are_read_one_after_the_other(tmp_path):
    frame = people(20, seed=18)
    frame[:10].to_parquet(tmp_path / "a.parquet")
    frame[10:].to_csv(tmp_path / "b.csv", index=False)
    read = read_source([tmp_path / "a.parquet", str(tmp_path / "b.csv")])
    pd.testing.assert_frame_equal(read, frame)


@pytest.mark.parametrize("labels", [(False, True), ("no", "yes"), ("a", "b", "c")])
def test_labels_of_every_kind_through_a_real_endpoint(store, tmp_path, labels):
    frame = people(400, seed=19)
    place = np.digitize(frame["age"], [40, 60][: len(labels) - 1]) ^ (frame["row_id"] % 9 == 0)
    frame["employed"] = np.array(labels)[np.minimum(place, len(labels) - 1)]
    model = LogisticRegression(max_iter=2000).fit(frame[FEATURES], frame["employed"])
    artifact = cap.export_model(
        model, frame[FEATURES], tmp_path / "m.onnx", name="work", version="1.0",
        X_calibration=frame[FEATURES], y_calibration=frame["employed"], sensitive=["sex"],
    )  # fmt: skip
    score(store, artifact, frame)
    with cap.serve(artifact, store=store.url) as endpoint:
        for row in frame.to_dict("records"):
            endpoint.predict({name: row[name] for name in FEATURES}, id=str(row["row_id"]))
    store.record_outcomes(frame, outcome="employed", observed_at="2016-03-01")
    found = measure(artifact, store, source=frame, replayed=True)
    batch, live = by_key(found, "batch"), by_key(found, "live")
    right = (artifact.predict(frame[FEATURES]).label == frame["employed"]).mean()
    assert right > 0.6
    for name in ("accuracy", "estimated_accuracy", "coverage", "ece", "review_share"):
        assert batch[name, "", ""].value == pytest.approx(live[name, "", ""].value, abs=1e-6), name
    assert live["accuracy", "", ""].value == pytest.approx(right)
    assert live["drift_alarms", "", ""].value == batch["drift_alarms", "", ""].value == 0
    assert live["unseen_share", "label", ""].value == 0
