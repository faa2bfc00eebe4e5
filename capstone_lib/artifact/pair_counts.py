"""How many rows are in each two blocks of values at once, for all pairs of columns.

Columns are joined in groups of a few, whose blocks together make one code of a byte. One count of
two groups' codes holds all pairs of their columns, so that 15 columns need three counts, not 105.
A matrix product over the rows, or over bits of them, finds the same several times as slowly.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from capstone_lib.artifact.binning import Binning

__all__ = ["count_pairs"]

_MOST_CODES = 256


@dataclass(frozen=True)
class _Group:
    """Columns that are counted together.

    Attributes
    ----------
    codes : numpy.ndarray of uint8, shape (n_rows,)
        Which blocks a row is in.
    marks : numpy.ndarray of shape (n_codes, n_blocks)
        1 where a code means a block of any of the columns.
    span : slice
        Where the blocks of the group stand among all.
    """

    codes: np.ndarray
    marks: np.ndarray
    span: slice

    @classmethod
    def empty(cls, n_rows: int, start: int) -> "_Group":
        """Without a column."""
        return cls(np.zeros(n_rows, dtype=np.uint8), np.ones((1, 0)), slice(start, start))

    def joined(self, blocks: np.ndarray, marks: np.ndarray) -> "_Group":
        """With one more column."""
        ours, theirs = len(self.marks), len(marks)
        both = np.repeat(self.marks, theirs, axis=0), np.tile(marks, (ours, 1))
        codes = self.codes * np.uint8(theirs) + blocks
        span = slice(self.span.start, self.span.stop + marks.shape[1])
        return _Group(codes, np.hstack(both), span)


def count_pairs(binning: Binning, blocks: Mapping[str, np.ndarray], n_rows: int) -> np.ndarray:
    """Count the rows in each two blocks of two columns, for all pairs of columns.

    Parameters
    ----------
    binning : Binning
        The columns and their blocks.
    blocks : mapping of str to numpy.ndarray of uint8, shape (n_rows,)
        The block of each row in each column; one more than the last of them for the unexpected.
    n_rows : int

    Returns
    -------
    numpy.ndarray of shape (n_blocks, n_blocks)
        The blocks of all columns in a row, as :attr:`Binning.spans` has them; 0 within a column,
        whose own counts say more. Rows with something unexpected in either column are left out.
    """
    groups = list(_groups(binning, blocks, n_rows))
    width = groups[-1].span.stop
    total = np.zeros((width, width))
    for a, b in combinations(groups, 2):
        counts = _count_both(a, b)
        total[a.span, b.span] = a.marks.T @ counts @ b.marks
        total[a.span, a.span] = a.marks.T @ (counts.sum(1)[:, None] * a.marks)
        total[b.span, b.span] = b.marks.T @ (counts.sum(0)[:, None] * b.marks)
    total = np.triu(total, 1)
    for span in binning.spans.values():
        total[span, span] = 0
    return total + total.T


def _groups(binning: Binning, blocks: Mapping[str, np.ndarray], n_rows: int) -> Iterator[_Group]:
    """Neighbouring columns, as many as a byte can tell apart; two groups at least."""
    group = _Group.empty(n_rows, 0)
    for name, span in binning.spans.items():
        marks = np.eye(int(blocks[name].max(initial=0)) + 1, span.stop - span.start)
        if len(group.marks) * len(marks) > _MOST_CODES:
            yield group
            group = _Group.empty(n_rows, span.start)
        group = group.joined(blocks[name], marks)
    yield group
    if not group.span.start:
        yield _Group.empty(n_rows, group.span.stop)  # beside which a single group is counted


def _count_both(a: _Group, b: _Group) -> np.ndarray:
    """Rows of each code of one group and each of the other."""
    shape = len(a.marks), len(b.marks)
    codes = a.codes * np.uint16(shape[1]) + b.codes
    return np.bincount(codes, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
