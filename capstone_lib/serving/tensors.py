"""Tensors of the Open Inference Protocol v2: columns of one datatype, as JSON or as bytes.

A tensor here is a column: shape ``[n]`` or ``[n, 1]``. Nothing is coerced: text is no number, true
is not 1, and 1.5 is no integer. Whether the values fit the model is the schema gate's business.
"""

import re
import struct
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from capstone_lib.errors import CapstoneError

__all__ = ["DATATYPES", "ProtocolError", "from_bytes", "from_json", "to_bytes", "to_json"]

DATATYPES: dict[str, Any] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(object),
}
_TYPES: dict[str, tuple[Any, Any]] = {  # one value a row, or each in a list of its own
    "b": (list[bool | None], list[tuple[bool | None]]),
    "u": (list[int | float | None], list[tuple[int | float | None]]),
    "i": (list[int | float | None], list[tuple[int | float | None]]),
    "f": (list[float | None], list[tuple[float | None]]),
    "O": (list[str | None], list[tuple[str | None]]),
}
_FLAT = {kind: msgspec.json.Decoder(flat) for kind, (flat, _) in _TYPES.items()}
_NESTED = {kind: msgspec.json.Decoder(nested) for kind, (_, nested) in _TYPES.items()}
_OPENS_TWICE = re.compile(rb"[ \t\r\n]*\[[ \t\r\n]*\[")
_LENGTH = struct.Struct("<I")


class ProtocolError(CapstoneError, ValueError):
    """A request is not one of the protocol.

    ``status`` is the HTTP status that it deserves, ``detail`` says what is wrong.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


def from_json(data: Any, datatype: str, *, n_rows: int, nested: bool) -> "np.ndarray | list[Any]":
    """Read a tensor's ``data`` member.

    Parameters
    ----------
    data : bytes-like
        The JSON text of the member.
    datatype : str
        One of :data:`DATATYPES`.
    n_rows : int
        How many values there must be.
    nested : bool
        Whether the shape is ``[n, 1]``, so that each value may stand in a list of its own.

    Returns
    -------
    numpy.ndarray or list
        Floats are an array, with NaN where the data has null. (JSON knows no NaN, and the protocol
        no null: it is ours, for missing values.) Other datatypes are an array too, or, where
        something is missing and for text, a list with None.

    Raises
    ------
    ProtocolError
        If the data is not JSON, has another type, another length or values that do not fit.
    """
    dtype = DATATYPES[datatype]
    try:
        if nested and _OPENS_TWICE.match(data):
            values = [value for (value,) in _NESTED[dtype.kind].decode(data)]
        else:
            values = _FLAT[dtype.kind].decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ProtocolError(400, f"the data is not {datatype}: {_first_line(error)}") from error
    if len(values) != n_rows:
        raise ProtocolError(400, f"the shape promises {n_rows} values, the data has {len(values)}")
    return _to_array(values, dtype, datatype)


def _to_array(values: list[Any], dtype: Any, datatype: str) -> "np.ndarray | list[Any]":
    if dtype.kind in "iu":
        values = _whole(values, dtype, datatype)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):  # too large for FP16 is infinite, which the gate refuses
            return np.array(values, dtype=np.float64).astype(dtype)  # None becomes NaN
    if dtype.kind == "O" or None in values:
        return values
    return np.array(values, dtype=dtype)


def _whole(values: list[Any], dtype: Any, datatype: str) -> list[Any]:
    """The values as integers: JSON makes no difference between 16 and 16.0."""
    bounds = np.iinfo(dtype)
    whole = [int(v) if isinstance(v, float) and v.is_integer() else v for v in values]
    for value in whole:
        if value is None:
            continue
        if isinstance(value, float):
            raise ProtocolError(400, f"the data is not {datatype}: {value} is no whole number")
        if not bounds.min <= value <= bounds.max:
            raise ProtocolError(400, f"the data holds a number that does not fit {datatype}")
    return whole


def from_bytes(chunk: bytes, datatype: str, *, n_rows: int) -> "np.ndarray | list[Any]":
    """Read a tensor of the binary extension: little-endian, row by row.

    Text is UTF-8, each piece after its length in four bytes.

    Raises
    ------
    ProtocolError
        If the number of bytes is not what the shape and the datatype make, or text is not UTF-8.
    """
    dtype = DATATYPES[datatype]
    if dtype.kind == "O":
        return _split_text(chunk, n_rows)
    if len(chunk) != n_rows * dtype.itemsize:
        raise ProtocolError(
            400, f"{n_rows} values of {datatype} are {n_rows * dtype.itemsize} bytes, "
            f"binary_data_size says {len(chunk)}",
        )  # fmt: skip
    if dtype.kind == "b":
        return _truth(chunk)
    return np.frombuffer(chunk, dtype=dtype)


def _truth(chunk: bytes) -> np.ndarray:
    values = np.frombuffer(chunk, dtype=np.uint8)
    if len(values) and values.max() > 1:
        raise ProtocolError(400, "a byte of BOOL is 0 or 1")
    return values.astype(bool)


def _split_text(chunk: bytes, n_rows: int) -> list[Any]:
    words: list[Any] = []
    place = 0
    while place < len(chunk) and len(words) < n_rows:
        start = place + _LENGTH.size
        if start > len(chunk):
            break
        place = start + _LENGTH.unpack_from(chunk, start - _LENGTH.size)[0]
        if place > len(chunk):
            break
        words.append(_text(chunk[start:place]))
    if place != len(chunk) or len(words) != n_rows:
        raise ProtocolError(
            400, f"the binary data of BYTES does not hold {n_rows} pieces of text, each after its "
            "length in four bytes",
        )  # fmt: skip
    return words


def _text(piece: bytes) -> str:
    try:
        return piece.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(400, "the binary data of BYTES is not UTF-8") from error


def to_json(values: np.ndarray) -> list[Any]:
    """One flat list, row by row; a reader finds the same float32 in it."""
    flat: list[Any] = values.ravel().tolist()
    return flat


def to_bytes(values: np.ndarray, datatype: str) -> bytes:
    """Write a tensor of the binary extension; :func:`from_bytes` reads it back."""
    dtype = DATATYPES[datatype]
    if dtype.kind != "O":
        return values.astype(dtype).tobytes()
    return b"".join(_prefixed(values.ravel().tolist()))


def _prefixed(words: Sequence[str]) -> list[bytes]:
    pieces: list[bytes] = []
    for word in words:
        piece = word.encode()
        pieces += (_LENGTH.pack(len(piece)), piece)
    return pieces


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["nested too deeply"])[0][:200]
