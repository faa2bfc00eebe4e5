"""Other people, or other lives; the data are right."""

import numpy as np

from capstone_lib.data.scenarios.record import EVERYBODY, Group, Scenario
from capstone_lib.data.scenarios.rows import Change, Rows

__all__ = [
    "JOB_LOSSES",
    "JOB_LOSSES_WOMEN",
    "MORE_DORMITORIES",
    "NOTHING",
    "OLDER_POPULATION",
    "SMALL_GROUP_COLLAPSES",
]


def _older(rows: Rows) -> Change:
    return rows.more_of(OLDER_POPULATION.group, 3)


def _dormitories(rows: Rows) -> Change:
    return rows.more_of(MORE_DORMITORIES.group, 8)


def _losses(rows: Rows, *, group: Group, share: float) -> Change:
    """Let some of those at work lose it."""
    at_work = rows["employed"] == 1
    touched = rows.touched(share, among=rows.members(group) & at_work)
    return Change(touched, {"employed": np.zeros(len(rows.frame), dtype=np.int64)})


def _for_everybody(rows: Rows) -> Change:
    return _losses(rows, group=JOB_LOSSES.group, share=0.25)


def _for_women(rows: Rows) -> Change:
    return _losses(rows, group=JOB_LOSSES_WOMEN.group, share=0.5)


def _collapse(rows: Rows) -> Change:
    return _losses(rows, group=SMALL_GROUP_COLLAPSES.group, share=0.9)


def _nothing(rows: Rows) -> Change:
    return Change(np.zeros(len(rows.frame), dtype=bool))


OLDER_POPULATION = Scenario(
    "older_population",
    "world",
    "for everybody of 65 and over there are three",
    _older,
    columns=("AGEP",),
    group=Group("people of 65 and over", {"AGEP": (65, 120)}),
    draws_people=True,
    shows_in=("columns",),
    shows_from=1_000,
)

MORE_DORMITORIES = Scenario(
    "more_dormitories",
    "world",
    "for everybody in a dormitory or the like there are eight",
    _dormitories,
    columns=("RELP",),
    group=Group("people in group quarters that are no institution", {"RELP": (17, 17)}),
    draws_people=True,
    shows_in=("columns",),
    shows_from=1_000,
)

JOB_LOSSES = Scenario(
    "job_losses",
    "world",
    "every fourth person at work loses it, whoever it is",
    _for_everybody,
    group=EVERYBODY,
    changes_labels=True,
    shows_in=("performance",),
    shows_from=1_000,
)

JOB_LOSSES_WOMEN = Scenario(
    "job_losses_women",
    "world",
    "every second woman of 25 to 54 who is at work loses it",
    _for_women,
    group=Group("women of 25 to 54", {"SEX": (2, 2), "AGEP": (25, 54)}),
    changes_labels=True,
    shows_in=("performance", "groups"),
    shows_from=1_000,
)

SMALL_GROUP_COLLAPSES = Scenario(
    "small_group_collapses",
    "world",
    "in a small group, people of some other race alone, nine in ten of those at work lose it",
    _collapse,
    group=Group("people of some other race alone", {"RAC1P": (8, 8)}),
    changes_labels=True,
    shows_in=("groups",),
    shows_from=5_000,
)

NOTHING = Scenario("nothing", "nothing", "nothing happens: the control", _nothing)
