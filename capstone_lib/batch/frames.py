"""Sources in memory: an Arrow table, a pandas DataFrame."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from capstone_lib.batch.source import STRETCH_ROWS, Source, Stretch

__all__ = ["ArrowSource", "FrameSource"]


class ArrowSource(Source):
    """A :class:`pyarrow.Table`."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.names = tuple(table.column_names)
        self.n_rows = table.num_rows
        self.description = f"Arrow table of {table.num_rows:,} rows"

    def snapshot(self) -> str:
        """SHA-256 of the Arrow stream, in stretches of fixed length."""
        return _digest(self._table)

    def empty(self) -> pa.Table:
        """See :meth:`Source.empty`."""
        return self._table.slice(0, 0)

    def stretches(self, columns: Sequence[str]) -> Iterator[Stretch]:
        """See :meth:`Source.stretches`."""
        wanted = self._table.select([n for n in self.names if n in columns])
        for first in range(0, wanted.num_rows, STRETCH_ROWS):
            yield Stretch(wanted.slice(first, STRETCH_ROWS), first)


class FrameSource(Source):
    """A :class:`pandas.DataFrame`; a named index counts as a column."""

    def __init__(self, frame: Any) -> None:
        named = [name for name in frame.index.names if name is not None]
        usable = len(set(named)) == len(named) and not set(named) & set(frame.columns)
        self._frame = frame.reset_index() if named and usable else frame
        self.names = tuple(self._frame.columns)
        self.n_rows = len(frame)
        self.description = f"DataFrame of {len(frame):,} rows"

    def snapshot(self) -> str:
        """SHA-256 of the names and the values, as Arrow sees them."""
        columns = [_readable(self._frame.iloc[:, k]) for k in range(self._frame.shape[1])]
        names = [str(name).encode(errors="backslashreplace").decode() for name in self.names]
        return _digest(pa.Table.from_arrays(columns, names))

    def empty(self) -> Any:
        """See :meth:`Source.empty`."""
        return self._frame.iloc[:0]

    def stretches(self, columns: Sequence[str]) -> Iterator[Stretch]:
        """See :meth:`Source.stretches`."""
        wanted = self._frame.loc[:, [name in columns for name in self.names]]
        for first in range(0, len(wanted), STRETCH_ROWS):
            yield Stretch(wanted.iloc[first : first + STRETCH_ROWS], first)


def _readable(values: Any) -> pa.Array:
    """A column as Arrow; one of mixed objects as their written form."""
    try:
        array = pa.array(values, from_pandas=True)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        array = pa.array([f"{type(value).__name__} {value!r}" for value in values])
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


class _Hasher:
    """A file that remembers only the digest of what is written to it."""

    closed = False

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""


def _digest(table: pa.Table) -> str:
    hasher = _Hasher()
    with pa.ipc.new_stream(pa.PythonFile(hasher, mode="w"), table.schema) as stream:
        for first in range(0, table.num_rows, STRETCH_ROWS):
            part = table.slice(first, STRETCH_ROWS).combine_chunks()
            stream.write_table(part)
    return hasher.digest.hexdigest()
