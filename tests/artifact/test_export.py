"""Every pipeline either gives its own answers from the file, or is refused."""

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import capstone_lib as cap
from capstone_lib.errors import ArtifactError, ConversionError, ParityError, SchemaError


def export(pipeline, people, tmp_path, costume="codes", **options):
    X = people.dress(people.train, costume)
    pipeline.fit(X, people.train["employed"])
    return cap.export_model(
        pipeline,
        X,
        tmp_path / "model.onnx",
        name="employment",
        version="1.0",
        X_calibration=people.dress(people.held_out, costume),
        y_calibration=people.held_out["employed"],
        **options,
    )


MODELS = {
    "logistic": lambda: LogisticRegression(max_iter=300),
    "forest": lambda: RandomForestClassifier(20, random_state=0),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=20, random_state=0),
    "histogram": lambda: HistGradientBoostingClassifier(max_iter=30, random_state=0),
    "mlp": lambda: MLPClassifier((16,), max_iter=400, tol=1e-2, random_state=0),
    "extra": lambda: ExtraTreesClassifier(20, random_state=0),
    "tree": lambda: DecisionTreeClassifier(max_depth=8, random_state=0),
}


@pytest.mark.parametrize("costume", ["codes", "words", "codes with gaps", "words with gaps"])
@pytest.mark.parametrize("model", MODELS)
def test_the_file_answers_as_the_pipeline_does(people, tmp_path, model, costume):
    scaled = model in ("logistic", "mlp")
    pipeline = people.pipeline(MODELS[model](), costume, scaled=scaled)
    artifact = export(pipeline, people, tmp_path, costume)
    X = people.dress(people.later, costume)
    got = cap.load_model(tmp_path / "model.onnx").predict(X)
    assert (got.label == pipeline.predict(X)).all()
    np.testing.assert_allclose(got.score, pipeline.predict_proba(X)[:, 1], atol=1e-5)
    assert artifact.passport.parity["labels_wrong"] == 0


def test_encoders_are_folded_into_the_splits(people, tmp_path):
    pipeline = make_pipeline(people.encode(), HistGradientBoostingClassifier(max_iter=20))
    artifact = export(pipeline, people, tmp_path)
    assert artifact.passport.conversion == "trees on raw codes"


def test_native_missing_values_of_a_forest_are_corrected(people, tmp_path):
    artifact = export(
        RandomForestClassifier(20, random_state=0), people, tmp_path, "codes with gaps"
    )
    assert artifact.passport.parity["labels_wrong"] == 0


def test_native_categories_of_histogram_boosting_are_corrected(people, tmp_path):
    model = HistGradientBoostingClassifier(max_iter=30, categorical_features=people.codes)
    for costume in ("codes", "codes with gaps"):
        artifact = export(model, people, tmp_path, costume)
        X = people.dress(people.later, costume)
        assert cap.verify_parity(artifact, model, X).ok


def test_a_forest_behind_a_scaler_is_corrected(people, tmp_path):
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0))
    artifact = export(pipeline, people, tmp_path)
    assert cap.verify_parity(artifact, pipeline, people.later[people.features]).ok


def test_missing_codes_as_a_category_of_their_own(people, tmp_path):
    pipeline = make_pipeline(people.encode(), HistGradientBoostingClassifier(max_iter=20))
    artifact = export(pipeline, people, tmp_path, "codes with gaps")
    X = people.dress(people.later, "codes with gaps")
    assert cap.verify_parity(artifact, pipeline, X).ok


@pytest.mark.parametrize("method", ["isotonic", "sigmoid"])
def test_a_calibrated_pipeline_is_refused_with_the_cure_and_without_a_file(
    people, tmp_path, method
):
    inner = make_pipeline(people.encode(StandardScaler()), LogisticRegression(max_iter=300))
    with pytest.raises(ParityError, match="calibrate only the last step") as caught:
        export(CalibratedClassifierCV(inner, method=method), people, tmp_path)
    assert caught.value.report.labels_wrong > 100
    assert len(caught.value.report.worst) == 5
    assert not list(tmp_path.iterdir())


def test_an_indicator_before_one_hot_is_refused_with_the_cure(people, tmp_path):
    codes = make_pipeline(
        SimpleImputer(strategy="most_frequent", add_indicator=True),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    pipeline = make_pipeline(
        people.encode(make_pipeline(SimpleImputer(), StandardScaler()), codes),
        LogisticRegression(max_iter=300),
    )
    with pytest.raises(ArtifactError, match="add_indicator"):
        export(pipeline, people, tmp_path, "codes with gaps")
    assert not list(tmp_path.iterdir())


def test_a_fractional_code_is_refused_by_the_gate(people, tmp_path):
    pipeline = make_pipeline(people.encode(), HistGradientBoostingClassifier(max_iter=10))
    artifact = export(pipeline, people, tmp_path)
    row = people.later[people.features].head(1).astype(float).assign(RELP=16.5)
    with pytest.raises(SchemaError, match="fraction"):
        artifact.predict(row)


def test_an_unknown_code_is_a_warning_where_the_encoder_bears_it(people, tmp_path):
    bears = make_pipeline(people.encode(), HistGradientBoostingClassifier(max_iter=10))
    artifact = export(bears, people, tmp_path)
    row = people.later[people.features].head(1).assign(SEX=9)
    assert artifact.schema["SEX"].on_unknown == "warn"
    assert artifact.predict(row).score[0] == pytest.approx(bears.predict_proba(row)[0, 1], abs=1e-6)
    ordinal = OrdinalEncoder(categories=[sorted(people.train[c].unique()) for c in ["SEX", "DIS"]])
    X = people.train[["SEX", "DIS"]]
    strict = make_pipeline(ordinal, LogisticRegression()).fit(X, people.train["employed"])
    artifact = cap.export_model(strict, X, tmp_path / "m.onnx", name="a", version="1")
    with pytest.raises(SchemaError, match="never seen"):
        artifact.predict(pd.DataFrame({"SEX": [9], "DIS": [1]}))


def test_several_classes_and_text_labels(tmp_path):
    X, y = load_iris(return_X_y=True, as_frame=True)
    y = np.array(["setosa", "versicolor", "virginica"])[y]
    for number, model in enumerate(
        (
            make_pipeline(StandardScaler(), LogisticRegression()),
            HistGradientBoostingClassifier(max_iter=20),
            RandomForestClassifier(10, random_state=0),
            GradientBoostingClassifier(n_estimators=10),
        )
    ):
        model.fit(X, y)
        artifact = cap.export_model(
            model,
            X,
            tmp_path / f"{number}.onnx",
            name="iris",
            version="1",
            X_calibration=X,
            y_calibration=y,
        )
        got = artifact.predict(X)
        assert (got.label == model.predict(X)).all()
        p = model.predict_proba(X)
        np.testing.assert_allclose(got.score, p.max(axis=1), atol=1e-5)
        with np.errstate(divide="ignore", invalid="ignore"):
            bits = -np.nansum(p * np.log2(p), axis=1)
        np.testing.assert_allclose(got.uncertainty, bits, atol=1e-4)
        assert got.covers(y).mean() >= 0.9


def test_true_and_false_as_labels_and_as_a_feature(people, tmp_path):
    X = people.train[["AGEP"]].assign(woman=people.train["SEX"] == 2)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(
        X, people.train["employed"] == 1
    )
    artifact = cap.export_model(model, X, tmp_path / "m.onnx", name="a", version="1")
    got = artifact.predict(X)
    assert got.label.dtype == bool
    assert (got.label == model.predict(X)).all()


def test_the_operating_threshold_decides(people, tmp_path):
    pipeline = make_pipeline(people.encode(), HistGradientBoostingClassifier(max_iter=20))
    artifact = export(pipeline, people, tmp_path, threshold=0.3)
    X = people.later[people.features]
    expected = (pipeline.predict_proba(X)[:, 1] >= 0.3).astype(int)
    assert (artifact.predict(X).label == expected).all()


def test_a_review_budget_is_kept_on_the_calibration_rows(people, tmp_path):
    pipeline = make_pipeline(people.encode(), HistGradientBoostingClassifier(max_iter=20))
    artifact = export(pipeline, people, tmp_path, review_budget=0.1)
    got = artifact.predict(people.held_out[people.features])
    assert 0.05 < got.review.mean() <= 0.1
    assert got.uncertainty[got.review].min() >= got.uncertainty[~got.review].max()


def test_the_same_inputs_give_the_same_bytes(people, tmp_path):
    for costume in ("codes", "words"):
        pipeline = make_pipeline(people.encode(), HistGradientBoostingClassifier(max_iter=10))
        export(pipeline, people, tmp_path, costume)
        first = (tmp_path / "model.onnx").read_bytes()
        X = people.dress(people.train, costume)
        cap.export_model(
            pipeline,
            X,
            tmp_path / "again.onnx",
            name="employment",
            version="1.0",
            X_calibration=people.dress(people.held_out, costume),
            y_calibration=people.held_out["employed"],
        )
        assert (tmp_path / "again.onnx").read_bytes() == first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "a/b"}, "name 'a/b'"),
        ({"version": ""}, "version ''"),
        ({"coverage": 1.5}, "coverage"),
        ({"threshold": 0}, "threshold"),
        ({"review_budget": 2}, "review budget"),
        ({"y_calibration": [1, 0]}, "y_calibration"),
    ],
)
def test_arguments_without_sense_are_refused(people, tmp_path, options, message):
    X, y = people.train[["AGEP"]], people.train["employed"]
    model = LogisticRegression().fit(X, y)
    given = {"name": "a", "version": "1", "X_calibration": X, "y_calibration": y} | options
    with pytest.raises(ArtifactError, match=message):
        cap.export_model(model, X, tmp_path / "m.onnx", **given)


def test_what_is_no_fitted_classifier_is_refused(people, tmp_path):
    X = people.train[["AGEP"]]
    for thing in (LogisticRegression(), StandardScaler().fit(X), "model"):
        with pytest.raises(ConversionError, match="fitted classifier"):
            cap.export_model(thing, X, tmp_path / "m.onnx", name="a", version="1")
