"""How many rows a second, for calls of different sizes: measured here and now, on this machine.

For a figure in a notebook. Benchmarks that compare machines or versions are in ``benchmarks/``.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["measure_throughput", "row_by_row"]


def measure_throughput(
    ways: Mapping[str, Callable[[Any], object]],
    rows: Any,
    *,
    batch_sizes: Sequence[int],
    budget_s: float = 0.3,
) -> "pd.DataFrame":
    """Call each way of scoring with batches of each size, and count the rows.

    Parameters
    ----------
    ways
        A name → what scores a frame.
    rows
        A DataFrame; a batch is its first rows, repeated if it has too few.
    batch_sizes
        Rows a call.
    budget_s
        For how long each pair is called, in seconds; at least once, after one call to warm up.

    Returns
    -------
    pandas.DataFrame
        ``way``, ``batch_size``, ``calls``, ``rows_per_s`` and ``ms_per_call``.

    Raises
    ------
    ValueError
        ``rows`` is empty, or a batch size is below 1.

    Examples
    --------
    >>> import pandas as pd
    >>> measured = measure_throughput(
    ...     {"sum": lambda rows: rows.sum()}, pd.DataFrame({"a": [1, 2]}), batch_sizes=[1, 5],
    ...     budget_s=0.01,
    ... )
    >>> measured["batch_size"].tolist(), bool((measured["rows_per_s"] > 0).all())
    ([1, 5], True)
    """
    import pandas as pd

    if not len(rows) or min(batch_sizes, default=1) < 1:
        raise ValueError(
            f"rows must not be empty and a batch holds at least one; seen {len(rows)} rows and "
            f"batches of {', '.join(map(str, batch_sizes))}"
        )
    found = []
    for way, score in ways.items():
        for size in batch_sizes:
            batch = rows.take([place % len(rows) for place in range(size)])
            calls, seconds = _repeat(score, batch, budget_s)
            found.append((way, size, calls, size * calls / seconds, 1000 * seconds / calls))
    columns = ["way", "batch_size", "calls", "rows_per_s", "ms_per_call"]
    return pd.DataFrame(found, columns=columns)


def row_by_row(score: Callable[[Any], object]) -> Callable[[Any], list[object]]:
    """Return a way of scoring that calls ``score`` for each row of a frame, one after the other.

    Examples
    --------
    >>> import pandas as pd
    >>> row_by_row(len)(pd.DataFrame({"a": [1, 2, 3]}))
    [1, 1, 1]
    """
    return lambda rows: [score(rows[place : place + 1]) for place in range(len(rows))]


def _repeat(score: Callable[[Any], object], batch: Any, budget_s: float) -> tuple[int, float]:
    score(batch)
    calls, began = 0, time.perf_counter()
    while True:
        score(batch)
        calls += 1
        seconds = time.perf_counter() - began
        if seconds >= budget_s:
            return calls, seconds
