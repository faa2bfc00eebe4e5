from datetime import date
from decimal import Decimal

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


# --- against a row-by-row reading in plain Python -------------------------------------------------


def is_null(value):
    return value is None or value != value


def expected_of(column, value):
    """The problems of one value, read off the documentation of Column and Problem."""
    if is_null(value):
        return set() if column.nullable else {("null", "error")}
    unknown = ("unknown_category", "warning" if column.on_unknown == "warn" else "error")
    if column.is_text or column.kind == "boolean":
        return {unknown} if column.is_text and value not in column.categories else set()
    if value in (INF, -INF):
        return {("infinite", "error")}
    found = set()
    if column.kind != "number" and value != int(value):
        found.add(("fractional", "error"))
    elif column.categories is not None and value not in column.categories:
        found.add(unknown)
    if column.limit is not None and abs(value) > column.limit:
        found.add(("too_large", "error"))
    elif (column.minimum is not None and value < column.minimum) or (
        column.maximum is not None and value > column.maximum
    ):
        found.add(("out_of_range", "warning"))
    return found


shared = {
    "name": st.sampled_from(["x", "größe", "年齢", "a b", ""]),
    "nullable": st.booleans(),
    "on_unknown": st.sampled_from(["warn", "reject"]),
}
bounds = st.none() | st.integers(-20, 20).map(float)
specs = st.one_of(
    st.builds(
        Column,
        kind=st.sampled_from(["integer", "number"]),
        minimum=bounds,
        maximum=bounds,
        limit=st.none() | st.sampled_from([0.0, 5.0, 1e6]),
        **shared,
    ),
    st.builds(
        Column,
        kind=st.just("category"),
        categories=st.lists(
            st.integers(-9, 9) | st.just(10_000), min_size=1, max_size=8, unique=True
        ).map(tuple),
        limit=st.none() | st.just(7.0),
        **shared,
    ),
    st.builds(
        Column,
        kind=st.just("category"),
        categories=st.sampled_from([("a",), ("a", "b"), ("é", ""), ("1", "a")]),
        **shared,
    ),
    st.builds(Column, kind=st.just("boolean"), **shared),
)
wholes = st.integers(-12, 12) | st.sampled_from([10_000, -(2**53), 2**53])
reals = st.sampled_from([NAN, INF, -INF, 0.5, -3.0, 1e300, 7.5]) | wholes.map(float)
texts = st.sampled_from(["a", "b", "é", "", "1", "日本"])


def values_of(column):
    if column.is_text:
        kinds = [texts, texts | st.none()]
    elif column.kind == "boolean":
        kinds = [st.booleans(), st.booleans() | st.none()]
    else:
        kinds = [wholes, wholes | st.none(), reals, reals | st.none()]
    return st.sampled_from(kinds)


@st.composite
def tables(draw):
    columns = draw(st.lists(specs, min_size=1, max_size=4, unique_by=lambda c: c.name))
    n_rows = draw(st.integers(0, 12))
    rows = {
        c.name: draw(st.lists(draw(values_of(c)), min_size=n_rows, max_size=n_rows))
        for c in columns
    }
    return Schema(tuple(columns)), rows


@given(tables())
def test_the_gate_agrees_with_reading_row_by_row(table):
    schema, data = table
    checked = schema.check(data)
    counts, errors = {}, {}
    for column in schema.columns:
        for row, value in enumerate(data[column.name]):
            for code, severity in expected_of(column, value):
                key = (column.name, code, severity)
                counts[key] = counts.get(key, 0) + 1
                if severity == "error":
                    errors.setdefault(row, set()).add(f"{column.name}: {code}")

    assert codes_of(checked) == counts
    assert {row: set(why.split("; ")) for row, why in checked.reasons()} == errors
    assert np.flatnonzero(~checked.valid).tolist() == sorted(errors)
    for name, values in data.items():
        for got, value in zip(checked.columns[name].tolist(), values, strict=True):
            assert is_null(got) if is_null(value) else got == value


@given(tables(), st.randoms())
def test_every_container_and_order_gives_the_same_answer(table, random):
    schema, data = table
    arrow = pa.table({name: pa.array(values, from_pandas=True) for name, values in data.items()})
    order = list(data)
    random.shuffle(order)
    half = len(arrow) // 2
    reference = schema.check(data)
    others = [
        arrow,
        arrow.select(order),
        pa.concat_tables([arrow.slice(0, half), arrow.slice(half)]),
        pa.RecordBatch.from_arrays([c.combine_chunks() for c in arrow.columns], list(data)),
        arrow.to_pandas(),
        arrow.to_pandas(types_mapper=pd.ArrowDtype),
        pd.DataFrame({name: pd.Series(data[name], dtype=object) for name in order}),
        {name: np.array(data[name], dtype=object) for name in order},
        {name: tuple(values) for name, values in data.items()},
        {
            name: column.dictionary_encode()
            for name, column in zip(data, arrow.columns, strict=True)
        },
    ]
    for other in others:
        checked = schema.check(other)

        assert list(checked.columns) == list(data)
        assert codes_of(checked) == codes_of(reference)
        assert checked.reasons() == reference.reasons()
        for name, values in checked.columns.items():
            pd.testing.assert_series_equal(
                pd.Series(values, dtype=object), pd.Series(reference.columns[name], dtype=object)
            )


@given(tables())
def test_text_of_a_file_is_read_as_the_values_it_was_written_from(table):
    schema, data = table
    written = {
        name: pa.array([None if is_null(v) else str(v) for v in values], pa.string())
        for name, values in data.items()
    }
    checked, reference = schema.check(written, parse_text=True), schema.check(data)

    assert codes_of(checked) == codes_of(reference)
    assert (checked.valid == reference.valid).all()


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
