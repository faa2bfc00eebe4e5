"""A model, people, and a store with its answers about them."""

from datetime import UTC

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import capstone_lib as cap
from capstone_lib.review import ReviewQueue
from capstone_lib.schema import Column, Schema
from capstone_lib.store import open_store

WORDS = Schema(
    columns=(
        Column("age", "integer", minimum=17, maximum=90, title="Age in years"),
        Column(
            "sex",
            "category",
            categories=(1, 2),
            title="Sex",
            labels={"1": "male", "2": "female"},
        ),
        Column("hours", "number", minimum=0, maximum=80, title="Hours <a week>"),
    )
)
FEATURES = list(WORDS.names)


def make_people(n_rows, *, seed=0, first=1000):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "row_id": np.arange(first, first + n_rows),
            "age": rng.integers(17, 90, n_rows),
            "sex": rng.integers(1, 3, n_rows),
            "hours": rng.normal(35, 9, n_rows).clip(0, 80).round(1),
        }
    )
    chance = 1 / (1 + np.exp((frame["age"] - 50) / 8 - (frame["sex"] - 1.5)))
    return frame.assign(at_work=(rng.random(n_rows) < chance).astype(int))


@pytest.fixture(scope="session")
def artifact(tmp_path_factory):
    train, held = make_people(2000, seed=1), make_people(2000, seed=2)
    return cap.export_model(
        LogisticRegression(max_iter=500).fit(train[FEATURES], train["at_work"]),
        train[FEATURES],
        tmp_path_factory.mktemp("model") / "m.onnx",
        name="work",
        version="1.0",
        X_calibration=held[FEATURES],
        y_calibration=held["at_work"],
        schema=WORDS,
    )


@pytest.fixture(scope="session")
def people():
    return make_people(400, seed=3)


@pytest.fixture
def store(tmp_path):
    with open_store(f"sqlite:///{tmp_path}/store.db") as opened:
        yield opened


@pytest.fixture
def scored(store, artifact, people):
    """The store, once the model has answered about everybody."""
    cap.score_batch(
        artifact, people, store=store, as_of="2016-01-31", id="row_id", show_progress=False
    )
    return store


class Clock:
    """A clock that a test turns."""

    def __init__(self):
        self.now = pd.Timestamp("2016-02-01T09:00", tz=UTC).timestamp()

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(scored, artifact, people, clock):
    """Twelve cases, each for one reviewer."""
    made = ReviewQueue(scored, double_share=0.0, clock=clock)
    assert made.fill_uncertain(artifact=artifact, source=people, n=12) == 12
    return made
