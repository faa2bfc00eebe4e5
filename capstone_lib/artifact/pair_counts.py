"""How many rows are in each two blocks of values at once, for all pairs of columns.

A block is a row of bits, one for each row of the table: what two blocks share is counted 64 rows at
a time. A matrix product of ones and zeros finds the same five times as slowly, on threads that wait
for one another.
"""

from collections.abc import Mapping

import numpy as np

from capstone_lib.artifact.binning import Binning

__all__ = ["count_pairs"]

_WORD = 64


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
    bits = _as_bits(binning, blocks, n_rows)
    total = np.zeros((len(bits), len(bits)))
    for span in spans.values():
        others = bits[span.stop :]
        for block in range(span.start, span.stop):
            shared = np.bitwise_count(bits[block] & others)
            total[block, span.stop :] = shared.sum(axis=1, dtype=np.uint32)
    return total + total.T


def _as_bits(binning: Binning, blocks: Mapping[str, np.ndarray], n_rows: int) -> np.ndarray:
    """A row of 64-bit words for each block: whose bit is set, is in it."""
    spans = binning.spans
    width = max((span.stop for span in spans.values()), default=0)
    bits = np.zeros((width, -(-n_rows // _WORD) * _WORD // 8), dtype=np.uint8)
    for name, span in spans.items():
        for block in range(span.stop - span.start):
            packed = np.packbits(blocks[name] == block)
            bits[span.start + block, : len(packed)] = packed
    return bits.view(np.uint64)
