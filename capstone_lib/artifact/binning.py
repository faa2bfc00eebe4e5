"""The bins of a table: chosen once, from reference rows, and kept in the passport."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, pairwise
from numbers import Integral, Real
from typing import Any

import numpy as np

from capstone_lib.artifact.bins import FARTHEST, ColumnBins
from capstone_lib.artifact.tally import as_distinct, as_numbers, column_of, names_of
from capstone_lib.schema import Column, Schema

__all__ = ["Binning", "bin_amounts", "bin_categories", "bin_scores"]

MOST_VALUES = 256
"""A whole-number column of at most so wide a range has a bin a value."""

MOST_EXACT = 2.0**53
"""Up to here each whole number is a float64 of its own."""

QUANTILES = 100
GROUPS = 10
MOST_CATEGORIES = 50
MOST_RARE = 1_000
BLOCKS = 4
SCORE_GROUPS = 20


@dataclass(frozen=True)
class Binning:
    """The bins of a table's columns, and those of a model's answers.

    Attributes
    ----------
    columns : tuple of ColumnBins
        The features.
    answers : tuple of ColumnBins
        The model's score and label, if it was asked: none or two.
    """

    columns: tuple[ColumnBins, ...]
    answers: tuple[ColumnBins, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The features that are counted."""
        return tuple(column.name for column in self.columns)

    def __getitem__(self, name: str) -> ColumnBins:
        for column in (*self.columns, *self.answers):
            if column.name == name:
                return column
        raise KeyError(f"no bins for a column {name!r}; there are {', '.join(self.names)}")

    @cached_property
    def spans(self) -> dict[str, slice]:
        """Where the blocks of each feature stand when all are put in one row, for pairs."""
        ends = [0, *accumulate(column.n_blocks for column in self.columns)]
        parts = zip(self.columns, pairwise(ends), strict=True)
        return {column.name: slice(*ends) for column, ends in parts}

    @classmethod
    def of(cls, rows: Any, schema: Schema, *, predictions: Any = None) -> "Binning":
        """Choose bins for reference rows.

        Parameters
        ----------
        rows : pandas.DataFrame, pyarrow.Table or mapping of str to array
            Reference rows.
        schema : Schema
            Says which columns are categories.
        predictions : Predictions, or table with the columns ``score`` and ``label``, optional
            What the model says of these rows.
        """
        columns = tuple(_bin(column, column_of(rows, column.name)) for column in schema.columns)
        if predictions is None:
            return cls(columns)
        score, label = answers_of(predictions)
        names = [
            f"predicted {name}" if name in schema.names else name for name in ("score", "label")
        ]
        classes = getattr(predictions, "classes", ())
        answers = bin_scores(names[0], score), bin_categories(names[1], label, also=classes)
        return cls(columns, answers)

    @classmethod
    def guess(cls, rows: Any, columns: Sequence[str] | None = None) -> "Binning":
        """Choose bins for rows without a schema: numbers are amounts, all else are categories.

        Parameters
        ----------
        rows : pandas.DataFrame, pyarrow.Table or mapping of str to array
            Reference rows.
        columns : sequence of str, optional
            Which columns; all of them by default.
        """
        names = names_of(rows) if columns is None else columns
        return cls(tuple(_bin_unknown(name, column_of(rows, name)) for name in names))

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "columns": [column.to_dict() for column in self.columns],
            "answers": [column.to_dict() for column in self.answers],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Binning":
        """Read what :meth:`to_dict` wrote."""
        columns, answers = (
            tuple(map(ColumnBins.from_dict, data[part])) for part in ("columns", "answers")
        )
        return cls(columns, answers)


def answers_of(predictions: Any) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels of an artifact's predictions, or of a table of them."""
    if hasattr(predictions, "prediction_set") and hasattr(predictions, "classes"):
        return np.asarray(predictions.score), np.asarray(predictions.label)
    return column_of(predictions, "score"), column_of(predictions, "label")


def bin_categories(name: str, values: np.ndarray, *, also: Sequence[Any] = ()) -> ColumnBins:
    """Choose the bins of names: one each in their natural order, the rarest beyond 50 together.

    Parameters
    ----------
    name : str
        The column.
    values : array of shape (n_rows,)
        Reference values; missing ones are left aside.
    also : sequence
        Values that may come, though the reference has none of them.
    """
    distinct = as_distinct(np.asarray(values))
    tally = dict.fromkeys(also, 0)
    for value, n_rows in zip(distinct.values, distinct.counts().tolist(), strict=True):
        if value is not None and n_rows:
            tally[value] = n_rows
    often = sorted(tally, key=lambda value: -tally[value])
    kept = tuple(_sorted(often[:MOST_CATEGORIES]))
    rare = tuple(_sorted(often[MOST_CATEGORIES:]))
    counts = [tally[value] for value in kept] + ([sum(tally[v] for v in rare)] if rare else [])
    return ColumnBins(
        name,
        categories=kept,
        rare=rare if len(rare) <= MOST_RARE else (),
        is_open=len(rare) > MOST_RARE,
        groups=tuple(range(len(counts))),
        blocks=_commonest(np.array(counts, dtype=np.float64)),
    )


def bin_amounts(name: str, values: np.ndarray, *, is_whole: bool) -> ColumnBins:
    """Choose the bins of numbers: one a value, or up to 100 of equal share.

    Parameters
    ----------
    name : str
        The column.
    values : array of shape (n_rows,)
        Reference values; missing ones are left aside.
    is_whole : bool
        Whether only whole numbers make sense: a fraction counts as unseen then.

    Notes
    -----
    Edges lie halfway between neighbouring values, so that rounding a number to float32 does not
    move it into another bin. Coarse groups, of which there are ten at most, have about equal
    shares too.
    """
    array = np.asarray(values)
    numbers = array if array.dtype.kind in "iu" else as_numbers(array)[0]
    if numbers.dtype.kind == "f":
        numbers = numbers[np.abs(numbers) < FARTHEST]  # without infinite and missing ones
    if not len(numbers):
        return ColumnBins(name, cuts=(0.0, 1.0), groups=(0,), blocks=(0,), whole=is_whole)
    low, high = float(numbers.min()), float(numbers.max())
    whole = is_whole and high - low < MOST_VALUES and max(abs(low), abs(high)) < MOST_EXACT
    cuts = np.arange(low, high + 2) if whole else _even_cuts(np.sort(numbers.astype(np.float64)))
    return _grouped(ColumnBins(name, cuts=tuple(cuts.tolist()), whole=whole), numbers)


def bin_scores(name: str, scores: np.ndarray) -> ColumnBins:
    """Choose the bins of probabilities, from 0 to 1.

    Fine bins have equal shares. Coarse groups are twenty of equal width: against ten of equal share
    they find a shift of the logits by 0.15 in 71 of 100 windows of 1,000 rows, not 53, and one row
    in fifty stuck at one half in 98 of 100 windows of 5,000, not 7; for the ends of the scale, and
    values that repeat, have cells of their own.
    """
    known = np.asarray(scores, dtype=np.float64)
    known = np.sort(known[np.isfinite(known)])
    inner = _even_cuts(known)[1:-1] if len(known) else np.array([0.5])
    steps = np.arange(1, SCORE_GROUPS) / SCORE_GROUPS
    inner = np.unique(np.concatenate([inner, steps]).round(4))
    inner = inner[(inner > 0) & (inner < 1)]
    cuts = np.array([0.0, *inner, 1.0])
    middles = (cuts[:-1] + cuts[1:]) / 2
    groups = tuple((middles * SCORE_GROUPS).astype(int).tolist())
    return replace(_grouped(ColumnBins(name, cuts=tuple(cuts.tolist())), known), groups=groups)


def _bin(column: Column, values: np.ndarray) -> ColumnBins:
    if column.kind == "boolean":
        return bin_categories(column.name, values, also=(False, True))
    if column.kind == "category":
        return bin_categories(column.name, values, also=column.categories or ())
    return bin_amounts(column.name, values, is_whole=column.kind == "integer")


def _bin_unknown(name: str, values: np.ndarray) -> ColumnBins:
    if values.dtype.kind in "iuf":
        return bin_amounts(name, values, is_whole=values.dtype.kind != "f")
    seen = [value for value in as_distinct(values).values if value is not None]
    if seen and all(isinstance(value, Real) and not isinstance(value, bool) for value in seen):
        whole = all(isinstance(value, Integral) for value in seen)
        return bin_amounts(name, values, is_whole=whole)
    return bin_categories(name, values, also=(False, True) if values.dtype.kind == "b" else ())


def _even_cuts(ordered: np.ndarray) -> np.ndarray:
    """Edges of up to a hundred bins of about equal share, between the values."""
    values, first = np.unique(ordered, return_index=True)
    slack = 1e-6 * max(abs(values[0]), abs(values[-1]), 1e-30)
    ends = np.array([values[0] - slack, values[-1] + slack])
    kept = np.arange(len(values) - 1)
    if len(values) > QUANTILES:
        wanted = np.linspace(0, len(ordered), QUANTILES + 1)[1:-1]
        kept = np.unique(np.searchsorted(first[1:], wanted).clip(0, len(values) - 2))
    inner = _between(values[kept], values[kept + 1])
    return np.unique(np.concatenate([ends[:1], inner, ends[1:]]))


def _between(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Numbers halfway between others, with few digits where there is room."""
    halfway = low / 2 + high / 2
    short = np.array([float(f"{cut:.6g}") for cut in halfway.tolist()])
    return np.where((short > low) & (short < high), short, halfway)


def _grouped(bins: ColumnBins, numbers: np.ndarray) -> ColumnBins:
    counts = bins.count(numbers)[: bins.n_bins]
    return ColumnBins(
        bins.name,
        cuts=bins.cuts,
        groups=_even(counts, GROUPS),
        blocks=_even(counts, BLOCKS),
        whole=bins.whole,
    )


def _even(counts: np.ndarray, most: int) -> tuple[int, ...]:
    """Neighbouring bins joined into groups of about equal share."""
    share = (np.cumsum(counts) - counts / 2) / max(counts.sum(), 1.0)
    if np.count_nonzero(counts) <= most:  # a group for each value that is there
        raw = np.maximum(np.cumsum(counts > 0) - 1, 0)
    else:
        raw = np.minimum((share * most).astype(int), most - 1)
    return tuple(np.cumsum(np.diff(raw, prepend=raw[:1]) > 0).tolist())  # without those left out


def _commonest(counts: np.ndarray) -> tuple[int, ...]:
    """Blocks for pairs: the three commonest categories, and all others together."""
    ranks = np.argsort(np.argsort(-counts, kind="stable"), kind="stable")
    return tuple(np.minimum(ranks, BLOCKS - 1).tolist())


def _sorted(values: Sequence[Any]) -> list[Any]:
    return sorted(values, key=lambda value: (isinstance(value, str), value))
