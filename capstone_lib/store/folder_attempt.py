"""One attempt at a run in a folder: write aside, then publish with one rename."""

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from capstone_lib.errors import RunError, StoreError
from capstone_lib.store import parts
from capstone_lib.store.base import Attempt
from capstone_lib.store.owner import Owner
from capstone_lib.store.run import RunRecord, ScoredBatch
from capstone_lib.store.unique import IdIndex

__all__ = ["RECORD", "FolderAttempt", "is_left_over", "read_record"]

RECORD = "_run.json"
_ASIDE = "superseded-"
_GRACE_S = 60.0


class FolderAttempt(Attempt):
    """See :class:`capstone_lib.store.base.Attempt`.

    Parameters
    ----------
    root : Path
        The store's folder.
    home : Path
        Where the run will stand once it is published.
    record : RunRecord
        What is known at the start.
    """

    def __init__(self, root: Path, home: Path, record: RunRecord) -> None:
        self.record = record
        self._root, self._home = root, home
        self._staging = root / "_staging" / f"{record.run_id}-{uuid4().hex[:12]}"
        self._staging.mkdir(parents=True)
        self._owner = Owner.here()
        _write_record(self._staging, record, self._owner)
        self._writer = parts.PartWriter(self._staging, record)
        self._ids = IdIndex(self._staging)
        self._rejects = parts.RejectWriter(self._staging)

    def write(self, batch: ScoredBatch) -> int:
        """Stage a batch."""
        rejected = 0
        with self._in_plain_words():
            repeated = self._ids.add(batch.ids)
            if repeated is not None and repeated.any():
                batch, rejected = batch.without(repeated), int(np.count_nonzero(repeated))
            self._rejects.write(batch.rejects)
            self._writer.write(batch)
            os.utime(self._staging / RECORD)
        return rejected

    def flush(self) -> int:
        """Nothing is held back."""
        return 0

    def publish(self, record: RunRecord) -> RunRecord:
        """Rename the directory to where readers look."""
        with self._in_plain_words():
            self._finish(record, whole=True)
            self._home.parent.mkdir(parents=True, exist_ok=True)
            winner = self._rename()
        if winner is not None:
            shutil.rmtree(self._staging, ignore_errors=True)
            return winner
        self._take_the_place_of_others(record)
        shutil.rmtree(self._root / "_failed" / record.run_id, ignore_errors=True)
        return record

    def fail(self, record: RunRecord) -> None:
        """Keep record and rejects, and nothing else."""
        try:
            with self._in_plain_words():
                self._finish(record, whole=False)
        except StoreError:
            shutil.rmtree(self._staging, ignore_errors=True)
            raise
        self._writer.path.unlink(missing_ok=True)
        place = self._root / "_failed" / record.run_id
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(exist_ok=True)
        os.rename(self._staging, place)

    def _rename(self) -> RunRecord | None:
        """Move to where readers look; return the record of whoever was there first."""
        try:
            os.rename(self._staging, self._home)
        except OSError:
            winner = read_record(self._home)
            if winner is None:
                raise
            return winner
        _sync(self._home.parent)
        return None

    @contextmanager
    def _in_plain_words(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise RunError(
                f"run {self.record.run_id} was given up by another process, which took this one "
                "for dead (no sign of life for minutes, or the clock was moved); run it again"
            ) from error
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"the store {self._root} cannot be written: {error}; check that there is room and "
                "that you may write there"
            ) from error

    def _finish(self, record: RunRecord, *, whole: bool) -> None:
        self._ids.close()
        self._writer.close(whole=whole)
        self._rejects.close()
        _write_record(self._staging, record, self._owner)
        for file in (*self._staging.iterdir(), self._staging):
            _sync(file)

    def _take_the_place_of_others(self, record: RunRecord) -> None:
        """A run of the same version with another artifact gives way."""
        for folder in self._home.parent.glob("run_id=*"):
            other = read_record(folder)
            if (
                folder != self._home
                and other is not None
                and other.identity.snapshot == record.identity.snapshot
            ):
                aside = self._root / "_staging" / f"{_ASIDE}{uuid4().hex[:12]}"
                os.rename(folder, aside)
                shutil.rmtree(aside, ignore_errors=True)


def read_record(folder: Path) -> RunRecord | None:
    """The record of the run in a directory; ``None`` if there is no run (any more)."""
    try:
        return RunRecord.from_dict(_load(folder))
    except FileNotFoundError:
        return None


def is_left_over(folder: Path) -> bool:
    """Whether nobody works in a staging directory any more."""
    if folder.name.startswith(_ASIDE):
        return True
    try:
        owner = Owner(**_load(folder)["owner"])
        beat = (folder / RECORD).stat().st_mtime
    except FileNotFoundError:
        return folder.exists() and time.time() - folder.stat().st_mtime > _GRACE_S
    return owner.is_dead(beat)


def _load(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return data


def _write_record(folder: Path, record: RunRecord, owner: Owner) -> None:
    data = record.to_dict() | {"owner": vars(owner)}
    draft = folder / f"{RECORD}.new"
    draft.write_text(json.dumps(data, ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(draft, folder / RECORD)


def _sync(path: Path) -> None:
    """Make sure that a file, or a directory's list of names, is on the disk."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
