"""Sources: whatever rows come from, read stretch by stretch, with a fingerprint of the whole.

A source reads; it does not judge rows. What cannot be read as a table at all is a
:class:`SourceError` that names the place and the cure.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from capstone_lib.errors import SourceError
from capstone_lib.store import Reject

__all__ = ["STRETCH_ROWS", "Source", "Stretch", "open_source"]

STRETCH_ROWS = 65_536


@dataclass(frozen=True)
class Stretch:
    """Some rows of a source, in its order.

    Attributes
    ----------
    data : pyarrow.RecordBatch, pyarrow.Table or pandas.DataFrame
    first : int
        The row number of the first of them.
    malformed : tuple of Reject
        Lines in between that could not be read as rows.
    """

    data: Any
    first: int
    malformed: tuple[Reject, ...] = ()


class Source(ABC):
    """Rows to be scored.

    Attributes
    ----------
    description : str
        Where they come from, for people.
    names : tuple of str
        All its columns.
    n_rows : int or None
        How many rows there are, if that is known before reading.
    untyped : bool
        Whether values are text that is still to be read as numbers (CSV).
    """

    description: str
    names: tuple[Any, ...]
    n_rows: int | None
    untyped: bool = False

    @abstractmethod
    def snapshot(self) -> str:
        """SHA-256 of the content."""

    @abstractmethod
    def empty(self) -> Any:
        """A table with all columns and no rows."""

    @abstractmethod
    def stretches(self, columns: Sequence[str]) -> Iterator[Stretch]:
        """The rows, with these columns only."""


def open_source(source: Any) -> Source:
    """Make a source of a path, a glob, an Arrow table or a DataFrame.

    Raises
    ------
    SourceError
        If there is nothing at the place, or it cannot be read as a table.
    """
    from capstone_lib.batch import files, frames

    if isinstance(source, type):
        raise SourceError(f"the class {source.__name__} is no table; give one of its objects")
    if isinstance(source, str | Path):
        return files.open_files(source)
    if isinstance(source, pa.Table):
        return frames.ArrowSource(source)
    if isinstance(source, pa.RecordBatch):
        return frames.ArrowSource(pa.Table.from_batches([source]))
    if hasattr(source, "iloc") and hasattr(source, "columns"):
        return frames.FrameSource(source)
    table = _arrow_table(source) if hasattr(source, "__arrow_c_stream__") else None
    if table is not None:
        return frames.ArrowSource(table)
    raise SourceError(
        "a source is a path (a Parquet or CSV file, a folder or a glob of them), an Arrow table or "
        f"a DataFrame; seen {type(source).__name__}"
    )


def _arrow_table(source: Any) -> pa.Table | None:
    """Read any table that speaks Arrow; a single column speaks it too, and is none."""
    try:
        return pa.table(source)
    except (pa.ArrowException, TypeError, ValueError):
        return None
