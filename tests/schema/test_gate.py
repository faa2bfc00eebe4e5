from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capstone_lib.errors import SchemaError
from capstone_lib.schema import Column, Schema

INF, NAN = float("inf"), float("nan")


def one(kind="number", **options):
    return Schema((Column("x", kind, **options),))


def codes_of(checked):
    return {(p.column, p.code, p.severity): p.count for p in checked.problems}


# --- every problem of a row -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "values", "code", "severity", "examples"),
    [
        (one(), [1.0, None, NAN], "null", "error", ("row 1: None", "row 2: None")),
        (one(), [INF, 1.0, -INF], "infinite", "error", ("row 0: inf", "row 2: -inf")),
        (one("integer"), [1.0, 2.5], "fractional", "error", ("row 1: 2.5",)),
        (one(limit=9.0), [9, 10, -10], "too_large", "error", ("row 1: 10", "row 2: -10")),
        (
            one(minimum=0, maximum=5),
            [-1, 5, 6],
            "out_of_range",
            "warning",
            ("row 0: -1", "row 2: 6"),
        ),
        (one(), [1, "a", True], "wrong_type", "error", ("row 1: 'a'", "row 2: True")),
        (one("boolean"), [True, 1], "wrong_type", "error", ("row 1: 1",)),
        (one("category", categories=(1, 2)), [1, 3], "unknown_category", "error", ("row 1: 3",)),
        (
            one("category", categories=("a",), on_unknown="warn"),
            ["b", "a"],
            "unknown_category",
            "warning",
            ("row 0: 'b'",),
        ),
    ],
)
def test_each_problem_is_counted_and_shown(schema, values, code, severity, examples):
    checked = schema.check({"x": values})
    (problem,) = checked.problems

    assert (problem.code, problem.severity, problem.examples) == (code, severity, examples)
    assert problem.count == len(examples)
    assert problem.expected == schema["x"].describe()
    assert (~checked.valid).sum() == (problem.count if severity == "error" else 0)
    assert examples[0] in problem.message


def test_three_examples_stand_for_many_and_long_ones_are_cut():
    (problem,) = one("category", categories=("a",)).check({"x": ["b" * 99] * 5000}).problems

    assert problem.count == 5000
    assert "in 5,000 rows" in problem.message
    assert [len(example) for example in problem.examples] == [45, 45, 45]


def test_all_problems_are_told_at_once():
    schema = Schema(
        (
            Column("age", "integer", minimum=16, maximum=94, limit=1e6),
            Column("job", "category", categories=("cook",)),
        )
    )
    checked = schema.check(
        {"job": ["cook", "king", None, "cook"], "age": [200.0, 1e9, INF, 2.5], "shoe": [1] * 4},
        ids=[1, 1, None, 4],
    )

    assert codes_of(checked) == {
        ("age", "fractional", "error"): 1,
        ("age", "infinite", "error"): 1,
        ("age", "too_large", "error"): 1,
        ("age", "out_of_range", "warning"): 2,
        ("job", "null", "error"): 1,
        ("job", "unknown_category", "error"): 1,
        ("id", "null_id", "error"): 1,
        ("id", "duplicate_id", "error"): 1,
        ("shoe", "unexpected_column", "warning"): 0,
    }
    assert checked.reasons() == [
        (1, "age: too_large; job: unknown_category; id: duplicate_id"),
        (2, "age: infinite; job: null; id: null_id"),
        (3, "age: fractional"),
    ]
    assert [p.severity for p in checked.problems] == ["error"] * 7 + ["warning"] * 2
    assert {name: values.tolist() for name, values in checked.only_valid().items()} == {
        "age": [200.0],
        "job": ["cook"],
    }
    with pytest.raises(SchemaError, match=r"3 of 4 rows do not fit(.|\n)*king") as raised:
        checked.raise_for_errors()
    assert raised.value.problems == checked.problems


def test_warnings_alone_raise_nothing():
    checked = one(maximum=1.0).check({"x": [2.0]})
    checked.raise_for_errors()

    assert checked.errors == ()
    assert checked.only_valid() is checked.columns


# --- the table as a whole -------------------------------------------------------------------------


def test_everything_wrong_with_a_table_is_told_at_once():
    schema = Schema(tuple(Column(name, "integer") for name in "abc"))
    frame = pd.DataFrame([["u", 1, 2, 3]], columns=["a", "b", "b", "z"])
    with pytest.raises(SchemaError) as raised:
        schema.check(frame)

    assert {(p.column, p.code, p.severity) for p in raised.value.problems} == {
        ("a", "wrong_type", "error"),
        ("b", "duplicate_column", "error"),
        ("c", "missing_column", "error"),
        ("z", "unexpected_column", "warning"),
    }
    assert all(p.message in str(raised.value) for p in raised.value.problems)


@pytest.mark.parametrize("data", [None, 3, "x", [1, 2], np.ones((2, 1)), pd.Series([1])])
def test_what_is_no_table_is_refused(data):
    with pytest.raises(SchemaError, match="rows enter as"):
        one().check(data)


def test_columns_of_unequal_length_are_refused():
    schema = Schema((Column("a", "integer"), Column("b", "integer")))
    with pytest.raises(SchemaError, match=r"equally long; seen \{'a': 1, 'b': 2\}"):
        schema.check({"a": [1], "b": [1, 2]})


WRONG = {
    "text": ["1", "2"],
    "text and nothing": ["1", None],
    "true and false": [True, False],
    "dates": [date(2020, 1, 1)],
    "times": np.array(["2020-01-01"], "M8[ns]"),
    "spans": pd.Series(pd.to_timedelta([1])),
    "lists": [[1], [2]],
    "complex": np.array([1j]),
    "bytes": [b"1"],
    "one text": "12",
    "raw bytes": b"12",
    "mapping": {0: 1},
    "set": {1},
    "scalar": 3,
    "nothing": None,
    "two dimensions": np.zeros((2, 2)),
    "no dimension": np.array(3),
    "records": np.zeros(2, [("a", "i4")]),
    "wrong and missing": [None, "a", True],
}


@pytest.mark.parametrize("values", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("kind", ["integer", "number"])
def test_text_dates_and_lists_are_no_numbers(kind, values):
    with pytest.raises(SchemaError, match="x: a value of the wrong type") as raised:
        one(kind, nullable=True).check({"x": values})

    assert [p.code for p in raised.value.problems] == ["wrong_type"]


@pytest.mark.parametrize("values", [[1, 2], [True], [0.5], [date(2020, 1, 1)], [b"a"], [["a"]]])
def test_numbers_are_no_text(values):
    with pytest.raises(SchemaError, match="instead of text"):
        one("category", categories=("a",)).check({"x": values})


@pytest.mark.parametrize("values", [[1, 0], [0.0, 1.0], ["true"], np.array([1], "uint8")])
def test_ones_and_zeros_are_not_true_and_false(values):
    with pytest.raises(SchemaError, match="instead of true/false"):
        one("boolean").check({"x": values})


def test_ten_thousand_columns():
    names = [f"c{i}" for i in range(10_000)]
    schema = Schema(tuple(Column(name, "integer") for name in names[:20]))
    checked = schema.check({name: [1, 2] for name in names})

    assert len(checked.problems) == 9_980
    assert checked.valid.all()


# --- ids ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ids",
    [
        [5, 7, 5, None, 5, None],
        ["a", "b", "a", None, "a", None],
        pd.array([5, 7, 5, None, 5, None], dtype="Int64"),
        np.array([5, 7, 5, NAN, 5, NAN]),
        pa.array(["a", "b", "a", None, "a", None]).dictionary_encode(),
        pa.DictionaryArray.from_arrays([0, 1, 2, 3, 0, 3], ["a", "b", "a", None]),
        pa.chunked_array([[5, 7], [5, None, 5, None]]),
    ],
    ids=str,
)
def test_missing_and_repeated_ids(ids):
    checked = Schema((Column("x", "integer"),), id="row").check({"x": range(6)}, ids=ids)

    assert checked.reasons() == [
        (2, "row: duplicate_id"),
        (3, "row: null_id"),
        (4, "row: duplicate_id"),
        (5, "row: null_id"),
    ]


@given(st.lists(st.integers(-4, 4) | st.none()) | st.lists(st.text("ab", max_size=2) | st.none()))
def test_the_first_of_equal_ids_is_kept(ids):
    checked = one("integer").check({"x": range(len(ids))}, ids=ids)
    keep = [value is not None and value not in ids[:row] for row, value in enumerate(ids)]

    assert checked.valid.tolist() == keep


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ([1], "1 ids were given for 2 rows"),
        ([1, "a"], "cannot be read"),
        ([1, 2**70], "cannot be read"),
        (["a", "\ud800"], "cannot be read"),
        ([[1], [2]], "ids are whole numbers or text"),
        (7, "cannot be read"),
    ],
)
def test_ids_that_are_none(ids, said):
    with pytest.raises(SchemaError, match=said):
        one("integer").check({"x": [1, 2]}, ids=ids)


def test_a_column_of_the_wrong_type_does_not_hide_what_is_wrong_elsewhere():
    schema = Schema(
        (
            Column("sex", "category", categories=(1, 2)),
            Column("age", "integer", minimum=17, maximum=89),
        )
    )
    with pytest.raises(SchemaError) as caught:
        schema.check({"sex": ["female"], "age": [16.5]})
    assert [(p.column, p.code) for p in caught.value.problems] == [
        ("sex", "wrong_type"),
        ("age", "fractional"),
        ("age", "out_of_range"),
    ]
