"""Reading one column: any array in, model-ready NumPy values and per-row misfits out.

Numbers keep the width they came in; text is decoded once per distinct value. Text is never taken
for a number, nor true/false for 1/0, unless the source has no types (``parse_text``, for CSV).
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from capstone_lib.schema.definition import Column

__all__ = ["Rows", "UnreadableError", "flat", "read"]

_SHOWN = 3
_TABLE = 4096  # widest span of codes that is looked up in a table
_NONE = np.empty(0, dtype=np.intp)
_OBJECTS = np.dtype(object)
_TRUTH_TYPES = frozenset((bool, np.bool_))
_NOT_COLUMNS = (str, bytes, bytearray, Mapping, Set)  # a mapping's keys are not its values


class UnreadableError(Exception):
    """The whole column has the wrong type; the text says what it holds."""


@dataclass(frozen=True)
class Strangers:
    """Rows whose value has the wrong type altogether, and the first such values."""

    rows: np.ndarray
    shown: tuple[Any, ...]


_NOBODY = Strangers(_NONE, ())


@dataclass(frozen=True)
class Rows:
    """A column as read: values, and the rows that do not fit its kind (``None`` for no row)."""

    values: np.ndarray
    source: pa.Array
    nulls: np.ndarray | None = None
    unknown: np.ndarray | None = None
    strangers: Strangers = _NOBODY
    fractional: np.ndarray = field(default_factory=lambda: _NONE)


def read(column: Column, data: Any, *, parse_text: bool = False) -> Rows:
    """Read ``data`` as ``column``.

    Raises
    ------
    UnreadableError
        If no value of the column has the right type, or the data is not one-dimensional.
    """
    array, strangers = _to_arrow(column, data)
    if array.null_count == len(array) and not _suits(column, array.type):
        array = pa.nulls(len(array), _empty_type(column))
    if _is_string(array.type) and (column.is_text or parse_text) and not _is_utf8(array):
        array, strangers = _decoded(column, array)
    if column.is_text:
        return _read_text(column, array, strangers)
    if parse_text and _is_string(array.type):
        array, strangers = _parse(column, array)
    if column.kind == "boolean":
        return _read_boolean(array, strangers)
    return _read_number(column, array, strangers)


def _to_arrow(column: Column, data: Any) -> tuple[pa.Array, Strangers]:
    """The data as one Arrow array, and the rows whose type no array of the kind can hold."""
    if isinstance(data, pa.Array | pa.ChunkedArray):
        return flat(data), _NOBODY
    if getattr(data, "ndim", 1) != 1:
        raise UnreadableError(f"{data.ndim} dimensions instead of one")
    if isinstance(data, _NOT_COLUMNS) or not hasattr(data, "__len__"):
        raise UnreadableError(f"one {type(data).__name__} instead of a column of values")
    try:
        array = pa.array(data, from_pandas=True)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        return _one_by_one(column, data)
    array = flat(array)
    return _one_by_one(column, data) if _mixed(column, data, array.type) else (array, _NOBODY)


def _mixed(column: Column, data: Any, kind: pa.DataType) -> bool:
    """Whether Arrow found one type for Python objects that the gate tells apart.

    It makes numbers of true/false beside numbers, and bytes of text beside bytes.
    """
    if len(data) == 0 or getattr(data, "dtype", _OBJECTS) != _OBJECTS:
        return False
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        objects = data.tolist() if hasattr(data, "tolist") else data  # pandas iterates slowly
        return not column.is_text and not _TRUTH_TYPES.isdisjoint(map(type, objects))
    return column.is_text and pa.types.is_binary(kind)


def flat(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The same values as one array, without chunks, dictionary or run lengths."""
    encoded = pa.types.is_dictionary(array.type)
    if encoded and not len(array):
        return pa.nulls(0, array.type.value_type)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_run_end_encoded(array.type):
        return pc.run_end_decode(array)
    return array.dictionary_decode() if encoded else array


def _one_by_one(column: Column, data: Any) -> tuple[pa.Array, Strangers]:
    """A column of mixed Python objects: keep what fits the kind, name the rows that do not."""
    fits = _fits_kind(column)
    kept: list[Any] = []
    wrong: dict[int, Any] = {}
    for row, value in enumerate(data):
        missing = _is_missing(value)
        good = missing or fits(value)
        kept.append(None if missing or not good else _bounded(value))
        if not good:
            wrong[row] = value
    if wrong and all(value is None for value in kept):
        kind = _kind_of(next(iter(wrong.values())))
        raise UnreadableError(f"values such as {kind} instead of {_wanted(column)}")
    return pa.array(kept, from_pandas=True), _strangers(wrong)


def _strangers(values: dict[int, Any]) -> Strangers:
    return Strangers(np.array(list(values), dtype=np.intp), tuple(values.values()))


def _is_missing(value: Any) -> bool:
    """None, not-a-number of any make, and the missing values of pandas."""
    if isinstance(value, Decimal):
        return value.is_nan()
    if isinstance(value, float | np.floating):
        return bool(np.isnan(value))
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _kind_of(value: Any) -> str:
    name = type(value).__name__
    return f"{name} that is not Unicode" if isinstance(value, str) and not _encodes(value) else name


def _fits_kind(column: Column) -> Callable[[Any], bool]:
    if column.is_text:
        return lambda value: isinstance(value, str) and _encodes(value)
    if column.kind == "boolean":
        return lambda value: isinstance(value, bool | np.bool_)
    return lambda value: (
        isinstance(value, int | float | np.integer | np.floating | Decimal)
        and not isinstance(value, bool)
    )


def _encodes(text: str) -> bool:
    """Whether the text is Unicode: half a surrogate pair is none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bounded(value: Any) -> Any:
    """An integer too wide for 64 bits becomes the float nearest to it (perhaps infinite)."""
    if isinstance(value, str | bool | np.bool_):
        return value
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _is_string(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _suits(column: Column, kind: pa.DataType) -> bool:
    if column.is_text:
        return _is_string(kind)
    if column.kind == "boolean":
        return bool(pa.types.is_boolean(kind))
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _empty_type(column: Column) -> pa.DataType:
    if column.is_text:
        return pa.string()
    return pa.bool_() if column.kind == "boolean" else pa.float64()


def _is_utf8(array: pa.Array) -> bool:
    """Whether text from a file is text: Arrow takes any bytes on trust."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _decoded(column: Column, array: pa.Array) -> tuple[pa.Array, Strangers]:
    """The text that is text, and the rows whose bytes are none."""
    raw = array.cast(pa.large_binary()).to_pylist()
    texts = [value if value is None else value.decode(errors="backslashreplace") for value in raw]
    if not column.is_text:  # parsing tells what is no number
        return pa.array(texts, pa.string()), _NOBODY
    wrong = {
        row: value
        for row, (value, text) in enumerate(zip(raw, texts, strict=True))
        if text is not None and value != text.encode()
    }
    kept = [None if row in wrong else text for row, text in enumerate(texts)]
    return pa.array(kept, pa.string()), _strangers(wrong)


def _read_text(column: Column, array: pa.Array, strangers: Strangers) -> Rows:
    if not _is_string(array.type):
        raise UnreadableError(f"{array.type} instead of text")
    encoded = array.dictionary_encode()
    words = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
    codes = encoded.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False)
    categories = set(column.categories or ())
    known = np.array([*(word in categories for word in words[:-1]), True])
    nulls = _without(_null_mask(array), strangers)
    return Rows(words[codes], array, nulls, ~known[codes], strangers)


def _read_boolean(array: pa.Array, strangers: Strangers) -> Rows:
    if not pa.types.is_boolean(array.type):
        raise UnreadableError(f"{array.type} instead of true/false")
    nulls = _null_mask(array)
    if nulls is None:
        return Rows(array.to_numpy(zero_copy_only=False), array)
    values = np.where(nulls, np.nan, array.fill_null(False).to_numpy(zero_copy_only=False))
    return Rows(values, array, _without(nulls, strangers), strangers=strangers)


def _read_number(column: Column, array: pa.Array, strangers: Strangers) -> Rows:
    if pa.types.is_decimal(array.type):  # through text: Arrow's own way there misses the last bit
        array = array.cast(pa.string()).cast(pa.float64())
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        raise UnreadableError(f"{array.type} instead of {_wanted(column)}")
    values = _numpy(array)
    nulls = _null_mask(array) if pa.types.is_integer(array.type) else np.isnan(values)
    if nulls is not None:
        nulls = _without(nulls, strangers) if nulls.any() else None
    fractional = _NONE
    if values.dtype.kind == "f" and column.kind != "number":
        fractional = np.flatnonzero((values != np.trunc(values)) & np.isfinite(values))
    unknown = None if column.categories is None else _unknown(column, values, fractional)
    return Rows(values, array, nulls, unknown, strangers, fractional)


def _numpy(array: pa.Array) -> np.ndarray:
    if array.null_count:
        array = array.cast(pa.float64(), safe=False)
        return np.asarray(pc.fill_null(array, float("nan")))
    values: np.ndarray = array.to_numpy(zero_copy_only=False)
    return values.astype(np.float32) if values.dtype == np.float16 else values


def _unknown(column: Column, values: np.ndarray, fractional: np.ndarray) -> np.ndarray | None:
    """Which values are none of the categories; other misfits are told under their own name."""
    known = np.array(column.categories)
    low, high = int(known.min()), int(known.max())
    if values.dtype.kind in "iu" and len(values):
        inside = values.min() >= low and values.max() <= high
        if inside and high - low + 1 == len(known):
            return None
        if inside and high - low < _TABLE:
            strange = np.ones(high - low + 1, dtype=bool)
            strange[known - low] = False
            found: np.ndarray = strange[values.astype(np.int64) - low]
            return found
    unknown: np.ndarray = ~np.isin(values, known) & np.isfinite(values)
    unknown[fractional] = False
    return unknown


def _null_mask(array: pa.Array) -> np.ndarray | None:
    if not array.null_count:
        return None
    mask: np.ndarray = array.is_null().to_numpy(zero_copy_only=False)
    return mask


def _without(mask: np.ndarray | None, strangers: Strangers) -> np.ndarray | None:
    """The null mask without the rows that are null only because their value was unreadable."""
    if mask is None or not len(strangers.rows):
        return mask
    mask = mask.copy()
    mask[strangers.rows] = False
    return mask


def _wanted(column: Column) -> str:
    if column.is_text or column.kind == "boolean":
        return "text" if column.is_text else "true/false"
    return "whole numbers" if column.kind != "number" else "numbers"


_TRUTH = {"true": True, "false": False, "1": True, "0": False}


def _parse(column: Column, array: pa.Array) -> tuple[pa.Array, Strangers]:
    """Numbers or true/false out of text; an empty field is a missing value."""
    encoded = array.dictionary_encode()
    words = [word.strip() for word in encoded.dictionary.to_pylist()]
    if column.kind == "boolean":
        parsed: list[Any] = [_TRUTH.get(word.lower()) for word in words]
        values = pa.array(parsed, pa.bool_())
    else:
        parsed = [_number(word) for word in words]
        values = pa.array(parsed, pa.float64())
    bad = np.array([v is None and bool(w) for v, w in zip(parsed, words, strict=True)] + [False])
    codes = encoded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(bad[codes])
    shown = tuple(encoded.dictionary[code].as_py() for code in codes[rows[:_SHOWN]])
    return pc.take(values, encoded.indices), Strangers(rows, shown)


def _number(word: str) -> float | None:
    if "_" in word:
        return None
    try:
        return float(word)
    except ValueError:
        return None
