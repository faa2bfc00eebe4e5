"""Reading a schema off a training frame."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from capstone_lib.errors import SchemaError
from capstone_lib.schema.definition import Category, Column, Kind

__all__ = ["infer_columns", "plain"]


def infer_columns(
    frame: Any,
    *,
    id: str | None,  # noqa: A002 - the field's own name
    categories: Mapping[str, Sequence[Any]],
) -> tuple[Column, ...]:
    """Infer one :class:`Column` per column of a pandas frame; see :meth:`Schema.infer`."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise SchemaError(f"a schema is read off a pandas DataFrame; seen {type(frame).__name__}")
    if not len(frame):
        raise SchemaError("a schema cannot be read off a frame without rows")
    wrong = [name for name in frame.columns if not isinstance(name, str)]
    if wrong:
        raise SchemaError(f"column names must be text; seen {wrong[:5]}: rename these columns")
    if not frame.columns.is_unique:
        doubles = sorted(set(frame.columns[frame.columns.duplicated()]))
        raise SchemaError(f"column names must be unique; seen twice: {doubles}")
    strangers = sorted(map(str, set(categories) - set(frame.columns)))
    if strangers:
        raise SchemaError(f"categories are given for columns that the frame lacks: {strangers}")
    return tuple(
        _infer(name, frame[name], categories.get(name)) for name in frame.columns if name != id
    )


def _infer(name: str, values: Any, categories: Sequence[Any] | None) -> Column:
    from pandas.api import types

    nullable = bool(values.isna().any())
    if categories is None and isinstance(values.dtype, types.CategoricalDtype):
        categories = values.cat.categories
    if categories is not None:
        return Column(name, "category", nullable, categories=_tidy(name, categories))
    if types.is_bool_dtype(values.dtype):
        return Column(name, "boolean", nullable)
    if types.is_numeric_dtype(values.dtype) and not types.is_complex_dtype(values.dtype):
        return _numeric(name, values, nullable=nullable)
    if types.is_object_dtype(values.dtype) or types.is_string_dtype(values.dtype):
        return _from_objects(name, values, nullable=nullable)
    raise SchemaError(
        f"column {name!r} holds {values.dtype}, which a model cannot be fed; turn it into numbers, "
        "true/false or text first (a date, for example, into days since some day)"
    )


def _numeric(name: str, values: Any, *, nullable: bool) -> Column:
    from pandas.api import types

    finite = values.dropna()
    finite = finite[np.isfinite(finite.astype("float64"))]
    if not len(finite):
        raise SchemaError(f"column {name!r} holds no finite number; leave it out")
    kind: Kind = "integer" if types.is_integer_dtype(values.dtype) else "number"
    low, high = float(finite.min()), float(finite.max())
    return Column(name, kind, nullable, minimum=low, maximum=high)


def _from_objects(name: str, values: Any, *, nullable: bool) -> Column:
    known = values.dropna()
    seen = {type(plain(value)) for value in known}
    if seen == {bool}:
        return Column(name, "boolean", nullable)
    if seen == {str}:
        return Column(name, "category", nullable, categories=_tidy(name, known.unique()))
    what = ", ".join(sorted(kind.__name__ for kind in seen)) or "nothing but missing values"
    raise SchemaError(
        f"column {name!r} holds {what}; a column holds text only, or true/false only, or has a "
        "numeric dtype"
    )


def _tidy(name: str, categories: Sequence[Any]) -> tuple[Category, ...]:
    known = set(_whole(name, categories))
    if len(set(map(type, known))) > 1:
        raise SchemaError(
            f"column {name!r}: categories must be all whole numbers or all text; seen a mixture "
            f"such as {sorted(known, key=str)[:3]}"
        )
    return tuple(sorted(known, key=lambda category: (category,)))


def _whole(name: str, categories: Sequence[Any]) -> Iterator[Category]:
    for value in map(plain, categories):
        if isinstance(value, float) and np.isnan(value):
            continue  # a missing value is the column's nullability, not a category
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise SchemaError(
                f"column {name!r}: a category is a whole number or text; seen {value!r}"
            )
        yield value


def plain(value: Any) -> Any:
    """Return the Python value of a NumPy scalar; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value
