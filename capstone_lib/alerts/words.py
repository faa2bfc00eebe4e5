"""An alert in words: the number, its interval, its size, the threshold, why, and what to do."""

import math
from collections.abc import Sequence

from capstone_lib.alerts.holding import Held
from capstone_lib.alerts.rule import BurnRate, NoiseFloor, Rule
from capstone_lib.store.measurement import Measurement, interval_text

__all__ = ["cause_in_words", "message_of", "unknown_in_words"]

SHOWN = 10

_WORDS = {
    ">": "above", ">=": "at or above", "<": "below", "<=": "at or below",
    "beyond": "away from 0 by at least",
}  # fmt: skip


def message_of(
    rule: Rule, state: str, causes: Sequence[tuple[Measurement, Held]], *, said_by: str
) -> str:
    """Say what was found, the strongest cause first.

    Parameters
    ----------
    rule : Rule
    state : str
        Of the alert.
    causes : sequence of (Measurement, Held)
        What tells the cause best, and how it stands; at least one.
    said_by : str
        The model and its version.
    """
    told, strongest = causes[0]
    others = f", and {len(causes) - 1} more" if len(causes) > 1 else ""
    head = f"{rule.name} ({rule.severity}{'' if state == 'firing' else ', ' + state})"
    lines = [f"{head}: {_named(told)}: {_number(told)}{others}"]
    lines += [
        f"{place}. {cause_in_words(one)}; {standing(rule, held)}"
        for place, (one, held) in enumerate(causes[:SHOWN], start=1)
    ]
    if len(causes) > SHOWN:
        lines.append(f"and {len(causes) - SHOWN} more")
    lines.append(f"Threshold: {threshold_in_words(rule, strongest)}. Model: {said_by}.")
    return "\n".join([*lines, f"Why: {rule.why}", f"What to do ({rule.owner}): {rule.what_to_do}"])


def cause_in_words(one: Measurement) -> str:
    """A number with its interval, size, window and note."""
    where = f" of {one.traffic} rows" if one.traffic else ""
    note = f" ({one.note})" if one.note else ""
    ends = interval_text(one.low, one.high)
    return f"{_named(one)}: {_number(one)}{ends}, n = {one.n:,}{where}, {_window(one)}{note}"


def _named(one: Measurement) -> str:
    """The measurement, and whom or what it speaks of."""
    about = one.group or one.feature
    return f"{one.name} [{about}]" if about else one.name


def _number(one: Measurement) -> str:
    unit = "" if one.unit in ("", "share", "findings") else f" {one.unit}"
    return f"{one.value:.4g}{unit}"


def standing(rule: Rule, held: Held) -> str:
    """For how long it has held, and what is needed for it to end."""
    windows = _windows(held.windows_held)
    match held.state:
        case "pending":
            return f"has held for {windows}, fires after {rule.for_windows}"
        case "cleared":
            return f"held for {windows}, ended {_day(held.since)}"
    said = f"has held for {windows}, since {_day(held.since)}"
    if held.windows_clear:
        said += f"; clear for {held.windows_clear} of {rule.clear_windows} windows"
    return said


def threshold_in_words(rule: Rule, held: Held) -> str:
    """What the rule compares with what."""
    what = {"value": rule.measurement, "low": f"the lower bound of {rule.measurement}",
            "high": f"the upper bound of {rule.measurement}"}[rule.use]  # fmt: skip
    said = f"{what} {_WORDS[rule.comparison]} "
    if isinstance(rule.threshold, NoiseFloor):
        said += f"{held.last.limit:.4g}, {rule.threshold}"
    elif isinstance(rule.threshold, BurnRate):
        said += f"{rule.threshold.share:.4g}, {rule.threshold}"
    else:
        said += f"{rule.threshold:g}"
    if rule.clear_threshold is not None:
        are = "is" if rule.clear_windows == 1 else "are"
        said += f"; it ends when {_windows(rule.clear_windows)} {are} clear of "
        said += f"{rule.clear_threshold:g}"
    return said


def unknown_in_words(rule: Rule, last: Measurement | None, known: Measurement | None) -> str:
    """Why a rule can say nothing."""
    if last is None:
        reason = "no window has it"
    elif not last.is_known:
        reason = last.note or "it has no value"
    elif math.isnan(getattr(last, rule.use)):
        reason = f"it has no {rule.use} end"
    else:
        reason = f"n = {last.n:,}, and the rule asks for {rule.min_n:,}"
    when = "" if known is None else f"; last known {_window(known)}"
    return (
        f"{rule.name}: {rule.measurement} is not known, so this rule can say nothing: {reason}"
        f"{when}\nWhy it matters: {rule.why}"
    )


def _windows(n: int) -> str:
    return f"{n} window{'s' if n != 1 else ''}"


def _window(one: Measurement) -> str:
    start, end = _day(one.window_start), _day(one.window_end)
    if not (start or end):
        return "of all time"
    return f"{start or 'the first'} to {end or 'the last'}"


def _day(moment: str) -> str:
    return moment.removesuffix("T00:00:00").replace("T", " ")
