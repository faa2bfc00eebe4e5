"""Pairs of columns: a change that no margin shows, such as a join on the wrong key.

Every column by itself may look as before while the columns no longer belong together. Each pair is
counted in blocks of values (four a column at most), and asked whether its association is the
reference's, whatever the two margins do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

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
    tables = []
    for first, second in combinations(names, 2):
        joined = _joined(reference.pair(first, second), current.pair(first, second))
        if joined is not None:
            tables.append((first, second, joined))
    if not tables:
        return ()
    counts = np.stack([_padded(table) for *_, table in tables])
    statistics, dofs = _interaction(counts)
    p_values = special.chdtrc(dofs, statistics)
    effects = _effects(counts, dofs)
    found = [
        PairDrift(a, b, int(counts[k, 1].sum()), float(statistics[k]), int(dofs[k]),
                  float(p_values[k]), float(effects[k]))
        for k, (a, b, _) in enumerate(tables)
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda pair: (pair.p_value, -pair.effect)))


def _joined(p: np.ndarray, q: np.ndarray) -> np.ndarray | None:
    """Both tables, of shape (2, rows, columns), coarse enough for the test; None if never."""
    both = np.stack([p, q])
    rows, columns = both.sum((0, 2)) > 0, both.sum((0, 1)) > 0
    both = both[:, rows][:, :, columns]
    if min(both.shape[1:]) < 2 or not both.sum((1, 2)).all():
        return None
    scale = both.sum((1, 2)).min() / both.sum()
    while True:
        total = both.sum(0)
        if (total[total > 0] * scale).min() >= FEWEST and _dof(total) > 0:
            return both
        if both.shape[1:] == (2, 2):
            return None
        axis = 1 if both.shape[1] >= both.shape[2] else 2
        both = _join_smallest(both, axis)


def _join_smallest(both: np.ndarray, axis: int) -> np.ndarray:
    """The two smallest rows, or columns, as one."""
    order = np.argsort(both.sum((0, 3 - axis)), kind="stable")
    merged = both.take(order[:2], axis).sum(axis, keepdims=True)
    return np.concatenate([merged, both.take(order[2:], axis)], axis)


def _dof(total: np.ndarray) -> int:
    return int((total > 0).sum() - sum(total.shape) + 1)


def _padded(both: np.ndarray) -> np.ndarray:
    out = np.zeros((2, SIDE, SIDE))
    out[:, : both.shape[1], : both.shape[2]] = both
    return out


def _interaction(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's X² and degrees of freedom of "only the margins moved", for each pair."""
    total = counts.sum(1)
    fit = np.where(total[:, None] > 0, 1.0, 0.0) * np.ones_like(counts)
    for _ in range(ROUNDS):
        last = fit
        for axis in (1, 2, 3):
            fit = fit * _ratio(counts.sum(axis, keepdims=True), fit.sum(axis, keepdims=True))
        if np.abs(fit - last).max() < ENOUGH * total.max():
            break
    cells = _ratio((counts - fit) ** 2, fit)
    sides = (total.sum(2) > 0).sum(1) + (total.sum(1) > 0).sum(1)
    dofs = (total > 0).sum((1, 2)) - sides + 1
    return cells.sum((1, 2, 3)), dofs


def _effects(counts: np.ndarray, dofs: np.ndarray) -> np.ndarray:
    """Total variation between the window and the reference scaled to the window's margins."""
    n_p, n_q = counts.sum((2, 3)).T
    some = counts.sum(1) > 0
    fit = np.where(some, counts[:, 0] + 0.5, 0.0)
    for _ in range(ROUNDS):
        last = fit
        for axis in (1, 2):
            fit = fit * _ratio(counts[:, 1].sum(axis, keepdims=True), fit.sum(axis, keepdims=True))
        if np.abs(fit - last).max() < ENOUGH * n_q.max():
            break
    seen = np.abs(counts[:, 1] - fit).sum((1, 2)) / (2 * n_q)
    share = fit / n_q[:, None, None]
    spread = np.sqrt(share * (1 - share)).sum((1, 2)) * np.sqrt(1 / n_p + 1 / n_q)
    free = np.sqrt(dofs / np.maximum(some.sum((1, 2)) - 1, 1))
    chance = spread * free * np.sqrt(2 / np.pi) / 2
    return np.asarray(np.sqrt(np.maximum(seen**2 - chance**2, 0.0)))


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(a, b, out=np.zeros(np.broadcast(a, b).shape), where=b > 0))
