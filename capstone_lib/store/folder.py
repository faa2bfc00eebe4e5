"""A store in a folder: Parquet files by as-of date, model and version, for batch and nothing else.

::

    predictions/as_of=2016-01-31/model=employment/version=1.0.0/run_id=…/part-0.parquet
    outcomes/*.parquet
    _staging/<run id>-<process>/    what a run is writing; readers pass it by
    _failed/<run id>/               record and rejects of the last failed attempt

A run is published by one rename of its directory. Files whose name begins with an underscore are
ours and no data; Arrow, Spark and DuckDB pass them by.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from capstone_lib.errors import StoreError
from capstone_lib.store import parts
from capstone_lib.store.base import Attempt, Selection, Store
from capstone_lib.store.folder_attempt import RECORD, FolderAttempt, is_left_over, read_record
from capstone_lib.store.frames import Piece
from capstone_lib.store.outcomes import outcome_rows, outcomes_frame
from capstone_lib.store.run import Reject, RunIdentity, RunRecord

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FolderStore"]

_MARK = "_capstone_store"
_VERSION = "1"
_TRIES = 3


class FolderStore(Store):
    """A store in a folder.

    Parameters
    ----------
    path : Path
        The folder; it is made if it is not there.

    Raises
    ------
    StoreError
        If the folder cannot be written, or holds something else or another version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).absolute()
        self.url = str(self.path)
        try:
            self._open()
        except OSError as error:
            raise StoreError(
                f"the folder {self.path} cannot be used as a store: {error.strerror}; choose a "
                "folder that you may write to"
            ) from error

    def begin(self, record: RunRecord) -> Attempt | RunRecord:
        """See :meth:`Store.begin`."""
        self.sweep()
        done = self.published(record.identity)
        return (
            FolderAttempt(self.path, self.home(record.identity), record) if done is None else done
        )

    def published(self, identity: RunIdentity) -> RunRecord | None:
        """See :meth:`Store.published`."""
        return read_record(self.home(identity))

    def records(self) -> list[RunRecord]:
        """See :meth:`Store.records`."""
        found = [read_record(folder) for folder in self._homes(("predictions", "_failed"))]
        found += [read_record(folder) for folder in (self.path / "_staging").glob("*")]
        return sorted((r for r in found if r is not None), key=lambda record: record.scored_at)

    def home(self, identity: RunIdentity) -> Path:
        """Where the published run of this identity stands."""
        names = {"as_of": identity.as_of, "model": identity.model, "version": identity.version}
        levels = [f"{key}={quote(value, safe='')}" for key, value in names.items()]
        return self.path.joinpath("predictions", *levels, f"run_id={identity.run_id}")

    def sweep(self) -> None:
        """Take away what attempts left that are over."""
        for folder in (self.path / "_staging").glob("*"):
            if is_left_over(folder):
                shutil.rmtree(folder, ignore_errors=True)

    def record_outcomes(
        self,
        frame: "pd.DataFrame",
        *,
        id: str = "row_id",  # noqa: A002 - the column's role
        outcome: str = "outcome",
        observed_at: str | date | datetime = "observed_at",
    ) -> int:
        """See :meth:`Store.record_outcomes`."""
        rows = outcome_rows(frame, id=id, outcome=outcome, observed_at=observed_at)
        if not rows:
            return 0
        whole = all(isinstance(row["outcome"], int) for row in rows)
        table = pa.table(
            {
                "row_id": [str(row["row_id"]) for row in rows],
                "observed_at": [row["observed_at"] for row in rows],
                "outcome": [row["outcome"] if whole else str(row["outcome"]) for row in rows],
                "recorded_at": [row["recorded_at"] for row in rows],
            }
        )
        folder = self.path / "outcomes"
        folder.mkdir(exist_ok=True)
        name = f"{rows[0]['recorded_at'].replace(':', '')}-{uuid4().hex}.parquet"
        pq.write_table(table, folder / f"_{name}")
        os.replace(folder / f"_{name}", folder / name)
        return len(rows)

    def outcomes(self) -> "pd.DataFrame":
        """See :meth:`Store.outcomes`."""
        found: dict[tuple[str, str], tuple[str, ...]] = {}
        for file in sorted((self.path / "outcomes").glob("[!_]*.parquet")):
            table = pq.read_table(file, partitioning=None)
            for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
                found[row[0], row[1]] = row
        rows = [(parts.stored(row[0]), *row[1:]) for row in found.values()]
        return outcomes_frame(sorted(rows, key=lambda row: (row[1], str(row[0]))))

    def close(self) -> None:
        """Nothing is held open."""

    def _open(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        mark = self.path / _MARK
        if mark.exists():
            version = mark.read_text(encoding="utf-8").strip()
            if version != _VERSION:
                raise StoreError(
                    f"{self.path} is a store of version {version}; this capstone-lib reads and "
                    f"writes version {_VERSION}: upgrade capstone-lib, or use another folder"
                )
            return
        others = sorted(item.name for item in self.path.iterdir())
        if others:
            raise StoreError(
                f"{self.path} is a folder of something else (it holds {', '.join(others[:5])}, and "
                f"no {_MARK}); give the store a folder of its own"
            )
        mark.write_text(f"{_VERSION}\n", encoding="utf-8")

    def _homes(self, roots: Sequence[str]) -> list[Path]:
        return [file.parent for root in roots for file in (self.path / root).rglob(RECORD)]

    def _shown(self) -> list[tuple[RunRecord, Path]]:
        """Published runs, newest first, one for each date, snapshot, model and version.

        There are two for a moment while a run takes the place of one with another artifact.
        """
        found = [(read_record(folder), folder) for folder in self._homes(["predictions"])]
        known = [(record, folder) for record, folder in found if record is not None]
        known.sort(key=lambda item: (item[0].identity.as_of, item[0].finished_at), reverse=True)
        shown: dict[tuple[str, ...], tuple[RunRecord, Path]] = {}
        for record, folder in known:
            i = record.identity
            shown.setdefault((i.as_of, i.snapshot, i.model, i.version), (record, folder))
        return sorted(
            shown.values(), key=lambda s: (s[0].identity.as_of, s[0].scored_at), reverse=True
        )

    def _pieces(self, selection: Selection) -> list[Piece]:
        return _again_if_moved(lambda: self._read(selection))

    def _latest_pieces(self, selection: Selection) -> list[Piece]:
        return _again_if_moved(lambda: self._read_latest(selection))

    def _read(self, selection: Selection) -> list[Piece]:
        return [
            parts.read_piece(folder, record, ids=selection.ids)
            for record, folder in reversed(self._shown())
            if selection.has(record)
        ]

    def _read_latest(self, selection: Selection) -> list[Piece]:
        pieces: list[Piece] = []
        seen = pa.array([], pa.string())
        for record, folder in self._shown():
            if selection.has(record, until=True):
                piece, found = parts.read_new(folder, record, seen, ids=selection.ids)
                pieces.append(piece)
                seen = pa.concat_arrays([seen, found])
        return pieces

    def _rejects(self, selection: Selection) -> list[tuple[RunRecord, Sequence[Reject]]]:
        found = [
            (read_record(folder), folder) for folder in self._homes(["predictions", "_failed"])
        ]
        return [
            (record, parts.read_rejects(folder))
            for record, folder in found
            if record is not None and selection.has(record)
        ]


def _again_if_moved(read: Callable[[], list[Piece]]) -> list[Piece]:
    """Read; once more if a run gave way to another in the middle of it."""
    for _ in range(_TRIES):
        try:
            return read()
        except FileNotFoundError:
            continue
    return read()
