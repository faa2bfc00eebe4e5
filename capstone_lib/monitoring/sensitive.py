"""Which groups a window is looked at by: sensitive columns, numbers among them put into bands."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.gather import Rows

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.artifact.model import Artifact

__all__ = ["columns_asked", "groups_of", "in_bands"]


def columns_asked(
    artifact: "Artifact", sensitive: Sequence[str] | Mapping[str, Sequence[float] | None] | None
) -> dict[str, Sequence[float]]:
    """Sensitive columns, each with the cuts between its bands; those of the baseline if not told.

    Columns without bands have no cuts.
    """
    if sensitive is None:
        baseline = artifact.reference_groups
        return {} if baseline is None else dict.fromkeys(baseline.columns, ())
    if isinstance(sensitive, str):
        return {sensitive: ()}
    if isinstance(sensitive, Mapping):
        return {name: sorted(cuts or ()) for name, cuts in sensitive.items()}
    return dict.fromkeys(sensitive, ())


def groups_of(rows: Rows, columns: Mapping[str, Sequence[float]]) -> "pd.DataFrame | None":
    """The groups of each row; None if no column is asked for, or nothing is known of the rows.

    Raises
    ------
    MonitoringError
        If there is no such column.
    """
    import pandas as pd

    if rows.features is None or not columns:
        return None
    strange = [name for name in columns if name not in rows.features.columns]
    if strange:
        raise MonitoringError(
            f"there is no column {strange[0]!r} to form groups by; the {rows.traffic} rows have "
            f"{', '.join(map(str, rows.features.columns[:20]))}"
        )
    return pd.DataFrame(
        {name: in_bands(rows.features[name], cuts) for name, cuts in columns.items()}
    )


def in_bands(values: "pd.Series[Any]", cuts: Sequence[float]) -> "pd.Series[Any]":
    """Put numbers into bands: below the first cut, from each cut to the next, from the last on.

    Examples
    --------
    >>> import pandas as pd
    >>> in_bands(pd.Series([17, 25, 70, None]), (25, 65)).tolist()
    ['below 25', '25 to below 65', 'from 65', nan]
    """
    if not cuts:
        return values
    import pandas as pd

    ends = [f"{cut:g}" for cut in cuts]
    between = [f"{low} to below {high}" for low, high in pairwise(ends)]
    names = np.array([f"below {ends[0]}", *between, f"from {ends[-1]}"], dtype=object)
    numbers = pd.to_numeric(values, errors="coerce")
    places = np.searchsorted(np.array(cuts), numbers.to_numpy(dtype=float), side="right")
    return pd.Series(names[places], index=values.index).where(numbers.notna())
