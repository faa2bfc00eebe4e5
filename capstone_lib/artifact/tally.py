"""Values of a column as they come, from any kind of table, told apart and counted.

This is no gate: nothing is refused here. A monitor must count what a gate would not let in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

__all__ = [
    "Distinct",
    "as_distinct",
    "as_numbers",
    "by_name",
    "column_of",
    "count_codes",
    "names_of",
    "rows_of",
    "translate",
]

_MOST_CODES = 65_536
_NARROW = 256
_FEW_CODES = 8
_FEW_STEPS = 8


@dataclass(frozen=True)
class Distinct:
    """A column of few distinct values.

    Attributes
    ----------
    codes : numpy.ndarray of int, shape (n_rows,)
        A code for each row.
    values : list
        What each code stands for; None where missing.
    """

    codes: np.ndarray
    values: list[Any]

    def counts(self) -> np.ndarray:
        """Rows of each code."""
        return count_codes(self.codes, len(self.values))


def count_codes(codes: np.ndarray, n_codes: int) -> np.ndarray:
    """Rows of each code from 0.

    Adding up row by row is slow, and has to wait for the last sum wherever one code follows itself.
    A few codes are looked for one by one, which is ten times faster; more are counted by two rows
    at once, which takes half as long.
    """
    if codes.dtype == np.uint8 and n_codes <= _FEW_CODES:
        counts = [np.count_nonzero(codes == code) for code in range(n_codes - 1)]
        return np.array([*counts, len(codes) - sum(counts)], dtype=np.intp)
    if codes.dtype != np.uint8:
        return np.bincount(codes, minlength=n_codes)
    twos = np.ascontiguousarray(codes[: len(codes) // 2 * 2]).view(np.uint16)
    both = np.bincount(twos, minlength=n_codes * _NARROW).reshape(n_codes, _NARROW)
    last = np.bincount(codes[len(twos) * 2 :], minlength=n_codes)
    return np.asarray(both.sum(0)[:n_codes] + both.sum(1) + last)


def translate(codes: np.ndarray, table: np.ndarray) -> np.ndarray:
    """The entry of a uint8 table for each code.

    Where few neighbours in the table differ, each step is added to the codes beyond it, which is
    several times as fast as looking the entries up.
    """
    jumps = np.diff(table)  # modulo 256, as is their sum
    steps = np.flatnonzero(jumps).tolist()
    if codes.dtype != np.uint8 or len(steps) > _FEW_STEPS:
        return np.asarray(table[codes])
    out = np.full(len(codes), table[0])
    for step in steps:
        out += (codes > step).view(np.uint8) * jumps[step]
    return out


def names_of(rows: Any) -> list[str]:
    """The columns of a data frame, an Arrow table or a mapping."""
    if _is_pandas(rows):
        return list(rows.columns.tolist())
    if hasattr(rows, "column_names"):
        return [str(name) for name in rows.column_names]
    return list(rows)


def rows_of(rows: Any) -> int:
    """How many rows a table has."""
    if not _is_pandas(rows) and hasattr(rows, "num_rows"):
        return int(rows.num_rows)
    if isinstance(rows, Mapping):
        return len(next(iter(rows.values()))) if rows else 0
    return len(rows)


def by_name(rows: Any) -> Any:
    """The table as something that gives its columns quickly: pandas looks each up at length."""
    return dict(rows.items()) if _is_pandas(rows) else rows


def column_of(rows: Any, name: str) -> np.ndarray:
    """One column of a table as a NumPy array; missing values are None or NaN."""
    column = rows[name]
    if isinstance(column, np.ndarray):
        return column
    if not _is_pandas(column) and hasattr(
        column, "to_pandas"
    ):  # Arrow: dictionaries, nulls and chunks become plain values
        column = column.to_pandas()
    kind: Any = getattr(column, "dtype", None)
    if hasattr(kind, "categories"):
        return np.asarray(column.astype(object))
    if getattr(kind, "kind", "") in tuple("iuf") and not isinstance(kind, np.dtype):
        if column.isna().any():  # pandas' own numbers, which know a missing one
            return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
        return np.asarray(column.to_numpy(dtype=kind.numpy_dtype))
    return np.asarray(column)


def _is_pandas(rows: Any) -> bool:
    return hasattr(rows, "iloc")  # which pandas has at hand; what it lacks it looks for at length


def as_distinct(values: np.ndarray) -> Distinct:
    """Number the distinct values of a column; whole floats count as whole numbers."""
    if values.dtype.kind in "iu" and len(values):
        low, high = int(values.min()), int(values.max())
        if high - low < _MOST_CODES:
            return Distinct(_less(values, low, high), list(range(low, high + 1)))
    import pandas as pd

    codes, found = pd.factorize(values, use_na_sentinel=True)
    known = [_plain(value) for value in found.tolist()]
    codes = np.where(codes < 0, len(known), codes)
    return Distinct(codes, [*known, None])


def as_numbers(values: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The values as float64, NaN where missing; and which of the NaN were no numbers at all."""
    if values.dtype.kind in "iuf":
        return values.astype(np.float64, copy=False), None
    distinct = as_distinct(values)
    numbers = np.array([_number(value) for value in distinct.values], dtype=np.float64)
    strange = np.array([_is_strange(value) for value in distinct.values])
    if not strange.any():
        return numbers[distinct.codes], None
    return numbers[distinct.codes], strange[distinct.codes]


def _less(values: np.ndarray, low: int, high: int) -> np.ndarray:
    if high - low < _NARROW:
        return np.asarray(values.astype(np.uint8) - np.uint8(low % _NARROW))  # modulo 256
    if values.dtype.kind == "u" and values.dtype.itemsize == 8:
        return np.asarray((values - np.uint64(low)).astype(np.intp))
    return np.asarray(values.astype(np.intp) - low)


def _is_strange(value: Any) -> bool:
    return value is not None and (isinstance(value, bool) or not isinstance(value, Real))


def _number(value: Any) -> float:
    return float("nan") if value is None or _is_strange(value) else float(value)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)  # pandas makes floats of codes beside a missing one
    return value
