"""Past cases like this one, and what was decided: so that like is treated alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.review.case import Case
from capstone_lib.schema import Column

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Similar", "gower", "similar_cases"]

NEAR = 0.25
"""People farther apart than this share of all differences are not shown as alike."""


@dataclass(frozen=True)
class Similar:
    """A decided case about somebody else.

    Attributes
    ----------
    distance : float
        Gower's, 0 (alike in every column) to 1.
    label : str or int
        What the reviewer said.
    model_label : str or int
        What the model had said.
    features : mapping
    differing : tuple of str
        The columns in which the two differ, the largest difference first.
    """

    distance: float
    label: Any
    model_label: Any
    features: Mapping[str, Any]
    differing: tuple[str, ...]


def similar_cases(
    case: Case, decisions: "pd.DataFrame", columns: Sequence[Column], *, n: int = 3
) -> tuple[Similar, ...]:
    """The nearest decided cases of the same model, whatever its version.

    Cases about the same person are left out: a second reviewer must not learn what the first said.

    Parameters
    ----------
    case : Case
    decisions : pandas.DataFrame
        What :meth:`ReviewQueue.decisions` gives.
    columns : sequence of Column
        What the distance is taken over.
    n : int, default 3
        At most so many, and none farther than :data:`NEAR`.
    """
    import json

    others = decisions[
        (decisions["model"] == case.model)
        & (decisions["row_id"].astype(str) != case.row_id)
        & decisions["label"].notna()
    ].drop_duplicates("case_id", keep="first")
    if not len(others):
        return ()
    rows = [json.loads(text) for text in others["features"]]
    each = np.column_stack([_differences(column, case.features, rows) for column in columns])
    distance = each.mean(axis=1)
    known = {str(name): name for name in case.classes}
    nearest = [int(k) for k in np.argsort(distance, kind="stable")[:n] if distance[k] <= NEAR]
    labels, model_labels = others["label"].tolist(), others["model_label"].tolist()
    return tuple(
        Similar(
            float(distance[k]),
            known.get(str(labels[k]), labels[k]),
            known.get(str(model_labels[k]), model_labels[k]),
            rows[k],
            tuple(columns[c].name for c in np.argsort(-each[k], kind="stable") if each[k, c] > 0),
        )
        for k in nearest
    )


def gower(
    columns: Sequence[Column], one: Mapping[str, Any], others: Sequence[Mapping[str, Any]]
) -> np.ndarray:
    """Gower's distance of a row to others: the mean over columns of how far they are apart.

    Of a number it is the difference as a share of the range in training, of anything else whether
    the two differ. A missing value differs from everything but another one.

    Source: Gower, "A general coefficient of similarity and some of its properties" (1971).

    Returns
    -------
    numpy.ndarray of float, shape (n_others,)

    Examples
    --------
    >>> columns = [Column("age", "integer", minimum=20, maximum=70),
    ...            Column("sex", "category", categories=(1, 2))]
    >>> gower(columns, {"age": 30, "sex": 1}, [{"age": 40, "sex": 1}, {"age": 30, "sex": 2}])
    array([0.1, 0.5])
    """
    return np.asarray(
        np.mean([_differences(column, one, others) for column in columns], axis=0), dtype=float
    )


def _differences(
    column: Column, one: Mapping[str, Any], others: Sequence[Mapping[str, Any]]
) -> np.ndarray:
    mine = one.get(column.name)
    theirs = [row.get(column.name) for row in others]
    if column.kind not in ("integer", "number"):
        return np.array([float(value != mine) for value in theirs])
    numbers = np.array([_number(value) for value in theirs])
    if np.isnan(_number(mine)):
        return np.asarray(~np.isnan(numbers), dtype=float)
    span = (column.maximum or 0.0) - (column.minimum or 0.0)
    gap = np.abs(numbers - _number(mine))
    apart = np.minimum(1.0, gap / span) if span > 0 else (gap > 0).astype(float)
    return np.asarray(np.where(np.isnan(gap), 1.0, apart), dtype=float)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
