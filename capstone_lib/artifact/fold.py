"""Following a design matrix back to the raw columns, so that encoders can be folded into splits.

A one-hot column answers "is the code 7?", and a tree can ask that of the code itself. What is not
understood here is not folded: the caller then converts the preprocessing as it stands.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from capstone_lib.artifact.trees import Feature
from capstone_lib.schema import Schema

__all__ = [
    "TEXT_MISSING_CODE",
    "TEXT_UNKNOWN_CODE",
    "NotFoldableError",
    "code",
    "column_names",
    "encoded_columns",
    "text_code",
    "trace",
]

TEXT_UNKNOWN_CODE = -1.0
TEXT_MISSING_CODE = -2.0
_EXACT = 2**24  # codes beyond this are not exact in single precision


class NotFoldableError(Exception):
    """The preprocessing is more than encoders and columns passed through."""


def text_code(schema: Schema, name: str, word: Any) -> float:
    """The number that stands for ``word`` of a text column: its place among the categories."""
    categories = schema[name].categories or ()
    return float(categories.index(word)) if word in categories else TEXT_UNKNOWN_CODE


def trace(steps: Sequence[Any], schema: Schema) -> list[Feature]:
    """Say where each column of the design matrix comes from.

    Parameters
    ----------
    steps : sequence of fitted transformers
        Everything before the model.
    schema : Schema
        The raw columns.

    Raises
    ------
    NotFoldableError
        If any step does more than pass on, select or one-hot encode raw columns.
    """
    if not steps:
        return [_raw(schema, name) for name in schema.names]
    if len(steps) > 1:
        raise NotFoldableError("more than one step before the model")
    step = steps[0]
    kind = type(step).__name__
    if kind == "ColumnTransformer":
        return list(_trace_columns(step, schema))
    return list(_trace_one(step, schema, list(schema.names)))


def _trace_columns(transformer: Any, schema: Schema) -> Iterator[Feature]:
    for name, step, columns in transformer.transformers_:
        if isinstance(step, str) and step == "drop":
            continue
        names = column_names(columns, list(transformer.feature_names_in_))
        if name == "remainder" and not names:
            continue
        yield from _trace_one(step, schema, names)


def column_names(columns: Any, known: list[str]) -> list[str]:
    """Names of columns that a ColumnTransformer was given by name, position or mask."""
    if isinstance(columns, str):
        return [columns]
    if isinstance(columns, slice):
        raise NotFoldableError("columns chosen by a slice")
    chosen = list(columns)
    if chosen and isinstance(chosen[0], bool | np.bool_):
        return [name for name, keep in zip(known, chosen, strict=True) if keep]
    return [name if isinstance(name, str) else known[int(name)] for name in chosen]


def _trace_one(step: Any, schema: Schema, names: list[str]) -> Iterator[Feature]:
    if isinstance(step, str) and step == "passthrough":
        yield from (_raw(schema, name) for name in names)
        return
    kind = type(step).__name__
    if kind == "FunctionTransformer" and step.func is None:
        yield from (_raw(schema, name) for name in names)
    elif kind == "OneHotEncoder":
        yield from _trace_one_hot(step, schema, names)
    elif kind == "Pipeline" and len(step.steps) == 1:
        yield from _trace_one(step.steps[0][1], schema, names)
    else:
        raise NotFoldableError(f"{kind} is not folded")


def _trace_one_hot(step: Any, schema: Schema, names: list[str]) -> Iterator[Feature]:
    if step.drop is not None or getattr(step, "_infrequent_enabled", False):
        raise NotFoldableError("a one-hot encoder that drops or groups categories")
    for name, categories in zip(names, step.categories_, strict=True):
        index = schema.names.index(name)
        for category in categories:
            yield Feature(index, code(schema, name, category))


def code(schema: Schema, name: str, category: Any) -> float:
    """The number that stands for a category of a raw column in the matrix of doubles."""
    missing = category is None or (isinstance(category, float) and np.isnan(category))
    if schema[name].is_text:
        return TEXT_MISSING_CODE if missing else text_code(schema, name, str(category))
    if missing:
        return float("nan")
    if abs(float(category)) > _EXACT:
        raise NotFoldableError("codes too large to be exact")
    return float(category)


def _raw(schema: Schema, name: str) -> Feature:
    return Feature(schema.names.index(name))


def encoded_columns(pipeline: Any, schema: Schema) -> dict[str, tuple[int, ...]]:
    """Columns of whole numbers that a fitted encoder takes as codes, with the codes it knows."""
    found: dict[str, tuple[int, ...]] = {}
    steps = getattr(pipeline, "steps", [("", pipeline)])
    first = steps[0][1]
    pairs = (
        [
            (step, column_names(columns, list(first.feature_names_in_)))
            for _, step, columns in first.transformers_
            if not isinstance(columns, slice)
        ]
        if type(first).__name__ == "ColumnTransformer"
        else [(first, list(schema.names))]
    )
    for step, names in pairs:
        inner = [part for _, part in getattr(step, "steps", [("", step)])]
        for encoder in inner:
            for name, known in zip(names, getattr(encoder, "categories_", []), strict=False):
                if known.dtype.kind in "iuf":
                    codes = known[np.isfinite(known.astype(float))]
                    found[name] = tuple(int(c) for c in codes if float(c).is_integer())
    return found
