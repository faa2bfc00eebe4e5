"""How long answers took: every one of them, counted by time to four significant digits.

Percentiles come from these counts, by nearest rank; nothing is interpolated and nothing rounded to
whole milliseconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

__all__ = ["Histogram"]

_DIGITS = 4
_FINEST_MS = 0.001


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of answers by the time they took.

    Attributes
    ----------
    values_ms : float64[k]
        Times in milliseconds, ascending, to four significant digits and not below a microsecond.
    counts : int64[k]
        How many answers took that long.
    mean_ms, max_ms : float
        Of the times before they were rounded; NaN without any.
    """

    values_ms: np.ndarray
    counts: np.ndarray
    mean_ms: float
    max_ms: float

    @classmethod
    def of(cls, samples_ms: Any) -> Self:
        """Count times in milliseconds.

        Examples
        --------
        >>> Histogram.of([1.0, 1.0, 2.00004, 9.0]).percentile(75)
        2.0
        """
        samples = np.asarray(samples_ms, dtype=np.float64)
        if not len(samples):
            return cls(np.empty(0), np.empty(0, dtype=np.int64), float("nan"), float("nan"))
        values, counts = np.unique(_rounded(samples), return_counts=True)
        return cls(values, counts, float(samples.mean()), float(samples.max()))

    @classmethod
    def merged(cls, parts: "Iterable[Histogram]") -> Self:
        """Add the counts of several."""
        full = [part for part in parts if part.total]
        if not full:
            return cls.of([])
        values, place = np.unique(
            np.concatenate([part.values_ms for part in full]), return_inverse=True
        )
        counts = np.zeros(len(values), dtype=np.int64)
        np.add.at(counts, place, np.concatenate([part.counts for part in full]))
        sizes = [part.total for part in full]
        mean = float(np.average([part.mean_ms for part in full], weights=sizes))
        return cls(values, counts, mean, max(part.max_ms for part in full))

    @property
    def total(self) -> int:
        """How many answers were counted."""
        return int(self.counts.sum())

    def percentile(self, percent: float) -> float:
        """The least time within which at least this share of answers came; NaN without any.

        Parameters
        ----------
        percent
            Above 0 and up to 100. The method is nearest rank, ``inverted_cdf`` in NumPy.

        Raises
        ------
        ValueError
            ``percent`` is out of range.
        """
        if not 0 < percent <= 100:
            raise ValueError(f"a percentile is above 0 and up to 100; seen {percent}")
        if not self.total:
            return float("nan")
        rank = np.ceil(np.round(self.total * percent / 100, 9))
        value = self.values_ms[np.searchsorted(np.cumsum(self.counts), rank)]
        return float(min(value, self.max_ms))  # the last one may have been rounded up

    def share_within(self, limit_ms: float) -> float:
        """The share of answers that took no longer than this; NaN without any."""
        if not self.total:
            return float("nan")
        return float(self.counts[self.values_ms <= limit_ms].sum() / self.total)


def _rounded(samples: np.ndarray) -> np.ndarray:
    """Four significant digits, and nothing finer than a microsecond."""
    safe = np.maximum(samples, _FINEST_MS)
    decimals = np.clip(_DIGITS - 1 - np.floor(np.log10(safe)).astype(int), -12, 3)
    scale = np.power(10.0, decimals)
    return np.asarray(np.rint(safe * scale) / scale)
