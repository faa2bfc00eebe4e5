import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capstone_lib.errors import SchemaError
from capstone_lib.schema import Column, Schema

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
codes = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5, unique=True)
words = st.lists(names, min_size=1, max_size=5, unique=True)
common = {
    "name": names,
    "nullable": st.booleans(),
    "on_unknown": st.sampled_from(["warn", "reject"]),
    "title": st.text(st.characters(exclude_categories=["Cs"])),
    "labels": st.dictionaries(names, names, max_size=3),
}
columns = st.one_of(
    st.builds(
        Column,
        kind=st.sampled_from(["integer", "number", "boolean"]),
        minimum=st.none() | numbers,
        maximum=st.none() | numbers,
        limit=st.none() | numbers,
        **common,
    ),
    st.builds(
        Column, kind=st.just("category"), categories=st.one_of(codes, words).map(tuple), **common
    ),
)


@given(columns)
def test_a_column_survives_its_journey_through_json(column):
    assert Column.from_dict(json.loads(json.dumps(column.to_dict()))) == column


@given(st.lists(columns, min_size=1, max_size=5, unique_by=lambda column: column.name), st.data())
def test_a_schema_survives_its_journey_through_json(several, data):
    free = names.filter(lambda name: name not in {column.name for column in several})
    schema = Schema(tuple(several), id=data.draw(st.none() | free))

    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


def test_a_range_that_begins_at_zero_is_kept():
    column = Column("age", "integer", minimum=0.0, maximum=0.0, limit=0.0)

    assert Column.from_dict(column.to_dict()) == column


def test_defaults_are_left_out_of_the_passport():
    assert Column("age", "integer").to_dict() == {"name": "age", "kind": "integer"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "x", "kind": "date"}, "not one of integer"),
        ({"name": "x", "kind": "category"}, "categories belong"),
        ({"name": "x", "kind": "integer", "categories": (1,)}, "categories belong"),
        ({"name": "x", "kind": "category", "categories": ()}, "at least one"),
        ({"name": "x", "kind": "category", "categories": (1, "a")}, "all whole numbers or all"),
        (
            {"name": "x", "kind": "category", "categories": (True, False)},
            "all whole numbers or all",
        ),
        ({"name": "x", "kind": "category", "categories": (1.0, 2.0)}, "all whole numbers or all"),
        ({"name": "x", "kind": "category", "categories": (1, 1, 3)}, "named twice"),
        ({"name": "x", "kind": "category", "categories": ("\ud800",)}, "not Unicode"),
        ({"name": "x", "kind": "category", "categories": (2**63,)}, "wider than 64 bits"),
        ({"name": 7, "kind": "integer"}, "must be text"),
        ({"name": "\udfff", "kind": "integer"}, "must be text"),
    ],
)
def test_a_column_that_makes_no_sense_is_refused(arguments, said):
    with pytest.raises(SchemaError, match=said):
        Column(**arguments)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"columns": [{"name": "x", "kind": "integer", "colour": "red"}]}, "unknown fields"),
        ({"columns": [{"name": "x"}]}, "a name and a kind"),
        ({"columns": []}, "at least one column"),
        ({}, "at least one column"),
        ({"columns": [{"name": "x", "kind": "integer"}] * 2}, "seen twice"),
        ({"columns": [{"name": "x", "kind": "integer"}], "id": "x"}, "row id and a feature"),
    ],
)
def test_a_damaged_schema_is_refused(data, said):
    with pytest.raises(SchemaError, match=said):
        Schema.from_dict(data)


def test_columns_are_found_and_replaced_by_name():
    schema = Schema((Column("a", "integer"), Column("b", "number")), id="row")
    new = schema.with_columns([Column("b", "number", limit=5.0)])

    assert new.names == ("a", "b")
    assert (new["b"].limit, new["a"], new.id) == (5.0, schema["a"], "row")
    with pytest.raises(KeyError, match="there are a, b"):
        schema["c"]


def test_a_column_says_what_it_holds():
    assert Column("x", "integer", minimum=1, maximum=9).describe() == (
        "whole number, 1 to 9 in training"
    )
    assert Column("x", "boolean", nullable=True).describe() == "true or false, may be missing"
    assert Column("x", "category", categories=tuple(range(8))).describe() == (
        "one of 0, 1, 2, 3, 4, 5 … (2 more)"
    )


def test_the_table_in_a_notebook_escapes_what_it_shows():
    html = Schema((Column("<b>", "number", title="a & b"),))._repr_html_()

    assert "&lt;b&gt;" in html
    assert "a &amp; b" in html
