"""The text of a CSV file on its way to Arrow: unpacked, in UTF-8, every quote in its place.

Files that cannot be such a text are refused by their first bytes. Rows are not looked at here.
"""

import codecs
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from capstone_lib.errors import SourceError

__all__ = ["Quotes", "open_text", "refuse_other_marks", "refuse_other_text"]

_BEGINNINGS = {  # of what is no CSV, and what to do with it
    b"\xff\xfe\x00\x00": "UTF-32 text; save it as UTF-8 and run it again",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8 and run it again",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8 and run it again",
    b"PAR1": "a Parquet file; give it a name that ends in .parquet",
    b"\x1f\x8b": "packed; give it a name that ends in .csv.gz",
    b"PK\x03\x04": "a packed archive or a spreadsheet; save the table in it as CSV",
}
_HEAD_BYTES = 4096
_OTHER_MARKS = (";", "\t", "|")
_BESIDE = np.isin(np.arange(256), list(b",\r\n"))  # bytes that may stand beside a quoted field


def open_text(path: Path) -> pa.NativeFile:
    """The bytes of a file, unpacked if its name ends in ``.gz``.

    Reading raises UnicodeDecodeError at bytes that are no UTF-8, and ArrowInvalid at a quote that
    neither opens nor closes a field (RFC 4180), or is never closed: a reader would take the lines
    after it for one field, and nobody would miss them.
    """
    packed = "gzip" if _is_packed(path) else None
    return pa.PythonFile(_Text(pa.input_stream(str(path), compression=packed)), mode="r")


def refuse_other_text(path: Path) -> None:
    """Raise a :class:`SourceError` if a file begins like something else."""
    if _is_packed(path):
        return
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for beginning, what in _BEGINNINGS.items():
        if head.startswith(beginning):
            raise SourceError(f"{path} is {what}")
    if b"\x00" in head.partition(b"\n")[0]:
        raise SourceError(
            f"{path} has NUL bytes in its first line, as UTF-16 text and binary files do; "
            "save it as UTF-8 and run it again"
        )


def refuse_other_marks(path: Path, names: Sequence[str]) -> None:
    """Raise a :class:`SourceError` if the one column found looks like several."""
    found = [mark for mark in _OTHER_MARKS if len(names) == 1 and mark in names[0]]
    if found:
        raise SourceError(
            f"{path} seems to be separated by {found[0]!r}: its one column is called "
            f"{names[0][:80]!r}; save it with commas and run it again"
        )


def _is_packed(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


class _Text:
    """A file for Arrow to read, whose bytes are checked as they pass."""

    closed = False

    def __init__(self, stream: pa.NativeFile) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._quotes = Quotes()

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._stream.read(None if size < 0 else size)
        self._decoder.decode(data, final=not data)
        self._quotes.check(data)
        return data

    def close(self) -> None:
        self.closed = True
        self._stream.close()


class Quotes:
    """Whether each quote opens a field or closes one, however the text is cut into pieces."""

    def __init__(self) -> None:
        self._inside = False
        self._before = b"\n"  # the byte before the next piece
        self._held = b""  # quotes at the end of the last piece: what follows them is not known yet
        self._line = 1
        self._begun = False

    def check(self, data: bytes) -> None:
        """Take the next piece; an empty one is the end."""
        if not self._begun:
            data, self._begun = data.removeprefix(codecs.BOM_UTF8), True
        piece = self._held + (data or b"\n")
        body = piece.rstrip(b'"')
        self._held = piece[len(body) :]
        if b'"' in body:
            self._examine(self._before + body)
        if body:
            self._before = body[-1:]
            self._line += body.count(b"\n")
        if not data and self._inside:
            raise pa.ArrowInvalid('a quote (") is opened and never closed')

    def _examine(self, text: bytes) -> None:
        """Odd runs of quotes open and close in turns; the doubled ones among them are letters."""
        letters = np.frombuffer(text, dtype=np.uint8)
        starts, ends = _odd_runs(letters, doubled=b'""' in text)
        opening, closing = starts[self._inside :: 2], ends[not self._inside :: 2]
        wrong = [
            *opening[~_BESIDE[letters[opening - 1]]][:1],
            *closing[~_BESIDE[letters[closing]]][:1],
        ]
        if wrong:
            line = self._line + text.count(b"\n", 1, int(min(wrong)))
            raise pa.ArrowInvalid(
                f'line {line} has a quote (") that neither opens nor closes a field; put the field '
                "into quotes and double those inside, or close the one before"
            )
        self._inside ^= bool(len(starts) % 2)


def _odd_runs(letters: np.ndarray, *, doubled: bool) -> tuple[np.ndarray, np.ndarray]:
    """Where runs of an odd number of quotes begin, and where they have ended."""
    quotes = np.flatnonzero(letters == ord('"'))
    if not doubled:
        return quotes, quotes + 1
    first = np.flatnonzero(np.diff(quotes, prepend=-2) != 1)
    lengths = np.diff(first, append=len(quotes))
    odd = lengths % 2 == 1
    starts = quotes[first][odd]
    return starts, starts + lengths[odd]
