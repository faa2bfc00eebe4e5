"""Models to put behind an endpoint, and people to ask about."""

import numpy as np
import pandas as pd
import pytest

import capstone_lib as cap

JOBS = ["cook", "clerk", "größer ☃"]


def make_people(n_rows, seed=0, jobs=JOBS):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(17, 90, n_rows),
            "hours a/week": np.where(rng.random(n_rows) < 0.1, np.nan, rng.normal(35, 9, n_rows)),
            "class": rng.choice(jobs, n_rows),
            "married": rng.random(n_rows) < 0.5,
        }
    )


def train(folder, version, *, jobs=JOBS, turned=False, depth=4, name="work"):
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    X = make_people(2000, seed=1, jobs=jobs)
    X = X[X.columns[::-1]] if turned else X
    y = np.where((X["age"] < 60) ^ (X["class"] == "cook"), "yes", "no")
    y = np.where(np.random.default_rng(2).random(2000) < 0.1, "yes", y)
    pipeline = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["class"]),
            remainder="passthrough",
        ),
        HistGradientBoostingClassifier(max_iter=10, max_depth=depth),
    ).fit(X[:1500], y[:1500])
    cap.export_model(
        pipeline,
        X[:1500],
        folder / f"{version}.onnx",
        name=name,
        version=version,
        X_calibration=X[1500:],
        y_calibration=y[1500:],
    )
    return folder / f"{version}.onnx"


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def model_path(model_folder):
    """The model in charge."""
    return train(model_folder, "1.0.0")


@pytest.fixture(scope="session")
def canary_path(model_folder):
    """A model on trial: its columns stand in another order, and it knows one job more."""
    return train(model_folder, "2.0.0", jobs=[*JOBS, "king"], turned=True, depth=6)


@pytest.fixture(scope="session")
def fallback_path(model_folder):
    """A cheaper model."""
    return train(model_folder, "0.1.0", depth=1, name="cheap")


@pytest.fixture(scope="session")
def artifact(model_path):
    return cap.load_model(model_path)


@pytest.fixture(scope="session")
def canary(canary_path):
    return cap.load_model(canary_path)


@pytest.fixture(scope="session")
def fallback(fallback_path):
    return cap.load_model(fallback_path)


@pytest.fixture(scope="session")
def people():
    return make_people(500)


@pytest.fixture(scope="session")
def rows(people):
    """The same people as JSON has them."""
    return [
        {name: None if value != value else value for name, value in row.items()}
        for row in people.to_dict("records")
    ]
