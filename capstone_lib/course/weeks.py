"""Weeks in which nothing happens and weeks in which women lose their work, to try a rule on.

For teaching: the gap is counted plainly, in windows small enough for chance to matter.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.alerts.rule import Rule
from capstone_lib.alerts.tuning import RuleTrial, try_rule
from capstone_lib.data import scenarios
from capstone_lib.store.measurement import Measurement

if TYPE_CHECKING:
    from capstone_lib.artifact import Artifact
    from capstone_lib.data import Census

__all__ = ["Weeks", "draw_weeks", "gap_rule"]

Stretches = tuple[tuple[Measurement, ...], ...]

SCENARIO = "job_losses_women"
_NAME = "false_positive_rate_difference"
_FIRST = date(2018, 1, 1)


@dataclass(frozen=True, eq=False)
class Weeks:
    """Stretches of weeks, each with the gap between women and men.

    Attributes
    ----------
    quiet, broken : tuple of tuples of Measurement
        A stretch each; in the broken ones women lose their work in the first week.
    """

    quiet: Stretches
    broken: Stretches

    def try_rule(self, *, threshold: float, for_windows: int) -> RuleTrial:
        """See how a rule with these two settings would have rung."""
        rule = gap_rule(threshold=threshold, for_windows=for_windows)
        return try_rule(rule, self.quiet, self.broken)

    def __repr__(self) -> str:
        n_weeks = len(self.quiet[0])
        return f"{len(self.quiet)} quiet and {len(self.broken)} broken stretches of {n_weeks} weeks"


def gap_rule(*, threshold: float, for_windows: int) -> Rule:
    """A rule on the gap between the false-positive rates of women and men."""
    return Rule(
        "gap_of_sex",
        _NAME,
        float(threshold),
        "fairness board",
        "One group is wrongly decided positive far more often than another.",
        "Review a sample of the group, and decide about the model.",
        feature="SEX",
        for_windows=int(for_windows),
        severity="critical",
        actions=("human_audit",),
    )


def draw_weeks(
    artifact: "Artifact",
    census: "Census",
    *,
    rows: int = 500,
    weeks: int = 12,
    n: int = 60,
    year: int = 2018,
    seed: int = 0,
) -> Weeks:
    """Draw weeks of people, and count the gap in each.

    Parameters
    ----------
    artifact : Artifact
        Whose answers are judged.
    census : Census
        Where the people come from.
    rows : int, default 500
        People a week.
    weeks : int, default 12
        Weeks a stretch.
    n : int, default 60
        Stretches of each kind.
    year : int, default 2018
    seed : int, default 0
        Another seed draws other weeks.
    """
    people = census.frame(year)
    said = np.asarray(artifact.score(artifact.schema.check(people).columns).label)
    worse, _ = scenarios.apply(SCENARIO, people, seed=seed)
    rng = np.random.default_rng(seed)
    shape: dict[str, Any] = {"rows": rows, "weeks": weeks, "n": n, "rng": rng}
    drawn = [_stretches(one, said, census.target, **shape) for one in (people, worse)]
    return Weeks(*drawn)


def _stretches(
    people: Any, said: np.ndarray, target: str, *, rows: int, weeks: int, n: int, rng: Any
) -> Stretches:
    wrong_if_said = (people[target] == 0).to_numpy(), people["SEX"].to_numpy() == 2
    return tuple(
        tuple(
            _gap(*wrong_if_said, said == 1, rng.choice(len(said), rows, replace=False), week)
            for week in range(weeks)
        )
        for _ in range(n)
    )


def _gap(
    without: np.ndarray, women: np.ndarray, positive: np.ndarray, some: np.ndarray, week: int
) -> Measurement:
    """Of those without work who are taken to be at work: the share of women less that of men."""
    asked = some[without[some]]
    of_women, of_men = (positive[asked[women[asked] == sex]].mean() for sex in (True, False))
    start = _FIRST + timedelta(weeks=week)
    return Measurement(
        _NAME,
        abs(float(of_women - of_men)),
        n=len(some),
        feature="SEX",
        unit="share",
        window_start=start.isoformat(),
        window_end=(start + timedelta(weeks=1)).isoformat(),
    )
