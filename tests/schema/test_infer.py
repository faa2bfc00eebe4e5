from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from capstone_lib.errors import SchemaError
from capstone_lib.schema import Column, Schema


def column(values, **options):
    return Schema.infer(pd.DataFrame({"x": values}), **options)["x"]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64", "Int64"])
def test_whole_numbers(dtype):
    assert column(pd.array([3, 0, 7], dtype=dtype)) == Column(
        "x", "integer", minimum=0.0, maximum=7.0
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "Float64"])
def test_numbers(dtype):
    assert column(pd.array([0.5, 0.0, -2.0], dtype=dtype)) == Column(
        "x", "number", minimum=-2.0, maximum=0.5
    )


def test_arrow_backed_frames_mean_the_same():
    table = pa.table({"a": [1, None], "b": [0.5, 1.0], "c": ["u", "v"], "d": [True, None]})

    assert Schema.infer(table.to_pandas(types_mapper=pd.ArrowDtype)) == Schema(
        (
            Column("a", "integer", nullable=True, minimum=1.0, maximum=1.0),
            Column("b", "number", minimum=0.5, maximum=1.0),
            Column("c", "category", categories=("u", "v")),
            Column("d", "boolean", nullable=True),
        )
    )


def test_missing_values_make_a_column_nullable():
    assert column([1.0, np.nan]).nullable
    assert column(pd.array([1, None], dtype="Int64")) == Column(
        "x", "integer", nullable=True, minimum=1.0, maximum=1.0
    )
    assert column(["a", None]) == Column("x", "category", nullable=True, categories=("a",))


def test_infinities_do_not_make_the_range():
    assert column([1.0, np.inf, -np.inf, 2.0]) == Column("x", "number", minimum=1.0, maximum=2.0)


@pytest.mark.parametrize(
    ("values", "nullable"),
    [
        ([True, False], False),
        (pd.array([True, None], dtype="boolean"), True),
        (np.array([True, np.nan, False], dtype=object), True),
        (np.array([True, None], dtype=object), True),
        (np.array([np.True_, np.False_], dtype=object), False),
    ],
)
def test_true_and_false(values, nullable):
    assert column(values) == Column("x", "boolean", nullable=nullable)


@pytest.mark.parametrize("dtype", ["object", "string", "str"])
def test_text(dtype):
    assert column(pd.Series(["b", "é", "a", "b"], dtype=dtype)).categories == ("a", "b", "é")


def test_pandas_categories_are_kept_even_when_no_row_shows_them():
    assert column(pd.Categorical([2, 1], categories=[1, 2, 9])).categories == (1, 2, 9)
    assert column(pd.Categorical(["b", None], categories=["b", "a"])) == Column(
        "x", "category", nullable=True, categories=("a", "b")
    )
    assert column(pd.Categorical([1.0, 2.0])).categories == (1, 2)


def test_named_codes():
    assert column([1, 2], categories={"x": [3, 2, 1, 2, np.nan, None]}).categories == (1, 2, 3)
    assert column([1, 2], categories={"x": np.array([1.0, 2.0])}).categories == (1, 2)


def test_the_id_is_no_feature():
    schema = Schema.infer(pd.DataFrame({"row": [1, 2], "größe": [1.5, 2.5]}), id="row")

    assert (schema.names, schema.id) == (("größe",), "row")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (pd.to_datetime(["2020-01-01"]), "datetime64"),
        (pd.to_timedelta([1]), "timedelta64"),
        (pd.period_range("2020", periods=1), "period"),
        ([date(2020, 1, 1)], "holds date"),
        ([[1, 2], [3]], "holds list"),
        ([b"a"], "holds bytes"),
        ([Decimal(1)], "holds Decimal"),
        ([1j], "complex128"),
        (np.array([1, "a"], dtype=object), "holds int, str"),
        (np.array([True, "a"], dtype=object), "holds bool, str"),
        (np.array([1, 2**70], dtype=object), "holds int"),
        (np.array([None, None], dtype=object), "nothing but missing"),
        ([np.nan, np.inf], "no finite number"),
        (pd.Categorical([1, "a"]), "mixture"),
        (pd.Categorical([None, None]), "at least one"),
        (pd.Categorical([True, False]), "whole number or text"),
        (pd.Categorical([0.5]), "whole number or text"),
        (pd.cut([1, 2], 2), "whole number or text"),
        (pd.Series(["a", "\ud800"], dtype=object), "not Unicode"),
    ],
)
def test_what_no_model_can_be_fed_is_refused(values, said):
    with pytest.raises(SchemaError, match=rf"'x'.*{said}"):
        column(values)


@pytest.mark.parametrize("codes", [[1, "a"], [], [2**70], [date(2020, 1, 1)], [[1]], [np.inf]])
def test_codes_that_are_none_are_refused(codes):
    with pytest.raises(SchemaError, match="'x'"):
        column([1, 2], categories={"x": codes})


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pd.DataFrame({"x": []}), "without rows"),
        (pd.DataFrame(), "without rows"),
        (pd.DataFrame({1: [2]}), "must be text"),
        (pd.DataFrame({("a", "b"): [2]}), "must be text"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "seen twice"),
        (pd.DataFrame({"row": [1]}), "at least one column"),
        ({"x": [1]}, "DataFrame; seen dict"),
        (np.ones((2, 2)), "DataFrame; seen ndarray"),
    ],
)
def test_a_frame_that_no_schema_can_be_read_off(frame, said):
    with pytest.raises(SchemaError, match=said):
        Schema.infer(frame, id="row")


def test_categories_of_a_column_that_is_not_there():
    with pytest.raises(SchemaError, match=r"lacks: \['7', 'y'\]"):
        column([1], categories={"y": [1], 7: [1]})


def test_training_rows_pass_their_own_gate():
    frame = pd.DataFrame(
        {
            "age": pd.array([30, None, 0], dtype="Int64"),
            "pay": np.array([0.5, np.nan, 3], dtype="float32"),
            "job": pd.Categorical(["cook", None, "clerk"]),
            "code": [7, 8, 9],
            "own": np.array([True, None, False], dtype=object),
        }
    )
    checked = Schema.infer(frame, categories={"code": [7, 8, 9]}).check(frame)

    assert checked.problems == ()
    assert checked.valid.all()
