"""Rows one by one get the answers of a table: every kind of column, every size of batch."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import capstone_lib as cap
from capstone_lib.artifact.rows import RowScorer

SIZES = (1, 2, 3, 17, 64, 1000)


def made(X, y, seed=0, n_rows=3000):
    """Rows of every kind of column, with what they are for."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(17, 95, n_rows),
            "pay": rng.normal(30_000, 12_000, n_rows).round(2),
            "gaps": np.where(rng.random(n_rows) < 0.2, np.nan, rng.normal(size=n_rows)),
            "code": rng.choice([1, 2, 9], n_rows),
            "flag": rng.random(n_rows) < 0.4,
            "job": rng.choice(["cook", "clerk", "größer ☃", ""], n_rows),
            "town": rng.choice(np.array(["Bern", "Ulm", None], dtype=object), n_rows),
        }
    )[X], _target(y, rng, n_rows)


def _target(y, rng, n_rows):
    return rng.choice(y, n_rows, p=rng.dirichlet(np.ones(len(y)) * 20))


def onehot(*names):
    return OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(names)


def boosted():
    return HistGradientBoostingClassifier(max_iter=20)


NUMBERS, CODES = ["age", "pay"], ["age", "code"]
MIXED = ["job", "age", "code", "pay"]
KINDS = {  # columns, classes, pipeline, whether rows are computed alone
    "numbers": (NUMBERS, [0, 1], boosted, True),
    "numbers, multiclass": (NUMBERS, [3, 5, 8], boosted, True),
    "gaps": (["age", "gaps"], [0, 1], boosted, True),
    "codes": (
        CODES,
        [False, True],
        lambda: make_pipeline(
            make_column_transformer(onehot("code"), remainder="passthrough"),
            DecisionTreeClassifier(max_depth=6),
        ),
        True,
    ),
    "booleans": (
        ["flag", "age"],
        ["no", "yes"],
        lambda: RandomForestClassifier(n_estimators=10, max_depth=5, random_state=0),
        True,
    ),
    "words": (
        MIXED,
        ["a", "b", "c"],
        lambda: make_pipeline(
            make_column_transformer(onehot("job", "code"), remainder="passthrough"), boosted()
        ),
        True,
    ),
    "words with gaps": (
        ["town", "age"],
        [0, 1],
        lambda: make_pipeline(
            make_column_transformer(onehot("town"), remainder="passthrough"), boosted()
        ),
        True,
    ),
    "linear": (
        ["job", "age", "pay"],
        [0, 1],
        lambda: make_pipeline(
            make_column_transformer(onehot("job"), (StandardScaler(), NUMBERS)),
            LogisticRegression(),
        ),
        False,
    ),
    "linear with gaps": (
        ["age", "gaps"],
        [0, 1, 2],
        lambda: make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()),
        False,
    ),
}


@pytest.fixture(scope="module", params=KINDS)
def case(request, tmp_path_factory):
    columns, classes, pipeline, alone = KINDS[request.param]
    X, y = made(columns, classes)
    path = tmp_path_factory.mktemp("rows") / "m.onnx"
    artifact = cap.export_model(
        pipeline().fit(X[:2000], y[:2000]),
        X[:2000],
        path,
        name="rows",
        version="1",
        X_calibration=X[2000:],
        y_calibration=y[2000:],
    )
    checked = artifact.schema.check(made(columns, classes, seed=1)[0])
    assert checked.valid.all()
    return artifact, checked.columns, alone


def rows_of(artifact, columns):
    """As an endpoint has them: plain values, None where missing."""
    table = [columns[name].tolist() for name in artifact.schema.names]
    return [
        [None if value is None or value != value else value for value in row]
        for row in zip(*table, strict=True)
    ]


def in_parts(scorer, rows, size):
    return [answer for k in range(0, len(rows), size) for answer in scorer(rows[k : k + size])]


def assert_same(answers, expected, *, alone):
    frame = expected.to_frame()
    assert [answer.label for answer in answers] == frame["label"].tolist()
    assert [answer.review for answer in answers] == frame["review"].tolist()
    assert [tuple(answer.prediction_set) for answer in answers] == frame["prediction_set"].tolist()
    for name in ("score", "uncertainty"):
        ours = np.array([getattr(answer, name) for answer in answers])
        theirs = getattr(expected, name)
        assert (ours.astype(np.float32) == ours).all()  # a float32, written as a double
        if alone and name == "score":
            assert (ours == theirs).all()
        else:
            np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=5e-7)


@pytest.mark.parametrize("size", SIZES)
def test_a_batch_of_any_size_gets_the_answers_of_the_table(case, size):
    artifact, columns, alone = case
    rows = rows_of(artifact, columns)[: 60 * size]
    expected = artifact.score({name: values[: len(rows)] for name, values in columns.items()})
    assert_same(in_parts(RowScorer(artifact), rows, size), expected, alone=alone)


def test_more_rows_than_a_tile_are_answered_in_order(case):
    artifact, columns, alone = case
    twice = {name: np.concatenate([values, values]) for name, values in columns.items()}
    answers = RowScorer(artifact)(rows_of(artifact, twice))
    assert len(answers) == 6000
    assert_same(answers, artifact.score(twice), alone=alone)


def test_several_threads_may_ask_at_once(case):
    artifact, columns, alone = case
    scorer, rows = RowScorer(artifact), rows_of(artifact, columns)[:600]
    expected = artifact.score({name: values[:600] for name, values in columns.items()})
    with ThreadPoolExecutor(4) as threads:
        for answers in threads.map(lambda size: in_parts(scorer, rows, size), [1, 7, 30, 1]):
            assert_same(answers, expected, alone=alone)


def test_answers_are_of_pythons_own_types(case):
    artifact, columns, _ = case
    (answer,) = RowScorer(artifact)(rows_of(artifact, columns)[:1])
    assert type(answer.score) is type(answer.uncertainty) is float
    assert type(answer.review) is bool
    assert type(answer.label) is type(artifact.classes[0]) in (int, str, bool)
    assert set(answer.prediction_set) <= set(artifact.classes)


def test_no_rows_get_no_answers(case):
    assert RowScorer(case[0])([]) == []


def test_census_rows_with_gaps_as_codes_and_as_words(people, tmp_path):
    train = people.train.head(1500)
    for costume in ("codes with gaps", "words with gaps"):
        X = people.dress(train, costume)
        model = make_pipeline(people.encode(), HistGradientBoostingClassifier(max_iter=10))
        model.fit(X, train["employed"])
        artifact = cap.export_model(model, X, tmp_path / "m.onnx", name="a", version="1")
        later = people.dress(people.later.head(500), costume)
        columns = artifact.schema.check(later).columns
        answers = in_parts(RowScorer(artifact), rows_of(artifact, columns), 1)
        assert_same(answers, artifact.score(columns), alone=True)
