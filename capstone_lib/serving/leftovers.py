"""Answers that did not get into the store: files beside it, so that nothing is lost in silence."""

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from capstone_lib.errors import AuditError
from capstone_lib.store.entries import encode
from capstone_lib.store.spill import write_spill

__all__ = ["beside", "refuse", "spill"]


def beside(store_file: Path | None, kind: str, writer: str) -> Path:
    """Where a writer's leftovers go: beside a SQLite file, else into the working directory."""
    home = Path.cwd() / "requests" if store_file is None else store_file
    return home.with_name(f"{home.name}.{kind}-{writer[:12]}.jsonl")


def refuse(store_file: Path | None, entry: tuple[Any, ...], *, writer: str, why: str) -> None:
    """Note an entry that no store can keep, with the reason.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    try:
        said = json.loads(encode(entry))
    except ValueError:
        said = repr(entry)
    with beside(store_file, "refused", writer).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"why": why, "entry": said}) + "\n")
        file.flush()
        os.fsync(file.fileno())


def spill(
    store_file: Path | None,
    entries: Sequence[tuple[Any, ...]],
    *,
    writer: str,
    first: int,
    why: str,
) -> AuditError:
    """Write entries to a spill file; return the error that says where they are, and why."""
    wanted = beside(store_file, "spill", writer)
    troubles = []
    for path in (wanted, Path(tempfile.gettempdir()) / wanted.name):
        try:
            write_spill(path, entries, writer=writer, first=first)
        except (OSError, ValueError) as error:
            troubles.append(f"{path}: {error}")
            continue
        return AuditError(
            f"{len(entries):,} answers are not in the store yet ({why}); they are in {path}: when "
            f"the store is there again, load them with capstone_lib.store.spill.load_spill(store, "
            f"{str(path)!r})",
            path,
        )
    return AuditError(
        f"{len(entries):,} answers are lost: the store does not take them ({why}), and no file "
        f"could be written beside it ({'; '.join(troubles)}); make room, and look at what fails"
    )
