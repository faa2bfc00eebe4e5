from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from capstone_lib.errors import SchemaError
from capstone_lib.schema import Column, Schema

INF, NAN = float("inf"), float("nan")


def one(kind="number", **options):
    return Schema((Column("x", kind, **options),))


def codes_of(checked):
    return {(p.column, p.code, p.severity): p.count for p in checked.problems}


# --- number formats -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        np.array([1, 2], "int8"),
        np.array([1, 2], "uint64"),
        np.array([1, 2], "float16"),
        np.array([1, 2], "float32"),
        np.array([1, 2], ">i4"),
        np.array([1, 2], np.longdouble),
        np.array([1, 9, 2])[::2],
        [Decimal("1.0"), Decimal(2)],
        [Decimal(1), 2.0],
        range(1, 3),
        pd.array([1, 2], dtype="Int64"),
        pd.Categorical([1, 2]),
        pd.Series(pd.arrays.SparseArray([1, 2])),
        pa.array([1, 2]).dictionary_encode(),
        pa.chunked_array([[1], [2]]),
        pa.array([Decimal(1), Decimal(2)], pa.decimal256(60, 2)),
    ],
    ids=str,
)
def test_the_same_numbers_in_any_format(values):
    checked = one("integer").check({"x": values})

    assert checked.problems == ()
    assert checked.columns["x"].tolist() == [1, 2]
    assert checked.columns["x"].dtype.kind in "iuf"


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, None], pa.float16()),
        pa.array([1, None], pa.uint8()),
        pa.array([Decimal(1), None]),
        pa.chunked_array([[1], [None]]),
        pa.array([1, None]).dictionary_encode(),
        pd.array([1, None], dtype="Int64"),
        pd.Series(pd.arrays.SparseArray([1.0, NAN])),
        np.ma.array([1, 2], mask=[0, 1]),
        np.array([1, pd.NA], dtype=object),
        [1, pd.NaT],
        [Decimal(1), Decimal("NaN")],
    ],
    ids=str,
)
def test_a_missing_number_in_any_format(values):
    np.testing.assert_array_equal(
        one("integer", nullable=True).check({"x": values}).columns["x"], [1, NAN]
    )
    assert codes_of(one("integer").check({"x": values})) == {("x", "null", "error"): 1}


def test_integers_wider_than_64_bits():
    schema = one("integer", limit=1e30)

    assert schema.check({"x": [1, 2**70]}).columns["x"].tolist() == [1.0, 2.0**70]
    assert codes_of(schema.check({"x": [1, -(2**110)]})) == {("x", "too_large", "error"): 1}
    assert codes_of(schema.check({"x": [10**5000, 1]})) == {("x", "infinite", "error"): 1}
    assert codes_of(one("integer", limit=9.0).check({"x": np.array([2**64 - 1], "uint64")})) == {
        ("x", "too_large", "error"): 1
    }


def test_what_is_missing_among_values_of_many_types_is_missing():
    values = np.array([1, "a", None, pd.NA, pd.NaT, NAN, np.float16(NAN)], dtype=object)
    checked = one(nullable=True).check({"x": values})

    assert checked.reasons() == [(1, "x: wrong_type")]


# --- text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        np.array(["a", None, "é"], dtype=object),
        pd.Series(["a", None, "é"], dtype="string"),
        pd.Categorical(["a", None, "é"]),
        pa.array(["a", None, "é"], pa.large_string()),
        pa.array(["a", None, "é"], pa.string_view()),
        pa.array(["a", None, "é"]).dictionary_encode(),
        pa.chunked_array([["a"], [None, "é"]]),
        pa.DictionaryArray.from_arrays([0, 1, 2], ["a", None, "é"]),
    ],
    ids=lambda values: str(getattr(values, "type", type(values).__name__)),
)
def test_the_same_text_in_any_format(values):
    checked = one("category", categories=("a",)).check({"x": values})

    assert checked.columns["x"].tolist() == ["a", None, "é"]
    assert checked.reasons() == [(1, "x: null"), (2, "x: unknown_category")]


def test_half_a_surrogate_is_no_text():
    schema = one("category", categories=("a",), nullable=True, on_unknown="warn")
    checked = schema.check({"x": ["a", "\ud800", None, "b\udfff"]})

    assert checked.reasons() == [(1, "x: wrong_type"), (3, "x: wrong_type")]
    assert checked.problems[0].examples == (r"row 1: '\ud800'", r"row 3: 'b\udfff'")
    checked.problems[0].message.encode()
    for values in (["\ud800"], ["\ud800", None], np.array(["\ud800"]), ["\ud800"] * 9):
        with pytest.raises(SchemaError, match="not Unicode") as raised:
            schema.check({"x": values})
        str(raised.value).encode()


def bytes_on_trust(text):
    """Arrow text of one byte a row, as a file in another encoding leaves it."""
    ends = pa.py_buffer(np.arange(len(text) + 1, dtype="int32"))
    return pa.StringArray.from_buffers(len(text), ends, pa.py_buffer(text))


def test_bytes_that_are_no_text_are_rows_to_reject():
    latin = bytes_on_trust(b"a\xe9a")
    schema = one("category", categories=("a",), on_unknown="warn")

    assert schema.check({"x": latin}).reasons() == [(1, "x: wrong_type")]
    assert schema.check({"x": latin.slice(1, 1)}).reasons() == [(0, "x: wrong_type")]


def test_bytes_that_are_no_number_are_rows_to_reject():
    latin = bytes_on_trust(b"1\xe92")
    checked = one("integer").check({"x": latin}, parse_text=True)

    assert checked.reasons() == [(1, "x: wrong_type")]
    assert checked.columns["x"][[0, 2]].tolist() == [1.0, 2.0]
    with pytest.raises(SchemaError, match="string instead of whole numbers"):
        one("integer").check({"x": latin})


# --- text of a CSV file ---------------------------------------------------------------------------


def test_numbers_out_of_text():
    words = ["1", " 2 ", "", None, "3.5", "x", "1_0", "1e3", "inf", "nan", "0x1", "9" * 400]
    checked = one(nullable=True).check({"x": pa.array(words)}, parse_text=True)

    np.testing.assert_array_equal(
        checked.columns["x"],
        [1, 2, NAN, NAN, 3.5, NAN, NAN, 1000, INF, NAN, NAN, INF],
    )
    assert codes_of(checked) == {("x", "wrong_type", "error"): 3, ("x", "infinite", "error"): 2}
    assert checked.problems[0].examples == ("row 5: 'x'", "row 6: '1_0'", "row 10: '0x1'")


def test_true_and_false_out_of_text():
    words = ["true", "FALSE", "1", "0", "", "yes"]
    checked = one("boolean").check({"x": words}, parse_text=True)

    np.testing.assert_array_equal(checked.columns["x"], [1, 0, 1, 0, NAN, NAN])
    assert checked.reasons() == [(4, "x: null"), (5, "x: wrong_type")]


def test_a_file_whose_numbers_are_all_unreadable_is_all_rejects():
    checked = one().check({"x": ["a", "b"]}, parse_text=True)

    assert not checked.valid.any()
    assert codes_of(checked) == {("x", "wrong_type", "error"): 2}


def test_categories_that_look_like_numbers_stay_text():
    checked = one("category", categories=("1", "2")).check({"x": ["1", "2.0"]}, parse_text=True)

    assert checked.reasons() == [(1, "x: unknown_category")]


# --- no rows --------------------------------------------------------------------------------------

EMPTY = [
    [],
    np.array([], dtype=object),
    np.array([], dtype="M8[ns]"),
    np.array([], dtype=complex),
    np.array([], dtype="U1"),
    pd.Series(pd.arrays.SparseArray(np.array([], dtype=float))),
    pd.Series([], dtype="category"),
    pa.nulls(0),
    pa.chunked_array([], pa.int64()),
    pa.array([], pa.string()).dictionary_encode(),
]


@pytest.mark.parametrize("values", EMPTY, ids=lambda v: str(getattr(v, "dtype", type(v).__name__)))
@pytest.mark.parametrize(
    "column",
    [
        Column("x", "integer", minimum=0, maximum=1, limit=1),
        Column("x", "number"),
        Column("x", "boolean"),
        Column("x", "category", categories=(1, 3)),
        Column("x", "category", categories=("a",)),
    ],
    ids=lambda column: column.kind + "-text" * column.is_text,
)
def test_no_rows_are_no_problem(column, values):
    for text in (False, True):
        checked = Schema((column,)).check({"x": values}, ids=[], parse_text=text)

        assert (len(checked), checked.problems, checked.reasons()) == (0, (), [])
        assert checked.columns["x"].shape == (0,)
        assert (checked.columns["x"].dtype == object) == column.is_text


def test_a_column_of_nothing_but_missing_values():
    for column in (Column("x", "integer"), Column("x", "boolean"), Column("x", "number")):
        for values in ([None, None], [NAN, NAN], pa.nulls(2), pa.nulls(2, pa.date32())):
            checked = Schema((column,)).check({"x": values})

            assert codes_of(checked) == {("x", "null", "error"): 2}
