"""From columns to counts of their combinations: who belongs together, in one pass a column.

A missing value is a value of its own, :data:`MISSING`, so that nobody drops out of an audit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from capstone_lib.errors import MonitoringError

__all__ = [
    "MAX_GROUPS",
    "MISSING",
    "Cells",
    "check_lengths",
    "check_number",
    "columns_of",
    "count_cells",
    "merge",
    "name_groups",
    "order",
    "project",
]

MISSING = "missing"
"""The group of those whose group is not known."""

MAX_GROUPS = 10_000
"""More groups than this are a column of numbers that somebody forgot to put into bands."""

_NARROW = 1 << 12  # whole numbers within such a range are counted as they are
_ROOM = 1 << 20  # cells, full and empty, that are counted without looking which occur

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Cells:
    """The combinations of values that occur, in order, with what fell into each.

    Attributes
    ----------
    keys : tuple of tuple
        One value a column; :data:`MISSING` where it is not known.
    counts : numpy.ndarray of int64, shape (n_cells,)
    sums : tuple of numpy.ndarray of float64, shape (n_cells,)
        The sum of each array of weights.
    """

    keys: tuple[Key, ...]
    counts: np.ndarray
    sums: tuple[np.ndarray, ...]


def count_cells(columns: Iterable[np.ndarray], weights: Iterable[np.ndarray] = ()) -> Cells:
    """Count the rows of every combination of values that occurs.

    Parameters
    ----------
    columns : iterable of arrays of shape (n_rows,)
        At least one row.
    weights : iterable of arrays of shape (n_rows,), optional
        To be summed in each cell.

    Raises
    ------
    MonitoringError
        If there are far more combinations than groups can be.

    Examples
    --------
    >>> import numpy as np
    >>> cells = count_cells([np.array([2, 1, 2]), np.array(["a", "a", "a"])])
    >>> cells.keys, cells.counts.tolist()
    (((1, 'a'), (2, 'a')), [1, 2])
    """
    coded = [_encode(values) for values in columns]
    flat, room = np.zeros(len(coded[0].codes), dtype=np.int64), 1
    for column in coded:
        if room * column.size > _ROOM:
            flat, room = _squeeze(flat)
        flat *= column.size
        flat += column.codes
        if column.low:
            flat -= column.low
        room *= column.size
    if room > _ROOM:
        flat, room = _squeeze(flat)
    counts = np.bincount(flat, minlength=room)
    full = np.flatnonzero(counts)
    rows = np.empty(room, dtype=np.int64)
    rows[flat] = np.arange(len(flat))  # of equal places the last one stays: any row will do
    keys = [tuple(column.value(row) for column in coded) for row in rows[full].tolist()]
    ranks = sorted(range(len(keys)), key=lambda place: order(keys[place]))
    full = full[ranks]
    return Cells(
        tuple(keys[place] for place in ranks),
        counts[full],
        tuple(np.bincount(flat, weights=weight, minlength=room)[full] for weight in weights),
    )


@dataclass(frozen=True)
class _Coded:
    """A column as whole numbers from ``low``; ``size`` is their range."""

    codes: np.ndarray
    low: int
    size: int
    names: list[Any] | None = None

    def value(self, row: int) -> Any:
        code = int(self.codes[row])
        return code if self.names is None else self.names[code]


def _encode(values: np.ndarray) -> _Coded:
    if values.dtype.kind == "b":
        return _Coded(values.view(np.uint8), 0, 2, [False, True])
    if values.dtype.kind in "iu":
        low, high = int(values.min()), int(values.max())
        if high - low < _NARROW:
            codes = values.astype(np.int64) if values.dtype == np.uint64 else values
            return _Coded(codes, low, high - low + 1)
    return _factorize(values)


def _factorize(values: np.ndarray) -> _Coded:
    import pandas as pd

    codes, found = pd.factorize(values, sort=False, use_na_sentinel=True)
    names = [_plain(value) for value in found]
    if (codes < 0).any():
        names = names if MISSING in names else [*names, MISSING]
        codes = np.where(codes < 0, names.index(MISSING), codes)
    return _Coded(codes, 0, len(names), names)


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _squeeze(flat: np.ndarray) -> tuple[np.ndarray, int]:
    """Number only the places that occur."""
    import pandas as pd

    codes, found = pd.factorize(flat)
    if len(found) > 100 * MAX_GROUPS:
        raise MonitoringError(
            f"the sensitive columns make {len(found):,} groups or more; at most {MAX_GROUPS:,} "
            "can be audited: put numbers into bands first (pandas.cut)"
        )
    return codes.astype(np.int64), len(found)


def columns_of(features: Any) -> dict[str, np.ndarray]:
    """Columns by name, from an array, a Series, a mapping, a DataFrame or an Arrow table.

    Raises
    ------
    MonitoringError
        If there is no column, or the array is not one column.
    """
    if hasattr(features, "column_names"):
        columns = {name: features[name].to_numpy() for name in features.column_names}
    elif hasattr(features, "columns"):
        columns = {str(name): features[name].to_numpy() for name in features.columns}
    elif isinstance(features, Mapping):
        columns = {str(name): np.asarray(values) for name, values in features.items()}
    else:
        columns = {str(getattr(features, "name", None) or "group"): np.asarray(features)}
    if not columns:
        raise MonitoringError("sensitive_features has no column; name at least one")
    for name, values in columns.items():
        if values.ndim != 1:
            raise MonitoringError(
                f"sensitive_features[{name!r}] has {values.ndim} dimensions; pass one column, a "
                "mapping of names to columns, or a DataFrame"
            )
    return columns


def check_lengths(lengths: Mapping[str, int]) -> None:
    """Refuse columns of different lengths, and no rows at all."""
    if len(set(lengths.values())) != 1:
        said = ", ".join(f"{name} {n:,}" for name, n in lengths.items())
        raise MonitoringError(f"all must have one value a row; seen {said}")
    if not next(iter(lengths.values())):
        raise MonitoringError("there are no rows to audit")


def order(key: Key) -> tuple[Any, ...]:
    """Sort numbers before words, and the missing last."""
    return tuple(
        part
        for value in key
        for part in (
            value == MISSING,
            not isinstance(value, int | float),
            value if isinstance(value, int | float) else str(value),
        )
    )


def check_number(groups: Sequence[Key], columns: Sequence[str]) -> None:
    """Refuse more groups than anybody could look at."""
    if len(groups) > MAX_GROUPS:
        raise MonitoringError(
            f"{', '.join(columns)} makes {len(groups):,} groups; at most {MAX_GROUPS:,} can be "
            "audited: put numbers into bands first (pandas.cut)"
        )


def name_groups(columns: Sequence[str], groups: Iterable[Key]) -> list[str]:
    """Each group's name: ``SEX=1, DIS=2``."""
    return [", ".join(f"{c}={v}" for c, v in zip(columns, group, strict=True)) for group in groups]


def project(columns: Sequence[str], groups: Iterable[Key], wanted: Sequence[str]) -> list[Key]:
    """Each group's values in some of the columns only."""
    strange = [column for column in wanted if column not in columns]
    if strange or not wanted:
        seen = ", ".join(strange) or "no column"
        raise MonitoringError(f"the groups are over {', '.join(columns)}; seen {seen}")
    keep = [columns.index(column) for column in wanted]
    return [tuple(group[place] for place in keep) for group in groups]


def merge(
    keys: Sequence[Key], *arrays: np.ndarray | None
) -> tuple[tuple[Key, ...], list[np.ndarray | None]]:
    """Add up the rows of arrays that belong to the same key; the keys come back in order."""
    groups = tuple(sorted(set(keys), key=order))
    place = {group: number for number, group in enumerate(groups)}
    rows = np.array([place[key] for key in keys])
    summed: list[np.ndarray | None] = []
    for values in arrays:
        if values is None:
            summed.append(None)
            continue
        total = np.zeros((len(groups), *values.shape[1:]), values.dtype)
        np.add.at(total, rows, values)
        summed.append(total)
    return groups, summed
