"""Bins, frozen on reference rows: what every later window is counted against.

A column's count is one vector, so that two counts of different rows add up to the count of both. A
whole-number column of few values has a bin a value, and nothing is lost; other numbers have bins of
equal share. Whatever the reference has not seen has places of its own: below, above, unseen and
missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from capstone_lib.artifact.tally import as_distinct, as_numbers, count_codes, translate

__all__ = [
    "ABOVE",
    "BELOW",
    "MISSING",
    "N_EXTRA",
    "SUM_ABOVE",
    "SUM_BELOW",
    "UNSEEN",
    "Blocks",
    "ColumnBins",
    "Placed",
]

BELOW, ABOVE, UNSEEN, MISSING, SUM_BELOW, SUM_ABOVE = range(6)
"""The places behind the bins in a count."""

N_PLACES, N_EXTRA = 4, 6
FEW_CODES = 4

FARTHEST = 1e300
"""Values beyond are counted, and their excess taken as if they stood here: sums stay finite."""


@dataclass(frozen=True)
class Placed:
    """Where each row of a column belongs.

    Attributes
    ----------
    codes : numpy.ndarray of int, shape (n_rows,)
        A code for each row.
    places : numpy.ndarray of int
        For each code the place in a count: a bin, or one of the four places behind the bins.
    excess : (float, float)
        By how much rows exceed the lowest and the highest edge, in sum.
    """

    codes: np.ndarray
    places: np.ndarray
    excess: tuple[float, float] = (0.0, 0.0)


class Blocks(NamedTuple):
    """The block of each row of a column.

    Attributes
    ----------
    codes : numpy.ndarray of uint8, shape (n_rows,)
        A code for each row.
    blocks : numpy.ndarray of int
        The block of each code; one more than the last block for the unexpected.
    """

    codes: np.ndarray
    blocks: np.ndarray


@dataclass(frozen=True)
class ColumnBins:
    """The bins of one column.

    Attributes
    ----------
    name : str
        The column.
    cuts : tuple of float or None
        For a number: ``n_bins + 1`` rising edges. Bin ``k`` holds ``cuts[k] <= x < cuts[k + 1]``,
        the last one its upper edge too.
    categories : tuple of int or str, or None
        For a category: one bin each.
    rare : tuple of int or str
        The rarer categories, which share one last bin.
    is_open : bool
        Whether that last bin takes any category that has no bin of its own: there are too many
        rare ones to list, so that none counts as unseen.
    groups : tuple of int
        For each bin the coarse group it belongs to, from 0, not falling.
    blocks : tuple of int
        For each bin the still coarser block, four at most, by which pairs of columns are counted.
    whole : bool
        Whether each bin is one whole number, so that measures of order lose nothing.
    """

    name: str
    cuts: tuple[float, ...] | None = None
    categories: tuple[Any, ...] | None = None
    rare: tuple[Any, ...] = ()
    is_open: bool = False
    groups: tuple[int, ...] = ()
    blocks: tuple[int, ...] = ()
    whole: bool = False

    @property
    def has_other(self) -> bool:
        """Whether a last bin holds the rarer of the reference's categories together."""
        return bool(self.rare) or self.is_open

    @property
    def n_bins(self) -> int:
        """How many bins there are, without the places for the unexpected."""
        if self.cuts is not None:
            return len(self.cuts) - 1
        return len(self.categories or ()) + int(self.has_other)

    @property
    def n_blocks(self) -> int:
        """How many blocks the bins are joined in, for pairs of columns."""
        return max(self.blocks, default=-1) + 1

    @property
    def is_ordered(self) -> bool:
        """Whether the bins have an order that means something."""
        return self.cuts is not None

    @property
    def size(self) -> int:
        """The length of a count."""
        return self.n_bins + N_EXTRA

    def count(self, values: Any) -> np.ndarray:
        """Count values.

        Parameters
        ----------
        values : array of shape (n_rows,)
            Numbers or codes as they came; None or NaN where missing.

        Returns
        -------
        numpy.ndarray of float64, shape (n_bins + 6,)
            Rows per bin, then rows below the first edge, above the last, unseen (no number, an
            infinite one, a fraction among whole numbers, or not a known category) and missing;
            then by how much the rows below and above exceed the edges, in sum. All but the last
            two are whole numbers.

        Examples
        --------
        >>> age = ColumnBins("age", cuts=(17.0, 18.0, 19.0, 20.0), whole=True)
        >>> age.count([17, 19, 19, 25, None, "old"])
        array([1., 0., 2., 0., 1., 1., 1., 0., 6.])
        """
        return self.tally(self.place(values))

    def tally(self, placed: Placed) -> np.ndarray:
        """Count rows that have been placed."""
        n_rows = count_codes(placed.codes, len(placed.places))
        out = np.bincount(placed.places, weights=n_rows, minlength=self.size)
        out[self.n_bins + SUM_BELOW], out[self.n_bins + SUM_ABOVE] = placed.excess
        return out

    def place(self, values: Any) -> Placed:
        """Say where each value belongs."""
        array = np.asarray(values)
        if not self.is_ordered:
            return self._place_words(array)
        if array.dtype.kind in "iu" and len(array) and self.whole:
            return self._place_whole(array)
        return self._place_numbers(array)

    def blocks_of(self, placed: Placed) -> Blocks:
        """The block of each row, for pairs of columns."""
        table = np.array([*self.blocks, *[self.n_blocks] * N_PLACES], dtype=np.uint8)
        blocks = table[placed.places]
        if placed.codes.dtype == np.uint8 and len(blocks) <= FEW_CODES:
            return Blocks(placed.codes, blocks)
        return Blocks(translate(placed.codes, blocks), np.arange(blocks.max(initial=0) + 1))

    def labels(self) -> list[str]:
        """A name for each bin."""
        if self.cuts is None:
            return [*map(str, self.categories or ()), *(["other"] if self.has_other else [])]
        if self.whole:
            return [f"{cut:g}" for cut in self.cuts[:-1]]
        return [f"{low:g} to {high:g}" for low, high in zip(self.cuts, self.cuts[1:], strict=False)]

    def group_labels(self) -> list[str]:
        """A name for each coarse group."""
        labels = self.labels()
        spans = [
            [place for place, _ in members]
            for _, members in groupby(enumerate(self.groups), key=lambda pair: pair[1])
        ]
        if self.cuts is None:
            return [", ".join(labels[k] for k in span) for span in spans]
        cuts, last = self.cuts, int(self.whole)
        ends = [(cuts[span[0]], cuts[span[-1] + 1] - last) for span in spans]
        spell = "g" if self.whole else ".3g"
        return [
            f"{low:g}" if low == high else f"{low:{spell}}–{high:{spell}}" for low, high in ends
        ]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON, and short; :meth:`from_dict` reads it back equal."""
        out: dict[str, Any] = {"name": self.name, "blocks": _runs(self.blocks)}
        if self.groups != tuple(range(self.n_bins)):
            out["groups"] = _runs(self.groups)
        if self.cuts is not None:
            ends = {"first": self.cuts[0], "n": self.n_bins}
            return out | (ends if self.whole else {"cuts": list(self.cuts)})
        out["categories"] = list(self.categories or ())
        out |= {"rare": list(self.rare)} if self.rare else {}
        return out | ({"open": True} if self.is_open else {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "ColumnBins":
        """Read what :meth:`to_dict` wrote."""
        cuts: tuple[float, ...] | None = None
        if "first" in data:
            cuts = tuple(float(data["first"] + k) for k in range(data["n"] + 1))
        elif "cuts" in data:
            cuts = tuple(map(float, data["cuts"]))
        bins = cls(
            data["name"],
            cuts=cuts,
            categories=tuple(data["categories"]) if "categories" in data else None,
            rare=tuple(data.get("rare", ())),
            is_open=data.get("open", False),
            blocks=_unrolled(data["blocks"]),
            whole="first" in data,
        )
        groups = _unrolled(data["groups"]) if "groups" in data else tuple(range(bins.n_bins))
        object.__setattr__(bins, "groups", groups)
        return bins

    def _place_whole(self, array: np.ndarray) -> Placed:
        """Whole numbers of a small range: judged by distinct value, not by row."""
        distinct = as_distinct(array)
        values = np.array([np.nan if v is None else v for v in distinct.values], dtype=np.float64)
        places, excess = self._judge(values, None)
        if not (excess[0].any() or excess[1].any()):
            return Placed(distinct.codes, places)
        n_rows = distinct.counts()
        return Placed(distinct.codes, places, (excess[0] @ n_rows, excess[1] @ n_rows))

    def _place_numbers(self, array: np.ndarray) -> Placed:
        numbers, strange = as_numbers(array)
        places, (below, above) = self._judge(numbers, strange)
        return Placed(places, np.arange(self.n_bins + N_PLACES), (below.sum(), above.sum()))

    def _judge(
        self, numbers: np.ndarray, strange: np.ndarray | None
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """The place of each number, and by how much it exceeds either edge."""
        assert self.cuts is not None
        first, top = self.cuts[0], self.cuts[-1] - int(self.whole)
        usual = (numbers >= first) & (numbers <= top)
        if self.whole:
            usual &= numbers == np.trunc(numbers)
        places = np.empty(len(numbers), dtype=np.intp)
        places[usual] = self._bin(numbers if usual.all() else numbers[usual])
        below, above = np.zeros(len(numbers)), np.zeros(len(numbers))
        if not usual.all():
            odd = ~usual
            values = numbers[odd]
            places[odd] = self.n_bins + self._oddity(values, first, top)
            finite = np.where(np.isfinite(values), values, first)
            finite = finite.clip(-FARTHEST, FARTHEST)
            below[odd] = np.where(places[odd] == self.n_bins + BELOW, first - finite, 0.0)
            above[odd] = np.where(places[odd] == self.n_bins + ABOVE, finite - top, 0.0)
            if strange is not None:
                places[strange] = self.n_bins + UNSEEN
        return places, (below, above)

    def _bin(self, inside: np.ndarray) -> np.ndarray:
        assert self.cuts is not None
        if self.whole:
            return np.asarray(inside - self.cuts[0]).astype(np.intp)
        places = np.searchsorted(self.edges, inside, side="right") - 1
        return np.minimum(places, self.n_bins - 1)

    def _oddity(self, values: np.ndarray, first: float, top: float) -> np.ndarray:
        out = np.full(len(values), UNSEEN)
        out[np.isnan(values)] = MISSING
        fits = np.isfinite(values)
        if self.whole:
            fits &= values == np.trunc(values)
        out[fits & (values < first)] = BELOW
        out[fits & (values > top)] = ABOVE
        return out

    @cached_property
    def edges(self) -> np.ndarray:
        """The cuts as an array."""
        return np.array(self.cuts)

    @cached_property
    def _known(self) -> dict[Any, int]:
        places = {value: place for place, value in enumerate(self.categories or ())}
        return dict.fromkeys(self.rare, self.n_bins - 1) | places

    def _place_words(self, array: np.ndarray) -> Placed:
        distinct = as_distinct(array)
        unknown = self.n_bins - 1 if self.is_open else self.n_bins + UNSEEN
        places = [
            self.n_bins + MISSING if value is None else self._known.get(value, unknown)
            for value in distinct.values
        ]
        return Placed(distinct.codes, np.array(places, dtype=np.intp))


def _runs(numbers: tuple[int, ...]) -> list[int]:
    """Numbers as pairs of value and length, one after the other."""
    return [part for value, run in groupby(numbers) for part in (value, len(list(run)))]


def _unrolled(runs: list[int]) -> tuple[int, ...]:
    pairs = zip(runs[::2], runs[1::2], strict=True)
    return tuple(value for value, length in pairs for _ in range(length))
