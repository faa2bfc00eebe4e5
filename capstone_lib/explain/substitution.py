"""A short explanation of one row: what the score would be if one value were another.

Each column in turn is given the other values that the schema knows, all in one batched call of the
artifact. The effect of a value is the score minus its mean over those others. It speaks of one
column at a time: where two only matter together, neither shows.
"""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from capstone_lib.artifact.rows import Answer
from capstone_lib.schema import Column

__all__ = ["explain_row"]

_OTHERS = 8
_TOP = 3


def explain_row(
    score: Callable[[Sequence[Sequence[Any]]], Sequence[Answer]],
    columns: Sequence[Column],
    values: Sequence[Any],
    *,
    top: int = _TOP,
) -> list[dict[str, Any]]:
    """Say which values of a row move its score most.

    Parameters
    ----------
    score : callable
        Such as :class:`capstone_lib.artifact.rows.RowScorer`.
    columns : sequence of n_columns Column
        What may stand in each place.
    values : sequence of n_columns values
        The row, past the gate.
    top : int
        How many reasons to give, the strongest first.

    Returns
    -------
    list of dict
        ``feature``, ``value``, ``effect`` (in units of the score: 0.1 means that the score is 0.1
        higher than it would be on average with other values of this column) and ``text``.
    """
    rows, spans = [list(values)], []
    for place, column in enumerate(columns):
        others = _others(column, values[place])
        spans.append((len(rows), len(rows) + len(others)))
        rows += [[*values[:place], other, *values[place + 1 :]] for other in others]
    scores = [answer.score for answer in score(rows)]
    effects = [
        scores[0] - fmean(scores[start:stop]) if stop > start else 0.0 for start, stop in spans
    ]
    strongest = sorted(range(len(columns)), key=lambda place: -abs(effects[place]))[:top]
    return [_reason(columns[place], values[place], effects[place]) for place in strongest]


def _reason(column: Column, value: Any, effect: float) -> dict[str, Any]:
    shown = "missing" if value is None or value != value else value
    word = column.labels.get(str(shown), shown) if column.labels else shown
    direction = "raises" if effect > 0 else "lowers"
    text = (
        f"{column.title or column.name} {word} {direction} the score by {abs(effect):.2f}"
        if abs(effect) >= 0.005
        else f"{column.title or column.name} {word} hardly moves the score"
    )
    return {
        "feature": column.name,
        "value": None if shown == "missing" else value,
        "effect": effect,
        "text": text,
    }


def _others(column: Column, value: Any) -> list[Any]:
    """Up to eight other values, evenly chosen from what training showed."""
    if column.categories is not None:
        known: list[Any] = list(column.categories)
    elif column.kind == "boolean":
        known = [False, True]
    elif column.minimum is None or column.maximum is None:
        return []
    else:
        grid = np.linspace(column.minimum, column.maximum, _OTHERS + 1)
        known = sorted({round(x) for x in grid} if column.kind == "integer" else set(grid.tolist()))
    others = [other for other in known if other != value]
    if len(others) <= _OTHERS:
        return others
    places = np.linspace(0, len(others) - 1, _OTHERS).round().astype(int)
    return [others[place] for place in places]
