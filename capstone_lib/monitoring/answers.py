"""A model's answers from wherever they are kept, in one shape: arrays with classes by number.

Predictions fresh from an artifact, a run read back from the store and the log of an endpoint say
the same in three ways. What is measured of them is written once, against this.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from capstone_lib.artifact.model import Predictions
from capstone_lib.errors import MonitoringError

__all__ = ["Answers"]

_NUMBERS = ("score", "uncertainty", "review")
_COLUMNS = (*_NUMBERS, "label", "prediction_set")


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers of one model.

    Attributes
    ----------
    score, uncertainty : numpy.ndarray of float64, shape (n_rows,)
        Probabilities from 0 to 1, never NaN; and bits.
    label : numpy.ndarray of int64, shape (n_rows,)
        The place of the decision among ``classes``.
    sets : numpy.ndarray of bool, shape (n_rows, n_classes)
        Which classes are in each row's prediction set.
    review : numpy.ndarray of bool, shape (n_rows,)
        Whether a person was asked.
    classes : tuple
        With two, the score speaks of the second.
    """

    score: np.ndarray
    label: np.ndarray
    uncertainty: np.ndarray
    sets: np.ndarray
    review: np.ndarray
    classes: tuple[Any, ...]

    @classmethod
    def of(cls, predictions: Any, *, classes: Sequence[Any] | None = None) -> "Answers":
        """Read answers.

        Parameters
        ----------
        predictions : Predictions, Answers or pandas.DataFrame
            What an artifact says, or what ``store.predictions()``, ``store.latest()`` or
            ``store.requests()`` gives back.
        classes : sequence, optional
            The labels in order; of a table, those that occur in it unless told otherwise.

        Returns
        -------
        Answers

        Raises
        ------
        MonitoringError
            If it is none of these, or an answer is missing or none of the classes.

        Examples
        --------
        >>> import pandas as pd
        >>> said = pd.DataFrame({"score": [0.4], "label": [0], "uncertainty": [0.97],
        ...                      "prediction_set": ["[0, 1]"], "review": [True]})
        >>> Answers.of(said).set_size.tolist()
        [2]
        """
        if isinstance(predictions, Answers):
            return predictions
        if isinstance(predictions, Predictions):
            label = place_of(predictions.label, predictions.classes, "the predictions")
            return cls._made(
                predictions.score,
                label,
                predictions.uncertainty,
                predictions.prediction_set,
                predictions.review,
                predictions.classes,
            )
        lacking = [name for name in _COLUMNS if name not in getattr(predictions, "columns", ())]
        if lacking:
            raise MonitoringError(
                "answers are an artifact's Predictions, or a table as the store gives it; this "
                f"{type(predictions).__name__} lacks {', '.join(lacking)}"
            )
        codes, sets = _sets(predictions["prediction_set"])
        labels = predictions["label"].to_numpy(dtype=object)
        if classes is None:
            classes = _classes([*sets, labels.tolist()])
        inside = np.zeros((len(sets), len(classes)), dtype=bool)
        for row, members in enumerate(sets):
            inside[row, place_of(members, classes, "the prediction sets")] = True
        label = place_of(labels, classes, "the labels")
        columns = {name: predictions[name].to_numpy() for name in _NUMBERS}
        return cls._made(label=label, sets=inside[codes], classes=tuple(classes), **columns)

    @classmethod
    def _made(
        cls, score: Any, label: Any, uncertainty: Any, sets: Any, review: Any, classes: Any
    ) -> "Answers":
        score = np.asarray(score, dtype=np.float64)
        if np.isnan(score).any():
            raise MonitoringError(
                f"{int(np.isnan(score).sum()):,} answers have no score, so no model gave them; "
                "leave them out"
            )
        uncertainty = np.asarray(uncertainty, dtype=np.float64)
        return cls(score, label, uncertainty, sets, np.asarray(review, dtype=bool), tuple(classes))

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, rows: Any) -> "Answers":
        """Some of the rows, by a mask or by places."""
        return Answers(
            self.score[rows],
            self.label[rows],
            self.uncertainty[rows],
            self.sets[rows],
            self.review[rows],
            self.classes,
        )

    @property
    def is_binary(self) -> bool:
        """Whether there are two classes, and the score is a probability of the second."""
        return len(self.classes) == 2

    @property
    def set_size(self) -> np.ndarray:
        """How many classes are in each row's prediction set."""
        return np.asarray(self.sets.sum(axis=1))

    def truth(self, y_true: Any) -> np.ndarray:
        """Outcomes as places among the classes.

        Parameters
        ----------
        y_true : array of shape (n_rows,)
            What really happened; text that says the same as a class is that class.

        Returns
        -------
        numpy.ndarray of int64, shape (n_rows,)

        Raises
        ------
        MonitoringError
            If there is another number of them, or one is none of the classes.
        """
        y_true = np.asarray(y_true)
        if y_true.shape != (len(self),):
            raise MonitoringError(
                f"there are {len(self):,} answers and outcomes of shape {y_true.shape}; give one "
                "outcome a row"
            )
        return place_of(y_true, self.classes, "the outcomes")

    def covers(self, truth: np.ndarray) -> np.ndarray:
        """Whether each row's set holds its true class.

        Parameters
        ----------
        truth : array of int, shape (n_rows,)
            Places among the classes, as :meth:`truth` gives them.

        Returns
        -------
        numpy.ndarray of bool, shape (n_rows,)
        """
        return np.asarray(self.sets[np.arange(len(self)), truth])


def place_of(values: Any, classes: Sequence[Any], what: str) -> np.ndarray:
    """Labels as places among the classes; text that says the same as a class is that class."""
    import pandas as pd

    places = {str(int(c)) if isinstance(c, bool | np.bool_) else str(c): place
              for place, c in enumerate(classes)}  # fmt: skip
    places |= {c: place for place, c in enumerate(classes)}
    codes, found = pd.factorize(np.asarray(values, dtype=object), use_na_sentinel=False)
    strange = [value for value in found if value not in places]
    if strange:
        raise MonitoringError(
            f"{what} hold {', '.join(map(repr, strange[:3]))}, which is none of the classes "
            f"{', '.join(map(repr, classes))}; leave out rows whose label is not known"
        )
    return np.array([places[value] for value in found], dtype=np.int64)[codes]


def _sets(column: Any) -> tuple[np.ndarray, list[list[Any]]]:
    """The distinct prediction sets, and which of them each row has."""
    import pandas as pd

    values = column.to_numpy(dtype=object)
    if len(values) and isinstance(values[0], list | np.ndarray):
        values = np.fromiter(map(tuple, values), dtype=object, count=len(values))
    codes, found = pd.factorize(column if hasattr(column, "cat") else values)
    return codes, [json.loads(one) if isinstance(one, str) else list(one) for one in found]


def _classes(parts: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
    found = {label for part in parts for label in part}
    return tuple(sorted(found, key=lambda value: (str(type(value)), value)))
