from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import capstone_lib as cap


def make_people(n_rows: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "row_id": np.arange(1000, 1000 + n_rows),
            "age": rng.integers(17, 90, n_rows),
            "hours": rng.normal(35, 10, n_rows).round(2),
            "job": rng.choice(["cook", "clerk", "größer ☃"], n_rows),
            "household": rng.integers(0, 9, n_rows),
        }
    )


def train(path: Path, version: str, regularisation: float = 1.0) -> Path:
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    people = make_people(2000, seed=1)
    X = people[["age", "hours", "job"]]
    y = np.where((people["age"] < 60) ^ (people["job"] == "cook"), "yes", "no")
    pipeline = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["job"]),
            (StandardScaler(), ["age", "hours"]),
        ),
        LogisticRegression(C=regularisation),
    ).fit(X[:1000], y[:1000])
    cap.export_model(
        pipeline,
        X[:1000],
        path,
        name="work",
        version=version,
        X_calibration=X[1000:],
        y_calibration=y[1000:],
    )
    return path


@pytest.fixture(scope="session")
def people():
    return make_people(3000)


@pytest.fixture(scope="session")
def many_people():
    """More than fit into one stretch."""
    return make_people(200_000)


@pytest.fixture(scope="session")
def model_path(tmp_path_factory):
    return train(tmp_path_factory.mktemp("model") / "model.onnx", "1.0.0")


@pytest.fixture(scope="session")
def artifact(model_path):
    return cap.load_model(model_path)


@pytest.fixture(scope="session")
def second_version(tmp_path_factory):
    return cap.load_model(train(tmp_path_factory.mktemp("model") / "second.onnx", "2.0.0"))


@pytest.fixture(scope="session")
def same_version_trained_again(tmp_path_factory):
    return cap.load_model(train(tmp_path_factory.mktemp("model") / "again.onnx", "1.0.0", 0.01))


@pytest.fixture(params=["store.db", "folder"])
def place(request, tmp_path):
    return tmp_path / request.param
