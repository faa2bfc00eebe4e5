"""A store that is only looked into: a name with a slip in it is an error, not a new empty store."""

from pathlib import Path
from typing import TYPE_CHECKING

from capstone_lib.errors import StoreError

if TYPE_CHECKING:
    from capstone_lib.store import Store

__all__ = ["open_existing"]


def open_existing(where: str) -> "Store":
    """Open the store at a place, as ``open_store`` does, but make none.

    Raises
    ------
    StoreError
        If there is none, or it cannot be used.
    """
    from capstone_lib.store import open_store

    path = _file_of(where)
    if path is not None and not path.exists():
        raise StoreError(
            f"there is no store at {where}; check the name and the folder you are in: capstone "
            "score and capstone serve make one"
        )
    return open_store(where)


def _file_of(where: str) -> Path | None:
    """Where it lies on this machine; None if it lies elsewhere, or the name is none."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    if "://" not in where and not where.startswith("sqlite:"):
        return Path(where) if where else None
    try:
        url = make_url(where)
    except ArgumentError:
        return None
    kept = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if kept else None
