"""The artifact's own reference: written by export, read anywhere, the same for batch and live."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import capstone_lib as cap
from capstone_lib.artifact.passport import Passport
from capstone_lib.artifact.rows import RowScorer
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.live import features_of, window_of_requests
from capstone_lib.monitoring.parity import compare_features


@pytest.fixture(scope="module")
def census():
    return cap.load_census()


@pytest.fixture(scope="module")
def model(census, tmp_path_factory):
    train, held_out = (part.sample(3000, random_state=0) for part in census.split(2015))
    X = train[census.features]
    encode = OneHotEncoder(handle_unknown="ignore")
    pipeline = make_pipeline(encode, LogisticRegression(max_iter=500)).fit(X, train["employed"])

    def export(name, **options):
        path = tmp_path_factory.mktemp("models") / name
        return cap.export_model(pipeline, X, path, name="work", version="1.0.0", **options)

    return export, held_out


@pytest.fixture(scope="module")
def artifact(model, census):
    export, held_out = model
    return export(
        "m.onnx", X_calibration=held_out[census.features], y_calibration=held_out["employed"]
    )


def test_the_reference_is_the_calibration_rows_counted(artifact, model, census):
    held_out = model[1][census.features]
    reference = cap.load_model(artifact.path).reference
    assert (reference.n_rows, reference.model, reference.version) == (3000, "work", "1.0.0")
    assert reference.columns == (*census.features, "score", "label")
    for name in census.features:
        bins = reference.binning[name]
        want = held_out[name].value_counts().reindex(bins.categories, fill_value=0)
        np.testing.assert_array_equal(reference.counts[name][: len(bins.categories)], want)
        assert reference.counts[name].sum() == 3000
    said = artifact.predict(held_out)
    again = cap.Window.of(held_out, binning=reference.binning, predictions=said)
    for name, count in again.counts.items():
        np.testing.assert_array_equal(reference.counts[name], count)
    np.testing.assert_array_equal(reference.pairs, again.pairs)
    assert reference.counts["label"][:2].tolist() == [
        (said.label == 0).sum(), (said.label == 1).sum()
    ]  # fmt: skip


def test_the_reference_is_small_and_makes_no_difference_to_the_bytes(artifact, model, census):
    export, held_out = model
    again = export(
        "n.onnx", X_calibration=held_out[census.features], y_calibration=held_out["employed"]
    )
    assert again.sha256 == artifact.sha256
    kept = artifact.passport.to_dict()["reference"]
    explains = {"background": kept.pop("background")}
    sizes = [len(json.dumps(part, separators=(",", ":"))) for part in (kept, explains)]
    assert sizes[0] < 9_000
    assert sizes[1] < 6_000
    assert "3,000 rows in 17 columns" in str(artifact.passport)


def test_without_calibration_the_training_rows_are_the_reference(model):
    assert model[0]("t.onnx").reference.n_rows == 3000


def test_a_passport_of_an_older_version_has_no_reference(artifact):
    old = json.loads(artifact.passport.to_json())
    del old["reference"]
    passport = Passport.from_json(json.dumps(old))
    assert passport.reference is None
    assert "carries no reference" in str(passport)


def test_an_artifact_without_a_reference_is_refused(artifact, monkeypatch):
    bare = cap.load_model(artifact.path)
    monkeypatch.setitem(vars(bare), "reference", None)
    with pytest.raises(MonitoringError, match=r"work 1\.0\.0 carries no reference"):
        cap.detect_drift(bare, pd.DataFrame({"AGEP": [40]}))


def test_a_table_is_compared_with_an_artifact(artifact, census):
    people = census.frame(2016).sample(2000, random_state=1)
    quiet = cap.detect_drift(artifact, people)
    assert quiet.alarms == ()
    assert [one.name for one in quiet.features] == census.features
    window = cap.Window.of(
        people, binning=artifact.reference.binning, predictions=artifact.predict(people)
    )
    assert [one.name for one in cap.detect_drift(artifact, window).features][-2:] == [
        "score", "label"
    ]  # fmt: skip
    said = artifact.predict(people)
    scored = cap.detect_drift(artifact, people.assign(score=said.score, label=said.label))
    pd.testing.assert_frame_equal(scored.to_frame(), cap.detect_drift(artifact, window).to_frame())
    born = people.assign(AGEP=2016 - people["AGEP"])
    assert [one.name for one in cap.detect_drift(artifact, born).alarms] == ["AGEP"]


def test_batch_and_live_windows_of_the_same_rows_are_the_same(artifact, census, tmp_path):
    people = census.frame(2016).sample(300, random_state=2)
    X = people[census.features]
    batch = cap.Window.of(X, binning=artifact.reference.binning, predictions=artifact.predict(X))
    with cap.open_store(tmp_path / "store.db") as store:
        key = store.register_served(
            name=artifact.name, version=artifact.version, artifact=artifact.sha256, snapshot="s"
        )
        rows = list(zip(*(X[name].tolist() for name in artifact.schema.names), strict=True))
        answers = RowScorer(artifact)(rows)
        order = np.random.default_rng(0).permutation(len(rows))
        store.write_requests([
            (int(people["row_id"].iloc[k]), 1.7e9 + place, key, "stable",
             dict(zip(artifact.schema.names, rows[k], strict=True)), *answers[k], 1.0, None)
            for place, k in enumerate(order)
        ])  # fmt: skip
        requests = store.requests()
    live = window_of_requests(requests, binning=artifact.reference.binning)
    assert (live.model, live.version, live.n_rows) == ("work", "1.0.0", 300)
    assert live.start < live.end
    want, got = (cap.detect_drift(artifact, window).to_frame() for window in (batch, live))
    pd.testing.assert_frame_equal(got, want)
    assert compare_features(people, requests).ok
    assert list(features_of(requests)) == ["row_id", *census.features]
    with pytest.raises(MonitoringError, match="no request in this window"):
        window_of_requests(requests[:0], binning=artifact.reference.binning)
    with pytest.raises(MonitoringError, match="no log of requests"):
        features_of(people)
