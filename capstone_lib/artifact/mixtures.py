"""Scores of mixtures: rows that have some values of one person and the others of another's.

The artifact is asked as it is. With two classes a score is the probability of the second; with more
it is the probability of a class that the caller names.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from capstone_lib.artifact.group_head import group_feed
from capstone_lib.artifact.model import NUMBERS, TEXT, TEXT_MISSING, TILE, Artifact
from capstone_lib.artifact.session import probability_session

__all__ = ["Mixtures"]


class Mixtures:
    """An artifact, and people whose values are mixed with those of the people asked about.

    Parameters
    ----------
    artifact : Artifact
    people : mapping of str to sequence
        Values of each feature of the model, past the gate: numbers (None or NaN where missing)
        and text.
    """

    def __init__(self, artifact: Artifact, people: Mapping[str, Sequence[Any]]) -> None:
        columns = artifact.passport.features.columns
        self.names = tuple(column.name for column in columns)
        self._rule = artifact.passport.group_rule
        self._binary = len(artifact.classes) == 2
        self._session = artifact.session if self._binary else _with_probabilities(artifact)
        self._output = ["score" if self._binary else "head_p"]
        kinds = {item.name: item.type for item in self._session.get_inputs()}
        self._type: Any = np.float64 if kinds.get(NUMBERS) == "tensor(double)" else np.float32
        self._is_read = {c.name: not c.is_text or TEXT + c.name in kinds for c in columns}
        self._numbers = [place for place, column in enumerate(columns) if not column.is_text]
        self._words = [place for place, column in enumerate(columns) if column.is_text]
        self._feeds_numbers = NUMBERS in kinds
        self._matrix = self._as_matrix([people[self.names[place]] for place in self._numbers])
        self._texts = {place: _as_text(people[self.names[place]]) for place in self._words}

    def person(self, values: Sequence[Any]) -> tuple[np.ndarray, dict[int, Any]]:
        """One person asked about, from the values in the order of the features."""
        row = self._as_matrix([[values[place]] for place in self._numbers])[0]
        words = _as_text([values[place] for place in self._words])
        return row, dict(zip(self._words, words, strict=True))

    def differs(self, person: tuple[np.ndarray, dict[int, Any]]) -> np.ndarray:
        """Where the person is not like those mixed with, of shape (n_people, n_columns)."""
        row, words = person
        if not words:
            return np.asarray(self._matrix != row)
        out = np.empty((len(self._matrix), len(self.names)), dtype=bool)
        out[:, self._numbers] = self._matrix != row
        for place, word in words.items():
            out[:, place] = self._texts[place] != word
        return out

    def mix(
        self, person: tuple[np.ndarray, dict[int, Any]], which: np.ndarray, taken: np.ndarray
    ) -> dict[str, np.ndarray]:
        """The graph's inputs for mixtures of a person with people, where columns are taken."""
        row, words = person
        feed: dict[str, np.ndarray] = {}
        if self._feeds_numbers:
            mine = taken[:, self._numbers] if words else taken
            feed[NUMBERS] = np.where(mine, row, self._matrix[which])
        for place, word in words.items():
            if self._is_read[self.names[place]]:
                mixed = np.where(taken[:, place], word, self._texts[place][which])
                feed[TEXT + self.names[place]] = mixed.reshape(-1, 1)
        return feed

    def plain(self, columns: Sequence[Sequence[Any]]) -> dict[str, np.ndarray]:
        """The graph's inputs for whole rows, given by column in the order of the features."""
        feed: dict[str, np.ndarray] = {}
        if self._feeds_numbers:
            feed[NUMBERS] = self._as_matrix([columns[place] for place in self._numbers])
        for place in self._words:
            if self._is_read[self.names[place]]:
                feed[TEXT + self.names[place]] = _as_text(columns[place]).reshape(-1, 1)
        return feed

    def own(self) -> dict[str, np.ndarray]:
        """The graph's inputs for the people themselves."""
        n_people = max([len(self._matrix), *map(len, self._texts.values())])
        nobody = np.zeros((n_people, len(self.names)), dtype=bool)
        someone = self._matrix[0], {place: words[0] for place, words in self._texts.items()}
        return self.mix(someone, np.arange(n_people), nobody)

    def score(self, feeds: Sequence[dict[str, np.ndarray]]) -> np.ndarray:
        """Score mixtures, those of several people together.

        Returns
        -------
        numpy.ndarray of float64, shape (n_mixtures, n_scores)
            One score with two classes, else one for each class.
        """
        names = feeds[0].keys()
        joined = feeds[0]
        if len(feeds) > 1:
            joined = {name: np.concatenate([feed[name] for feed in feeds]) for name in names}
        n_rows = len(next(iter(joined.values())))
        if n_rows == 0:
            return np.empty((0, 1))
        parts = [self._run(joined, start) for start in range(0, n_rows, TILE)]
        found = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return found.reshape(n_rows, -1).astype(np.float64)

    def _run(self, joined: dict[str, np.ndarray], start: int) -> np.ndarray:
        feed = {name: values[start : start + TILE] for name, values in joined.items()}
        n_rows = len(next(iter(feed.values())))
        if n_rows == 1:  # a linear model's last bit is another for a row alone
            feed = {name: np.concatenate([values, values]) for name, values in feed.items()}
        if self._rule is not None:
            feed |= self._any_group(max(n_rows, 2))
        found: np.ndarray = self._session.run(self._output, feed)[0]
        return found[:n_rows]

    def _any_group(self, n_rows: int) -> dict[str, np.ndarray]:
        """The rule's inputs: it has a say in the label, and none in the score."""
        assert self._rule is not None
        group = next(iter(self._rule.groups))
        columns = {
            self._rule.column: np.array([group] * n_rows, dtype=object),
            self._rule.case: np.zeros(n_rows, dtype=np.int64),
        }
        return group_feed(self._rule, columns, 0, n_rows)

    def _as_matrix(self, columns: Sequence[Sequence[Any]]) -> np.ndarray:
        with np.errstate(over="ignore"):  # a code beyond float32 is one nobody knows
            return np.array(columns, dtype=np.float64).T.astype(self._type)


def _with_probabilities(artifact: Artifact) -> Any:
    where = str(artifact.path or "the artifact")
    return probability_session(artifact.content, n_classes=len(artifact.classes), where=where)


def _as_text(values: Sequence[Any]) -> np.ndarray:
    return np.array([TEXT_MISSING if one is None else one for one in values], dtype=object)
