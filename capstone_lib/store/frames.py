"""From what a store reads to the frames that people see, the same for every kind of store."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.store.decisions import Decision
from capstone_lib.store.ids import decode_ids
from capstone_lib.store.run import Reject, RunRecord

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MODEL", "Piece", "predictions_frame", "rejects_frame", "runs_frame"]

MODEL = "model"
"""Who decided where no reviewer has."""


@dataclass(frozen=True)
class Piece:
    """Predictions of one run as read: ids in stored form, decisions by number.

    ``deciders`` says of each decision whose it is; all are the model's if it is None.
    """

    record: RunRecord
    ids: Sequence[Any]
    score: np.ndarray
    uncertainty: np.ndarray
    decision: np.ndarray
    decisions: Sequence[Decision]
    deciders: Sequence[str] | None = None

    def with_decider(self) -> Iterator[tuple[Decision, str]]:
        """Each decision, and whose it is."""
        named = [MODEL] * len(self.decisions) if self.deciders is None else self.deciders
        return zip(self.decisions, named, strict=True)


def predictions_frame(pieces: Sequence[Piece], *, deciders: bool = False) -> "pd.DataFrame":
    """One row a prediction, with all that is known of its run; on demand with who decided."""
    import pandas as pd

    ids = [value for piece in pieces for value in piece.ids]
    columns: dict[str, Any] = {
        "row_id": decode_ids(ids),
        "score": _joined([piece.score for piece in pieces], np.float32),
        "label": _labels(pieces),
        "uncertainty": _joined([piece.uncertainty for piece in pieces], np.float32),
        "prediction_set": _categorical(pieces, lambda decision, _: decision.prediction_set),
        "review": _joined([_per_row(p, lambda d, _: d.review, bool) for p in pieces], bool),
        "as_of": _constant(pieces, lambda record: record.identity.as_of),
        "scored_at": _constant(pieces, lambda record: record.scored_at),
        "model": _constant(pieces, lambda record: record.identity.model),
        "version": _constant(pieces, lambda record: record.identity.version),
        "snapshot": _constant(pieces, lambda record: record.identity.snapshot),
        "run_id": _constant(pieces, lambda record: record.run_id),
    }
    for name in ("as_of", "scored_at"):
        days = pd.to_datetime(columns[name].categories, format="ISO8601").tz_localize(None)
        columns[name] = days.take(columns[name].codes)
    if deciders:
        columns["decided_by"] = _categorical(pieces, lambda _, decider: decider)
    return pd.DataFrame(columns)


def runs_frame(records: Sequence[RunRecord]) -> "pd.DataFrame":
    """One row an attempt, oldest first."""
    import pandas as pd

    rows = [record.to_dict() for record in records]
    names = ["run_id", "status", "as_of", "model", "version", "rows", "rejected", "seconds"]
    names += ["scored_at", "finished_at", "source", "snapshot", "artifact", "id_column", "engine"]
    names += ["steps", "problems", "error"]
    frame = pd.DataFrame(rows, columns=names)
    counts = {"rows": "Int64", "rejected": "Int64", "seconds": "Float64"}
    return frame.astype(counts)


def rejects_frame(found: Sequence[tuple[RunRecord, Sequence[Reject]]]) -> "pd.DataFrame":
    """One row a reject, with its run."""
    import pandas as pd

    rows = [
        (r.row_id, r.position, r.reason, record.status, *_names(record))
        for record, rejects in found
        for r in rejects
    ]
    names = ["row_id", "position", "reason", "status", "as_of", "model", "version", "run_id"]
    frame = pd.DataFrame(rows, columns=names)
    frame["row_id"] = decode_ids(row[0] for row in rows)
    return frame.astype({"position": "Int64", "as_of": "datetime64[s]"})


def _names(record: RunRecord) -> tuple[str, str, str, str]:
    identity = record.identity
    return identity.as_of, identity.model, identity.version, record.run_id


def _joined(parts: list[np.ndarray], dtype: Any) -> np.ndarray:
    return np.concatenate(parts).astype(dtype, copy=False) if parts else np.empty(0, dtype)


def _per_row(piece: Piece, pick: Callable[[Decision, str], Any], dtype: Any) -> np.ndarray:
    table = np.empty(len(piece.decisions), dtype=dtype)
    table[:] = [pick(*one) for one in piece.with_decider()]
    taken: np.ndarray = table[piece.decision]
    return taken


def _labels(pieces: Sequence[Piece]) -> np.ndarray:
    """Labels as the models' classes are: true/false, whole numbers, or else objects."""
    labels = [d.label for piece in pieces for d in piece.decisions]
    dtype: Any = np.int64 if all(isinstance(label, int) for label in labels) else object
    if labels and all(isinstance(label, bool) for label in labels):
        dtype = bool
    return _joined([_per_row(piece, lambda d, _: d.label, dtype) for piece in pieces], dtype)


def _categorical(pieces: Sequence[Piece], pick: Callable[[Decision, str], str]) -> Any:
    import pandas as pd

    words = sorted({pick(*one) for piece in pieces for one in piece.with_decider()})
    place = {word: number for number, word in enumerate(words)}
    codes = [_per_row(p, lambda d, who: place[pick(d, who)], np.int32) for p in pieces]
    return pd.Categorical.from_codes(
        _joined(codes, np.int32), categories=pd.Index(words, dtype="str")
    )


def _constant(pieces: Sequence[Piece], pick: Callable[[RunRecord], str]) -> Any:
    import pandas as pd

    words = sorted({pick(piece.record) for piece in pieces})
    codes = [words.index(pick(piece.record)) for piece in pieces]
    lengths = [len(piece.score) for piece in pieces]
    repeated = np.repeat(np.array(codes, dtype=np.int32), lengths)
    return pd.Categorical.from_codes(repeated, categories=pd.Index(words, dtype="str"))
