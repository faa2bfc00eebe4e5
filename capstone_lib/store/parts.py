"""The Parquet files of one run in a folder store: writing them in batches, reading them back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from capstone_lib.errors import StoreError
from capstone_lib.store.decisions import Decision, DecisionBook, classes_by_label
from capstone_lib.store.frames import Piece
from capstone_lib.store.ids import encode_id, encode_ids
from capstone_lib.store.run import Reject, RunRecord, ScoredBatch

__all__ = ["PartWriter", "RejectWriter", "read_new", "read_piece", "read_rejects", "stored"]

_PART = "part-0.parquet"
_REJECTS = "_rejects.parquet"
_GROUP_ROWS = 262_144


class PartWriter:
    """Writes the predictions of one run into one file, row group by row group."""

    def __init__(self, folder: Path, record: RunRecord) -> None:
        self.path = folder / _PART
        self._record = record
        self._book = DecisionBook()
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.RecordBatch] = []

    def write(self, batch: ScoredBatch) -> None:
        """Add the rows of a batch."""
        self._waiting.append(self._arranged(batch))
        if sum(map(len, self._waiting)) >= _GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what waits as one row group."""
        if not self._waiting:
            return
        if self._writer is None:
            self._writer = _open(self.path, self._waiting[0].schema)
        ours = self._writer.schema
        batches = [b if b.schema == ours else b.cast(ours) for b in self._waiting]
        table = pa.Table.from_batches(batches).unify_dictionaries()
        self._writer.write_table(table, row_group_size=_GROUP_ROWS)
        self._waiting.clear()

    def close(self, *, whole: bool) -> None:
        """Finish the file; a ``whole`` run without rows leaves an empty one."""
        if whole:
            self.flush()
        if self._writer is not None:
            self._writer.close()

    def _arranged(self, batch: ScoredBatch) -> pa.RecordBatch:
        numbers, _ = self._book.number(batch.decided)
        known = self._book.decisions
        whole = all(isinstance(name, int) for name in self._record.classes)
        labels = pa.array([d.label for d in known], pa.int64() if whole else pa.string())
        sets = pa.array([decision.prediction_set for decision in known], pa.string())
        review = np.array([decision.review for decision in known], dtype=bool)
        index = pa.array(numbers.astype(np.int32))
        constant = pa.array(np.zeros(len(batch), dtype=np.int32))
        fixed = (self._record.scored_at, self._record.identity.snapshot)
        when, snapshot = (
            pa.DictionaryArray.from_arrays(constant, pa.array([text])) for text in fixed
        )
        return pa.record_batch(
            {
                "row_id": batch.ids,
                "score": batch.score,
                "label": labels.take(index) if whole else _coded(index, labels),
                "uncertainty": batch.uncertainty,
                "prediction_set": _coded(index, sets),
                "review": pa.array(review[numbers]),
                "scored_at": when,
                "snapshot": snapshot,
            }
        )


class RejectWriter:
    """Writes the rejects of one run beside its predictions, as they come."""

    _schema = pa.schema({"position": pa.int64(), "row_id": pa.string(), "reason": pa.string()})

    def __init__(self, folder: Path) -> None:
        self._path = folder / _REJECTS
        self._writer: pq.ParquetWriter | None = None

    def write(self, rejects: Sequence[Reject]) -> None:
        """Add rejects; without any no file is made."""
        if not rejects:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, self._schema)
        columns = [
            [reject.position for reject in rejects],
            [None if r.row_id is None else str(r.row_id) for r in rejects],
            [reject.reason for reject in rejects],
        ]
        self._writer.write_batch(
            pa.record_batch(
                [pa.array(c, f.type) for c, f in zip(columns, self._schema, strict=True)],
                schema=self._schema,
            )
        )

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()


def read_piece(folder: Path, record: RunRecord, *, ids: Any = None) -> Piece:
    """The predictions of one run, or those of some ids."""
    table = _read(folder)
    if ids is not None:
        table = table.filter(pc.is_in(_text(table["row_id"]), value_set=_asked(ids)))
    return _piece(table, record)


def read_new(
    folder: Path, record: RunRecord, seen: pa.Array, *, ids: Any = None
) -> tuple[Piece, pa.Array]:
    """The predictions of ids that are not among those ``seen``, and these ids."""
    table = _read(folder)
    text = _text(table["row_id"])
    keep = pc.invert(pc.is_in(text, value_set=seen))
    if ids is not None:
        keep = pc.and_(keep, pc.is_in(text, value_set=_asked(ids)))
    return _piece(table.filter(keep), record), text.filter(keep).combine_chunks()


def read_rejects(folder: Path) -> list[Reject]:
    """Read what :class:`RejectWriter` wrote."""
    if not (folder / _REJECTS).exists():
        return []
    rows = pq.read_table(folder / _REJECTS, partitioning=None).to_pylist()
    return [Reject(row["position"], stored(row["row_id"]), row["reason"]) for row in rows]


def stored(row_id: str | None) -> int | str | None:
    """An id's stored form, from text."""
    return None if row_id is None else encode_id(row_id)


def _open(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    words = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    words += ["label"] if "label" not in words else []
    encodings = {"row_id": "DELTA_BINARY_PACKED"} if pa.types.is_int64(schema.field(0).type) else {}
    return pq.ParquetWriter(
        path,
        schema,
        compression=dict.fromkeys(schema.names, "none"),
        use_dictionary=words,
        column_encoding=encodings or None,
        write_statistics=["row_id"],
    )


def _coded(index: pa.Array, words: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(index, words)


def _read(folder: Path) -> pa.Table:
    try:
        return pq.read_table(folder / _PART, partitioning=None)
    except pa.ArrowInvalid as error:
        raise StoreError(
            f"{folder / _PART} is damaged: {error}; remove its directory and score the run again"
        ) from error


def _text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.cast(pa.string())


def _asked(ids: Any) -> pa.Array:
    return pa.array([str(value) for value in encode_ids(ids)], pa.string())


def _piece(table: pa.Table, record: RunRecord) -> Piece:
    named = classes_by_label(record.classes)
    said = [table[name].combine_chunks() for name in ("label", "prediction_set", "review")]
    coded = [
        part if pa.types.is_dictionary(part.type) else part.dictionary_encode() for part in said
    ]
    sizes = [max(len(part.dictionary), 1) for part in coded]
    packed = np.zeros(len(table), dtype=np.int64)
    for part, size in zip(coded, sizes, strict=True):
        packed = packed * size + part.indices.to_numpy(zero_copy_only=False)
    keys, number = np.unique(packed, return_inverse=True)
    words = [part.dictionary.to_pylist() for part in coded]
    decisions = []
    for key in keys.tolist():
        rest, review = divmod(key, sizes[2])
        label, members = divmod(rest, sizes[1])
        decisions.append(Decision(named[str(words[0][label])], words[1][members], words[2][review]))
    return Piece(
        record,
        encode_ids(table["row_id"]),
        table["score"].to_numpy(),
        table["uncertainty"].to_numpy(),
        number,
        decisions,
    )
