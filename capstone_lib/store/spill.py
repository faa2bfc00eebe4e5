"""Spill files: entries of the request log that could not be written to their store in time.

JSON lines: first who wrote them and the number of the first entry, then one entry a line. The store
remembers how many entries of a writer it has, so a spill may be loaded twice, or overlap with what
was written after all, and every entry is still kept once.
"""

import json
import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from capstone_lib.errors import StoreError
from capstone_lib.store.entries import encode
from capstone_lib.store.live import LiveStore

__all__ = ["load_spill", "write_spill"]

_KIND = "capstone request log"
_CHUNK = 500


def write_spill(
    path: str | Path, entries: Sequence[tuple[Any, ...]], *, writer: str, first: int
) -> Path:
    """Write entries to a file, all or none.

    Parameters
    ----------
    path : str or Path
        The file; one that is there is replaced.
    entries : sequence of tuple
        As :meth:`Store.write_requests` takes them.
    writer : str
        Whose entries they are.
    first : int
        The number of the first of them among the writer's.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    path = Path(path)
    head = json.dumps({"kind": _KIND, "writer": writer, "first": first, "entries": len(entries)})
    unfinished = path.with_name(f"{path.name}.part")
    with unfinished.open("wb") as file:
        file.write(head.encode() + b"\n")
        for entry in entries:
            file.write(_line(entry) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)
    return path


def load_spill(store: LiveStore, path: str | Path) -> int:
    """Write the entries of a spill file to the store that they were meant for.

    Loading it again does nothing, so an interrupted load is simply begun once more. The file stays.

    Parameters
    ----------
    store : Store
        A database.
    path : str or Path
        The file, as the :class:`~capstone_lib.errors.AuditError` named it.

    Returns
    -------
    int
        How many entries were new to the store.

    Raises
    ------
    StoreError
        If the file is not a spill file, the store cannot be used, or an entry cannot be kept (the
        others are).
    """
    try:
        with Path(path).open("rb") as file:
            head = _head(file.readline(), path)
            first, new, refused = head["first"], 0, list[tuple[int, str]]()
            while lines := list(islice(file, _CHUNK)):
                new += _load(store, lines, refused, writer=head["writer"], first=first)
                first += len(lines)
    except OSError as error:
        raise StoreError(
            f"the spill file {path} cannot be read: {error.strerror}; check the path"
        ) from error
    if refused:
        raise StoreError(
            f"{len(refused):,} entries of {path} cannot be kept, all others are in the store now; "
            f"the first is entry {refused[0][0]}: {refused[0][1]}"
        )
    return new


def _load(
    store: LiveStore,
    lines: Sequence[bytes],
    refused: list[tuple[int, str]],
    *,
    writer: str,
    first: int,
) -> int:
    """Write some lines; where one of them cannot be kept, the others alone."""
    try:
        entries = [tuple(json.loads(line)) for line in lines]
        return store.write_requests(entries, writer=writer, first=first)
    except (ValueError, TypeError) as error:
        if len(lines) == 1:
            refused.append((first, str(error)))
            return 0
    half = len(lines) // 2
    return sum(
        _load(store, lines[some], refused, writer=writer, first=first + some.start)
        for some in (slice(0, half), slice(half, len(lines)))
    )


def _line(entry: tuple[Any, ...]) -> bytes:
    """An entry as JSON; as text, for a person to read, where JSON cannot hold it."""
    try:
        return encode(entry).encode()
    except ValueError:
        return json.dumps(repr(entry)).encode()


def _head(line: bytes, path: str | Path) -> dict[str, Any]:
    try:
        head = json.loads(line)
    except ValueError:
        head = None
    if not isinstance(head, dict) or head.get("kind") != _KIND:
        raise StoreError(
            f"{path} is not a spill file of an endpoint's log; name the file that the AuditError "
            "or the endpoint's last message named"
        )
    return head
