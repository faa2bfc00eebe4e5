"""The same people, damaged on the way to the model."""

import numpy as np

from capstone_lib.data.scenarios.record import Group, Scenario
from capstone_lib.data.scenarios.rows import Change, Rows

__all__ = [
    "BAD_JOIN",
    "FROZEN_FEATURE",
    "GROUP_BUG",
    "LIVE_DEFAULTS",
    "MISSING_AGES",
]

_DEFAULTS = {"SCHL": 16, "MAR": 1, "MIG": 1}
_NO_SCHOOLING = 1


def _missing_ages(rows: Rows) -> Change:
    touched = rows.touched(0.2)
    return Change(touched, {"AGEP": np.where(touched, np.nan, rows["AGEP"].astype(np.float64))})


def _defaults(rows: Rows) -> Change:
    n_rows = len(rows.frame)
    return Change(
        rows.touched(0.5), {name: np.full(n_rows, code) for name, code in _DEFAULTS.items()}
    )


def _schooling_lost(rows: Rows) -> Change:
    touched = rows.touched(1.0, among=rows.members(GROUP_BUG.group))
    return Change(touched, {"SCHL": np.full(len(rows.frame), _NO_SCHOOLING)})


def _ages_shuffled(rows: Rows) -> Change:
    touched = rows.touched(1.0)
    return Change(touched, {"AGEP": rows.shuffled("AGEP", touched)})


def _frozen(rows: Rows) -> Change:
    if not len(rows.frame):
        return Change(rows.open)
    return Change(rows.touched(1.0), {"MAR": np.full(len(rows.frame), rows.last_before("MAR"))})


MISSING_AGES = Scenario(
    "missing_ages",
    "pipeline",
    "every fifth age is missing",
    _missing_ages,
    columns=("AGEP",),
    shows_in=("columns",),
    shows_from=200,
)

LIVE_DEFAULTS = Scenario(
    "live_defaults",
    "pipeline",
    "the live path leaves out schooling, marital status and last year's home in every second row, "
    "and something fills in plausible defaults: a high school diploma, married, the same house",
    _defaults,
    columns=("SCHL", "MAR", "MIG"),
    shows_in=("columns",),
    shows_from=1_000,
)

GROUP_BUG = Scenario(
    "group_bug",
    "pipeline",
    "the accessible version of a form does not send schooling: for people with a disability only, "
    "it becomes 'no schooling completed'",
    _schooling_lost,
    columns=("SCHL",),
    group=Group("people with a disability", {"DIS": (1, 1)}),
    shows_in=("columns", "groups"),
    shows_from=5_000,
)

BAD_JOIN = Scenario(
    "bad_join",
    "pipeline",
    "ages are joined to the wrong rows: every column by itself looks as before",
    _ages_shuffled,
    columns=("AGEP",),
    keeps_margins=True,
    shows_in=("pairs", "performance"),
    shows_from=1_000,
)

FROZEN_FEATURE = Scenario(
    "frozen_feature",
    "pipeline",
    "the marital status is frozen at the last value that came before",
    _frozen,
    columns=("MAR",),
    shows_in=("columns",),
    shows_from=200,
)
