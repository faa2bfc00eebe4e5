"""Reasons for one row, against a recomputation that asks the artifact one question at a time."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import capstone_lib as cap
from capstone_lib.artifact.rows import Answer, RowScorer
from capstone_lib.explain import explain_row
from capstone_lib.schema import Column


def scorer(function, calls=None):
    """A model that is a plain function of the row."""

    def score(rows):
        if calls is not None:
            calls.append(len(rows))
        return [Answer(float(function(row)), 1, 0.0, [1], False) for row in rows]

    return score


AGE = Column("age", "integer", minimum=0.0, maximum=8.0)
JOB = Column("job", "category", categories=("clerk", "cook"), title="Job", labels={"cook": "Cook"})
FLAG = Column("flag", "boolean")
PAY = Column("pay", "number", minimum=0.0, maximum=1.0, nullable=True)


def test_the_effect_is_the_score_less_its_mean_over_the_other_values():
    calls = []
    found = explain_row(
        scorer(lambda row: row[0] / 10 + 0.5 * (row[1] == "cook"), calls), [AGE, JOB], [8, "cook"]
    )
    assert [one["feature"] for one in found] == ["job", "age"]
    assert found[0]["effect"] == pytest.approx(0.5)
    assert found[1]["effect"] == pytest.approx(0.8 - np.mean([k / 10 for k in range(8)]))
    assert calls == [1 + 8 + 1]  # one batched question


def test_it_says_so_in_words():
    cook, age = explain_row(
        scorer(lambda row: 0.5 * (row[1] == "cook") - row[0] / 100), [AGE, JOB], [8, "cook"]
    )
    assert cook["text"] == "Job Cook raises the score by 0.50"
    assert age["text"] == "age 8 lowers the score by 0.04"
    (same, *_) = explain_row(scorer(lambda row: 0.3), [FLAG], [True])
    assert same["text"] == "flag True hardly moves the score"
    assert same["effect"] == 0


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_missing_value_is_compared_with_those_that_are_there(missing):
    (found,) = explain_row(
        scorer(lambda row: 0.9 if row[0] is None or row[0] != row[0] else row[0] / 2),
        [PAY],
        [missing],
    )
    assert found["value"] is None
    assert found["effect"] == pytest.approx(0.9 - 0.25)
    assert "missing raises" in found["text"]


def test_without_other_values_there_is_nothing_to_compare():
    columns = [Column("x", "number"), Column("only", "category", categories=(3,))]
    found = explain_row(scorer(lambda row: row[0]), columns, [5.0, 3])
    assert [one["effect"] for one in found] == [0, 0]


def test_a_value_never_seen_is_compared_with_all_that_were():
    column = Column("code", "category", categories=(1, 2), on_unknown="warn")
    (found,) = explain_row(scorer(lambda row: row[0] / 10), [column], [9])
    assert found["effect"] == pytest.approx(0.9 - 0.15)


@given(st.integers(1, 40), st.integers(1, 4), st.data())
def test_of_many_values_eight_are_taken_evenly_and_never_the_rows_own(n_known, top, data):
    column = Column("code", "category", categories=tuple(range(n_known)))
    own = data.draw(st.integers(0, n_known - 1))
    asked = []

    def score(rows):
        asked.extend(rows)
        return scorer(lambda row: row[0])(rows)

    (found,) = explain_row(score, [column], [own], top=top)
    others = [row[0] for row in asked[1:]]
    assert own not in others
    assert len(others) == len(set(others)) == min(8, n_known - 1)
    if others:
        assert found["effect"] == pytest.approx(own - np.mean(others))
        rest = [k for k in range(n_known) if k != own]
        assert (others[0], others[-1]) == (rest[0], rest[-1])


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=6), st.integers(1, 7))
def test_reasons_come_strongest_first_and_not_more_than_asked_for(weights, top):
    columns = [Column(f"c{k}", "boolean") for k in range(len(weights))]
    found = explain_row(
        scorer(lambda row: sum(w * v for w, v in zip(weights, row, strict=True))),
        columns,
        [True] * len(weights),
        top=top,
    )
    sizes = [abs(one["effect"]) for one in found]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes == pytest.approx(sorted(map(abs, weights), reverse=True)[:top], abs=1e-12)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "age": rng.integers(17, 90, 1500),
            "pay": np.where(rng.random(1500) < 0.1, np.nan, rng.normal(30, 9, 1500)),
            "job": rng.choice(["cook", "clerk", "king"], 1500),
            "flag": rng.random(1500) < 0.5,
        }
    )
    y = (X["age"] < 60) ^ (X["job"] == "cook") ^ (rng.random(1500) < 0.1)
    onehot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    model = make_pipeline(
        make_column_transformer((onehot, ["job"]), remainder="passthrough"),
        HistGradientBoostingClassifier(max_iter=15),
    ).fit(X, y)
    path = tmp_path_factory.mktemp("explain") / "m.onnx"
    return cap.export_model(model, X, path, name="work", version="1"), X


def others_of(column, value):
    if column.categories is not None:
        known = list(column.categories)
    elif column.kind == "boolean":
        known = [False, True]
    else:
        known = np.linspace(column.minimum, column.maximum, 9).tolist()
        known = sorted({round(one) for one in known}) if column.kind == "integer" else known
    known = [one for one in known if one != value]
    return (
        known if len(known) <= 8 else [known[round(k)] for k in np.linspace(0, len(known) - 1, 8)]
    )


def test_the_artifact_says_the_same_when_it_is_asked_value_by_value(artifact):
    model, X = artifact

    def score(row):
        return float(model.predict(pd.DataFrame([row])).score[0])

    for row in X.sample(6, random_state=0).to_dict("records"):
        effects = {
            column.name: score(row)
            - np.mean([score({**row, column.name: o}) for o in others_of(column, row[column.name])])
            for column in model.schema.columns
        }
        values = [row[name] for name in model.schema.names]
        found = explain_row(RowScorer(model), model.schema.columns, values, top=4)
        assert {one["feature"]: one["effect"] for one in found} == pytest.approx(effects, abs=1e-6)
        assert found[0]["feature"] == max(effects, key=lambda name: abs(effects[name]))
