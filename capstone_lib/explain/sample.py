"""A seeded sample of rows from any source, read once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from capstone_lib.batch.source import Source, open_source
from capstone_lib.errors import SourceError
from capstone_lib.schema import Schema

__all__ = ["Sample", "draw_sample"]


@dataclass(frozen=True)
class Sample:
    """Rows past the gate, in the order of their source.

    Attributes
    ----------
    columns : dict of str to numpy.ndarray of shape (n_rows,)
        Ready for the model.
    ids : list
        Of the rows; their numbers, where there is no column of ids.
    """

    columns: dict[str, np.ndarray]
    ids: list[Any]

    def __len__(self) -> int:
        return len(self.ids)


def draw_sample(rows: Any, schema: Schema, *, id_column: str, n: int, seed: int) -> Sample:
    """Draw rows that the gate lets through, all alike likely.

    Parameters
    ----------
    rows : path, DataFrame or Arrow table
    schema : Schema
    id_column : str
        Empty: rows are numbered from 0.
    n : int
        How many; all, if there are fewer.
    seed : int

    Raises
    ------
    SourceError
        If there is no row that could be explained, or no such column of ids.
    """
    source = open_source(rows)
    if id_column and id_column not in source.names:
        raise SourceError(f"{source.description} has no column {id_column!r} of row ids")
    rng = np.random.default_rng(seed)
    keys, places = np.empty(0), np.empty(0, dtype=np.int64)
    parts: list[tuple[np.ndarray, Sample]] = []
    for stretch in source.stretches([*schema.names, *([id_column] if id_column else [])]):
        drawn = rng.random(len(stretch.data))
        low = np.flatnonzero(drawn < (np.sort(keys)[n - 1] if len(keys) >= n else np.inf))
        sample, valid = _checked(_take(stretch.data, low), schema, source, id_column)
        numbers = stretch.first + low[valid]
        ids = sample.ids if id_column else numbers.tolist()
        parts.append((numbers, Sample(sample.columns, ids)))
        keys, places = np.append(keys, drawn[low[valid]]), np.append(places, numbers)
    chosen = set(places[np.argsort(keys, kind="stable")[:n]].tolist())
    if not chosen:
        raise SourceError(f"{source.description} has no row that fits the model's schema")
    return _joined(parts, chosen, schema.names)


def _take(data: Any, places: np.ndarray) -> Any:
    return data.iloc[places] if hasattr(data, "iloc") else data.take(places)


def _checked(
    data: Any, schema: Schema, source: Source, id_column: str
) -> tuple[Sample, np.ndarray]:
    checked = schema.check(data, parse_text=source.untyped)
    valid = np.flatnonzero(checked.valid)
    ids: list[Any] = []
    if id_column:
        column = data[id_column]
        values = column.to_list() if hasattr(column, "to_list") else column.to_pylist()
        ids = [values[place] for place in valid]
    return Sample({name: one[valid] for name, one in checked.columns.items()}, ids), valid


def _joined(
    parts: Sequence[tuple[np.ndarray, Sample]], chosen: set[int], names: Sequence[str]
) -> Sample:
    masks = [np.isin(numbers, list(chosen)) for numbers, _ in parts]
    columns = {
        name: np.concatenate(
            [one.columns[name][mask] for (_, one), mask in zip(parts, masks, strict=True)]
        )
        for name in names
    }
    ids = [
        value
        for (_, one), mask in zip(parts, masks, strict=True)
        for value, is_in in zip(one.ids, mask, strict=True)
        if is_in
    ]
    return Sample(columns, ids)
