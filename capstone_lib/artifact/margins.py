"""Made-up people: each column drawn from its own margin, whatever stands in the others.

So no row is a person's. What is lost is how columns go together; for the effects of columns on a
score that matters little, and the export measures how little.
"""

from collections.abc import Mapping

import numpy as np

from capstone_lib.schema import Column, Schema

__all__ = ["draw_people"]

_LEVELS = 16
_FEW = 32


def draw_people(
    columns: Mapping[str, np.ndarray], schema: Schema, *, n: int, rng: np.random.Generator
) -> list[tuple[object, ...]]:
    """Draw people whose columns have the margins of the rows given.

    Parameters
    ----------
    columns : mapping of str to numpy.ndarray of shape (n_rows,)
        Rows past the gate.
    schema : Schema
        The columns that are drawn.
    n : int
        How many people. A value that a share s of the rows has comes about ``n * s`` times.
    rng : numpy.random.Generator

    Returns
    -------
    list of tuple
        Values as JSON has them, None where missing. Numbers of more than 32 different values are
        drawn as the means of their sixteenths, so that they are nobody's.
    """
    drawn = [_draw(columns[column.name], column, n, rng) for column in schema.columns]
    return list(zip(*drawn, strict=True))


def _draw(values: np.ndarray, column: Column, n: int, rng: np.random.Generator) -> list[object]:
    """Evenly spaced quantiles in a random order: the margin to the last person."""
    known, missing = _known(values)
    levels = _levels(known, column)
    places = (np.arange(n) + 0.5) / n * (len(known) + missing)
    places = rng.permutation(places.astype(int))
    return [None if place >= len(known) else _plain(levels[place], column) for place in places]


def _known(values: np.ndarray) -> tuple[np.ndarray, int]:
    """The values that are there, sorted, and how many are not."""
    if values.dtype == object:
        there = np.array([value for value in values if value is not None], dtype=object)
    else:
        there = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    return np.sort(there), len(values) - len(there)


def _levels(known: np.ndarray, column: Column) -> np.ndarray:
    """What stands for each value: itself, or the mean of its sixteenth."""
    if column.kind not in ("integer", "number") or len(np.unique(known)) <= _FEW:
        return known
    part = np.arange(len(known)) * _LEVELS // len(known)
    means = np.bincount(part, known.astype(np.float64)) / np.bincount(part)
    return np.asarray(means[part])


def _plain(value: object, column: Column) -> object:
    if column.is_text:
        return str(value)
    if column.kind == "boolean":
        return bool(value)
    number = float(value)  # type: ignore[arg-type]  # a NumPy number
    return number if column.kind == "number" else round(number)
