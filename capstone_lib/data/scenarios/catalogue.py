"""All scenarios by name, and their use on a frame."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from capstone_lib.data.scenarios import coding, pipeline, world
from capstone_lib.data.scenarios.record import Scenario, Truth
from capstone_lib.data.scenarios.rows import Change, Rows
from capstone_lib.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["apply", "describe", "get", "names"]

_ALL = {
    one.name: one
    for one in (
        coding.AGE_AS_BIRTH_YEAR,
        coding.RELP_RECODED_2019,
        pipeline.MISSING_AGES,
        pipeline.LIVE_DEFAULTS,
        pipeline.FROZEN_FEATURE,
        pipeline.BAD_JOIN,
        pipeline.GROUP_BUG,
        world.OLDER_POPULATION,
        world.MORE_DORMITORIES,
        world.JOB_LOSSES,
        world.JOB_LOSSES_WOMEN,
        world.SMALL_GROUP_COLLAPSES,
        world.NOTHING,
    )
}


def names() -> tuple[str, ...]:
    """Return the names of all scenarios; the last one, ``"nothing"``, is the control."""
    return tuple(_ALL)


def get(name: str) -> Scenario:
    """Return what a scenario is at full strength.

    Raises
    ------
    DataError
        There is no scenario of that name.

    Examples
    --------
    >>> get("bad_join").kind, get("bad_join").columns, get("bad_join").keeps_margins
    ('pipeline', ('AGEP',), True)
    """
    if name not in _ALL:
        raise DataError(f"there is no scenario {name!r}; there are {', '.join(_ALL)}")
    return _ALL[name]


def apply(
    name: str,
    frame: "pd.DataFrame",
    *,
    seed: int = 0,
    strength: float = 1.0,
    since: Any = None,
) -> tuple["pd.DataFrame", Truth]:
    """Return the frame as it would be under a scenario, and the truth about it.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    frame : pandas.DataFrame
        People as :meth:`capstone_lib.data.Census.frame` gives them, or some of these rows; it is
        not changed.
    seed : int, default 0
        Another seed, other rows. The order of the rows makes no difference.
    strength : float, default 1.0
        0 changes nothing, 1 is what :func:`describe` says. Whoever is touched at a small strength
        is touched at a larger one.
    since : date, optional
        Only rows that arrived then or later change; by default all.

    Returns
    -------
    (pandas.DataFrame, Truth)
        As many rows in the same order, with the same ids and arrivals.

    Raises
    ------
    DataError
        There is no such scenario, a column is missing, ``strength`` is not between 0 and 1, or
        nobody is there of whom there should be more.

    Examples
    --------
    >>> from capstone_lib.data import load_census
    >>> people = load_census().frame(2016)
    >>> broken, truth = apply("age_as_birth_year", people, since="2016-12-01")
    >>> people["AGEP"].max(), broken["AGEP"].max()
    (np.int16(89), np.int16(1999))
    >>> print(truth)
    age_as_birth_year: the age is sent as the year of birth. What changed is the coding; 4,827 of
    56,408 rows differ since 2016-12-01.
    """
    scenario = get(name)
    if not 0 <= strength <= 1:
        raise DataError(f"strength lies between 0, nothing, and 1, everything; seen {strength!r}")
    rows = Rows(frame, name, int(seed), float(strength), _open(frame, since))
    ids = rows.ids
    change = scenario.change(rows) if rows.open.any() else Change(rows.open)
    altered = frame.assign(
        **{
            column: _merged(rows[column], values, change.touched)
            for column, values in change.columns.items()
        }
    )
    return altered, Truth(
        scenario=scenario,
        strength=float(strength),
        seed=int(seed),
        since="" if since is None else str(since),
        n_rows=len(frame),
        row_ids=ids[change.touched],
        n_changed=_n_changed(frame, altered, list(change.columns)),
    )


def describe() -> "pd.DataFrame":
    """Return the table of all scenarios at full strength.

    Returns
    -------
    pandas.DataFrame
        One row a scenario: its kind, what happens, the columns and the group it touches, whether
        outcomes change, where it shows, and in windows of how many rows.

    Examples
    --------
    >>> describe().loc["relp_recoded_2019", ["kind", "columns", "shows_in"]].to_list()
    ['coding', 'RELP', 'columns']
    """
    import pandas as pd

    return pd.DataFrame([one.to_dict() for one in _ALL.values()]).set_index("scenario")


def _open(frame: "pd.DataFrame", since: Any) -> NDArray[np.bool_]:
    """Which rows may be touched."""
    if since is None:
        return np.ones(len(frame), dtype=bool)
    if "arrived_at" not in frame.columns:
        raise DataError(
            "since needs the column 'arrived_at' to know when rows came; leave it out, or give "
            "rows as Census.frame(year) gives them"
        )
    try:
        first = np.datetime64(since, "s")
    except ValueError:
        raise DataError(f"since is a date such as '2016-07-01'; seen {since!r}") from None
    return np.asarray(frame["arrived_at"].to_numpy() >= first)


def _merged(old: NDArray[Any], new: NDArray[Any], touched: NDArray[np.bool_]) -> NDArray[Any]:
    """The new values where a row is touched; in the old type, if it can hold them."""
    values = np.where(touched, new, old)
    if values.dtype == old.dtype or (values.dtype.kind == "f" and np.isnan(values).any()):
        return values
    back = values.astype(old.dtype)
    return back if (back == values).all() else values


def _n_changed(before: "pd.DataFrame", after: "pd.DataFrame", columns: list[str]) -> int:
    old, new = before[columns], after[columns]
    differs = (old != new) & ~(old.isna() & new.isna())
    return int(differs.any(axis=1).sum())
