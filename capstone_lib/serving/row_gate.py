"""The gate of the batch path for one row: asked only about values that are not plainly right.

The gate is made for columns; a whole row of it costs as much as a hundred scores. Most values of a
row that has something odd are themselves ordinary, and need no gate.
"""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import numpy as np

from capstone_lib.errors import SchemaError
from capstone_lib.schema import Column, Problem, Schema

__all__ = ["RowGate", "bounds", "scorable"]

_EXACT = 2.0**53  # every whole number up to here is itself as a double
_LARGEST = float(np.finfo(np.float32).max)
_MOST_STRANGERS = 100
_MOST_REMEMBERED = 10_000
_LONG_TEXT = 100

Verdict = tuple[Any, tuple[Problem, ...]]


class RowGate:
    """Checks single rows as ``Schema.check`` does, only faster.

    Parameters
    ----------
    common : Schema
        Values that fit its columns without a word need no look at all.
    """

    def __init__(self, common: Schema) -> None:
        self._right = {column.name: _plainly_right(column) for column in common.columns}
        self._judges: dict[int, _Judge] = {}
        self.check(common, {})
        _Judge(common).look(common.names[0], "")  # Arrow imports pandas when first asked: now

    def check(
        self, schema: Schema, features: Mapping[str, Any]
    ) -> tuple[dict[str, Any], tuple[Problem, ...]]:
        """Return the row's values in the schema's order, and everything found.

        The values mean nothing if there is an error among the problems. Of more than a hundred
        columns that the model does not know, a hundred are told.
        """
        judge = self._judges.get(id(schema))
        if judge is None:
            judge = self._judges[id(schema)] = _Judge(schema)
        row: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, right in self._right.items():
            if name not in features:
                described = schema[name].describe()
                problems.append(Problem(name, "missing_column", "error", expected=described))
            elif right(features[name]):
                row[name] = features[name]
            else:
                row[name], found = judge(name, features[name])
                problems += found
        strangers = (name for name in features if name not in self._right and name != schema.id)
        problems += [
            Problem(name, "unexpected_column", "warning")
            for name in islice(strangers, _MOST_STRANGERS)
        ]
        return row, tuple(sorted(problems, key=lambda one: one.severity != "error"))


class _Judge:
    """What a schema's gate says of single values; it is asked once for each that comes often."""

    def __init__(self, schema: Schema) -> None:
        self._columns = {column.name: Schema((column,), id=schema.id) for column in schema.columns}
        self._schema = schema  # its identity must last as long as this judge
        self._verdicts: dict[tuple[str, type, Any], Verdict] = {}

    def __call__(self, name: str, value: Any) -> Verdict:
        if not _can_be_remembered(value):
            return self.look(name, value)
        key = name, type(value), value
        found = self._verdicts.get(key)
        if found is None:
            if len(self._verdicts) >= _MOST_REMEMBERED:
                self._verdicts.clear()
            found = self._verdicts[key] = self.look(name, value)
        return found

    def look(self, name: str, value: Any) -> Verdict:
        """Ask the gate. A nested value goes there without its inside.

        Arrow would take 100 MB to see the type of 900 nested lists.
        """
        nested = isinstance(value, list | dict)
        try:
            checked = self._columns[name].check({name: [type(value)() if nested else value]})
        except SchemaError as error:
            return None, tuple(error.problems)
        return _plain(checked.columns[name][0]), checked.problems


def _can_be_remembered(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONG_TEXT
    return not isinstance(value, list | dict) and (type(value) is not float or value != 0)


def scorable(value: Any) -> Any:
    """The value as a model takes it: a code beyond float32 is no category, and neither is infinity.

    NumPy would warn of the one and not of the other.
    """
    if isinstance(value, float | int) and abs(value) > _LARGEST:
        return float("inf") if value > 0 else float("-inf")
    return value


def bounds(column: Column) -> tuple[float, float]:
    """The numbers of which the gate says nothing lie between these."""
    limit = np.inf if column.limit is None else column.limit
    low = max(-np.inf if column.minimum is None else column.minimum, -limit)
    return low, min(np.inf if column.maximum is None else column.maximum, limit)


def _plainly_right(column: Column) -> Callable[[Any], bool]:
    """Whether the gate would say nothing of a value; False where that needs a closer look."""
    kinds: tuple[type, ...] = (float, int) if column.kind == "number" else (int,)
    low, high = bounds(column)
    low, high = max(low, -_EXACT), min(high, _EXACT)
    known = None if column.categories is None else frozenset(column.categories)

    def truth(value: Any) -> bool:
        return type(value) is bool

    def text(value: Any) -> bool:
        return type(value) is str and (known is None or value in known)

    def number(value: Any) -> bool:
        return type(value) in kinds and low <= value <= high and (known is None or value in known)

    if column.kind == "boolean":
        return truth
    return text if column.is_text else number


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
