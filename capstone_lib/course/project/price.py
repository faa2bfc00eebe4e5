"""What a threshold costs: how many of each mistake, and how bad they are together."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NEAR", "STEPS", "Price", "mistakes_at", "mistakes_when_sure", "price_of"]

STEPS = np.round(np.arange(0.05, 0.96, 0.05), 2)
"""The thresholds that are tried."""

NEAR = 1.03
"""A threshold is good enough if its harm is at most so many times the least."""


class Price(NamedTuple):
    """What a threshold costs among a thousand cases, the least that any costs, and at which."""

    here: float
    least: float
    best: float

    @property
    def is_near(self) -> bool:
        """Whether no other does much less harm."""
        return self.here <= NEAR * self.least + 1e-9


def mistakes_at(score: np.ndarray, is_yes: np.ndarray) -> "pd.DataFrame":
    """Two classes: of a thousand cases, how many are wrongly called yes, and wrongly no.

    Parameters
    ----------
    score : array of shape (n_rows,)
        Probabilities of *yes*.
    is_yes : array of bool, shape (n_rows,)
        What became of them.

    Returns
    -------
    pandas.DataFrame
        Index ``threshold``; columns ``wrongly_yes`` and ``wrongly_no``.

    Examples
    --------
    >>> mistakes_at(np.array([0.2, 0.8]), np.array([False, True])).loc[0.5].tolist()
    [0.0, 0.0]
    """
    called = score[:, None] >= STEPS
    yes = np.asarray(is_yes, dtype=bool)[:, None]
    return _table(wrongly_yes=called & ~yes, wrongly_no=~called & yes)


def mistakes_when_sure(sure: np.ndarray, is_right: np.ndarray) -> "pd.DataFrame":
    """More classes: of a thousand, how many are decided wrongly, and how many a person is asked.

    Parameters
    ----------
    sure : array of shape (n_rows,)
        The largest probability; below the threshold a person is asked.
    is_right : array of bool, shape (n_rows,)
        Whether the class with it was the true one.
    """
    decided = sure[:, None] >= STEPS
    return _table(wrong=decided & ~np.asarray(is_right, dtype=bool)[:, None], asked=~decided)


def price_of(mistakes: "pd.DataFrame", harm: Mapping[str, float], threshold: float) -> Price:
    """Weigh the mistakes of a threshold, and look for a better one.

    Parameters
    ----------
    mistakes : pandas.DataFrame
        Of one of the functions above.
    harm : mapping of str to float
        How bad one of each is.
    threshold : float
        Between the steps the mistakes are interpolated.
    """
    steps = mistakes.index.to_numpy(dtype=float)
    weights = np.array([harm[str(name)] for name in mistakes.columns], dtype=float)
    total = mistakes.to_numpy(dtype=float) @ weights
    here = float(np.interp(threshold, steps, total))
    return Price(here, float(total.min()), float(steps[total.argmin()]))


def _table(**hits: np.ndarray) -> "pd.DataFrame":
    import pandas as pd

    counts = {name: 1_000 * one.mean(axis=0) for name, one in hits.items()}
    return pd.DataFrame(counts, index=pd.Index(STEPS, name="threshold"))
