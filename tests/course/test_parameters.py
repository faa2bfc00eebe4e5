import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capstone_lib.course.parameters import (
    ParameterError,
    ParameterFormError,
    check_parameters,
    describe,
    read_parameters,
)

CELL = """\
# What you may change
rows: int = 2_000  # how many rows to score
share: float = 1  # of the rows, 0 to 1
url: str = "sqlite:///a.db?x=1&y=2"  # two '=' in a line # and a second hash
quick: bool = False
limit: int | None = None  # no limit unless given
seed: "int" = -3
name: str = None  # whose model
untyped = 0.5
"""


def test_every_line_is_read_with_type_default_and_help() -> None:
    read = {one.name: one for one in read_parameters(CELL)}
    assert list(read) == ["rows", "share", "url", "quick", "limit", "seed", "name", "untyped"]
    assert (read["rows"].kind, read["rows"].default) == ("int", 2000)
    assert read["rows"].help == "how many rows to score"
    assert read["share"].default == 1.0
    assert isinstance(read["share"].default, float)
    assert read["url"].default == "sqlite:///a.db?x=1&y=2"
    assert read["url"].help == "two '=' in a line # and a second hash"
    assert (read["limit"].optional, read["limit"].required) == (True, False)
    assert read["seed"].default == -3
    assert [one.name for one in read.values() if one.required] == ["name"]
    assert read["untyped"].kind == "float"


def test_the_cell_means_to_us_what_it_means_to_python() -> None:
    names: dict[str, object] = {}
    exec(CELL, names)
    for one in read_parameters(CELL):
        assert one.default == names[one.name]


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("rows = 10 * 2", "computes"),
        ("a = b = 1", "a = b = 1"),
        ("rows = rows_default()", "computes"),
        ("import os", "import os"),
        ("rows: int", "rows: int"),
        ("rows: list = [1]", "not an int"),
        ("rows: int | str = 1", "not an int"),
        ("rows: int = 'ten'", "not the type"),
        ("flag: int = True", "not the type"),
        ("day = None", "does not say the type"),
        ("days = [1, 2]", "not a number"),
        ("rows = 1\nrows = 2", "twice"),
        ("rows = = 1", "not Python"),
        ("x.y = 1", "x.y = 1"),
        ("x, y = 1, 2", "x, y"),
        ("rows = 1 if True else 2", "computes"),
        ("rows += 1", "rows += 1"),
        ("f: float = 1e999", "not the type"),
    ],
)
def test_anything_but_one_literal_a_line_is_refused(source: str, part: str) -> None:
    with pytest.raises(ParameterFormError) as caught:
        read_parameters(source)
    assert part in str(caught.value)


def test_text_becomes_the_declared_type() -> None:
    values = check_parameters(
        read_parameters(CELL),
        {"rows": "10", "share": "0.5", "quick": "TRUE", "name": "007", "limit": "None", "url": ""},
    )
    assert values == {
        "rows": 10, "share": 0.5, "url": "", "quick": True, "limit": None, "name": "007",
    }  # fmt: skip
    assert next(iter(values)) == "rows", "in the order of the cell"


def test_numpy_values_are_passed_as_plain_ones() -> None:
    values = check_parameters(
        read_parameters(CELL),
        {"rows": np.int64(3), "share": np.float32(0.5), "quick": np.True_, "name": np.str_("n")},
    )
    assert [type(values[name]) for name in ("rows", "share", "quick")] == [int, float, bool]
    assert type(values["name"]) is str


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rows", "ten"), ("rows", "1.5"), ("rows", "1e3"), ("rows", ""), ("rows", 1.0),
        ("rows", True), ("rows", None), ("rows", "None"), ("rows", [1]), ("rows", "nan"),
        ("share", "half"), ("share", "nan"), ("share", float("inf")), ("share", True),
        ("share", 10**400),
        ("quick", "yes"), ("quick", "1"), ("quick", 1), ("quick", ""), ("quick", 0.0),
        ("url", 1), ("url", None), ("url", ("a",)), ("limit", "few"),
    ],
)  # fmt: skip
def test_an_ill_typed_value_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ParameterError, match=f"'{name}' must be"):
        check_parameters(read_parameters(CELL), {"name": "x", name: value})


def test_all_that_is_wrong_is_said_at_once_with_the_parameters_there_are() -> None:
    with pytest.raises(ParameterError) as caught:
        check_parameters(read_parameters(CELL), {"row": 1, "rows": "x", "quick": "maybe"})
    message = str(caught.value)
    for part in (
        "unknown parameter 'row'",
        "'rows' must be int",
        "'quick' must be true or false",
        "'name' must be given",
        "rows: int (default 2000)  how many rows to score",
        "name: str (must be given)  whose model",
    ):
        assert part in message


def test_a_notebook_without_parameters_says_so() -> None:
    with pytest.raises(ParameterError, match="takes no parameters"):
        check_parameters((), {"rows": 1})
    assert check_parameters((), {}) == {}
    assert describe(()) == "it takes no parameters"


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.text())
def test_what_is_given_as_a_value_arrives_unchanged(value: int | float | bool | str) -> None:
    declared = read_parameters(f"x: {type(value).__name__} = {value!r}")
    assert check_parameters(declared, {"x": value}) == {"x": value}
    assert declared[0].default == value
