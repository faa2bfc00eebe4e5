"""The gate of the batch path for one row: asked only about values that are not plainly right.

The gate is made for columns; a whole row of it costs as much as a hundred scores. Most values of a
row that has something odd are themselves ordinary, and need no gate.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from capstone_lib.errors import SchemaError
from capstone_lib.schema import Column, Problem, Schema

__all__ = ["RowGate", "bounds"]

_EXACT = 2.0**53  # every whole number up to here is itself as a double
_MOST_STRANGERS = 100
_MOST_PARTS = 256


class RowGate:
    """Checks single rows as ``Schema.check`` does, only faster.

    Parameters
    ----------
    common : Schema
        Values that fit its columns without a word need no look at all.
    """

    def __init__(self, common: Schema) -> None:
        self._right = {column.name: _plainly_right(column) for column in common.columns}
        self._parts: dict[tuple[int, tuple[str, ...]], tuple[Schema, Schema]] = {}
        self.check(common, {})  # Arrow imports pandas when first asked: now, and not while serving

    def check(
        self, schema: Schema, features: Mapping[str, Any]
    ) -> tuple[dict[str, Any], tuple[Problem, ...]]:
        """Return the row's values in the schema's order, and everything found.

        The values mean nothing if there is an error among the problems. Of more than a hundred
        columns that the model does not know, a hundred are told.
        """
        odd = [
            name
            for name, right in self._right.items()
            if name not in features or not right(features[name])
        ]
        part = self._part(schema, tuple(odd or list(self._right)[:1]))
        asked = {name: [_shallow(features[name])] for name in part.names if name in features}
        strangers = (name for name in features if name not in self._right)
        asked |= {name: [None] for name, _ in zip(strangers, range(_MOST_STRANGERS), strict=False)}
        try:
            checked = part.check(asked)
        except SchemaError as error:
            return {}, tuple(error.problems)
        looked_at = {name: _plain(checked.columns[name][0]) for name in part.names}
        return {
            name: looked_at[name] if name in looked_at else features[name] for name in self._right
        }, checked.problems

    def _part(self, schema: Schema, names: tuple[str, ...]) -> Schema:
        """A schema of some columns; the whole one is kept beside it, so that its identity lasts."""
        found = self._parts.get((id(schema), names))
        if found is None:
            if len(self._parts) >= _MOST_PARTS:
                self._parts.clear()
            part = Schema(tuple(schema[name] for name in names), id=schema.id)
            found = self._parts[id(schema), names] = schema, part
        return found[1]


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


def _shallow(value: Any) -> Any:
    """A nested value without its inside: Arrow takes 100 MB to see the type of 900 nested lists."""
    return type(value)() if isinstance(value, list | dict) else value


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
