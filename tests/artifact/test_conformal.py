"""Prediction sets against MAPIE's, row by row, and against what they promise."""

import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import capstone_lib as cap


@pytest.fixture(scope="module", params=["histogram", "logistic"])
def model(request, people):
    model = (
        HistGradientBoostingClassifier(max_iter=50, random_state=0)
        if request.param == "histogram"
        else LogisticRegression(max_iter=300)
    )
    scale = StandardScaler() if request.param == "logistic" else "passthrough"
    return make_pipeline(people.encode(scale), model).fit(
        people.train[people.features], people.train["employed"]
    )


@pytest.mark.parametrize("coverage", [0.6, 0.8, 0.9, 0.97])
def test_sets_equal_mapies(model, people, tmp_path, coverage):
    features = people.features
    held_out, later = people.held_out, people.later[features]
    artifact = cap.export_model(
        model,
        people.train[features],
        tmp_path / "m.onnx",
        name="a",
        version="1",
        X_calibration=held_out[features],
        y_calibration=held_out["employed"],
        coverage=coverage,
    )
    mapie = SplitConformalClassifier(model, confidence_level=coverage, prefit=True)
    mapie.conformalize(held_out[features], held_out["employed"])
    _, sets = mapie.predict_set(later)
    got = artifact.predict(later)
    assert (got.prediction_set == sets[:, :, 0]).all()
    assert (got.review == (sets[:, :, 0].sum(axis=1) != 1)).all()


@pytest.mark.slow
@pytest.mark.parametrize("class_conditional", [False, True])
def test_coverage_holds_in_every_year(tmp_path, class_conditional):
    from capstone_lib.course.reference import train_employment_model

    census = cap.load_census()
    train, held_out = census.split(2015)
    artifact = cap.export_model(
        train_employment_model(census),
        train[census.features],
        tmp_path / "m.onnx",
        name="a",
        version="1",
        X_calibration=held_out[census.features],
        y_calibration=held_out["employed"],
        class_conditional=class_conditional,
    )
    for year in (2016, 2017, 2018):
        people = census.frame(year)
        covered = artifact.predict(people).covers(people["employed"])
        assert abs(covered.mean() - 0.9) < 0.015
        if class_conditional:
            for value in (0, 1):
                assert abs(covered[people["employed"] == value].mean() - 0.9) < 0.015


def test_too_few_rows_put_every_class_into_the_set():
    from capstone_lib.artifact.conformal import Conformal, calibrate

    p = np.array([[0.9, 0.1], [0.2, 0.8]])
    conformal = calibrate(p, np.array([0, 1]), coverage=0.9)
    assert conformal.quantiles == (np.inf, np.inf)
    assert Conformal.from_dict(conformal.to_dict()) == conformal
