import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from capstone_lib.errors import SchemaError
from capstone_lib.schema import Column, Schema
from capstone_lib.serving.json_schema import column_schema, example_record

COLUMNS = [
    Column("x", kind, nullable, **more)
    for nullable in (False, True)
    for kind, more in [
        ("integer", {"minimum": 17.0, "maximum": 89.0}),
        ("integer", {"minimum": 0.0, "maximum": 9.0, "limit": 100.5}),
        ("integer", {"minimum": 0.0, "maximum": 9.0, "limit": 1e30}),
        ("number", {"minimum": -1.5, "maximum": 1.5, "limit": 1e15}),
        ("number", {"minimum": -1.5, "maximum": 1.5}),
        ("boolean", {}),
        ("category", {"categories": (1, 2, 16)}),
        ("category", {"categories": (0, 1), "on_unknown": "warn", "limit": 2.0**60}),
        ("category", {"categories": ("cook", "größer")}),
        ("category", {"categories": ("cook", ""), "on_unknown": "warn"}),
    ]
]
NEAR = [
    base + shift
    for base in (0, 1, 2, 16, 17, 100, 10**15, 2**53, 2**60, 2**63, 10**30)
    for shift in (-1, 0, 1)
]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([sign * value for value in NEAR for sign in (1, -1)]),
    st.integers(),
    st.sampled_from([16.0, 16.5, 1e15, 1e30, math.nextafter(1e15, 2e15), 100.5, -100.6, 1e100]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["cook", "größer", "", "1", "16", "true"]),
    st.text(),
    st.just([1]),
    st.just({}),
)


def gate_lets_in(column, value):
    try:
        return not Schema((column,)).check({"x": [value]}).errors
    except SchemaError:
        return False


@pytest.mark.parametrize("column", COLUMNS, ids=lambda c: f"{c.kind}-{c.limit}-{c.nullable}")
@given(value=VALUES)
def test_the_document_allows_just_what_the_gate_lets_in(column, value):
    sent = json.loads(json.dumps(value))
    allowed = Draft202012Validator(column_schema(column)).is_valid(sent)
    assert allowed == gate_lets_in(column, sent)


@pytest.mark.parametrize("limit", [2.0**53, 1e16, 1e17 + 16, 1e22, 1e30, 3e38, 2.0**100])
def test_a_bound_is_the_last_number_that_reads_as_one_within_the_limit(limit):
    bound = column_schema(Column("x", "integer", limit=limit))["maximum"]
    assert float(bound) <= limit < float(bound + 1)


def test_what_the_gate_warns_of_is_told_and_not_forbidden():
    labels = {"17": "seventeen"}
    found = column_schema(
        Column("age", "integer", minimum=17.0, maximum=89.0, title="Age", labels=labels)
    )
    assert found == {
        "title": "Age",
        "description": "whole number, 17 to 89 in training",
        "x-seen": {"minimum": 17.0, "maximum": 89.0},
        "x-labels": labels,
        "type": "integer",
    }


@given(low=st.floats(-1e9, 1e9), width=st.floats(0, 1e9), whole=st.booleans())
def test_the_example_gets_through_the_gate_without_a_word(low, width, whole):
    low = float(round(low)) if whole else low
    high = float(round(low + width)) if whole else low + width
    schema = Schema(
        (
            Column("n", "integer" if whole else "number", minimum=low, maximum=high),
            Column("c", "category", categories=("b", "a")),
            Column("t", "boolean", nullable=True),
        )
    )
    example = example_record(schema)
    checked = schema.check({name: [value] for name, value in example.items()})
    assert not checked.problems
