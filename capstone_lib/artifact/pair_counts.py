"""How many rows are in each two blocks of values at once, for all pairs of columns.

Columns are joined in groups of a few, whose blocks together make one code of a byte. One count of
two groups' codes holds all pairs of their columns, so that 15 columns need three counts, not 105.
A matrix product over the rows, or over bits of them, finds the same several times as slowly.
"""

from itertools import combinations

import numpy as np

from capstone_lib.artifact.bins import Blocks

__all__ = ["PairCounter"]

_MOST_CODES = 256
_PIECE = 32_768


class _Group:
    """Neighbouring columns that are counted together: which of their blocks each row is in.

    Attributes
    ----------
    codes : numpy.ndarray of uint8, shape (n_rows,)
        One code for the blocks of all columns.
    n_codes : int
        How many codes there can be.
    start, stop : int
        Where the blocks stand among those of all columns.
    """

    def __init__(self, n_rows: int, start: int) -> None:
        self.codes = np.zeros(n_rows, dtype=np.uint8)
        self.n_codes = 1
        self.start = self.stop = start
        self._columns = [np.ones((1, 0))]

    def join(self, column: Blocks, n_blocks: int) -> None:
        """Take one more column in."""
        self.codes *= np.uint8(len(column.blocks))
        self.codes += column.codes
        self.n_codes *= len(column.blocks)
        self.stop += n_blocks
        self._columns.append(np.eye(n_blocks + 1, n_blocks)[column.blocks])

    def marks(self) -> np.ndarray:
        """1 where a code means a block of any column, of shape (n_codes, n_blocks)."""
        codes, marks = np.arange(self.n_codes), []
        for column in reversed(self._columns):
            codes, digit = np.divmod(codes, len(column))
            marks.append(column[digit])
        return np.hstack(marks[::-1])


class PairCounter:
    """Counts pairs of columns, which it is given one after the other.

    Parameters
    ----------
    n_rows : int
        The length of every column.
    """

    def __init__(self, n_rows: int) -> None:
        self._n_rows = n_rows
        self._groups = [_Group(n_rows, 0)]
        self._spans: list[slice] = []

    def add(self, column: Blocks, n_blocks: int) -> None:
        """Take the next column: the block of each row, and how many blocks there are."""
        group = self._groups[-1]
        if group.n_codes * len(column.blocks) > _MOST_CODES:
            group = _Group(self._n_rows, group.stop)
            self._groups.append(group)
        self._spans.append(slice(group.stop, group.stop + n_blocks))
        group.join(column, n_blocks)

    def counts(self) -> np.ndarray:
        """Rows in each two blocks, of shape (n_blocks, n_blocks).

        The blocks of all columns stand in a row. It is 0 within a column, whose own counts say
        more; rows with something unexpected in either column are left out.
        """
        end = self._groups[-1].stop
        total = np.zeros((end, end))
        alone = len(self._groups) == 1  # and counted beside a group of no columns
        groups = [*self._groups, *([_Group(self._n_rows, end)] if alone else [])]
        marked = [(group, slice(group.start, group.stop), group.marks()) for group in groups]
        for (a, at_a, marks_a), (b, at_b, marks_b) in combinations(marked, 2):
            counts = _count_both(a, b)
            total[at_a, at_b] = marks_a.T @ counts @ marks_b
            total[at_a, at_a] = marks_a.T @ (counts.sum(1)[:, None] * marks_a)
            total[at_b, at_b] = marks_b.T @ (counts.sum(0)[:, None] * marks_b)
        total = np.triu(total, 1)
        for span in self._spans:
            total[span, span] = 0
        return total + total.T


def _count_both(a: _Group, b: _Group) -> np.ndarray:
    """Rows of each code of one group and each of the other, a piece at a time to stay in cache."""
    shape = a.n_codes, b.n_codes
    counts = np.zeros(shape[0] * shape[1])
    for start in range(0, len(a.codes), _PIECE):
        rows = slice(start, start + _PIECE)
        codes = a.codes[rows] * np.uint16(shape[1]) + b.codes[rows]
        counts += np.bincount(codes, minlength=counts.size)
    return counts.reshape(shape)
