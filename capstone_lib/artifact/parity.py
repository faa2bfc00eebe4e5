"""Parity: the artifact's answers against the pipeline's, on every row and on rows from the edge.

A converter can be silently wrong. So nothing is written before every row that export was given
has the pipeline's label and its probability within a tolerance. Rows that no training frame holds
(missing, unknown, fractional, huge, infinite values) are tried too: where the two differ, the
schema is made to refuse such values.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.artifact.convert import parts_of
from capstone_lib.errors import SchemaError
from capstone_lib.schema import Column, Schema

if TYPE_CHECKING:
    from capstone_lib.artifact.model import Artifact

__all__ = ["EdgeCase", "Expected", "ParityReport", "compare", "expect", "try_edges"]

_CHUNK = 65_536
_WORST = 5
_HUGE = (1e3, 1e5, 1e7, 1e9, 1e12, 1e15, 1e20, 1e30)


@dataclass(frozen=True)
class Expected:
    """What the pipeline says: labels, and the probabilities they follow from."""

    label: np.ndarray
    probabilities: np.ndarray


@dataclass(frozen=True)
class ParityReport:
    """How an artifact compares with its pipeline.

    Attributes
    ----------
    n_rows, labels_wrong : int
        Rows compared, and rows whose label differs.
    max_difference : float
        The largest difference of a score; NaN where one side has no answer.
    tolerance : float
        The largest difference that is accepted.
    worst : tuple of (int, object, float, object, float)
        Row position, the pipeline's label and score, the artifact's label and score.
    """

    n_rows: int
    labels_wrong: int
    max_difference: float
    tolerance: float
    worst: tuple[tuple[int, Any, float, Any, float], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every label is equal and every score within the tolerance."""
        return self.labels_wrong == 0 and self.max_difference <= self.tolerance

    def __str__(self) -> str:
        return (
            f"{self.labels_wrong:,} of {self.n_rows:,} labels wrong, "
            f"largest difference {self.max_difference:.2g} (at most {self.tolerance:g} is allowed)"
        )

    def worst_lines(self) -> list[str]:
        """The worst rows, one a line."""
        return [
            f"row {row}: the pipeline says {label} ({score:.6f}), the graph {other} ({got:.6f})"
            for row, label, score, other, got in self.worst
        ]

    def _repr_html_(self) -> str:
        rows = "".join(f"<li>{escape(line)}</li>" for line in self.worst_lines())
        verdict = "equal" if self.ok else "NOT equal"
        return f"<p><strong>{verdict}</strong>: {escape(str(self))}</p><ul>{rows}</ul>"


def expect(pipeline: Any, X: Any, *, threshold: float | None) -> Expected:
    """Ask the pipeline, in stretches of rows."""
    threads: Any = import_module("threadpoolctl")  # it has no types
    # threads that wait for one another are many times slower where another program is busy
    with threads.threadpool_limits(1, user_api="openmp"):
        parts = [
            np.asarray(pipeline.predict_proba(X.iloc[start : start + _CHUNK]), dtype=np.float64)
            for start in range(0, len(X), _CHUNK)
        ]
    probabilities = np.concatenate(parts)
    if threshold is None:
        index = probabilities.argmax(axis=1)
    else:
        index = (probabilities[:, 1] >= threshold).astype(np.int64)
    return Expected(np.asarray(pipeline.classes_)[index], probabilities)


def compare(artifact: "Artifact", X: Any, expected: Expected, *, tolerance: float) -> ParityReport:
    """Compare an artifact's answers with the pipeline's.

    Parameters
    ----------
    artifact : Artifact
        The gate is passed by: what it would refuse is for the caller to know.
    X : pandas.DataFrame of shape (n_rows, n_columns)
    expected : Expected
    tolerance : float
        The largest difference of a score that counts as equal.
    """
    columns = artifact.schema.check(X).columns
    got = artifact.score(columns)
    wanted = _score(expected.probabilities)
    difference = np.abs(got.score.astype(np.float64) - wanted)
    wrong = np.asarray(got.label) != expected.label
    badness = np.where(np.isnan(difference), np.inf, difference) + wrong
    order = np.argsort(-badness, kind="stable")[:_WORST]
    worst = tuple(
        (int(i), _plain(expected.label[i]), float(wanted[i]), _plain(got.label[i]), float(score))
        for i, score in ((i, got.score[i]) for i in order)
        if badness[i] > tolerance
    )
    largest = float(difference.max()) if not np.isnan(difference).any() else float("inf")
    return ParityReport(len(X), int(wrong.sum()), largest, tolerance, worst)


def _score(probabilities: np.ndarray) -> np.ndarray:
    return np.asarray(probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities.max(1))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


@dataclass(frozen=True)
class EdgeCase:
    """One kind of strange value in one column.

    ``outcome`` is "agree", "differ" or "pipeline refuses"; ``gate`` is what the schema does with
    such a value: "refuses", "warns" or "accepts".
    """

    column: str
    kind: str
    outcome: str
    gate: str

    def to_list(self) -> list[str]:
        """Compact, for the passport."""
        return [self.column, self.kind, self.outcome, self.gate]


def try_edges(
    artifact: "Artifact", pipeline: Any, X: Any, *, threshold: float | None, tolerance: float
) -> tuple[Schema, list[EdgeCase]]:
    """Try values that training never showed, and tighten the schema where the two differ.

    Returns
    -------
    schema, cases
        The schema refuses unknown categories that the model cannot bear, and magnitudes beyond the
        largest that was proved.
    """
    base = X.iloc[:: max(1, len(X) // 4)].iloc[:4]
    schema, cases = artifact.schema, []

    def outcome(column: Column, value: Any) -> str:
        frame = base.copy()
        frame[column.name] = _filled(base[column.name], value)
        return _outcome(artifact, pipeline, frame, threshold=threshold, tolerance=tolerance)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the values are strange on purpose
        for column in artifact.schema.columns:
            column, found = _try_column(column, outcome)
            schema = schema.with_columns([column])
            cases += found
    return schema, cases


def _filled(values: Any, value: Any) -> Any:
    import pandas as pd

    if isinstance(value, int | str) and not isinstance(value, bool):
        return pd.Series([value] * len(values), index=values.index)
    if value is None and values.dtype.kind not in "iuf":
        return pd.Series([None] * len(values), index=values.index, dtype=object)
    number = np.nan if value is None else value
    return pd.Series(np.full(len(values), number), index=values.index)


def _try_column(column: Column, outcome: Any) -> tuple[Column, list[EdgeCase]]:
    cases = [_case(column, "missing", outcome(column, None), column.nullable)]
    if column.categories is not None:
        result = outcome(column, _stranger(column))
        column = replace(column, on_unknown="warn" if result == "agree" else "reject")
        gate = "warns" if result == "agree" else "refuses"
        cases.append(EdgeCase(column.name, "unknown", result, gate))
    if column.kind in ("integer", "category") and not column.is_text:
        cases.append(_case(column, "fractional", outcome(column, _fraction(column)), False))
    if column.kind in ("integer", "number"):
        column = replace(column, limit=_largest(column, outcome))
        gate = "refuses" if column.limit is not None else "warns"
        cases.append(EdgeCase(column.name, "huge", outcome(column, _HUGE[-1]), gate))
        cases.append(_case(column, "infinite", outcome(column, float("inf")), False))
    return column, cases


def _case(column: Column, kind: str, result: str, accepted: bool) -> EdgeCase:
    return EdgeCase(column.name, kind, result, "accepts" if accepted else "refuses")


def _stranger(column: Column) -> Any:
    known = column.categories or ()
    if column.is_text:
        return "never seen before"
    return max(int(code) for code in known) + 1


def _fraction(column: Column) -> float:
    if column.categories is not None:
        return float(int(column.categories[0])) + 0.5
    return float(column.minimum or 0) + 0.5


def _largest(column: Column, outcome: Any) -> float:
    """The largest magnitude up to which every one tried agrees, both signs."""
    reach = max(abs(column.minimum or 0.0), abs(column.maximum or 0.0), 1.0)
    for value in _HUGE:
        if value > reach and any(outcome(column, sign * value) != "agree" for sign in (1.0, -1.0)):
            return reach
        reach = max(reach, value)
    return reach


def _outcome(artifact: "Artifact", pipeline: Any, frame: Any, **how: Any) -> str:
    try:
        expected = expect(pipeline, frame, threshold=how["threshold"])
    except Exception:  # scikit-learn and its steps raise anything; that is an outcome, not a fault
        return "pipeline refuses"
    try:
        report = compare(artifact, frame, expected, tolerance=how["tolerance"])
    except SchemaError:
        return "differ"
    return "agree" if report.ok else "differ"


def likely_causes(pipeline: Any, X: Any) -> Iterator[str]:
    """What is known to go wrong in converting such a pipeline, and the cure."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.impute import SimpleImputer

    parts = list(parts_of(pipeline))
    if any(isinstance(part, SimpleImputer) and part.add_indicator for part in parts):
        yield (
            "SimpleImputer(add_indicator=True) in front of an encoder is converted wrongly: "
            "fill missing codes with a code of their own, SimpleImputer(strategy='constant')"
        )
    calibrated = [part for part in parts if isinstance(part, CalibratedClassifierCV)]
    if any(hasattr(part.estimator, "steps") for part in calibrated):
        yield (
            "CalibratedClassifierCV around a whole pipeline is converted as if it had been fitted "
            "on probabilities: calibrate only the last step, "
            "make_pipeline(preprocessing, CalibratedClassifierCV(classifier))"
        )
    elif any(part.method == "isotonic" for part in calibrated):
        yield (
            "CalibratedClassifierCV(method='isotonic') turns a rounding into another step: "
            "use method='sigmoid', or calibrate the threshold instead"
        )
    if X.isna().to_numpy().any():
        yield "rows with missing values: put a SimpleImputer in front of every column that has them"
    yield (
        "rounding to single precision at a split or a step: encode codes with OneHotEncoder, "
        "leave trees unscaled, scale only what goes into a linear model"
    )
