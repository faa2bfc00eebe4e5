"""Who is checked by hand: a stratified sample that anybody can draw again."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.artifact.grouping import MISSING
from capstone_lib.errors import ReviewError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["draw", "in_group", "strata_of"]

BANDS = 5
"""Bands of the score, each as wide."""

_BANDS: tuple[tuple[re.Pattern[str], Callable[..., Any]], ...] = (
    (re.compile(r"below (\S+)"), lambda x, high: x < high),
    (re.compile(r"from (\S+)"), lambda x, low: x >= low),
    (re.compile(r"(\S+) to below (\S+)"), lambda x, low, high: (x >= low) & (x < high)),
)


def strata_of(labels: Sequence[Any], scores: np.ndarray) -> list[tuple[str, int]]:
    """The label and the band of the score of each row.

    Examples
    --------
    >>> strata_of([0, 1], np.array([0.31, 1.0]))
    [('0', 1), ('1', 4)]
    """
    bands = np.clip((np.asarray(scores, dtype=float) * BANDS).astype(int), 0, BANDS - 1)
    return list(zip(map(str, labels), bands.tolist(), strict=True))


def draw(strata: Sequence[Any], n: int, *, seed: int | Sequence[int]) -> list[int]:
    """Draw rows so that each stratum has the share of the sample that it has of all rows.

    Such a sample weighs itself: a share among those drawn estimates the share among all.

    Parameters
    ----------
    strata : sequence of n_rows
        To which stratum each row belongs.
    n : int
        How many to draw; all rows if there are no more.
    seed : int or sequence of int
        The same rows and seed give the same sample.

    Returns
    -------
    list of int
        Places of rows, in a random order.

    Examples
    --------
    >>> found = draw(["a"] * 80 + ["b"] * 20, 10, seed=1)
    >>> sum(place >= 80 for place in found)
    2
    """
    random = np.random.default_rng(seed)
    names = sorted(set(strata))
    places: dict[Any, list[int]] = {name: [] for name in names}
    for place, name in enumerate(strata):
        places[name].append(place)
    sizes = np.array([len(places[name]) for name in names], dtype=np.int64)
    taken = _shares(sizes, min(n, len(strata)))
    chosen = [
        int(place)
        for name, count in zip(names, taken.tolist(), strict=True)
        for place in random.choice(places[name], size=count, replace=False)
    ]
    return [chosen[place] for place in random.permutation(len(chosen))]


def _shares(sizes: np.ndarray, n: int) -> np.ndarray:
    """Whole numbers in proportion to the sizes that add up to n, by largest remainders."""
    total = int(sizes.sum())
    if not total:
        return sizes
    whole, rest = np.divmod(sizes * n, total)
    missing = n - int(whole.sum())
    whole[np.argsort(-rest, kind="stable")[:missing]] += 1
    return np.asarray(whole)


def in_group(features: "pd.DataFrame", group: str) -> np.ndarray:
    """Which rows belong to a group, named as in a measurement.

    Parameters
    ----------
    features : pandas.DataFrame of n_rows
    group : str
        ``"SEX=2"``, ``"SEX=2, DIS=1"`` or a band such as ``"AGEP=25 to below 55"``.

    Raises
    ------
    ReviewError
        If it names no column that there is.

    Examples
    --------
    >>> import pandas as pd
    >>> people = pd.DataFrame({"SEX": [1, 2, 2], "AGEP": [30, 30, 70]})
    >>> in_group(people, "SEX=2, AGEP=25 to below 55").tolist()
    [False, True, False]
    """
    inside = np.ones(len(features), dtype=bool)
    for name, value in _parts(group, list(map(str, features.columns))):
        inside &= _is(features[name], value)
    return inside


def _parts(group: str, columns: Sequence[str]) -> list[tuple[str, str]]:
    """Names and values; a name may hold anything, so those that there are decide."""
    names = "|".join(re.escape(name) for name in sorted(columns, key=len, reverse=True))
    found = re.match(rf"({names})=(.*?)(?:, (?=(?:{names})=)|$)", group, re.DOTALL)
    if not columns or found is None:
        raise ReviewError(
            f"the group {group!r} speaks of no column of the rows; it looks like 'SEX=2', and "
            f"there are {', '.join(columns[:20]) or 'no columns'}"
        )
    rest = group[found.end() :]
    return [(found[1], found[2]), *(_parts(rest, columns) if rest else [])]


def _is(column: "pd.Series[Any]", value: str) -> np.ndarray:
    import pandas as pd

    if value == MISSING:
        return np.asarray(column.isna())
    numbers = pd.to_numeric(column, errors="coerce")
    for pattern, holds in _BANDS:
        band = pattern.fullmatch(value)
        if band and all(_is_number(end) for end in band.groups()):
            return np.asarray(holds(numbers, *map(float, band.groups())), dtype=bool)
    same = column.astype(str) == value
    if _is_number(value):
        same |= numbers == float(value)
    return np.asarray(same, dtype=bool)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
