"""Cohen's kappa: how much two reviewers agree beyond what chance would have them do."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from capstone_lib.errors import ReviewError
from capstone_lib.monitoring.rates import normal_quantile, wilson

__all__ = ["cohen_kappa"]


def cohen_kappa(
    first: Sequence[Any], second: Sequence[Any], *, level: float = 0.95
) -> tuple[float, float, float]:
    """Kappa of two words on each case, with its interval.

    Parameters
    ----------
    first, second : sequence of n_cases labels
        What the one and the other said of each case.
    level : float, default 0.95
        Of the interval, which holds for many cases.

    Returns
    -------
    kappa, low, high : float
        1 is full agreement, 0 what chance gives, below 0 less than that. NaN where everybody said
        the same of everything: then chance cannot be told from agreement. Where the two always
        agree, the lower end is that of Wilson's interval of their agreement.

    Raises
    ------
    ReviewError
        If there is no case, or the two are of different lengths.

    Notes
    -----
    Sources: Cohen, "A coefficient of agreement for nominal scales" (1960); the error from Fleiss,
    Cohen and Everitt, "Large sample standard errors of kappa and weighted kappa" (1969).

    Examples
    --------
    >>> kappa, low, high = cohen_kappa([1] * 45 + [0] * 55, [1] * 40 + [0] * 60)
    >>> round(kappa, 3), round(low, 3), round(high, 3)
    (0.898, 0.811, 0.985)
    """
    if len(first) != len(second) or not len(first):
        raise ReviewError(
            f"two words on each case are needed; seen {len(first)} and {len(second)} words"
        )
    names = sorted({*map(str, first), *map(str, second)})
    place = {name: number for number, name in enumerate(names)}
    table = np.zeros((len(names), len(names)))
    np.add.at(table, ([place[str(one)] for one in first], [place[str(o)] for o in second]), 1)
    n = table.sum()
    share = table / n
    rows, columns = share.sum(1), share.sum(0)
    observed, expected = float(np.trace(share)), float(rows @ columns)
    if expected >= 1:
        return float("nan"), float("nan"), float("nan")
    kappa = (observed - expected) / (1 - expected)
    if observed == 1:  # the error would be 0, however few agreed
        least, _ = wilson(n, n, level=level)
        return kappa, max(-1.0, (float(least) - expected) / (1 - expected)), 1.0
    # each cell (i, j) weighs by the column share of i and the row share of j
    sums = columns[:, None] + rows[None, :]
    on = np.diag(share) @ ((1 - expected) - np.diag(sums) * (1 - observed)) ** 2
    off = (1 - observed) ** 2 * float((share * sums**2).sum() - np.diag(share) @ np.diag(sums) ** 2)
    rest = (observed * expected - 2 * expected + observed) ** 2
    variance = max(0.0, float(on) + off - rest) / (n * (1 - expected) ** 4)
    reach = normal_quantile(level) * math.sqrt(variance)
    return kappa, max(-1.0, kappa - reach), min(1.0, kappa + reach)
