"""The passport's recalibration: what scores meant on the calibration rows, and only if known."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from capstone_lib.artifact import export_model, load_model
from capstone_lib.artifact.recalibration import Recalibration


@pytest.fixture
def people():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.integers(18, 80, 600), "sex": rng.integers(1, 3, 600)})
    return X, (rng.random(600) < 1 / (1 + np.exp((X["age"] - 50) / 9))).astype(int)


def export(people, path, labels, **options):
    X, y = people
    y = np.array(labels)[y]
    model = LogisticRegression().fit(X[:300], y[:300])
    return export_model(
        model, X[:300], path, name="work", version="1.0", X_calibration=X[300:], **options
    ), y[300:]


@pytest.mark.parametrize("labels", [(0, 1), (False, True), ("no", "yes")])
def test_it_is_the_curve_of_the_artifacts_own_scores(people, tmp_path, labels):
    _, y = people
    truth = np.array(labels)[y][300:]
    artifact, _ = export(people, tmp_path / "m.onnx", labels, y_calibration=truth)
    score = artifact.predict(people[0][300:]).score
    assert artifact.recalibration == Recalibration.fit(score, truth == labels[1])
    assert load_model(tmp_path / "m.onnx").recalibration == artifact.recalibration


def test_of_three_classes_it_says_how_often_the_decision_was_right(people, tmp_path):
    X, _ = people
    y = np.array(["a", "b", "c"])[np.minimum(X["age"].to_numpy() // 27, 2)]
    y[::5] = "a"
    model = LogisticRegression(max_iter=2000).fit(X[:300], y[:300])
    artifact = export_model(
        model, X[:300], tmp_path / "m.onnx", name="work", version="1.0",
        X_calibration=X[300:], y_calibration=y[300:],
    )  # fmt: skip
    said = artifact.predict(X[300:])
    assert artifact.recalibration == Recalibration.fit(said.score, said.label == y[300:])


def test_without_outcomes_there_is_none(people, tmp_path):
    artifact, _ = export(people, tmp_path / "m.onnx", (0, 1), coverage=None, review_budget=0.1)
    assert artifact.recalibration is None
    assert artifact.reference is not None
