"""How many rows are in each two blocks of values at once, for all pairs of columns.

A few columns are counted together, and the table is summed up by pairs. A matrix product of ones
and zeros finds the same, but its threads wait for one another on a busy machine.
"""

import math
from collections.abc import Mapping
from functools import cache
from itertools import combinations

import numpy as np

from capstone_lib.artifact.binning import Binning

__all__ = ["count_pairs"]

_TEAM = 5  # columns that are counted together: 5**5 cells, of four blocks and the unexpected


def count_pairs(binning: Binning, blocks: Mapping[str, np.ndarray], n_rows: int) -> np.ndarray:
    """Count the rows in each two blocks of two columns, for all pairs of columns.

    Parameters
    ----------
    binning : Binning
        The columns and their blocks.
    blocks : mapping of str to numpy.ndarray of int8, shape (n_rows,)
        The block of each row in each column, -1 for the unexpected.
    n_rows : int

    Returns
    -------
    numpy.ndarray of shape (n_blocks, n_blocks)
        The blocks of all columns in a row, as :attr:`Binning.spans` has them; 0 within a column,
        whose own counts say more. Rows with something unexpected in either column are left out.
    """
    spans = binning.spans
    width = max((span.stop for span in spans.values()), default=0)
    total = np.zeros((width, width))
    sides = [span.stop - span.start for span in spans.values()]
    states = [  # what is unexpected comes last
        np.minimum(blocks[name].view(np.uint8), side)
        for name, side in zip(spans, sides, strict=True)
    ]
    where = list(spans.values())
    key, wide = np.empty(n_rows, dtype=np.uint16), np.empty(n_rows, dtype=np.intp)
    for team in _teams(len(sides)):
        shape = tuple(sides[column] + 1 for column in team)
        key[:] = states[team[0]]
        for column in team[1:]:
            key *= np.uint16(sides[column] + 1)
            key += states[column]
        wide[:] = key
        cells = np.bincount(wide, minlength=math.prod(shape)).reshape(shape)
        for one, other in combinations(range(len(team)), 2):
            rest = tuple(axis for axis in range(len(team)) if axis not in (one, other))
            first, second = team[one], team[other]
            pair = cells.sum(axis=rest)[: sides[first], : sides[second]]
            total[where[first], where[second]] = pair
            total[where[second], where[first]] = pair.T
    return total


@cache
def _teams(n_columns: int) -> tuple[tuple[int, ...], ...]:
    """Few teams of columns, in one of which each two columns meet; greedily."""
    left = set(combinations(range(n_columns), 2))
    teams = []
    while left:
        team = list(min(left))
        while len(team) < min(_TEAM, n_columns):
            team.append(max(range(n_columns), key=lambda new: _new_pairs(new, team, left)))
        teams.append(tuple(sorted(team)))
        left -= {*combinations(teams[-1], 2)}
    return tuple(teams)


def _new_pairs(new: int, team: list[int], left: set[tuple[int, int]]) -> int:
    return -1 if new in team else sum((min(new, one), max(new, one)) in left for one in team)
