"""Entries of the request log: as an endpoint makes them, as a table keeps them, as JSON."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from capstone_lib.errors import MissingExtraError
from capstone_lib.store.ids import encode_id, encode_text
from capstone_lib.store.tables import request_rows

__all__ = ["ENTRY", "encode", "stored_columns"]

ENTRY = tuple(name for name in request_rows.c.keys() if name != "request_key")  # noqa: SIM118
"""The values of an entry, in order."""

SHORTEST = ENTRY.index("run_key")
"""What stands behind so many values may be left out."""

_PLAIN = (int, str, type(None))


def encode(value: Any) -> str:
    """JSON text of an entry or a part of it, such as features in any form that JSON can hold.

    Raises
    ------
    ValueError
        If JSON cannot hold it.
    """
    try:
        import msgspec
    except ModuleNotFoundError as error:
        raise MissingExtraError("msgspec", "serve") from error
    try:
        return msgspec.json.encode(value, enc_hook=_plain_number).decode()
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise ValueError(
            f"{value!r:.200} cannot be written as JSON: {error}; log numbers, text, true/false, "
            "None, lists and dicts only"
        ) from error


def stored_columns(entries: Sequence[tuple[Any, ...]]) -> list[Sequence[Any]]:
    """The columns of ``request_rows`` for some entries of equal length, as :data:`ENTRY` has them.

    Ids are in stored form, labels true/false are 1/0, and a prediction set is written as batch runs
    write it, ``[0, 1]``.

    Raises
    ------
    ValueError
        If an entry has too few or too many values, or one that cannot be kept.
    """
    columns: list[Sequence[Any]] = list(zip(*entries, strict=True))
    if not SHORTEST <= len(columns) <= len(ENTRY):
        raise ValueError(f"an entry has {len(columns)} values; there must be {', '.join(ENTRY)}")
    columns += [(None,) * len(entries)] * (len(ENTRY) - len(columns))
    columns[0] = [encode_text(v) if type(v) is str else _other_id(v) for v in columns[0]]
    columns[4] = [encode(value) for value in columns[4]]
    for k in (5, 7, 10):
        columns[k] = [None if value is None else float(value) for value in columns[k]]
    columns[6] = [v if type(v) in _PLAIN else _plain_number(v) for v in columns[6]]
    columns[8] = _sets(columns[8])
    columns[11] = [None if value is None else encode(value) for value in columns[11]]
    return columns


def _other_id(value: Any) -> int | str | None:
    return None if value is None else encode_id(value)


def _sets(values: Sequence[Sequence[Any]]) -> list[str]:
    """Prediction sets as JSON; there are few different ones."""
    known: dict[tuple[Any, ...], str] = {}
    written = []
    for value in values:
        # 1 and True are the same key, but no model has both among its classes
        key = tuple(value)
        if key not in known:
            known[key] = json.dumps(list(value), ensure_ascii=False)
        written.append(known[key])
    return written


def _plain_number(value: Any) -> Any:
    """What NumPy calls a number, as Python calls it; true/false as 1/0."""
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} is a {type(value).__name__}")
