"""A window: the rows that a measurement speaks of, as counts against the reference's bins.

Counts add up: windows of days, workers or batches merge into those of months, endpoints and runs.
No row is kept, so a window is small, and tells nothing of a single person but what a count tells.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from capstone_lib.artifact.binning import Binning, answers_of
from capstone_lib.artifact.bins import ABOVE, BELOW, MISSING, UNSEEN
from capstone_lib.artifact.pair_counts import PairCounter
from capstone_lib.artifact.tally import by_name, column_of, names_of, rows_of
from capstone_lib.errors import MonitoringError

__all__ = ["Window"]


@dataclass(frozen=True, eq=False)
class Window:
    """Counts of some rows.

    Attributes
    ----------
    binning : Binning
        What they are counted against.
    counts : mapping of str to numpy.ndarray
        One vector a column, the model's answers too if they were given; see
        :meth:`capstone_lib.artifact.bins.ColumnBins.count`.
    n_rows : int
        How many rows.
    pairs : numpy.ndarray of shape (n_blocks, n_blocks), or None
        How many rows are in each two blocks of values at once, for all features; None if pairs of
        columns were not counted.
    name : str
        Such as ``2016-01``.
    start, end : str
        The first moment of the window and the first one after it, in ISO 8601; empty if not known.
    model, version : str
        Whose answers they are; empty if none.
    """

    binning: Binning
    counts: Mapping[str, np.ndarray]
    n_rows: int
    pairs: np.ndarray | None = None
    name: str = ""
    start: str = ""
    end: str = ""
    model: str = ""
    version: str = ""

    @classmethod
    def of(
        cls,
        rows: Any,
        *,
        binning: Binning,
        predictions: Any = None,
        pairs: bool = True,
        name: str = "",
        start: str = "",
        end: str = "",
        model: str = "",
        version: str = "",
    ) -> "Window":
        """Count rows.

        Parameters
        ----------
        rows : pandas.DataFrame, pyarrow.Table or mapping of str to array
            With every column that is counted, in any order; others are left aside.
        binning : Binning
            The reference's bins.
        predictions : Predictions, or table with the columns ``score`` and ``label``, optional
            What the model said of these rows.
        pairs : bool, default True
            Whether to count pairs of columns too.
        name, start, end, model, version : str
            What to call the window, when its rows came and who scored them.

        Raises
        ------
        MonitoringError
            If a column is missing, or predictions are not for these rows.

        Examples
        --------
        >>> from capstone_lib.schema import Schema
        >>> import pandas as pd
        >>> people = pd.DataFrame({"age": [20, 30, 30, 40]})
        >>> bins = Binning.of(people, Schema.infer(people))
        >>> today = Window.of(people.iloc[:1], binning=bins)
        >>> (today + Window.of(people.iloc[1:], binning=bins)).n_rows
        4
        """
        _check_names(rows, binning.names, "the window")
        counts, n_rows = {}, rows_of(rows)
        together = PairCounter(n_rows) if pairs else None
        found = by_name(rows)
        for column in binning.columns:  # one after the other: less memory is touched
            placed = column.place(column_of(found, column.name))
            counts[column.name] = column.tally(placed)
            if together is not None:
                together.add(column.blocks_of(placed), column.n_blocks)
        if predictions is not None:
            counts |= _count_answers(binning, predictions, n_rows)
        joint = None if together is None else together.counts()
        return cls(binning, counts, n_rows, joint, name, start, end, model, version)

    def __add__(self, other: "Window") -> "Window":
        """Count the rows of both; the bins must be the same."""
        if self.binning is not other.binning and self.binning != other.binning:
            raise MonitoringError(
                "these windows are counted against different bins; count both against one "
                "reference's"
            )
        if set(self.counts) != set(other.counts):
            raise MonitoringError(
                "only one of these windows counts the model's answers; give predictions to both"
            )
        both = self.pairs is not None and other.pairs is not None
        starts, ends = [w.start for w in (self, other)], [w.end for w in (self, other)]
        return Window(
            self.binning,
            {name: self.counts[name] + other.counts[name] for name in self.counts},
            self.n_rows + other.n_rows,
            np.asarray(self.pairs) + np.asarray(other.pairs) if both else None,
            self.name or other.name,
            min(starts) if all(starts) else "",
            max(ends) if all(ends) else "",
            self.model if self.model == other.model else "",
            self.version if self.version == other.version else "",
        )

    @classmethod
    def merge(cls, windows: "Iterable[Window]", *, name: str = "") -> "Window":
        """Add several windows up.

        Raises
        ------
        MonitoringError
            If there is none, or their bins differ.
        """
        windows = list(windows)
        if not windows:
            raise MonitoringError("there is no window to merge; give one at least")
        return replace(reduce(Window.__add__, windows), name=name or windows[0].name)

    @property
    def columns(self) -> tuple[str, ...]:
        """What is counted: features, then the model's answers."""
        return tuple(self.counts)

    def cells(self, column: str) -> np.ndarray:
        """Coarse groups of a column, then below, above, unseen and missing: rows in each."""
        bins, count = self.binning[column], self.counts[column]
        groups = np.bincount(bins.groups, weights=count[: bins.n_bins])
        return np.concatenate([groups, count[bins.n_bins : bins.n_bins + MISSING + 1]])

    def ordered(self, column: str) -> np.ndarray:
        """Rows below, in each fine bin, and above: those of which the order is known."""
        bins, count = self.binning[column], self.counts[column]
        ends = count[bins.n_bins + BELOW], count[bins.n_bins + ABOVE]
        return np.concatenate([[ends[0]], count[: bins.n_bins], [ends[1]]])

    def share(self, column: str, place: int) -> float:
        """The share of rows in one of the places for the unexpected, such as ``UNSEEN``."""
        bins = self.binning[column]
        return float(self.counts[column][bins.n_bins + place] / self.n_rows) if self.n_rows else 0.0

    def unexpected(self, column: str) -> dict[str, float]:
        """The shares of missing, unseen and out-of-range values."""
        return {
            "missing": self.share(column, MISSING),
            "unseen": self.share(column, UNSEEN),
            "out_of_range": self.share(column, BELOW) + self.share(column, ABOVE),
        }

    def pair(self, first: str, second: str) -> np.ndarray:
        """Rows in each two blocks of two features, of shape (blocks of first, blocks of second).

        Rows whose value in either column is missing or unexpected are left out.
        """
        if self.pairs is None:
            raise MonitoringError("this window does not count pairs of columns")
        spans = self.binning.spans
        return np.asarray(self.pairs[spans[first], spans[second]])

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON, and short; :meth:`from_dict` reads it back equal."""
        words = {
            key: getattr(self, key)
            for key in ("name", "start", "end", "model", "version")
            if getattr(self, key)
        }
        return {
            "binning": self.binning.to_dict(),
            "counts": {name: _plain(count) for name, count in self.counts.items()},
            "n_rows": self.n_rows,
            "pairs": None if self.pairs is None else _packed(self.pairs, self.binning),
            **words,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Window":
        """Read what :meth:`to_dict` wrote."""
        binning = Binning.from_dict(data["binning"])
        known = (bins.name for bins in (*binning.columns, *binning.answers))
        counts = {
            name: np.array(data["counts"][name], dtype=float)
            for name in known
            if name in data["counts"]
        }
        pairs = data["pairs"]
        words = {key: data.get(key, "") for key in ("name", "start", "end", "model", "version")}
        together = None if pairs is None else _unpacked(pairs, binning)
        return cls(binning, counts, data["n_rows"], together, **words)


def _check_names(rows: Any, wanted: Iterable[str], what: str) -> None:
    names = names_of(rows)
    wanted = list(wanted)
    twice = [name for name in wanted if names.count(name) > 1]
    if twice:
        raise MonitoringError(
            f"{what} has more than one column {twice[0]!r}; keep the one that is meant"
        )
    missing = [name for name in wanted if name not in names]
    if missing:
        more = ", …" if len(missing) > 5 else ""
        raise MonitoringError(
            f"{what} lacks the columns {', '.join(missing[:5])}{more}; it has "
            f"{', '.join(map(str, names[:8])) or 'none'}"
        )


def _count_answers(binning: Binning, predictions: Any, n_rows: int) -> dict[str, np.ndarray]:
    if not binning.answers:
        raise MonitoringError(
            "the reference knows nothing of the model's answers, so these cannot be compared; "
            "give predictions for the reference too"
        )
    if not hasattr(predictions, "prediction_set"):
        _check_names(predictions, ("score", "label"), "the table of predictions")
    parts = answers_of(predictions)
    if any(len(part) != n_rows for part in parts):
        raise MonitoringError(
            f"there are {n_rows:,} rows and {len(parts[0]):,} predictions; give one for each row"
        )
    pairs = zip(binning.answers, parts, strict=True)
    return {bins.name: bins.count(values) for bins, values in pairs}


def _plain(count: np.ndarray) -> list[float]:
    return [int(value) if value == int(value) else float(value) for value in count.tolist()]


def _packed(pairs: np.ndarray, binning: Binning) -> list[int]:
    """What stands above the diagonal, pair by pair."""
    spans = list(binning.spans.values())
    parts = [pairs[a, b].ravel() for place, a in enumerate(spans) for b in spans[place + 1 :]]
    return [int(value) for part in parts for value in part]


def _unpacked(numbers: list[int], binning: Binning) -> np.ndarray:
    spans = list(binning.spans.values())
    width = max((span.stop for span in spans), default=0)
    out, at = np.zeros((width, width)), 0
    for place, a in enumerate(spans):
        for b in spans[place + 1 :]:
            shape = a.stop - a.start, b.stop - b.start
            n = shape[0] * shape[1]
            out[a, b] = np.array(numbers[at : at + n], dtype=float).reshape(shape)
            out[b, a] = out[a, b].T
            at += n
    return out
