"""The six steps of a batch run, each a function that can be called by hand.

``extract → transform → load_features → load_model → predict → write``: the run puts them side by
side in threads (:mod:`capstone_lib.batch.pipeline`); what they do is here.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from capstone_lib.batch.source import Source, Stretch
from capstone_lib.errors import SourceError
from capstone_lib.schema import Checked, Schema
from capstone_lib.store import Attempt, Reject, ScoredBatch
from capstone_lib.store.decisions import Coded, code_decisions
from capstone_lib.store.ids import id_array

if TYPE_CHECKING:
    from capstone_lib.artifact import Artifact, Predictions

__all__ = [
    "STEPS",
    "extract",
    "gather",
    "load_features",
    "load_model",
    "predict",
    "read_ids",
    "transform",
    "write",
]

STEPS = ("extract", "transform", "load_features", "load_model", "predict", "write")


def extract(source: Source, columns: Sequence[str]) -> Iterator[Stretch]:
    """Read the rows, stretch by stretch, with the columns that are needed."""
    return source.stretches(columns)


def transform(schema: Schema, data: Any, *, ids: Any = None, untyped: bool = False) -> Checked:
    """Pass a stretch through the schema's gate: values read, bad rows marked."""
    return schema.check(data, ids=ids, parse_text=untyped)


def load_features(checked: Checked) -> dict[str, np.ndarray]:
    """The model-ready columns of the rows that may be scored."""
    return checked.only_valid()


def load_model(model: "Artifact | str | Path") -> "Artifact":
    """The artifact itself, or the one in a file."""
    if not isinstance(model, str | Path):
        return model
    from capstone_lib.artifact import load_model as load

    return load(model)


def predict(model: "Artifact", features: Mapping[str, np.ndarray]) -> "Predictions":
    """Score the rows."""
    return model.score(features)


def write(attempt: Attempt, batch: ScoredBatch) -> int:
    """Stage a batch in the store; return how many more rows were rejected."""
    return attempt.write(batch)


def read_ids(stretch: Stretch, column: str) -> pa.Array:
    """The row ids of a stretch; row numbers if there is no column of them.

    Raises
    ------
    SourceError
        If the column holds neither whole numbers nor text.
    """
    if not column:
        return pa.array(np.arange(stretch.first, stretch.first + len(stretch.data)))
    values = stretch.data[column]
    try:
        return id_array(values)
    except (TypeError, pa.ArrowException) as error:
        raise SourceError(
            f"the row ids in column {column!r} cannot be used: {error}; name another column with "
            "id="
        ) from None


def gather(
    stretch: Stretch, ids: pa.Array, checked: Checked, predicted: "Predictions | None"
) -> ScoredBatch:
    """Put ids, predictions and rejects of a stretch together, ready to be written."""
    rejects = tuple(
        Reject(stretch.first + row, ids[row].as_py(), reason) for row, reason in checked.reasons()
    )
    kept = np.flatnonzero(checked.valid)
    if len(kept) < len(ids):
        ids = ids.filter(pa.array(checked.valid))
    if predicted is None:
        none = np.empty(0, dtype=np.float32)
        coded = Coded((), np.empty(0, dtype=np.int64))
        return ScoredBatch(ids, none, none, coded, kept, (*stretch.malformed, *rejects))
    coded = code_decisions(
        predicted.label, predicted.prediction_set, predicted.review, predicted.classes
    )
    return ScoredBatch(
        ids,
        predicted.score,
        predicted.uncertainty,
        coded,
        kept + stretch.first,
        (*stretch.malformed, *rejects),
    )
