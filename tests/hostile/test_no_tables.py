"""Things that are no table, tables that cannot enter, and stores and days that are none."""

import datetime as dt
import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import capstone_lib as cap
from capstone_lib.errors import CapstoneError, SchemaError, SourceError

N = 24
WRONG = "a value of the wrong type"
DAY = dt.date(2016, 1, 31)


def arrow(people):
    return pa.Table.from_pandas(people, preserve_index=False)


def rows_one_by_one(people):
    yield from people.to_dict("records")


THINGS = {
    "none": lambda p: None,
    "a number": lambda p: 7,
    "not a number": lambda p: float("nan"),
    "true": lambda p: True,
    "bytes": lambda p: p.to_csv().encode(),
    "CSV as text": lambda p: p.to_csv(index=False),
    "a dictionary": lambda p: p.to_dict("list"),
    "a ragged dictionary": lambda p: {"age": [1, 2], "hours": [1]},
    "records": lambda p: p.to_dict("records"),
    "a generator": rows_one_by_one,
    "a column": lambda p: p["age"],
    "a NumPy matrix": lambda p: p.to_numpy(),
    "a record array": lambda p: p.to_records(),
    "an Arrow column": lambda p: pa.array(p["age"]),
    "an Arrow column in chunks": lambda p: pa.chunked_array([p["age"]]),
    "an Arrow record": lambda p: pa.scalar({"age": 1}),
    "an open file": lambda p: io.StringIO(p.to_csv()),
    "the class of frames": lambda p: pd.DataFrame,
    "a function": lambda p: len,
    "an object": lambda p: object(),
    "a list of paths": lambda p: ["a.csv", "b.csv"],
    "groups": lambda p: p.groupby("job"),
}


@pytest.mark.parametrize("kind", THINGS)
def test_what_is_no_table_is_refused(judge, people, kind):
    judge.refuses(THINGS[kind](people), "a source is|no source at|is no table")


TABLES = {  # tables that cannot enter
    "no rows": (lambda p: p[:0], "holds no rows"),
    "no rows in Arrow": (lambda p: arrow(p[:0]), "holds no rows"),
    "no rows and no types": (lambda p: pd.DataFrame(columns=p.columns), "holds no rows"),
    "no columns": (lambda p: p[[]], "age: the column is missing"),
    "nothing": (lambda p: pd.DataFrame(), "age: the column is missing"),
    "nothing in Arrow": (lambda p: pa.table({}), "age: the column is missing"),
    "numbered columns": (lambda p: p.set_axis(range(6), axis=1), "age: the column is missing"),
    "nameless columns": (lambda p: p.set_axis([None] * 6, axis=1), "age: the column is missing"),
    "names in two levels": (
        lambda p: p.set_axis(pd.MultiIndex.from_product([p.columns, ["x"]]), axis=1),
        "age: the column is missing",
    ),
    "names as bytes": (
        lambda p: p.set_axis([n.encode() for n in p.columns], axis=1),
        "age: the column is missing",
    ),
    "names as days": (
        lambda p: p.set_axis(pd.date_range("2016-01-31", periods=6), axis=1),
        "age: the column is missing",
    ),
    "10,000 other columns": (
        lambda p: pd.DataFrame(0, p.index, [f"größe {k}" for k in range(10_000)]),
        "age: the column is missing",
    ),
    "half a character in a name": (
        lambda p: p.set_axis(pd.Index(["row_id", "\ud83d", *p.columns[2:]], dtype=object), axis=1),
        "age: the column is missing",
    ),
    "turned over": (lambda p: p.T, "age: the column is missing"),
    "a column twice": (
        lambda p: pd.concat([p, p["age"]], axis=1),
        "age: the column appears more than once",
    ),
    "all columns twice in Arrow": (
        lambda p: pa.table(
            [c for c in arrow(p).columns for _ in "ab"],
            names=[n for n in p.columns for _ in "ab"],
        ),
        "married: the column appears more than once",
    ),
    "the ids twice": (lambda p: pd.concat([p, p["row_id"]], axis=1), "'row_id' more than once"),
    "complex numbers": (lambda p: p.astype({"age": complex}), f"age: {WRONG}"),
    "periods": (lambda p: p.assign(age=pd.period_range("2016", periods=N)), f"age: {WRONG}"),
    "intervals": (lambda p: p.assign(age=pd.interval_range(0, N)), f"age: {WRONG}"),
    "categories of days": (lambda p: p.assign(age=pd.Categorical([DAY] * N)), f"age: {WRONG}"),
    "sparse text": (
        lambda p: p.assign(age=pd.arrays.SparseArray(["x"] * N, dtype=pd.SparseDtype(object, "x"))),
        f"age: {WRONG}",
    ),
    "frames in a column": (lambda p: p.assign(age=[p] * N), f"age: {WRONG}"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_that_cannot_enter_is_refused(judge, people, kind):
    make, said = TABLES[kind]
    judge.refuses(make(people), said)


# --- asking the artifact itself -------------------------------------------------------------------

ASKED = {
    "none": lambda p: None,
    "a number": lambda p: 7,
    "text": lambda p: "people.csv",
    "a list": lambda p: p.to_dict("records"),
    "a matrix": lambda p: p.to_numpy(),
    "a column": lambda p: p["age"],
    "a generator": rows_one_by_one,
    "an empty dictionary": lambda p: {},
    "one record": lambda p: p.iloc[0].to_dict(),
    "ragged": lambda p: {**p.to_dict("list"), "age": [1, 2]},
    "one row too many": lambda p: {**p.to_dict("list"), "job": [*p["job"], "cook"]},
    "a generator in a column": lambda p: {**p.to_dict("list"), "age": (v for v in p["age"])},
    "a set in a column": lambda p: {**p.to_dict("list"), "age": set(p["age"])},
    "a dictionary in a column": lambda p: {**p.to_dict("list"), "age": dict(p["age"])},
    "a scalar in a column": lambda p: {**p.to_dict("list"), "age": 40},
    "text in a column": lambda p: {**p.to_dict("list"), "job": "cook"},
    "none in a column": lambda p: {**p.to_dict("list"), "age": None},
    "a matrix in a column": lambda p: {**p.to_dict("list"), "age": np.ones((N, 2))},
    "a frame in a column": lambda p: {**p.to_dict("list"), "age": p},
    "a scalar array": lambda p: {**p.to_dict("list"), "age": np.array(40)},
    "records in a column": lambda p: {**p.to_dict("list"), "age": p.to_records()},
    "all missing": lambda p: p.assign(age=np.nan),
    "a mask": lambda p: {**p.to_dict("list"), "age": np.ma.masked_all(N)},
}


@pytest.mark.parametrize("kind", ASKED)
def test_the_artifact_refuses_what_it_cannot_read(artifact, people, kind):
    with pytest.raises(SchemaError, match=r"rows enter as|table does not fit|equally long|rows do"):
        artifact.predict(ASKED[kind](people))


def test_the_artifact_names_all_problems_at_once(artifact, people):
    table = people.drop(columns="age").assign(hours="x", job=1, sector=2.5, married=DAY, shoe=1)
    with pytest.raises(SchemaError) as caught:
        artifact.predict(table)

    assert {(p.column, p.code) for p in caught.value.problems if p.severity == "error"} == {
        ("age", "missing_column"),
        ("hours", "wrong_type"),
        ("job", "wrong_type"),
        ("sector", "fractional"),
        ("married", "wrong_type"),
    }


def test_the_artifact_answers_no_rows_with_no_rows(artifact, people):
    for nothing in (people[:0], arrow(people[:0]), {name: [] for name in people}):
        predicted = artifact.predict(nothing)
        assert (len(predicted), predicted.prediction_set.shape) == (0, (0, 2))


# --- names that are not ASCII ---------------------------------------------------------------------

NAMES = [
    "größe ☃", "a b", "x\ny", '"quoted", twice', "1", "💥" * 40, "e\u0301", "é", "capstone.numbers",
    "'; drop table", "job", "\u202eolleh", "score",
]  # fmt: skip


def test_a_model_whose_columns_have_odd_names(tmp_path, folder):
    from sklearn.linear_model import LogisticRegression

    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, len(NAMES))), columns=NAMES)
    model = LogisticRegression().fit(X, X.sum(axis=1) > 0)
    cap.export_model(model, X, folder / "modèle.onnx", name="odd", version="1")
    X.to_csv(folder / "a.csv", index=False)
    X[NAMES[::-1]].to_parquet(folder / "b.parquet")
    expected = model.predict_proba(X)[:, 1]

    for source in (X, arrow(X), folder / "a.csv", folder / "b.parquet"):
        run = cap.score_batch(
            folder / "modèle.onnx", source, store=tmp_path / "store.db", as_of="2016-01-31"
        )
        with cap.open_store(tmp_path / "store.db") as store:
            shown = store.predictions(run_id=run.run_id).sort_values("row_id")
        np.testing.assert_allclose(shown["score"], expected, atol=1e-6)


@pytest.mark.parametrize("place", ["", "nonsense://x", "sqlite:////proc/none/a.db"])
def test_a_place_that_is_no_store_is_refused(artifact, people, place):
    with pytest.raises(CapstoneError, match=r"store|database"):
        cap.score_batch(artifact, people, store=place, as_of="2016-01-31")


@pytest.mark.parametrize("day", ["yesterday", "2016-02-30", "", None, 7, "31.1.2016"])
def test_a_day_that_is_none_is_refused(artifact, people, tmp_path, day):
    with pytest.raises(ValueError, match="must be a date such as '2016-01-31'"):
        cap.score_batch(artifact, people, store=tmp_path / "store.db", as_of=day)


def test_a_missing_source_says_what_a_source_is(artifact, tmp_path):
    with pytest.raises(SourceError, match="a Parquet or CSV file"):
        cap.score_batch(artifact, None, store=tmp_path / "store.db", as_of="2016-01-31")
