"""Pairs of columns: a change that no margin shows, such as a join on the wrong key.

Every column by itself may look as before while the columns no longer belong together. Each pair is
counted in blocks of values (four a column at most), and asked whether its association is the
reference's, whatever the two margins do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, compress

import numpy as np
from scipy import special

from capstone_lib.artifact.window import Window

__all__ = ["PairDrift", "compare_pairs"]

FEWEST = 5.0
SIDE = 4
ROUNDS = 60
ENOUGH = 1e-6


@dataclass(frozen=True)
class PairDrift:
    """Whether two columns still belong together as they did.

    Attributes
    ----------
    first, second : str
        The columns.
    n : int
        Rows of the window with an expected value in both.
    statistic, dof : float, int
        Pearson's X² against the model in which only the margins have moved.
    p_value : float
        The chance of so large a difference if the association is the same; not corrected.
    effect : float
        The share of rows that moved beside what the margins explain, less what chance adds.
    is_real, is_large : bool
        As for a single column; all pairs together count as one member of the family.
    """

    first: str
    second: str
    n: int
    statistic: float
    dof: int
    p_value: float
    effect: float
    is_real: bool = False
    is_large: bool = False

    @property
    def name(self) -> str:
        """Both columns."""
        return f"{self.first} × {self.second}"

    def __str__(self) -> str:
        """Say it in one sentence."""
        if not self.is_real:
            return f"{self.name}: they belong together as before"
        size = "large" if self.is_large else "real, but small"
        return f"{self.name}: {size} ({self.effect:.1%} of the rows moved beside the margins)"


def compare_pairs(
    reference: Window, current: Window, *, columns: Sequence[str] | None = None
) -> tuple[PairDrift, ...]:
    """Test each pair of features for a change of their association.

    Parameters
    ----------
    reference, current : Window
        Counted against the same bins, pairs too.
    columns : sequence of str, optional
        Which features; all of them by default.

    Returns
    -------
    tuple of PairDrift
        The strongest evidence first. A pair with too few rows even in two by two blocks is left
        out.

    Notes
    -----
    The model is the log-linear one without a three-way term among the two columns and the sample
    (Bishop, Fienberg and Holland, "Discrete Multivariate Analysis", 1975), fitted by iterative
    proportional scaling. Neighbouring or rare blocks are joined until each cell expects five rows
    in the smaller sample, or is empty in both.
    """
    if reference.pairs is None or current.pairs is None:
        return ()
    names = [name for name in reference.binning.names if columns is None or name in columns]
    counts, tested = _joined(np.stack([_tables(window, names) for window in (reference, current)]))
    if not tested.any():
        return ()
    counts = counts[..., tested]
    statistics, dofs = _interaction(counts)
    p_values, n_rows = special.chdtrc(dofs, statistics), counts[1].sum((0, 1)).astype(int)
    figures = (n_rows, statistics, dofs, p_values, _effects(counts, dofs))
    pairs = compress(combinations(names, 2), tested)
    rows = zip(*(values.tolist() for values in figures), strict=True)
    found = [PairDrift(*pair, *row) for pair, row in zip(pairs, rows, strict=True)]
    return tuple(sorted(found, key=lambda pair: (pair.p_value, -pair.effect)))


def _tables(window: Window, names: Sequence[str]) -> np.ndarray:
    """Rows in each two blocks, of shape (SIDE, SIDE, n_pairs); zeros where a column has fewer."""
    counts = np.pad(np.asarray(window.pairs), (0, 1))
    places = np.full((SIDE, len(names)), -1)  # what was added, and is empty
    for column, name in enumerate(names):
        span = window.binning.spans[name]
        places[: span.stop - span.start, column] = range(span.start, span.stop)
    first, second = np.triu_indices(len(names), 1)
    return np.asarray(counts[places[:, None, first], places[None, :, second]])


def _joined(tables: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tables of shape (2, SIDE, SIDE, n_pairs) as coarse as the test asks; which can be tested."""
    tables = tables.copy()
    n_rows = tables.sum((1, 2))
    scale = n_rows.min(0) / np.maximum(n_rows.sum(0), 1.0)
    while True:
        total = tables.sum(0)
        height, width = _sides(total)
        usable = (np.minimum(height, width) >= 2) & n_rows.all(0)
        expected = np.where(total > 0, total * scale, np.inf).min((0, 1))
        fine = usable & (expected >= FEWEST) & (_dofs(total) > 0)
        coarse = usable & ~fine & (np.maximum(height, width) > 2)
        if not coarse.any():
            return tables, fine
        tables[..., coarse] = _coarser(tables[..., coarse], (height >= width)[coarse])


def _coarser(tables: np.ndarray, by_row: np.ndarray) -> np.ndarray:
    """The two smallest rows as one, or the two smallest columns."""
    turned = np.where(by_row, tables, tables.swapaxes(1, 2))
    sizes = turned.sum((0, 2))
    order = np.argsort(np.where(sizes > 0, sizes, np.inf), axis=0, kind="stable")
    turned = np.take_along_axis(turned, order[None, :, None], 1)
    turned[:, 1] += turned[:, 0]
    turned[:, 0] = 0.0
    return np.where(by_row, turned, turned.swapaxes(1, 2))


def _sides(total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many rows and columns of each table are not empty."""
    return (total.sum(1) > 0).sum(0), (total.sum(0) > 0).sum(0)


def _dofs(total: np.ndarray) -> np.ndarray:
    return np.asarray((total > 0).sum((0, 1)) - np.add(*_sides(total)) + 1)


def _interaction(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's X² and degrees of freedom of "only the margins moved", for each pair."""
    total = counts.sum(0)
    start = np.broadcast_to(np.where(total > 0, 1.0, 0.0), counts.shape)
    fit = _fitted(start, counts, enough=ENOUGH * total.max())
    return _ratio((counts - fit) ** 2, fit).sum((0, 1, 2)), _dofs(total)


def _effects(counts: np.ndarray, dofs: np.ndarray) -> np.ndarray:
    """Total variation between the window and the reference scaled to the window's margins."""
    n_p, n_q = counts.sum((1, 2))
    some = counts.sum(0) > 0
    fit = _fitted(np.where(some, counts[0] + 0.5, 0.0), counts[1], enough=ENOUGH * n_q.max())
    seen = np.abs(counts[1] - fit).sum((0, 1)) / (2 * n_q)
    share = fit / n_q
    spread = np.sqrt(share * (1 - share)).sum((0, 1)) * np.sqrt(1 / n_p + 1 / n_q)
    free = np.sqrt(dofs / np.maximum(some.sum((0, 1)) - 1, 1))
    chance = spread * free * np.sqrt(2 / np.pi) / 2
    return np.asarray(np.sqrt(np.maximum(seen**2 - chance**2, 0.0)))


def _fitted(fit: np.ndarray, counts: np.ndarray, *, enough: float) -> np.ndarray:
    """Tables scaled until their sums along every axis but the last are those of the counts."""
    sums = [counts.sum(axis, keepdims=True) for axis in range(counts.ndim - 1)]
    for _ in range(ROUNDS):
        last = fit
        for axis, wanted in enumerate(sums):
            fit = fit * _ratio(wanted, fit.sum(axis, keepdims=True))
        if np.abs(fit - last).max() < enough:
            break
    return fit


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Quotients; 0 where the divisor is."""
    return np.asarray(a / np.where(b > 0, b, np.inf))
