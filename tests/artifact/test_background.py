"""Whom explanations compare a person with: made up, like the margins, and fit to speak for many."""

import json
import tempfile
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

import capstone_lib as cap
from capstone_lib.artifact import GroupThresholds
from capstone_lib.artifact.background import WHOLE, Background
from capstone_lib.artifact.choose import choose_background
from capstone_lib.artifact.comparison import Comparison
from capstone_lib.artifact.margins import draw_people
from capstone_lib.schema import Column, Schema


def draw(values, column, n=64):
    schema = Schema((column,))
    people = draw_people({column.name: values}, schema, n=n, rng=np.random.default_rng(0))
    return [row[0] for row in people]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=300), st.integers(1, 80))
def test_codes_come_as_often_as_their_share_says(codes, n):
    drawn = Counter(draw(np.array(codes), Column("c", "category", categories=tuple(range(6))), n))
    for code, times in Counter(codes).items():
        assert abs(drawn[code] - n * times / len(codes)) <= 1
    assert set(drawn) <= set(codes)


def test_numbers_that_could_name_a_person_are_means_of_many():
    pay = np.random.default_rng(0).lognormal(10, 1, 4000)
    drawn = draw(pay, Column("pay", "number"))
    assert not set(drawn) & set(pay.tolist())
    assert len(set(drawn)) == 16
    sixteenths = np.sort(pay).reshape(16, -1).mean(axis=1)
    assert sorted(set(drawn)) == pytest.approx(sixteenths.tolist())
    ages = draw(np.random.default_rng(0).integers(17, 90, 4000), Column("age", "integer"))
    assert all(type(age) is int for age in ages)


def test_missing_values_words_and_truth_are_drawn_too():
    gaps = np.where(np.arange(100) < 25, np.nan, np.arange(100) % 3)
    assert draw(gaps, Column("x", "number", nullable=True)).count(None) == 16
    words = np.array(["a", None, "b", "b"], dtype=object)
    column = Column("w", "category", categories=("a", "b"), nullable=True)
    assert Counter(draw(words, column)) == {"a": 16, "b": 32, None: 16}
    drawn = draw(np.array([True, False] * 5), Column("t", "boolean"), 4)
    assert sorted(drawn) == [False, False, True, True]
    assert draw(np.full(5, np.nan), Column("x", "number", nullable=True), 3) == [None] * 3


def test_columns_are_drawn_apart_so_that_nobody_is_copied(people):
    artifact_rows = people.dress(people.held_out, "codes")
    schema = Schema.infer(artifact_rows)
    made_up = draw_people(
        schema.check(artifact_rows).columns, schema, n=64, rng=np.random.default_rng(0)
    )
    drawn = pd.DataFrame(made_up, columns=list(schema.names))
    for frame, least, most in ((artifact_rows, 0.5, 1.0), (drawn, 0.0, 0.35)):
        together = frame["AGEP"].corr((frame["MAR"] == 5).astype(float))
        assert least <= abs(together) <= most  # the young are not married, unless they are made up


@pytest.fixture(scope="module")
def model(people, tmp_path_factory):
    X = people.dress(people.train, "codes")
    kept = people.dress(people.held_out, "codes")
    pipeline = people.pipeline(HistGradientBoostingClassifier(max_iter=20), "codes", scaled=False)
    pipeline.fit(X, people.train["employed"])
    path = tmp_path_factory.mktemp("background") / "m.onnx"
    artifact = cap.export_model(
        pipeline, X, path, name="w", version="1",
        X_calibration=kept, y_calibration=people.held_out["employed"],
    )  # fmt: skip
    return artifact, kept


def test_it_travels_in_the_file(model):
    artifact, _ = model
    again = cap.load_model(artifact.path).background
    assert again == artifact.background
    assert again.sha256 == artifact.background.sha256
    text = json.dumps(again.to_dict())
    assert Background.from_dict(json.loads(text)) == again
    assert len(text) < 8_000
    assert again.weights.sum() == pytest.approx(1)
    assert sum(weight for _, _, weight in again.nodes) == WHOLE


def test_the_same_rows_and_seed_give_the_same_and_another_seed_another(model):
    artifact, kept = model
    assert choose_background(artifact, kept) == artifact.background
    other = choose_background(artifact, kept, seed=1)
    assert other.sha256 != artifact.background.sha256


def test_few_speak_for_many(model, people):
    artifact, _ = model
    rng = np.random.default_rng(5)
    later = people.dress(people.later, "codes")
    rows = [tuple(row) for row in later.iloc[:40].itertuples(index=False)]
    many = later.iloc[1000:1200]
    orders = np.argsort(rng.random((200, len(many.columns))), axis=1)
    exhaustive = Comparison(artifact, {n: many[n].tolist() for n in many}, orders)
    background = artifact.background
    few = Comparison(artifact, background.node_columns(), background.orders)
    found = np.array([background.weights @ one.effects for one in few(rows)])
    truth = np.array([one.effects.mean(axis=0) for one in exhaustive(rows)])
    off = np.sqrt(((found - truth) ** 2).mean())
    assert off < 3 * background.error
    assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("costume", ["words", "words with gaps", "codes with gaps"])
def test_mixtures_are_scored_as_the_artifact_scores_them(people, costume, tmp_path):
    X = people.dress(people.train, costume)
    pipeline = people.pipeline(LogisticRegression(max_iter=500), costume, scaled=True)
    pipeline.fit(X, people.train["employed"])
    artifact = cap.export_model(pipeline, X, tmp_path / "m.onnx", name="w", version="1")
    background = artifact.background
    compare = Comparison(artifact, background.node_columns(), background.orders)
    asked = people.dress(people.later.iloc[:20], costume)
    table = artifact.schema.check(asked).columns
    rows = list(zip(*(table[name].tolist() for name in artifact.schema.names), strict=True))
    others = pd.DataFrame(background.node_columns())[list(asked)]
    starts = artifact.predict(others.astype(asked.dtypes.to_dict())).score
    for one, score in zip(compare(rows), artifact.predict(asked).score, strict=True):
        assert one.score == pytest.approx(score, abs=1e-7)
        assert one.starts == pytest.approx(starts, abs=1e-7)
        sums = one.effects.sum(axis=1)
        assert sums == pytest.approx(one.score - one.starts, abs=1e-12)


def test_a_rule_by_group_has_no_say_in_it(people, tmp_path):
    X, kept = people.dress(people.train, "codes"), people.dress(people.held_out, "codes")
    pipeline = people.pipeline(LogisticRegression(max_iter=500), "codes", scaled=True)
    pipeline.fit(X, people.train["employed"])
    given = {"name": "w", "version": "1", "X_calibration": kept,
             "y_calibration": people.held_out["employed"]}  # fmt: skip
    plain = cap.export_model(pipeline, X, tmp_path / "p.onnx", **given)
    rule = GroupThresholds("SEX", {1: 0.4, 2: 0.6})
    ruled = cap.export_model(pipeline, X, tmp_path / "r.onnx", group_thresholds=rule, **given)
    assert ruled.background == plain.background


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 12), st.integers(1, 3), st.booleans())
def test_any_small_model_gets_one(n_rows, n_columns, constant):
    rng = np.random.default_rng(n_rows)
    X = pd.DataFrame(rng.integers(0, 3, (n_rows + 2, n_columns)), columns=[*"abc"[:n_columns]])
    y = [0, 1, *rng.integers(0, 2, n_rows)]
    model = LogisticRegression().fit(X, y)
    if constant:
        model.coef_[:] = 0
    with tempfile.TemporaryDirectory() as folder:
        artifact = cap.export_model(model, X, f"{folder}/m.onnx", name="m", version="1")
    background = artifact.background
    assert sum(weight for *_, weight in background.nodes) == WHOLE
    assert background.error >= 0
