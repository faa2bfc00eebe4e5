"""Decisions: the few distinct (label, prediction set, review) that the many rows of a run take.

A row stores one small number for them; the table ``decisions`` says once per run what it means.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Coded", "Decision", "DecisionBook", "classes_by_label", "code_decisions"]

_BITS = 40


@dataclass(frozen=True)
class Decision:
    """What is said about a row besides its numbers.

    Attributes
    ----------
    label : int or str
        The class decided for; true/false is 1/0, as outcomes are.
    prediction_set : str
        The classes that cannot be excluded, as a JSON list: ``[0, 1]``.
    review : bool
        Whether a person should look.
    """

    label: int | str
    prediction_set: str
    review: bool


@dataclass(frozen=True)
class Coded:
    """The decisions of some rows: each distinct one once, and each row's index into them."""

    distinct: tuple[Decision, ...]
    index: np.ndarray


class DecisionBook:
    """Numbers the decisions of a run in order of appearance."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self._numbers: dict[Decision, int] = {}

    def number(self, coded: Coded) -> tuple[np.ndarray, list[tuple[int, Decision]]]:
        """Each row's number in this book, and the decisions that are new with their numbers."""
        new = []
        for decision in coded.distinct:
            if decision not in self._numbers:
                self._numbers[decision] = len(self.decisions)
                new.append((len(self.decisions), decision))
                self.decisions.append(decision)
        numbers = np.array([self._numbers[d] for d in coded.distinct], dtype=np.int64)
        return (numbers[coded.index] if len(numbers) else coded.index), new


def code_decisions(
    label: np.ndarray, prediction_set: np.ndarray, review: np.ndarray, classes: Sequence[Any]
) -> Coded:
    """Find the distinct decisions of some rows.

    Parameters
    ----------
    label : array of shape (n_rows,)
        Each row's class.
    prediction_set : bool array of shape (n_rows, n_classes)
    review : bool array of shape (n_rows,)
    classes : sequence of int or str
        The classes in the order of ``prediction_set``'s columns.
    """
    n_classes = len(classes)
    position = _positions(label, classes)
    if n_classes > _BITS:
        return _code_wide(position, prediction_set, review, classes)
    packed = position.astype(np.int64) * 2 + review
    for column in range(n_classes):
        packed = packed * 2 + prediction_set[:, column]
    keys, index = _distinct(packed, bound=n_classes * 2 << n_classes)
    rows = [_unpack(key, n_classes) for key in keys.tolist()]
    return Coded(tuple(_decision(*row, classes) for row in rows), index)


def _positions(label: np.ndarray, classes: Sequence[Any]) -> np.ndarray:
    position = np.zeros(len(label), dtype=np.int32)
    for number, name in enumerate(classes[1:], start=1):
        position[label == name] = number
    return position


def _distinct(packed: np.ndarray, *, bound: int) -> tuple[np.ndarray, np.ndarray]:
    """As ``np.unique(…, return_inverse=True)``, without sorting where the range is small."""
    if bound > 1 << 16:
        return np.unique(packed, return_inverse=True)
    keys = np.flatnonzero(np.bincount(packed, minlength=1))
    place = np.zeros(bound, dtype=np.int64)
    place[keys] = np.arange(len(keys))
    return keys, place[packed]


def _unpack(key: int, n_classes: int) -> tuple[int, list[int], bool]:
    members = [k for k in range(n_classes) if key >> (n_classes - 1 - k) & 1]
    head = key >> n_classes
    return head >> 1, members, bool(head & 1)


def _code_wide(
    position: np.ndarray, prediction_set: np.ndarray, review: np.ndarray, classes: Sequence[Any]
) -> Coded:
    bits = np.packbits(prediction_set, axis=1)
    table = np.column_stack([position.astype(">i4").view(np.uint8).reshape(-1, 4), bits, review])
    _, first, index = np.unique(table, axis=0, return_index=True, return_inverse=True)
    distinct = tuple(
        _decision(
            int(position[row]),
            np.flatnonzero(prediction_set[row]).tolist(),
            bool(review[row]),
            classes,
        )
        for row in first.tolist()
    )
    return Coded(distinct, index.reshape(-1))


def _decision(position: int, members: list[int], review: bool, classes: Sequence[Any]) -> Decision:
    named = json.dumps([classes[k] for k in members], ensure_ascii=False)
    label = classes[position]
    return Decision(int(label) if isinstance(label, bool) else label, named, review)


def classes_by_label(classes: Sequence[Any]) -> dict[str, Any]:
    """Which class a stored label means, written as text: true/false is stored as 1/0.

    Examples
    --------
    >>> classes_by_label([False, True])
    {'0': False, '1': True}
    """
    return {str(int(name) if isinstance(name, bool) else name): name for name in classes}
