"""Changing a rule of a playbook in Python, and trying it, before the file is edited.

A whole playbook is tried by :func:`capstone_lib.alerts.trial.try_playbook`, which measures too.
Here the numbers are there already, so that a rule can be turned like a dial.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from capstone_lib.alerts.holding import follow
from capstone_lib.alerts.judging import judge, newest_last
from capstone_lib.alerts.playbook import Playbook
from capstone_lib.alerts.rule import Rule
from capstone_lib.errors import PlaybookError
from capstone_lib.store.measurement import Measurement

__all__ = ["RuleTrial", "change_rule", "first_firing", "try_rule"]


def change_rule(playbook: Playbook, name: str, **changes: Any) -> Playbook:
    """Return a playbook in which one rule is another; the file stays as it is.

    Parameters
    ----------
    playbook : Playbook
    name : str
        Of the rule.
    **changes
        Fields of :class:`~capstone_lib.alerts.rule.Rule`.

    Raises
    ------
    PlaybookError
        If there is no such rule or field.

    Examples
    --------
    >>> changed = change_rule(Playbook.default(), "slow_answers", threshold=250.0)
    >>> changed["slow_answers"].threshold, len(changed) == len(Playbook.default())
    (250.0, True)
    """
    known = [one.name for one in playbook]
    if name not in known:
        raise PlaybookError(f"there is no rule {name!r}; there are {', '.join(known)}")
    unknown = sorted(changes.keys() - {field.name for field in fields(Rule)})
    if unknown:
        raise PlaybookError(f"a rule has no {', '.join(unknown)}; see capstone_lib.alerts.Rule")
    rules = tuple(replace(one, **changes) if one.name == name else one for one in playbook)
    return replace(playbook, rules=rules)


@dataclass(frozen=True, eq=False)
class RuleTrial:
    """When a rule rang, where nothing was wrong and where something was.

    Attributes
    ----------
    rule : Rule
    quiet, broken : tuple of int or None
        For each stretch of windows how many had passed when the alert came; None: it never came.
    n_windows : int
        Windows of the longest stretch.
    """

    rule: Rule
    quiet: tuple[int | None, ...]
    broken: tuple[int | None, ...]
    n_windows: int

    @property
    def false_alarms(self) -> float:
        """The share of quiet stretches in which it rang at all."""
        return _share(self.quiet, self.n_windows)

    def heard(self, within: int) -> float:
        """The share of broken stretches in which it rang within so many windows."""
        return _share(self.broken, within)

    @property
    def delay(self) -> float:
        """How many windows pass until half of the broken stretches have rung; NaN: they do not."""
        passed = np.array([np.inf if one is None else one for one in self.broken])
        middle = float(np.quantile(passed, 0.5, method="inverted_cdf")) if len(passed) else np.inf
        return middle if np.isfinite(middle) else float("nan")

    def __str__(self) -> str:
        """Say it in a sentence."""
        half = f"half are heard within {self.delay:g}" if self.delay == self.delay else "most sleep"
        return (
            f"it cries wolf in {self.false_alarms:.0%} of {len(self.quiet)} quiet stretches of "
            f"{self.n_windows} windows; of {len(self.broken)} broken ones {half}"
        )


def first_firing(rule: Rule, windows: Sequence[Measurement]) -> int | None:
    """How many windows of one number had passed when the alert came; None if it never came.

    Examples
    --------
    >>> rule = Rule("gap", "gap", 0.2, "me", "", "", for_windows=2)
    >>> days = [f"2016-01-{day:02}" for day in range(1, 6)]
    >>> values = [0.3, 0.1, 0.2, 0.3]
    >>> first_firing(rule, [Measurement("gap", value, window_start=start, window_end=end)
    ...                     for value, start, end in zip(values, days, days[1:])])
    4
    """
    seen = list(judge(rule, newest_last(windows)))
    counts = {"for_windows": rule.for_windows, "clear_windows": rule.clear_windows}
    for passed in range(1, len(seen) + 1):
        held = follow(seen[:passed], **counts)
        if held is not None and held.state == "firing":
            return passed
    return None


def try_rule(
    rule: Rule,
    quiet: Sequence[Sequence[Measurement]],
    broken: Sequence[Sequence[Measurement]],
) -> RuleTrial:
    """Try a rule on stretches of windows of one number.

    Parameters
    ----------
    rule : Rule
    quiet, broken : sequence of sequences of Measurement
        Stretches in which nothing is wrong, and in which something is from their first window on.
    """
    return RuleTrial(
        rule,
        tuple(first_firing(rule, one) for one in quiet),
        tuple(first_firing(rule, one) for one in broken),
        max((len(one) for one in (*quiet, *broken)), default=0),
    )


def _share(passed: Sequence[int | None], within: int) -> float:
    if not passed:
        return float("nan")
    return sum(one is not None and one <= within for one in passed) / len(passed)
