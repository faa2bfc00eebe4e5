"""A rule of a playbook: which number, how much of it, for how long, and what then."""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = [
    "ACTIONS",
    "COMPARISONS",
    "SEVERITIES",
    "BurnRate",
    "NoiseFloor",
    "Rule",
    "Severity",
    "Threshold",
    "seconds_of",
]

Severity: TypeAlias = Literal["info", "warning", "critical"]

SEVERITIES = ("info", "warning", "critical")
"""From *good to know* to *somebody must look now*."""

COMPARISONS = (">", ">=", "<", "<=", "beyond")
"""How a value is held against the threshold; ``beyond`` is so far from 0, on either side."""

ACTIONS = {
    "ticket": "open a ticket for the owner",
    "pause_rollout": "stop sending cases to a new version",
    "resume_rollout": "let the rollout go on",
    "degrade_route": "let the degraded model answer",
    "recover_route": "let the usual model answer again",
    "scale_up": "ask for more replicas",
    "human_audit": "put a sample of the group concerned into the review queue",
    "webhook": "tell the address under [webhook]",
}
"""What a rule can do, in words."""

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"([0-9]+)([smhdw])")


@dataclass(frozen=True)
class NoiseFloor:
    """As threshold what chance alone reaches in a window of this size, as the measurement says.

    Attributes
    ----------
    level : float
        The share of quiet windows that stay below.
    """

    level: float = 0.95

    def __str__(self) -> str:
        return f"what chance shows at most in {self.level:.0%} of windows"


@dataclass(frozen=True)
class BurnRate:
    """As threshold how fast an error budget is used up, over a long and a short time at once.

    The long time says that it matters, the short one that it is still going on. Source: Google,
    "The Site Reliability Workbook" (2018), chapter 5, *multiwindow, multi-burn-rate alerts*.

    Attributes
    ----------
    burn_rate : float
        1 uses up the budget exactly; 14.4 uses up that of a month in two days.
    budget : float
        The share of requests that may fail: 0.01 for a promise of 99 %.
    short, long : str
        Such as ``"5m"``, ``"1h"`` or ``"3d"``.
    """

    burn_rate: float
    budget: float
    short: str
    long: str

    @property
    def share(self) -> float:
        """The share of requests from which on both times burn too fast."""
        return self.burn_rate * self.budget

    def __str__(self) -> str:
        return (
            f"{self.burn_rate:g} times a budget of {self.budget:.3g}, over {self.long} and over "
            f"{self.short}"
        )


Threshold: TypeAlias = float | NoiseFloor | BurnRate


def seconds_of(span: str) -> int:
    """Read a length of time such as ``5m``.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> seconds_of("5m"), seconds_of("3d")
    (300, 259200)
    """
    found = _SPAN.fullmatch(span)
    if found is None or not int(found[1]):
        raise ValueError(f"a length of time is a number and s, m, h, d or w; seen {span!r}")
    return int(found[1]) * _UNITS[found[2]]


@dataclass(frozen=True)
class Rule:
    """When a measurement is an alert, and what follows from it.

    Attributes
    ----------
    name : str
        By which it is silenced and found again.
    measurement : str
        Such as ``latency_p99``.
    threshold : float, NoiseFloor or BurnRate
        From where on it is too much.
    owner : str
        Who is asked to do something.
    why, what_to_do : str
        A sentence each.
    feature, group : str
        Empty: the number of no feature, of everybody. ``"*"``: that of each. Else a name, in which
        a ``*`` stands for anything.
    but_not : tuple of str
        Features or groups that a ``*`` does not mean.
    traffic : str
        ``batch``, ``live``, or ``"*"`` for either.
    comparison : str
        One of :data:`COMPARISONS`.
    use : {"value", "low", "high"}
        What is compared: the number or an end of its interval.
    min_n : int
        A window with fewer rows says nothing.
    for_windows : int
        In how many windows that do not overlap it must hold, one after the other.
    clear_windows : int
        For how many it must be clear of the ``clear_threshold`` before the alert ends.
    clear_threshold : float or None
        The threshold itself unless told otherwise. Between the two nothing changes.
    alert_per : {"rule", "feature", "group"}
        One alert for all that the rule finds, or one each.
    severity : {"info", "warning", "critical"}
    actions : tuple of str
        Of :data:`ACTIONS`. What gives back (``resume_rollout``, ``recover_route``) beside what
        takes is done when the alert has cleared.
    """

    name: str
    measurement: str
    threshold: Threshold
    owner: str
    why: str
    what_to_do: str
    feature: str = ""
    group: str = ""
    but_not: tuple[str, ...] = ()
    traffic: str = "*"
    comparison: str = ">="
    use: Literal["value", "low", "high"] = "value"
    min_n: int = 0
    for_windows: int = 1
    clear_windows: int = 1
    clear_threshold: float | None = None
    alert_per: Literal["rule", "feature", "group"] = "rule"
    severity: Severity = "warning"
    actions: tuple[str, ...] = ("ticket",)
