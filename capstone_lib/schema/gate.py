"""The gate: rows in, model-ready columns and *all* problems out.

Whole-table problems (a missing column, text where numbers belong) raise; problems of single rows
are counted, and the rows marked, so that a night's run can set them aside and go on.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from capstone_lib.errors import SchemaError
from capstone_lib.schema.definition import Column, Schema
from capstone_lib.schema.values import Rows, UnreadableError, flat, read

__all__ = ["Checked", "Problem", "check"]

_MESSAGES = {
    "missing_column": "the column is missing",
    "unexpected_column": "the column is not one the model knows; it is left out",
    "duplicate_column": "the column appears more than once",
    "wrong_type": "a value of the wrong type",
    "unknown_category": "a category never seen in training",
    "out_of_range": "a value outside the range seen in training",
    "too_large": "a magnitude beyond what the model was proved to compute rightly",
    "null": "a missing value where none may be",
    "infinite": "an infinite value",
    "fractional": "a fraction where a whole number belongs",
    "duplicate_id": "a row id seen before",
    "null_id": "a missing row id",
}
_EXAMPLES = 3


@dataclass(frozen=True)
class Problem:
    """One kind of problem in one column.

    Attributes
    ----------
    column : str
        The column concerned.
    code : str
        ``missing_column``, ``unexpected_column``, ``duplicate_column``, ``wrong_type``,
        ``unknown_category``, ``out_of_range``, ``too_large``, ``null``, ``infinite``,
        ``fractional``, ``duplicate_id`` or ``null_id``.
    severity : {"error", "warning"}
        A row with an error is not scored. A warning is something the model can bear.
    count : int
        Rows concerned; 0 when the problem is the column's, not a row's.
    examples : tuple of str
        Up to three ``row 7: 1984``.
    expected : str
        What should have been there.
    """

    column: str
    code: str
    severity: Literal["error", "warning"]
    count: int = 0
    examples: tuple[str, ...] = ()
    expected: str = ""

    @property
    def message(self) -> str:
        """The problem in one sentence."""
        text = f"{self.column}: {_MESSAGES[self.code]}"
        text += f" in {self.count:,} row{'s' if self.count != 1 else ''}" if self.count else ""
        text += f" ({'; '.join(self.examples)})" if self.examples else ""
        return text + (f"; expected {self.expected}" if self.expected else "")


@dataclass(frozen=True)
class Checked:
    """What came through the gate.

    Attributes
    ----------
    columns : dict of str to numpy.ndarray of shape (n_rows,)
        Model-ready columns in the model's order: numbers as they came, NaN where missing; text as
        objects, None where missing. Values of invalid rows are there too, and mean nothing.
    valid : numpy.ndarray of bool, shape (n_rows,)
        Which rows may be scored.
    problems : tuple of Problem
        Everything found, errors first.
    """

    columns: dict[str, np.ndarray]
    valid: np.ndarray
    problems: tuple[Problem, ...]
    _rows: tuple[tuple[Problem, np.ndarray], ...] = ()

    def __len__(self) -> int:
        return len(self.valid)

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that keep rows from being scored."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    def reasons(self) -> list[tuple[int, str]]:
        """Each invalid row's index with everything that is wrong with it, in row order."""
        found: dict[int, list[str]] = {}
        for problem, rows in self._rows:
            if problem.severity == "error":
                for row in rows.tolist():
                    found.setdefault(row, []).append(f"{problem.column}: {problem.code}")
        return [(row, "; ".join(found[row])) for row in sorted(found)]

    def raise_for_errors(self) -> None:
        """Raise a :class:`SchemaError` that lists every problem, if any row is invalid."""
        if self.errors:
            bad = int((~self.valid).sum())
            raise _refusal(self.problems, f"{bad:,} of {len(self):,} rows do not fit the schema")

    def only_valid(self) -> dict[str, np.ndarray]:
        """The columns without the invalid rows."""
        if self.valid.all():
            return self.columns
        return {name: values[self.valid] for name, values in self.columns.items()}


def check(schema: Schema, data: Any, *, ids: Any = None, parse_text: bool = False) -> Checked:
    """See :meth:`capstone_lib.schema.Schema.check`."""
    table, whole = _arrange(schema, data)
    read_columns: dict[str, Rows] = {}
    for name, values in table.items():
        try:
            read_columns[name] = read(schema[name], values, parse_text=parse_text)
        except UnreadableError as reason:
            whole.append(_whole(schema[name], f"found {reason}"))
    found = [item for name, rows in read_columns.items() for item in _examine(schema[name], rows)]
    if any(problem.severity == "error" for problem in whole):
        told = [*whole, *(problem for problem, _ in found)]
        raise _refusal(_errors_first(told), "the table does not fit the schema")
    lengths = {name: len(rows.values) for name, rows in read_columns.items()}
    if len(set(lengths.values())) > 1:
        raise SchemaError(f"columns must be equally long; seen {lengths}")
    n_rows = next(iter(lengths.values()))
    found += _examine_ids(schema.id or "id", ids, n_rows) if ids is not None else []
    valid = np.ones(n_rows, dtype=bool)
    for problem, rows in found:
        if problem.severity == "error":
            valid[rows] = False
    problems = _errors_first([*whole, *(problem for problem, _ in found)])
    columns = {name: rows.values for name, rows in read_columns.items()}
    return Checked(columns, valid, problems, tuple(found))


def _errors_first(problems: list[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: problem.severity != "error"))


def _arrange(schema: Schema, data: Any) -> tuple[Mapping[str, Any], list[Problem]]:
    """Columns by name, and the problems of the table as a whole."""
    names, pick = _named(data)
    times = Counter(names)
    problems = [
        Problem(name, "missing_column", "error", expected=schema[name].describe())
        for name in schema.names
        if name not in times
    ]
    problems += [
        Problem(name, "duplicate_column", "error") for name in schema.names if times[name] > 1
    ]
    known = {*schema.names, schema.id}
    problems += [
        Problem(str(name), "unexpected_column", "warning") for name in times if name not in known
    ]
    there = [name for name in schema.names if times[name] == 1]
    return {name: pick(name) for name in there}, problems


def _named(data: Any) -> tuple[list[Any], Any]:
    if isinstance(data, pa.Table | pa.RecordBatch):
        return list(data.schema.names), data.column
    if isinstance(data, Mapping):
        return list(data), data.__getitem__
    if hasattr(data, "columns") and hasattr(data, "iloc"):
        return list(data.columns), data.__getitem__
    raise SchemaError(
        "rows enter as a pandas DataFrame, an Arrow table or a mapping of column names to arrays; "
        f"seen {type(data).__name__}"
    )


def _examine(column: Column, rows: Rows) -> Iterator[tuple[Problem, np.ndarray]]:
    """Every problem of one column with the rows it concerns."""
    for code, severity, indices in _misfits(column, rows):
        if len(indices):
            shown = rows.strangers.shown if code == "wrong_type" else rows.source
            yield _found(column, code, severity, indices, shown)


def _misfits(column: Column, rows: Rows) -> Iterator[tuple[str, Any, np.ndarray]]:
    yield "wrong_type", "error", rows.strangers.rows
    yield "fractional", "error", rows.fractional
    if rows.nulls is not None and not column.nullable:
        yield "null", "error", np.flatnonzero(rows.nulls)
    if rows.unknown is not None:
        severity = "warning" if column.on_unknown == "warn" else "error"
        yield "unknown_category", severity, np.flatnonzero(rows.unknown)
    if column.kind != "boolean" and rows.values.dtype.kind != "O" and len(rows.values):
        yield from _ranges(column, rows.values)


def _ranges(column: Column, values: np.ndarray) -> Iterator[tuple[str, Any, np.ndarray]]:
    low, high = _extent(values)
    seen_low = -np.inf if column.minimum is None else column.minimum
    seen_high = np.inf if column.maximum is None else column.maximum
    limit = np.inf if column.limit is None else column.limit
    finite = bool(np.isfinite(low) and np.isfinite(high))
    if finite and low >= max(seen_low, -limit) and high <= min(seen_high, limit):
        return
    infinite = np.isinf(values)
    beyond = (values > limit) | (values < -limit)
    outside = (values < seen_low) | (values > seen_high)
    yield "infinite", "error", np.flatnonzero(infinite)
    yield "too_large", "error", np.flatnonzero(beyond & ~infinite)
    yield "out_of_range", "warning", np.flatnonzero(outside & ~beyond & ~infinite)


def _extent(values: np.ndarray) -> tuple[float, float]:
    """Smallest and largest value, NaN left out; (0, 0) when there is nothing else."""
    if values.dtype.kind != "f":
        return float(values.min()), float(values.max())
    low, high = np.fmin.reduce(values), np.fmax.reduce(values)
    return (0.0, 0.0) if np.isnan(low) else (float(low), float(high))


def _examine_ids(name: str, ids: Any, n_rows: int) -> list[tuple[Problem, np.ndarray]]:
    array = _id_array(name, ids)
    if len(array) != n_rows:
        raise SchemaError(f"{len(array):,} ids were given for {n_rows:,} rows")
    column = Column(name, "category", categories=("",))
    found = []
    if array.null_count:
        nulls = np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))
        found.append(_found(column, "null_id", "error", nulls, array))
    if _strictly_rising(array):
        return found
    codes = array.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    again = np.zeros(n_rows, dtype=bool)
    again[order[1:]] = (codes[order[1:]] == codes[order[:-1]]) & (codes[order[1:]] >= 0)
    if again.any():
        found.append(_found(column, "duplicate_id", "error", np.flatnonzero(again), array))
    return found


def _id_array(name: str, ids: Any) -> pa.Array:
    try:
        array = (
            ids if isinstance(ids, pa.Array | pa.ChunkedArray) else pa.array(ids, from_pandas=True)
        )
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise SchemaError(
            f"the ids in {name!r} cannot be read ({error}); ids are whole numbers of 64 bits, "
            "or text"
        ) from error
    array = flat(array)
    if pa.types.is_nested(array.type):
        raise SchemaError(f"the ids in {name!r} are {array.type}; ids are whole numbers or text")
    return array


def _strictly_rising(array: pa.Array) -> bool:
    if not pa.types.is_integer(array.type) or array.null_count:
        return False
    values = array.to_numpy()
    return bool((values[1:] > values[:-1]).all())


def _found(
    column: Column, code: str, severity: Any, indices: np.ndarray, source: Any
) -> tuple[Problem, np.ndarray]:
    first = indices[:_EXAMPLES].tolist()
    shown = (
        [source[row].as_py() for row in first]
        if isinstance(source, pa.Array)
        else source[:_EXAMPLES]
    )
    examples = tuple(f"row {row}: {_short(v)}" for row, v in zip(first, shown, strict=True))
    expected = "" if code.endswith("_id") else column.describe()
    return Problem(column.name, code, severity, len(indices), examples, expected), indices


def _short(value: Any) -> str:
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 40 else f"{text[:37]}…"


def _whole(column: Column, seen: str) -> Problem:
    return Problem(column.name, "wrong_type", "error", examples=(seen,), expected=column.describe())


def _refusal(problems: Any, headline: str) -> SchemaError:
    lines = [f"  {p.severity}: {p.message}" for p in problems[:20]]
    more = [f"  … and {len(problems) - 20} more problems"] if len(problems) > 20 else []
    return SchemaError("\n".join([headline + ":", *lines, *more]), tuple(problems))
