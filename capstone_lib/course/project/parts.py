"""The three parts of a data set, in one shape: to train on, to calibrate with, and production.

No row, household or moment is in two parts. Which data set it is matters no more from here on.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.data.hashing import hash_ids, unit_interval

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.artifact.bands import Cuts
    from capstone_lib.schema import Schema

__all__ = ["KEPT", "Parts", "keep", "place_of"]

KEPT = ("row_id", "arrived_at", "known_at")
"""Beside features, groups and outcome each part has these: whose row, when asked, when known."""


@dataclass(frozen=True, eq=False)
class Parts:
    """A data set, cut.

    Attributes
    ----------
    name : str
        What the model is called.
    question : str
        What the model is asked, in a sentence.
    target : str
        The column of the outcome; missing where nobody will ever know.
    features : tuple of str
        The columns to predict from.
    groups : mapping of str to cuts
        Columns by which fairness is looked at, numbers with the cuts between their bands.
    train, calibration, production : pandas.DataFrame
        With :data:`KEPT`, the features, the groups and the target. In the first two the outcome of
        every row is known.
    ahead : bool
        Whether cases are known before their window begins, so that its batch runs on its first day;
        else it runs on the last.
    how : str
        How it was cut, in a sentence.
    notes : tuple of str
        What else a reader must know, a sentence each.
    words : Schema or None
        Titles of columns and labels of codes, if there are any.
    """

    name: str
    question: str
    target: str
    features: tuple[str, ...]
    groups: "Cuts"
    train: "pd.DataFrame"
    calibration: "pd.DataFrame"
    production: "pd.DataFrame"
    ahead: bool
    how: str
    notes: tuple[str, ...] = ()
    words: "Schema | None" = None


def place_of(ids: Any, *, seed: int, purpose: str) -> np.ndarray:
    """A number from 0 to 1 for each id, that does not change: by it rows go here or there.

    Parameters
    ----------
    ids : array of int or of anything else, shape (n_rows,)
        What is no whole number is numbered by its rank among all.
    seed : int
    purpose : str
        What it is for; two purposes have nothing to do with each other.
    """
    values = np.asarray(ids)
    if values.dtype.kind not in "iu":
        values = np.unique(values.astype(str), return_inverse=True)[1]
    return np.asarray(unit_interval(hash_ids(values, seed=seed, purpose=purpose)))


def keep(
    frame: "pd.DataFrame", n_rows: int, *, by: str = "row_id", seed: int = 0
) -> "pd.DataFrame":
    """About so many rows, in their order; all rows of one ``by`` stay together."""
    if len(frame) <= n_rows:
        return frame.reset_index(drop=True)
    place = place_of(frame[by], seed=seed, purpose="capstone sample")
    return frame[place < n_rows / len(frame)].reset_index(drop=True)
