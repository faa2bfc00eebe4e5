"""Sources on disk: Parquet and CSV files, folders and globs of them.

Files are read in the order of their names. CSV values stay text until the gate reads them by the
schema, so that ``007`` stays what it was and a bad number is a counted reject.
"""

import glob
import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from capstone_lib.batch.csv_text import open_text, refuse_other_marks, refuse_other_text
from capstone_lib.batch.source import STRETCH_ROWS, Source, Stretch
from capstone_lib.errors import SourceError
from capstone_lib.store import Reject

__all__ = ["CsvSource", "ParquetSource", "open_files"]

_PARQUET = (".parquet", ".pq")
_CSV = (".csv", ".csv.gz")
_CSV_BLOCK = 4 << 20
_CURE = "give a Parquet or CSV file, a folder or a glob of them"


def open_files(place: str | Path) -> Source:
    """A source of the file, folder or glob at ``place``."""
    root, found = _find(place)
    kinds = {_kind(path) for path in found}
    if len(kinds) > 1:
        raise SourceError(f"{place} holds Parquet and CSV files; score them one kind at a time")
    return (ParquetSource if kinds == {"parquet"} else CsvSource)(str(place), root, found)


class _FileSource(Source):
    """Files of one kind with the same columns."""

    _what: str

    def __init__(self, description: str, root: Path, paths: Sequence[Path]) -> None:
        self.description = description
        self._root, self._paths = root, paths
        self._stamps = [_stamp(path) for path in paths]
        self._schemas = [self._schema(path) for path in paths]
        self.names = tuple(self._schemas[0].names)
        for path, schema in zip(paths, self._schemas, strict=True):
            if set(schema.names) != set(self.names):
                odd = sorted(set(schema.names) ^ set(self.names))
                raise SourceError(
                    f"{path} and {paths[0]} differ in their columns ({', '.join(odd[:5])}); files "
                    "that are scored together must have the same"
                )

    def snapshot(self) -> str:
        """SHA-256 of the file's bytes; of several files, of their names and digests."""
        digests = [_file_digest(path) for path in self._paths]
        if len(digests) == 1:
            return digests[0]
        lines = [
            f"{path.relative_to(self._root).as_posix()} {digest}\n"
            for path, digest in zip(self._paths, digests, strict=True)
        ]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def empty(self) -> pa.Table:
        """See :meth:`Source.empty`."""
        return self._schemas[0].empty_table()

    def stretches(self, columns: Sequence[str]) -> Iterator[Stretch]:
        """See :meth:`Source.stretches`."""
        first = 0
        for path, stamp in zip(self._paths, self._stamps, strict=True):
            for batch, malformed in self._read(path, columns):
                yield Stretch(batch, first, malformed)
                first += batch.num_rows
            if _stamp(path) != stamp:
                raise SourceError(f"{path} was changed while it was read; run it again")

    @abstractmethod
    def _schema(self, path: Path) -> pa.Schema: ...

    @abstractmethod
    def _read(
        self, path: Path, columns: Sequence[str]
    ) -> Iterator[tuple[pa.RecordBatch, tuple[Reject, ...]]]: ...


class ParquetSource(_FileSource):
    """Parquet files; only the columns that are needed are read."""

    def __init__(self, description: str, root: Path, paths: Sequence[Path]) -> None:
        self._counts: list[int] = []
        super().__init__(description, root, paths)
        self.n_rows = sum(self._counts)

    def _schema(self, path: Path) -> pa.Schema:
        with _readable(path, "Parquet"), pq.ParquetFile(path) as file:
            self._counts.append(file.metadata.num_rows)
            return file.schema_arrow

    def _read(
        self, path: Path, columns: Sequence[str]
    ) -> Iterator[tuple[pa.RecordBatch, tuple[Reject, ...]]]:
        with _readable(path, "Parquet"):
            file = pq.ParquetFile(
                path, buffer_size=1 << 20, pre_buffer=False, page_checksum_verification=True
            )
        with file:
            batches = file.iter_batches(
                batch_size=STRETCH_ROWS,
                columns=[name for name in self.names if name in columns],
                use_threads=False,
            )
            while True:
                with _readable(path, "Parquet"):
                    batch = next(batches, None)
                if batch is None:
                    return
                yield batch, ()


class CsvSource(_FileSource):
    """CSV files in UTF-8 with a header line."""

    untyped = True
    n_rows = None

    def _schema(self, path: Path) -> pa.Schema:
        with _readable(path, "CSV"):
            refuse_other_text(path)
            with self._open(path, None, []) as reader:
                names = reader.schema.names
        refuse_other_marks(path, names)
        return pa.schema([(name, pa.string()) for name in names])

    def _read(
        self, path: Path, columns: Sequence[str]
    ) -> Iterator[tuple[pa.RecordBatch, tuple[Reject, ...]]]:
        malformed: list[Reject] = []
        wanted = [name for name in self.names if name in columns]
        with _readable(path, "CSV"):
            reader = self._open(path, wanted, malformed)
        with reader:
            while True:
                with _readable(path, "CSV"):
                    batch = next(reader, None)
                said = tuple(malformed)
                malformed.clear()
                if batch is None and said:
                    yield pa.RecordBatch.from_pylist([], schema=reader.schema), said
                if batch is None:
                    return
                for start in range(0, batch.num_rows, STRETCH_ROWS):
                    yield batch.slice(start, STRETCH_ROWS), said if start == 0 else ()

    def _open(
        self, path: Path, columns: Sequence[str] | None, malformed: list[Reject]
    ) -> pc.CSVStreamingReader:
        def set_aside(line: pc.InvalidRow) -> str:
            fields = f"{line.actual_columns} fields instead of {line.expected_columns}"
            where = path.name if line.number is None else f"{path.name} line {line.number}"
            more = line.text.strip().count("\n")
            lines = f", over {more + 1} lines: is a quote not closed?" if more else ""
            malformed.append(Reject(None, None, f"{where}: {fields}{lines}"))
            return "skip"

        return pc.open_csv(
            open_text(path),
            read_options=pc.ReadOptions(block_size=_CSV_BLOCK, use_threads=False),
            parse_options=pc.ParseOptions(invalid_row_handler=set_aside, newlines_in_values=True),
            convert_options=pc.ConvertOptions(
                column_types=None if columns is None else dict.fromkeys(columns, pa.string()),
                include_columns=columns,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )


def _find(place: str | Path) -> tuple[Path, list[Path]]:
    """The files at a place in order, and the folder that their names are relative to."""
    path = Path(place)
    try:
        is_file, is_folder = path.is_file(), path.is_dir()
    except OSError as error:
        raise SourceError(
            f"there is no source at {str(place)[:80]!r}…: {error.strerror}; {_CURE}"
        ) from error
    if is_file:
        return path.parent, [path]
    if is_folder and str(place):
        found = [file for file in path.rglob("*") if file.is_file() and _is_data(file, path)]
        root = path
    elif glob.has_magic(str(place)):
        found = [Path(name) for name in glob.glob(str(place), recursive=True)]
        found = [file for file in found if file.is_file() and not file.name.startswith(("_", "."))]
        root = Path(*_common(found))
    else:
        raise SourceError(f"there is no source at {str(place)[:500]!r}; {_CURE}")
    if not found:
        raise SourceError(f"{place} holds no Parquet or CSV files; check the folder or the pattern")
    return root, sorted(found, key=lambda file: file.as_posix())


def _common(paths: Sequence[Path]) -> tuple[str, ...]:
    """The folders that all paths have in common."""
    shared: list[str] = []
    for level in zip(*(path.parent.parts for path in paths), strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return tuple(shared)


def _is_data(file: Path, root: Path) -> bool:
    parts = file.relative_to(root).parts
    hidden = any(part.startswith(("_", ".")) for part in parts)
    return not hidden and file.name.lower().endswith(_PARQUET + _CSV)


def _kind(path: Path) -> str:
    name = path.name.lower()
    if name.endswith(_PARQUET):
        return "parquet"
    if name.endswith(_CSV):
        return "csv"
    raise SourceError(
        f"{path} is neither Parquet nor CSV by its name; expected a name that ends in "
        f"{', '.join(_PARQUET + _CSV)}"
    )


@contextmanager
def _readable(path: Path, kind: str) -> Iterator[None]:
    """Turn what Arrow and the system say about a file into one clear error."""
    cures = {
        "Parquet": "is it complete? Copy or write it again",
        "CSV": "expected a header line and comma-separated values in UTF-8",
    }
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeError, MemoryError, KeyError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise SourceError(
            f"{path} cannot be read as {kind}: {said[0][:200]}; {cures[kind]}"
        ) from error


def _file_digest(path: Path) -> str:
    with _readable(path, "Parquet" if _kind(path) == "parquet" else "CSV"), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp(path: Path) -> tuple[int, int]:
    with _readable(path, "Parquet" if _kind(path) == "parquet" else "CSV"):
        state = path.stat()
    return state.st_size, state.st_mtime_ns
