"""Numbers from a seed and an id that look random and never change.

What a random generator gives depends on the order of asking; a hash of the row's id does not. This
is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014), in
whole numbers only, so that every machine gives the same answer. It keeps no secrets.
"""

from hashlib import sha256

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["below", "hash_ids", "splitmix64", "unit_interval"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def splitmix64(state: int, index: ArrayLike) -> NDArray[np.uint64]:
    """Return the numbers at ``index`` (from 0) of the SplitMix64 sequence that starts at ``state``.

    Examples
    --------
    >>> splitmix64(1234567, [0, 1]).tolist()
    [6457827717110365317, 3203168211198807973]
    """
    place = np.asarray(index).astype(np.uint64)
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is the point
        z = np.uint64(state) + (place + np.uint64(1)) * _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * _MIX_1
        z = (z ^ (z >> np.uint64(27))) * _MIX_2
        return np.asarray(z ^ (z >> np.uint64(31)))


def hash_ids(ids: ArrayLike, *, seed: int, purpose: str) -> NDArray[np.uint64]:
    """Hash whole-number ids to 64 bits each.

    Parameters
    ----------
    ids : array_like of int, shape (n,)
        For example row ids or household numbers.
    seed : int
        Another seed gives numbers that have nothing to do with those of this one.
    purpose : str
        What the numbers are for, so that two uses of one seed do not go together.

    Returns
    -------
    ndarray of uint64, shape (n,)
    """
    key = sha256(f"{purpose}:{int(seed)}".encode()).digest()[:8]
    return splitmix64(int.from_bytes(key, "big"), ids)


def below(hashes: NDArray[np.uint64], n: int) -> NDArray[np.int64]:
    """Turn hashes into whole numbers from 0 to ``n - 1``, equally often (n up to 2**32)."""
    half = np.uint64(32)
    return (((hashes >> half) * np.uint64(n)) >> half).astype(np.int64)


def unit_interval(hashes: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Turn hashes into numbers from 0 (included) to 1 (excluded), 53 bits each."""
    return (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53
