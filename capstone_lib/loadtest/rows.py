"""Requests made of real rows: drawn by seed, as JSON that any server can read.

Values become JSON numbers, texts, booleans or null; NumPy, pandas and Arrow stay on this side.
"""

import datetime as dt
import decimal
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from capstone_lib.errors import LoadTestError

__all__ = ["DRAWN", "draw_requests"]

DRAWN = 10_000
"""How many requests are made before they begin again from the first."""


def draw_requests(
    rows: Any,
    *,
    seed: int,
    id: str | None = None,  # noqa: A002 - the column's role
    explain_share: float = 0.0,
) -> list[bytes]:
    """Draw rows in an order that follows from the seed, and write each as the body of a request.

    Fewer rows than :data:`DRAWN` are repeated, in another order each time.

    Parameters
    ----------
    rows : DataFrame, Arrow table or sequence of dict
        Feature values by name.
    seed : int
        The same seed draws the same requests in the same order.
    id : str, optional
        The column that identifies a row; it is sent beside the features.
    explain_share : float
        The share of requests that ask for an explanation.

    Raises
    ------
    LoadTestError
        There are no rows, no such id column, or a value that JSON cannot say.

    Examples
    --------
    >>> draw_requests([{"AGEP": 41, "SEX": None}], seed=0)[0]
    b'{"features":{"AGEP":41,"SEX":null}}'
    """
    n_rows = _count(rows)
    random = np.random.default_rng(seed)
    rounds = math.ceil(DRAWN / n_rows)
    order = np.concatenate([random.permutation(n_rows) for _ in range(rounds)])[:DRAWN]
    explained = np.zeros(len(order), dtype=bool)
    explained[random.permutation(len(order))[: round(explain_share * len(order))]] = True
    chosen, place = np.unique(order, return_inverse=True)
    records = [_record(row) for row in _take(rows, chosen)]
    return [
        _body(records[k], id=id, explain=bool(ask)) for k, ask in zip(place, explained, strict=True)
    ]


def _count(rows: Any) -> int:
    if isinstance(rows, str | bytes | Mapping) or not hasattr(rows, "__len__"):
        raise LoadTestError(
            "rows are a DataFrame, an Arrow table or a list of dictionaries; seen "
            f"{type(rows).__name__}"
        )
    if not len(rows):
        raise LoadTestError("there are no rows to ask about; give at least one")
    return len(rows)


def _take(rows: Any, chosen: np.ndarray) -> list[Any]:
    if hasattr(rows, "iloc") and hasattr(rows, "columns"):
        _check_names(list(rows.columns))
        part = rows.iloc[chosen]
        columns = [part.iloc[:, k].tolist() for k in range(part.shape[1])]
        return [dict(zip(rows.columns, row, strict=True)) for row in zip(*columns, strict=True)]
    if isinstance(rows, pa.Table | pa.RecordBatch):
        _check_names(rows.schema.names)
        return list(rows.take(pa.array(chosen)).to_pylist())
    if not isinstance(rows, Sequence):
        raise LoadTestError(
            "rows are a DataFrame, an Arrow table or a list of dictionaries; seen "
            f"{type(rows).__name__}"
        )
    return [rows[k] for k in chosen]


def _check_names(names: Sequence[Any]) -> None:
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise LoadTestError(f"there is more than one column {', '.join(twice)}; keep one of each")


def _record(row: Any) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise LoadTestError(
            f"a row is a dictionary of feature values by name; seen {type(row).__name__}"
        )
    return {_name(name): _plain(name, value) for name, value in row.items()}


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise LoadTestError(f"a feature's name is a text; seen {name!r}")
    return name


def _plain(name: Any, value: Any) -> Any:
    """What JSON can say: a number, a text, a boolean or null."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, decimal.Decimal):
        value = float(value)
    if isinstance(value, float):
        if math.isinf(value):
            raise LoadTestError(f"column {name!r} holds {value}, which JSON cannot say")
        return None if math.isnan(value) else value
    if type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    raise LoadTestError(
        f"column {name!r} holds a {type(value).__name__}; a feature is a number, a text, a "
        "boolean or nothing"
    )


def _body(record: dict[str, Any], *, id: str | None, explain: bool) -> bytes:  # noqa: A002
    request: dict[str, Any] = {"features": record}
    if id is not None:
        if id not in record:
            raise LoadTestError(
                f"there is no column {id!r} to take ids from; there are {', '.join(record)}"
            )
        features = {name: value for name, value in record.items() if name != id}
        request = {"features": features, "id": str(record[id])}
    if explain:
        request["explain"] = True
    return json.dumps(request, separators=(",", ":")).encode()
