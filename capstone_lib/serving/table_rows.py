"""Rows of a table, as the Open Inference Protocol sends them, through the gate as a whole."""

from collections.abc import Sequence
from typing import Any

from capstone_lib.errors import SchemaError
from capstone_lib.schema import Schema
from capstone_lib.serving.problems import ProblemError, field_errors
from capstone_lib.serving.record import Record
from capstone_lib.serving.row_gate import scorable

__all__ = ["records_of"]


def records_of(columns: Any, case: str, *, schema: Schema, names: Sequence[str]) -> list[Record]:
    """One record a row.

    Parameters
    ----------
    columns : mapping of str to array
        Past no gate yet.
    case : str
        The request's id; of several rows each has its number behind it.
    schema : Schema
        The gate.
    names : sequence of str
        The order of the values.

    Raises
    ------
    ProblemError
        With status 422 and every problem of every row.
    """
    try:
        checked = schema.check(columns)
        checked.raise_for_errors()
    except SchemaError as error:
        refused = [problem for problem in error.problems if problem.severity == "error"]
        raise ProblemError(
            422,
            "the request does not fit the model's schema",
            errors=field_errors(refused, pointer="/inputs"),
        ) from error
    table = [checked.columns[name].tolist() for name in names]
    many = len(checked) > 1
    return [
        Record(
            [scorable(value) for value in row],
            dict(zip(names, row, strict=True)),
            f"{case}/{place}" if many else case,
            schema=schema,
        )
        for place, row in enumerate(zip(*table, strict=True))
    ]
