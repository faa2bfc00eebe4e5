"""The newest published score of every id, in little memory, for whoever must answer at once.

A row takes some twenty bytes beside its id, which is found by halving a sorted array. What is here
is never changed: when a new run is published, a new one is made beside it.
"""

import json
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection

from capstone_lib.store.decisions import classes_by_label
from capstone_lib.store.frames import Piece
from capstone_lib.store.ids import encode_text
from capstone_lib.store.queries import all_runs, read_latest
from capstone_lib.store.run import RunRecord

__all__ = ["Nightly", "Score"]


class Score(NamedTuple):
    """What a batch run said of one id."""

    score: float
    label: Any
    uncertainty: float
    prediction_set: list[Any]
    review: bool
    run_key: int
    as_of: str
    """ISO date."""
    since: float
    """The start of that day, in seconds since 1970: from there on a score ages."""


@dataclass(frozen=True)
class _Run:
    """A run in which ids were scored, and what its decisions mean."""

    run_key: int
    as_of: str
    since: float
    decisions: Sequence[tuple[Any, list[Any], bool]]


class Nightly:
    """Scores by id.

    Parameters
    ----------
    pieces : sequence of (int, Piece)
        Run keys and predictions, no id in more than one.
    """

    def __init__(self, pieces: Sequence[tuple[int, Piece]] = ()) -> None:
        self._runs = [_run(run_key, piece) for run_key, piece in pieces]
        ids = [_encoded(row_id) for _, piece in pieces for row_id in piece.ids]
        whole = np.array([type(row_id) is int for row_id in ids], dtype=bool)
        numbers = np.array([v for v in ids if type(v) is int], dtype=np.int64)
        words = np.array([v for v in ids if type(v) is not int] + [None], dtype=object)[:-1]
        by_number, by_word = np.argsort(numbers), np.argsort(words)
        order = np.concatenate([np.flatnonzero(whole)[by_number], np.flatnonzero(~whole)[by_word]])
        self._numbers = _packed("q", numbers[by_number])
        self._words: list[str] = words[by_word].tolist()
        self._scores, self._uncertainties, self._decisions, self._places = (
            _packed(kind, np.concatenate([*parts, np.empty(0)])[order])
            for kind, parts in (
                ("f", [piece.score for _, piece in pieces]),
                ("f", [piece.uncertainty for _, piece in pieces]),
                ("i", [piece.decision for _, piece in pieces]),
                ("i", [np.full(len(p.ids), place) for place, (_, p) in enumerate(pieces)]),
            )
        )

    @classmethod
    def read(
        cls, connection: Connection, *, artifact: str, since_day: str, until_day: str
    ) -> tuple["Nightly", "Nightly"]:
        """Read the scores of an artifact, and beside them those of ids that only others scored.

        Parameters
        ----------
        connection : Connection
            Of a store.
        artifact : str
            SHA-256 of the artifact.
        since_day, until_day : str
            ISO dates. Of the artifact's runs those of these days are read, and the last one before
            them; of other artifacts the last run of a model of the same name.

        Returns
        -------
        (Nightly, Nightly)
            Of several runs with the same id the newest counts.
        """
        newest_first = sorted(
            (
                (record.identity.as_of, record.scored_at, run_key, record)
                for run_key, record in all_runs(connection, status="published")
                if record.identity.as_of <= until_day
            ),
            key=lambda run: run[:3],
            reverse=True,
        )
        mine = [(key, r) for _, _, key, r in newest_first if r.identity.artifact == artifact]
        read = [(key, r) for key, r in mine if r.identity.as_of >= since_day]
        read = mine[: len(read) + 1]
        names = {r.identity.model for _, r in mine}
        others = [
            (key, r)
            for _, _, key, r in newest_first
            if r.identity.artifact != artifact and (not names or r.identity.model in names)
        ][:1]
        pieces = read_latest(connection, [*read, *others])
        keyed = [(key, piece) for (key, _), piece in zip([*read, *others], pieces, strict=True)]
        return cls(keyed[: len(read)]), cls(keyed[len(read) :])

    def __len__(self) -> int:
        return len(self._scores)

    @property
    def n_bytes(self) -> int:
        """What the arrays take, and about what ids that are text take."""
        arrays = (self._numbers, self._scores, self._uncertainties, self._decisions, self._places)
        return sum(len(one) * one.itemsize for one in arrays) + sum(
            60 + len(word) for word in self._words
        )

    def __contains__(self, case: str) -> bool:
        return self._place(case) is not None

    def find(self, case: str) -> Score | None:
        """The score of an id as a client writes it; None if there is none."""
        place = self._place(case)
        if place is None:
            return None
        run = self._runs[self._places[place]]
        label, members, review = run.decisions[self._decisions[place]]
        score, uncertainty = self._scores[place], self._uncertainties[place]
        return Score(score, label, uncertainty, members, review, run.run_key, run.as_of, run.since)

    def _place(self, case: str) -> int | None:
        stored = encode_text(case)
        known: Sequence[Any] = self._numbers if type(stored) is int else self._words
        place = bisect_left(known, stored)
        if place == len(known) or known[place] != stored:
            return None
        return place if type(stored) is int else place + len(self._numbers)


def _run(run_key: int, piece: Piece) -> _Run:
    day = piece.record.identity.as_of
    named = _named(piece.record)
    return _Run(
        run_key,
        day,
        datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp(),
        [
            (one.label, [named[str(v)] for v in json.loads(one.prediction_set)], one.review)
            for one in piece.decisions
        ],
    )


def _named(record: RunRecord) -> dict[str, Any]:
    """Classes by how a prediction set writes them: true/false as such."""
    return classes_by_label(record.classes) | {str(name): name for name in record.classes}


def _encoded(row_id: Any) -> int | str:
    """In the form of SQLite; other databases keep whole numbers as text."""
    return encode_text(row_id) if isinstance(row_id, str) else row_id


def _packed(kind: str, values: np.ndarray) -> "array[Any]":
    packed = array(kind)
    packed.frombytes(values.astype(np.dtype(kind)).tobytes())
    return packed
