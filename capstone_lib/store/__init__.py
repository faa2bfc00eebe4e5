"""The store: what is remembered of runs, predictions, requests, rollouts and outcomes."""

from pathlib import Path
from typing import TYPE_CHECKING

from capstone_lib.errors import StoreError
from capstone_lib.store.base import Attempt, Store
from capstone_lib.store.rollout import Rollout
from capstone_lib.store.run import Reject, RunIdentity, RunRecord, ScoredBatch, Step, parse_day
from capstone_lib.store.staleness import Staleness

if TYPE_CHECKING:
    from sqlalchemy import URL

__all__ = [
    "Attempt",
    "Reject",
    "Rollout",
    "RunIdentity",
    "RunRecord",
    "ScoredBatch",
    "Staleness",
    "Step",
    "Store",
    "open_store",
    "parse_day",
]

_DATABASE_SUFFIXES = {".db", ".sqlite", ".sqlite3"}


def open_store(where: "str | Path | Store") -> Store:
    """Open the store at a place, or make a new one there.

    Parameters
    ----------
    where : str, Path or Store
        A database URL (``sqlite:///predictions.db``), a path that ends in ``.db`` or ``.sqlite``
        (a SQLite file), or a folder (Parquet files). A store is returned as it is. A relative path
        is relative to the working directory.

    Returns
    -------
    Store
        Close it when done, or use it as a context manager.

    Raises
    ------
    StoreError
        If the place cannot be opened, or holds something else or another version.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with open_store(f"{folder}/predictions.db") as store:
    ...         len(store.runs())
    0
    """
    if isinstance(where, Store):
        return where
    if not isinstance(where, str | Path):
        raise StoreError(
            f"a store is named by a URL or a path, not by a {type(where).__name__}; such as "
            "'sqlite:///predictions.db' or 'predictions/'"
        )
    if isinstance(where, str) and ("://" in where or where.startswith("sqlite:")):
        return _database(where)
    if not where:
        raise StoreError("the store has no name; such as 'sqlite:///predictions.db'")
    path = Path(where)
    if path.is_file() or (path.suffix.lower() in _DATABASE_SUFFIXES and not path.is_dir()):
        from sqlalchemy import URL

        return _database(URL.create("sqlite", database=str(path.absolute())))
    from capstone_lib.store.folder import FolderStore

    return FolderStore(path)


def _database(url: "str | URL") -> Store:
    from capstone_lib.store.database import DatabaseStore

    return DatabaseStore(url)
