"""The gate against a row-by-row reading in plain Python, and in every container."""

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from capstone_lib.schema import Column, Schema

INF, NAN = float("inf"), float("nan")


def codes_of(checked):
    return {(p.column, p.code, p.severity): p.count for p in checked.problems}


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
