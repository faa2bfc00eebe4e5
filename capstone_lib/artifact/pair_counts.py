"""How many rows are in each two blocks of values at once, for all pairs of columns.

Columns are joined in groups of a few, whose blocks together make one code of a byte. One count of
two groups' codes holds all pairs of their columns, so that 15 columns need three counts, not 105.
A matrix product over the rows, or over bits of them, finds the same several times as slowly.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from capstone_lib.artifact.bins import Blocks

__all__ = ["PairCounter"]

_MOST_CODES = 256
_PIECE = 32_768


@dataclass
class _Group:
    """Neighbouring columns that are counted together.

    Attributes
    ----------
    codes : numpy.ndarray of uint8, shape (n_rows,)
        Which blocks a row is in.
    marks : numpy.ndarray of shape (n_codes, n_blocks)
        1 where a code means a block of any of the columns.
    span : slice
        Where their blocks stand among those of all columns.
    """

    codes: np.ndarray
    marks: np.ndarray
    span: slice

    def join(self, column: Blocks, n_blocks: int) -> None:
        """Take one more column in."""
        ours, theirs = len(self.marks), len(column.blocks)
        marks = np.eye(n_blocks + 1, n_blocks)[column.blocks]
        both = np.repeat(self.marks, theirs, axis=0), np.tile(marks, (ours, 1))
        self.marks = np.hstack(both)
        self.codes *= np.uint8(theirs)
        self.codes += column.codes
        self.span = slice(self.span.start, self.span.stop + n_blocks)


class PairCounter:
    """Counts pairs of columns, which it is given one after the other.

    Parameters
    ----------
    n_rows : int
        The length of every column.
    """

    def __init__(self, n_rows: int) -> None:
        self._n_rows = n_rows
        self._groups = [self._empty(0)]
        self._spans: list[slice] = []

    def add(self, column: Blocks, n_blocks: int) -> None:
        """Take the next column: the block of each row, and how many blocks there are."""
        group = self._groups[-1]
        if len(group.marks) * len(column.blocks) > _MOST_CODES:
            group = self._empty(group.span.stop)
            self._groups.append(group)
        self._spans.append(slice(group.span.stop, group.span.stop + n_blocks))
        group.join(column, n_blocks)

    def counts(self) -> np.ndarray:
        """Rows in each two blocks, of shape (n_blocks, n_blocks).

        The blocks of all columns stand in a row. It is 0 within a column, whose own counts say
        more; rows with something unexpected in either column are left out.
        """
        end = self._groups[-1].span.stop
        total = np.zeros((end, end))
        alone = [self._empty(end)] if len(self._groups) == 1 else []
        for a, b in combinations([*self._groups, *alone], 2):
            counts = _count_both(a, b)
            total[a.span, b.span] = a.marks.T @ counts @ b.marks
            total[a.span, a.span] = a.marks.T @ (counts.sum(1)[:, None] * a.marks)
            total[b.span, b.span] = b.marks.T @ (counts.sum(0)[:, None] * b.marks)
        total = np.triu(total, 1)
        for span in self._spans:
            total[span, span] = 0
        return total + total.T

    def _empty(self, start: int) -> _Group:
        return _Group(np.zeros(self._n_rows, np.uint8), np.ones((1, 0)), slice(start, start))


def _count_both(a: _Group, b: _Group) -> np.ndarray:
    """Rows of each code of one group and each of the other, a piece at a time to stay in cache."""
    shape = len(a.marks), len(b.marks)
    counts = np.zeros(shape[0] * shape[1])
    for start in range(0, len(a.codes), _PIECE):
        rows = slice(start, start + _PIECE)
        codes = a.codes[rows] * np.uint16(shape[1]) + b.codes[rows]
        counts += np.bincount(codes, minlength=counts.size)
    return counts.reshape(shape)
