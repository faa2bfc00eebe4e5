"""What hostile inputs are thrown at: one small artifact, and a judge of what becomes of them."""

import re

import numpy as np
import pandas as pd
import pytest

import capstone_lib as cap
from capstone_lib.errors import CapstoneError

FEATURES = ["age", "hours", "job", "sector", "married"]
N_ROWS = 24


def make_people(n_rows, seed=0):
    rng = np.random.default_rng(seed)
    hours = rng.normal(35, 10, n_rows).round(2)
    hours[3::7] = np.nan
    return pd.DataFrame(
        {
            "row_id": np.arange(1000, 1000 + n_rows),
            "age": rng.integers(17, 90, n_rows),
            "hours": hours,
            "job": rng.choice(["cook", "clerk", "größer ☃"], n_rows).astype(object),
            "sector": rng.choice([1, 2, 5], n_rows),
            "married": rng.random(n_rows) < 0.5,
        }
    )


@pytest.fixture(scope="session")
def pipeline():
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    people = make_people(1500, seed=1)
    hours = people["hours"].fillna(20)
    y = people["age"] / 90 + hours / 80 + people["married"] * 0.3 + people["sector"] * 0.1 > 1.3
    return make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["job"]),
            (OneHotEncoder(), ["sector"]),  # an unknown sector is an error
            (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "hours"]),
            ("passthrough", ["married"]),
        ),
        LogisticRegression(),
    ).fit(people[FEATURES], y ^ (people["job"] == "cook"))


@pytest.fixture(scope="session")
def artifact(pipeline, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    train = make_people(1500, seed=1)[FEATURES]
    return cap.export_model(pipeline, train, path, name="work", version="1.0")


class Judge:
    """Scores a source into a new store, and looks whether that went as it should."""

    def __init__(self, artifact, pipeline, place):
        self.artifact, self.pipeline, self.place = artifact, pipeline, place

    def score(self, source, *, store=None, **options):
        return cap.score_batch(
            self.artifact, source, store=store or self.place, as_of="2016-01-31", workers=1,
            **options,
        )  # fmt: skip

    def refuses(self, source, said, **options):
        """An error of the library says what was seen, in few words, and nothing is published."""
        with pytest.raises(CapstoneError, match=said) as caught:
            self.score(source, **options)
        assert "Traceback" not in str(caught.value)
        assert len(str(caught.value)) < 4000
        if self.place.exists():
            with cap.open_store(self.place) as store:
                assert store.predictions().empty

    def scores(self, source, truth, *, rejects=(), ids=None, **options):
        """The rows of ``truth`` get scikit-learn's probabilities; each other row is a reject.

        ``rejects`` holds a pattern for the reason of each.
        """
        with cap.open_store(self.place) as store:
            run = self.score(source, store=store, max_reject_share=1, **options)
            reasons = store.rejects()["reason"].tolist()
            predictions = store.predictions().astype({"row_id": str}).set_index("row_id")

        assert (run.rows, run.rejected) == (len(truth), len(rejects)), reasons
        for reason, pattern in zip(reasons, rejects, strict=True):
            assert re.search(pattern, reason), reasons
        ids = truth["row_id"] if ids is None else ids
        frame = predictions.loc[[str(value) for value in ids]]
        self.compare(truth, frame["score"].to_numpy(), frame["label"].to_numpy())

    def compare(self, truth, score, label):
        """Scores and labels are scikit-learn's, and those of the artifact on clean values."""
        assert len(truth) == len(score)
        if not len(truth):
            return
        clean = truth.astype({"age": float, "hours": float, "sector": int, "married": bool})
        expected = self.pipeline.predict_proba(clean[FEATURES])[:, 1]
        assert np.abs(score - expected).max() < 1e-6
        assert (score == self.artifact.predict(clean).score).all()
        assert (label == (expected >= 0.5)).all()


@pytest.fixture
def judge(artifact, pipeline, tmp_path):
    return Judge(artifact, pipeline, tmp_path / "store.db")


@pytest.fixture
def people():
    return make_people(N_ROWS)


@pytest.fixture
def folder(tmp_path):
    """An empty folder with a name that is not ASCII."""
    (tmp_path / "größe ☃").mkdir()
    return tmp_path / "größe ☃"
