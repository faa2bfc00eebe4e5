"""Uncertainty: how often a person is asked, and whether prediction sets keep their promise.

All of it is known without outcomes but the coverage. By group, because a gate that is right on the
whole may hand all the young to a person and decide alone about everybody else.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.artifact.grouping import columns_of, count_cells
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.answers import Answers
from capstone_lib.monitoring.rates import normal_quantile, share_of
from capstone_lib.store.measurement import Measurement, within

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Uncertainty", "measure_uncertainty"]

SHARES = {
    "review_share": "share handed to a person",
    "coverage": "share whose true class is in the set",
    "undecided_share": "share whose set holds several classes",
    "empty_share": "share whose set is empty",
}
"""The shares that are measured, and in words."""

MEANS = {"set_size": "classes", "entropy": "bits"}
"""The means that are measured, and their units."""


@dataclass(frozen=True)
class Uncertainty:
    """How sure the answers of a window are.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row for everybody (``group`` empty) and for each group ``over`` a column: ``n``,
        ``n_known`` (outcomes), and of each of :data:`SHARES` and :data:`MEANS` the value with
        ``_low`` and ``_high``. NaN where nothing is known.
    level : float
        Of the intervals: Wilson's for shares, the normal one for means.
    """

    frame: "pd.DataFrame"
    level: float

    @property
    def overall(self) -> "pd.Series[Any]":
        """The row for everybody."""
        return self.frame.iloc[0]

    def to_frame(self) -> "pd.DataFrame":
        """One row a group, everybody first."""
        return self.frame

    def measurements(self, **window: Any) -> list[Measurement]:
        """Every value that is known, for the store; ``window`` fills in whose they are."""
        found = []
        for row in self.frame.to_dict("records"):
            for name, unit in (*dict.fromkeys(SHARES, "share").items(), *MEANS.items()):
                n = row["n_known"] if name == "coverage" else row["n"]
                if n:
                    ends = row[f"{name}_low"], row[f"{name}_high"]
                    found.append(
                        Measurement(
                            name,
                            row[name],
                            *ends,
                            n=n,
                            unit=unit,
                            feature=row["over"],
                            group=row["group"],
                        )
                    )
        return within(found, **window)

    def _repr_html_(self) -> str:
        shown = ["group", "n", "review_share", "coverage", "set_size", "entropy"]
        return str(self.frame[shown].to_html(index=False, float_format=lambda v: f"{v:.3f}"))


def measure_uncertainty(
    predictions: Any,
    *,
    y_true: Any = None,
    known: Any = None,
    sensitive_features: Any = None,
    level: float = 0.95,
) -> Uncertainty:
    """Measure the review gate and the prediction sets, for everybody and by group.

    Parameters
    ----------
    predictions : Predictions, Answers or pandas.DataFrame of n_rows
        The artifact's answers, or a table of them from the store.
    y_true : array, optional
        What people really are, for the coverage: one a row, or one for each row of ``known``.
    known : array of bool, shape (n_rows,), optional
        Whose outcome is known, if not everybody's.
    sensitive_features : array, Series, mapping or DataFrame of n_rows, optional
        One or several columns; each is a way of its own to form groups.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    Uncertainty
        The coverage is NaN where no outcome is known.

    Raises
    ------
    MonitoringError
        If there are no rows, or the parts are of different lengths.

    Examples
    --------
    >>> import pandas as pd
    >>> said = pd.DataFrame({"score": [0.5, 0.9], "label": [1, 1], "uncertainty": [1.0, 0.47],
    ...                      "prediction_set": ["[0, 1]", "[1]"], "review": [True, False]})
    >>> found = measure_uncertainty(said, y_true=[0, 0])
    >>> found.overall[["review_share", "coverage", "set_size"]].to_dict()
    {'review_share': 0.5, 'coverage': 0.5, 'set_size': 1.5}
    """
    import pandas as pd

    answers = Answers.of(predictions)
    if not len(answers):
        raise MonitoringError("there are no answers in this window; nothing can be said of nothing")
    weights = _weights(answers, y_true, known)
    rows = [_row("", "", len(answers), [float(weight.sum()) for weight in weights], level)]
    groups = {} if sensitive_features is None else columns_of(sensitive_features)
    for column, values in groups.items():
        if len(values) != len(answers):
            raise MonitoringError(
                f"{column} has {len(values):,} values for {len(answers):,} answers; give one a row"
            )
        cells = count_cells([values], weights)
        rows += [
            _row(column, f"{column}={key[0]}", n, sums, level)
            for key, n, *sums in zip(
                cells.keys, cells.counts.tolist(), *(s.tolist() for s in cells.sums), strict=True
            )
        ]
    return Uncertainty(pd.DataFrame(rows), level)


def _weights(answers: Answers, y_true: Any, known: Any) -> list[np.ndarray]:
    """What is summed of each row; sums of different rows add up."""
    is_known = np.zeros(len(answers), dtype=bool)
    covered = np.zeros(len(answers))
    if y_true is not None:
        is_known = np.ones(len(answers), dtype=bool) if known is None else np.asarray(known)
        some = answers[is_known]
        covered[is_known] = some.covers(some.truth(y_true))
    size, entropy = answers.set_size.astype(float), answers.uncertainty
    sums = [is_known, answers.review, covered, size > 1, size == 0]
    sums += [size, size**2, entropy, entropy**2]
    return [np.asarray(one, dtype=float) for one in sums]


def _row(over: str, group: str, n: int, sums: list[float], level: float) -> dict[str, Any]:
    n_known, review, covered, undecided, empty, *moments = sums
    row: dict[str, Any] = {"over": over, "group": group, "n": n, "n_known": round(n_known)}
    parts = (review, covered, undecided, empty)
    for (name, part), whole in zip(
        zip(SHARES, parts, strict=True), (n, n_known, n, n), strict=True
    ):
        one = share_of(part, whole, level=level)
        row |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
    for name, (total, squares) in zip(MEANS, (moments[:2], moments[2:]), strict=True):
        mean = total / n
        variance = max(squares / n - mean**2, 0.0) * n / (n - 1) if n > 1 else float("nan")
        reach = normal_quantile(level) * float(np.sqrt(variance / n))
        row |= {name: mean, f"{name}_low": mean - reach, f"{name}_high": mean + reach}
    return row
