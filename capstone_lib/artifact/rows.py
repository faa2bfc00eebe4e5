"""Scoring rows that come one by one: the short way from tuples of values to plain answers.

An endpoint has a handful of rows at a time, for which a column at a time is mostly overhead. The
rows have passed the gate already; the session and the numbers are those of the artifact.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from capstone_lib.artifact.model import NUMBERS, TILE, Artifact

__all__ = ["Answer", "RowScorer"]


class Answer(NamedTuple):
    """What the artifact says of one row, in Python's own types."""

    score: float
    label: Any
    uncertainty: float
    prediction_set: list[Any]
    review: bool


class RowScorer:
    """An artifact that is asked for a few rows at a time.

    Parameters
    ----------
    artifact : Artifact
        Its answers are given to the last bit of :meth:`Artifact.score`, apart from what the number
        of rows in a batch changes in the order of a sum (linear models: one float32 rounding).
    """

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self._names = artifact.schema.names
        self._run = artifact.session.run
        inputs = {item.name: item.type for item in artifact.session.get_inputs()}
        only_numbers = set(inputs) == {NUMBERS} and not any(
            column.is_text for column in artifact.schema.columns
        )
        double = inputs.get(NUMBERS) == "tensor(double)"
        self._matrix_type: Any = (np.float64 if double else np.float32) if only_numbers else None
        self._truth = isinstance(artifact.classes[0], bool)
        self._sets: dict[tuple[bool, ...], list[Any]] = {}

    def __call__(self, rows: Sequence[Sequence[Any]]) -> list[Answer]:
        """Score rows; safe to call from several threads at once.

        Parameters
        ----------
        rows : sequence of n_rows sequences
            The values of each row in the order of the schema's columns, past the gate: numbers
            (None where missing) and text.
        """
        answers: list[Answer] = []
        for start in range(0, len(rows), TILE):
            answers += self._tile(rows[start : start + TILE])
        return answers

    def _tile(self, rows: Sequence[Sequence[Any]]) -> list[Answer]:
        score, label, uncertainty, sets, review = self._run(None, self._feed(rows))
        labels = (label.astype(bool) if self._truth else label).tolist()
        return list(
            map(
                Answer,
                score.tolist(),
                labels,
                uncertainty.tolist(),
                map(self._members, map(tuple, sets.tolist())),
                review.tolist(),
            )
        )

    def _feed(self, rows: Sequence[Sequence[Any]]) -> dict[str, np.ndarray]:
        if self._matrix_type is not None:
            return {NUMBERS: np.array(rows, dtype=self._matrix_type)}
        columns = {
            column.name: _column(values, is_text=column.is_text)
            for column, values in zip(
                self.artifact.schema.columns, zip(*rows, strict=True), strict=True
            )
        }
        return self.artifact.feed(columns, 0, len(rows))

    def _members(self, inside: tuple[bool, ...]) -> list[Any]:
        """The classes in a prediction set; rows with the same set share one list."""
        found = self._sets.get(inside)
        if found is None:
            pairs = zip(self.artifact.classes, inside, strict=True)
            found = self._sets[inside] = [name for name, member in pairs if member]
        return found


def _column(values: Sequence[Any], *, is_text: bool) -> np.ndarray:
    return np.array(values, dtype=object if is_text else np.float64)
