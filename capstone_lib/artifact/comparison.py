"""People compared with others: what each column's being different does to the score."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from capstone_lib.artifact.chains import Chains
from capstone_lib.artifact.mixtures import Mixtures
from capstone_lib.artifact.model import Artifact

__all__ = ["Compared", "Comparison"]


class Compared(NamedTuple):
    """One person, compared with each of the others.

    Attributes
    ----------
    effects : numpy.ndarray of float64, shape (n_others, n_columns)
        A row adds up to the person's score less the other's.
    score : float
        The person's.
    starts : numpy.ndarray of float64, shape (n_others,)
        The others' scores.
    place : int
        Which class's probability the scores are; 1 with two classes.
    """

    effects: np.ndarray
    score: float
    starts: np.ndarray
    place: int


class Comparison:
    """An artifact, others to compare with, and the order in which columns change on the way.

    Parameters
    ----------
    artifact : Artifact
    others : mapping of str to sequence of n_others values
        By feature of the model.
    orders : numpy.ndarray of int, shape (n_others, n_columns)
    """

    def __init__(
        self, artifact: Artifact, others: Mapping[str, Sequence[Any]], orders: np.ndarray
    ) -> None:
        self._mixtures = Mixtures(artifact, others)
        self._chains = Chains(orders)
        self._all = np.ones((1, orders.shape[1]), dtype=bool)
        self._first = np.zeros(1, dtype=np.intp)
        self._starts = self._mixtures.score([self._mixtures.own()])

    def __call__(
        self, people: Sequence[Sequence[Any]], *, places: Sequence[int] | None = None
    ) -> list[Compared]:
        """Compare people, all in one call of the artifact; safe from several threads at once.

        Parameters
        ----------
        people : sequence of n_people sequences
            Their values in the order of the model's features, past the gate.
        places : sequence of int, optional
            With more than two classes, whose probability is meant; by default the likeliest's.
        """
        steps, feeds = [], []
        for values in people:
            person = self._mixtures.person(values)
            one = self._chains.between(self._mixtures.differs(person))
            node = np.concatenate([one.node, self._first])
            taken = np.concatenate([one.taken, self._all])  # the last is the person
            steps.append(one)
            feeds.append(self._mixtures.mix(person, node, taken))
        scores = self._mixtures.score(feeds)
        out, end = [], 0
        for which, one in enumerate(steps):
            begin, end = end, end + len(one.node) + 1
            place = _place(scores[end - 1]) if places is None else places[which]
            column = place if scores.shape[1] > 1 else 0
            starts, score = self._starts[:, column], float(scores[end - 1, column])
            effects = self._chains.effects(one, scores[begin : end - 1, column], score, starts)
            out.append(Compared(effects, score, starts, place))
        return out


def _place(scores: np.ndarray) -> int:
    """The likeliest class; with two, the second, whose probability the score is."""
    return int(scores.argmax()) if len(scores) > 1 else 1
