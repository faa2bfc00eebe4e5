"""Row ids: text to the outside, and whole numbers wherever a whole number says the same.

Canonical decimal text of at most 18 digits (``"7"``, ``"-12"``, never ``"007"``) is stored as an
integer, everything else as text. That is a bijection, so an id is found again however it was
written, and a database of numbered people is half the size.
"""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["compact", "decode_ids", "encode_id", "encode_ids", "encode_text", "id_array", "rises"]

_CANONICAL = r"^(0|-?[1-9][0-9]{0,17})$"
_IS_CANONICAL = re.compile(_CANONICAL.strip("^$")).fullmatch
_LARGEST = 10**18
_PLAIN = "whole numbers or text"


def id_array(values: Any) -> pa.Array:
    """Read a column of ids as Arrow ``int64`` or ``string``.

    Parameters
    ----------
    values : array of shape (n_rows,)
        Integers, text, dates, or floats without a fraction (pandas makes floats of integers beside
        a missing value).

    Raises
    ------
    TypeError
        If the values are neither whole numbers nor text.
    """
    array = _as_arrow(values)
    kind = array.type
    if pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
        kind = array.type
    if pa.types.is_floating(kind):
        return _whole(array)
    if kind == pa.uint64():
        wide = array.cast(pa.string())
        return wide if (pc.max(array).as_py() or 0) >= _LARGEST else array.cast(pa.int64())
    if pa.types.is_integer(kind):
        return array.cast(pa.int64())
    if pa.types.is_null(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return array.cast(pa.string())
    if pa.types.is_temporal(kind) or pa.types.is_decimal(kind):
        return array.cast(pa.string())
    if pa.types.is_string(kind):
        return array
    raise TypeError(f"{kind} is not {_PLAIN}")


def encode_ids(values: Any) -> list[int | str | None]:
    """Give every id its stored form: an integer where that loses nothing, else text.

    Examples
    --------
    >>> encode_ids(["7", "007", "-12", "x"])
    [7, '007', -12, 'x']
    """
    array = compact(values)
    if pa.types.is_int64(array.type):
        return _encode_integers(array)
    canonical = pc.fill_null(pc.match_substring_regex(array, _CANONICAL), False)
    flags = canonical.to_pylist()
    return [int(v) if plain else v for v, plain in zip(array.to_pylist(), flags, strict=True)]


def compact(values: Any) -> pa.Array:
    """Read a column of ids as :func:`id_array` does, as integers if all text is canonical."""
    array = id_array(values)
    if pa.types.is_string(array.type) and not array.null_count:
        canonical = pc.match_substring_regex(array, _CANONICAL)
        if pc.all(canonical, min_count=0).as_py():
            return array.cast(pa.int64())
    return array


def rises(ids: pa.Array, above: int) -> bool:
    """Whether ids are integers of which each is larger than the one before, from ``above`` on."""
    if not pa.types.is_int64(ids.type) or ids.null_count:
        return False
    values = ids.to_numpy()
    return not len(values) or bool(values[0] > above and (values[1:] > values[:-1]).all())


def encode_id(value: Any) -> int | str | None:
    """Give one id its stored form."""
    return encode_ids([value])[0]


def encode_text(value: str) -> int | str:
    """Give an id that is text its stored form; without Arrow, for one at a time.

    Examples
    --------
    >>> encode_text("7"), encode_text("007")
    (7, '007')
    """
    return int(value) if _IS_CANONICAL(value) else value


def decode_ids(stored: Iterable[Any]) -> np.ndarray:
    """Turn stored ids back: all whole numbers become ``int64``, anything else makes all text.

    Examples
    --------
    >>> decode_ids([7, 8]), decode_ids([7, "x"])
    (array([7, 8]), array(['7', 'x'], dtype=object))
    """
    values = list(stored)
    if all(type(value) is int for value in values):
        return np.array(values, dtype=np.int64)
    text = np.empty(len(values), dtype=object)
    text[:] = [None if value is None else str(value) for value in values]
    return text


def _encode_integers(array: pa.Array) -> list[int | str | None]:
    values: list[Any] = array.to_pylist() if array.null_count else array.to_numpy().tolist()
    if not len(array) or array.null_count == len(array):
        return values
    low, high = pc.min_max(array).as_py().values()
    if low > -_LARGEST and high < _LARGEST:
        return values
    return [v if v is None or -_LARGEST < v < _LARGEST else str(v) for v in values]


def _as_arrow(values: Any) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks()
    if isinstance(values, pa.Array):
        return values
    try:
        array = pa.array(values, from_pandas=True)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        array = pa.array([_as_text(value) for value in values], pa.string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _as_text(value: Any) -> str | None:
    if value is None or value != value:
        return None
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise TypeError(f"{value!r} is half a character, which is not {_PLAIN}")
        return value
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return str(int(value))
    raise TypeError(f"{value!r} is not {_PLAIN}")


def _whole(array: pa.Array) -> pa.Array:
    array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:
        raise TypeError(f"{array.type} with fractions is not {_PLAIN}") from None
