"""Numbers against a rule: which of them it speaks of, and what it says of each window."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from capstone_lib.alerts.holding import Seen, Verdict
from capstone_lib.alerts.rule import BurnRate, NoiseFloor, Rule, seconds_of
from capstone_lib.store.measurement import Measurement

__all__ = ["Series", "judge", "newest_last", "speaks_of"]

Series = tuple[str, str, str, str, str, str]
"""Name, feature, group, traffic, model and version: one number over time."""

_NAN = float("nan")
_LAST = "9999"


def speaks_of(rule: Rule, one: Measurement) -> bool:
    """Whether a rule means this number.

    Examples
    --------
    >>> rule = Rule("r", "psi", 0.2, "me", "", "", feature="*", but_not=("score",))
    >>> [speaks_of(rule, Measurement("psi", 0.1, feature=name)) for name in ("age", "score", "")]
    [True, False, False]
    """
    return (
        one.name == rule.measurement
        and rule.traffic in ("*", one.traffic)
        and _fits(rule.feature, one.feature)
        and _fits(rule.group, one.group)
        and one.feature not in rule.but_not
        and one.group not in rule.but_not
    )


def newest_last(measurements: Iterable[Measurement]) -> list[Measurement]:
    """Windows of one number in their order; of those that end together the shortest.

    An open start is the earliest, an open end the latest.
    """
    ends: dict[str, Measurement] = {}
    for one in sorted(measurements, key=lambda one: (one.window_end or _LAST, one.window_start)):
        ends[one.window_end] = one
    return list(ends.values())


def judge(rule: Rule, windows: Sequence[Measurement]) -> Iterator[Seen]:
    """What a rule says of each window of one number; nothing of those that are not known.

    Parameters
    ----------
    rule : Rule
    windows : sequence of Measurement
        As :func:`newest_last` gives them.
    """
    known = [one for one in windows if one.is_known and one.n >= rule.min_n]
    for place, one in enumerate(known):
        value, limit = _compared(rule, known, place)
        if not (math.isnan(value) or math.isnan(limit)):
            yield Seen(one, _verdict(rule, value, limit), value, limit)


def _compared(rule: Rule, known: Sequence[Measurement], place: int) -> tuple[float, float]:
    one, threshold = known[place], rule.threshold
    if isinstance(threshold, BurnRate):
        return _burning(rule, threshold, known, place), threshold.burn_rate
    limit = threshold if not isinstance(threshold, NoiseFloor) else one.threshold
    if rule.comparison == "beyond":
        return _away_from_nothing(rule, one), _NAN if limit is None else limit
    return float(getattr(one, rule.use)), _NAN if limit is None else limit


def _away_from_nothing(rule: Rule, one: Measurement) -> float:
    """How far from 0: the number, or the nearer (low) or farther (high) end of its interval."""
    if rule.use == "value":
        return abs(one.value)
    ends = abs(one.low), abs(one.high)
    if rule.use == "high":
        return max(ends)
    spans = one.low <= 0 <= one.high
    return 0.0 if spans else min(ends)


def _burning(rule: Rule, threshold: BurnRate, known: Sequence[Measurement], place: int) -> float:
    """How fast the budget burns, over the short and the long time: the slower of the two."""
    spans = (threshold.short, threshold.long)
    shares = [_share(rule, _since(known, place, seconds_of(span))) for span in spans]
    return min(shares) / threshold.budget


def _since(known: Sequence[Measurement], place: int, seconds: int) -> list[Measurement]:
    """A window, and those before it that lie within a time and do not overlap."""
    newest = known[place]
    taken = [newest]
    if not (newest.window_start and newest.window_end):
        return taken
    first = datetime.fromisoformat(newest.window_end) - timedelta(seconds=seconds)
    earliest, begin = first.isoformat(), newest.window_start
    for one in map(known.__getitem__, range(place - 1, -1, -1)):
        if one.window_end <= earliest:
            break
        if one.window_end <= begin and one.window_start >= earliest:
            taken.append(one)
            begin = one.window_start
    return taken


def _share(rule: Rule, windows: Sequence[Measurement]) -> float:
    """The share of all requests of some windows, or an end of its interval."""
    n = sum(one.n for one in windows)
    if not n:
        return _NAN
    part = sum(one.value * one.n for one in windows)
    if rule.use == "value":
        return part / n
    from capstone_lib.monitoring.rates import wilson

    low, high = wilson(round(part), n, level=0.95)
    return float(low if rule.use == "low" else high)


def _verdict(rule: Rule, value: float, limit: float) -> Verdict:
    """Clear of the clear threshold, over the threshold, or neither."""
    if _is_over(rule.comparison, value, limit):
        return "over"
    clear = limit if rule.clear_threshold is None else rule.clear_threshold
    return "between" if _is_over(rule.comparison, value, clear) else "clear"


def _is_over(comparison: str, value: float, limit: float) -> bool:
    match comparison:
        case ">":
            return value > limit
        case "<":
            return value < limit
        case "<=":
            return value <= limit
    return value >= limit


def _fits(pattern: str, name: str) -> bool:
    if pattern == "*":
        return bool(name)
    return bool(_pattern(pattern).fullmatch(name))


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)
