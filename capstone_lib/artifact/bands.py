"""Columns by which people are grouped: as they are, or numbers put into bands."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Cuts", "banded", "cuts_of", "in_bands"]

Cuts = dict[str, tuple[float, ...]]
"""A column's name to the cuts between its bands; none for a column that stays as it is."""


def cuts_of(sensitive: Sequence[str] | Mapping[str, Sequence[float] | None]) -> Cuts:
    """Read what columns people ask for, each with its cuts in order.

    Examples
    --------
    >>> cuts_of({"SEX": None, "AGEP": [65, 25]})
    {'SEX': (), 'AGEP': (25.0, 65.0)}
    >>> cuts_of(["SEX", "DIS"])
    {'SEX': (), 'DIS': ()}
    """
    if isinstance(sensitive, Mapping):
        return {
            name: () if cuts is None else tuple(sorted(map(float, cuts)))
            for name, cuts in sensitive.items()
        }
    names = [sensitive] if isinstance(sensitive, str) else sensitive
    return dict.fromkeys(names, ())


def banded(rows: "pd.DataFrame", cuts: Cuts) -> "pd.DataFrame":
    """Take the columns out of rows, those with cuts as bands."""
    import pandas as pd

    return pd.DataFrame({name: in_bands(rows[name], ends) for name, ends in cuts.items()})


def in_bands(values: "pd.Series[Any]", cuts: Sequence[float]) -> "pd.Series[Any]":
    """Put numbers into bands: below the first cut, from each cut to the next, from the last on.

    Parameters
    ----------
    values : pandas.Series of n_rows
        Without cuts they are returned as they are. What is no number becomes missing.
    cuts : sequence of float
        Rising; each belongs to the band above it.

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
