"""Models to explain: two classes over mixed columns, and three classes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import capstone_lib as cap
from capstone_lib.schema import Column, Schema

WORDS = Schema(
    (
        Column("job", "category", categories=("cook",), title="Job", labels={"cook": "a cook"}),
        Column("age", "integer", title="Age"),
    )
)


def make_people(n_rows, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(17, 90, n_rows),
            "pay": np.where(rng.random(n_rows) < 0.1, np.nan, rng.normal(30, 9, n_rows)),
            "job": rng.choice(["cook", "clerk", "king"], n_rows),
            "flag": rng.random(n_rows) < 0.5,
        }
    )


def export(folder, y, *, name="work", seed=0):
    X = make_people(1500)
    onehot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    model = make_pipeline(
        make_column_transformer((onehot, ["job"]), remainder="passthrough"),
        HistGradientBoostingClassifier(max_iter=15, random_state=seed),
    ).fit(X[:1000], y(X[:1000]))
    return cap.export_model(
        model, X[:1000], folder / f"{name}.onnx", name=name, version="1.0.0", words=WORDS,
        X_calibration=X[1000:], y_calibration=y(X[1000:]),
    )  # fmt: skip


def at_work(X):
    noise = np.random.default_rng(1).random(len(X)) < 0.1
    return ((X["age"] < 60) ^ (X["job"] == "cook") ^ noise).astype(int)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("explain")


@pytest.fixture(scope="session")
def artifact(folder):
    return export(folder, at_work)


@pytest.fixture(scope="session")
def other(folder):
    """The same columns and another model."""
    return export(folder, lambda X: (X["pay"] > 30).astype(int), name="other")


@pytest.fixture(scope="session")
def three(folder):
    """Three classes."""
    words = np.array(["none", "some", "much"])
    return export(folder, lambda X: words[at_work(X) + (X["pay"] > 35)], name="three")


@pytest.fixture(scope="session")
def people():
    return make_people(400, seed=9)
