"""Whether a rule makes sense: it names what is measured, and can both fire and be silent."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from capstone_lib.alerts.catalogue import KNOWN, Known, known_as
from capstone_lib.alerts.rule import BurnRate, NoiseFloor, Rule, seconds_of

__all__ = ["FLOOR_LEVEL", "is_address", "nonsense_in"]

FLOOR_LEVEL = 0.95
"""At which measurements carry what chance alone reaches."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def nonsense_in(rule: Rule, *, own: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """Find what makes no sense in a rule.

    Parameters
    ----------
    rule : Rule
    own : sequence of str
        Measurements that somebody else makes, of which nothing is known here.

    Yields
    ------
    (str, str)
        The key, and what is wrong with it.
    """
    if not _NAME.fullmatch(rule.name):
        yield "name", "a name is made of small letters, digits and _, such as late_batch"
    yield from _of_actions(rule)
    known = known_as(rule.measurement)
    if known is None and rule.measurement not in own:
        near = get_close_matches(rule.measurement, [*KNOWN, *own], n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        yield _say(
            "measurement",
            f"measurement is {rule.measurement!r}, which nothing measures{meant} If you "
            "write it yourself, name it in own_measurements",
        )
        return
    yield from _of_place(rule, known)
    if isinstance(rule.threshold, NoiseFloor):
        yield from _of_floor(rule, rule.threshold, known)
    elif isinstance(rule.threshold, BurnRate):
        yield from _of_burn(rule, rule.threshold, known)
    else:
        yield from _of_number(rule, rule.threshold, known)
    if rule.use != "value" and known is not None and not known.ends:
        yield "use", f'{rule.measurement} has no interval; write use = "value" or leave it out'


def is_address(url: Any) -> bool:
    """Whether a message can be sent there over HTTP."""
    if not isinstance(url, str) or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port  # read only here
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _say(key: str, text: str) -> tuple[str, str]:
    return key, text


def _of_actions(rule: Rule) -> Iterator[tuple[str, str]]:
    if len({*rule.actions}) < len(rule.actions):
        yield "actions", f"an action stands twice in {list(rule.actions)}; write each once"


def _of_place(rule: Rule, known: Known | None) -> Iterator[tuple[str, str]]:
    """Whether the measurement speaks of what the rule asks about."""
    if rule.but_not and "*" not in rule.feature + rule.group:
        yield "but_not", 'but_not goes with feature = "*" or group = "*"; leave it out'
    if known is None:
        return
    name, where = rule.measurement, known.where
    if where == "everybody" and (rule.feature or rule.group):
        key = "feature" if rule.feature else "group"
        yield key, f"{name} speaks of everybody; leave {key} out"
    elif where == "features" and rule.group:
        yield "group", f"{name} speaks of a feature as a whole; leave group out"
    elif where == "features" and not rule.feature:
        yield "measurement", f'{name} speaks of one feature; add feature = "*" for each, or a name'
    elif where == "groups" and not rule.group:
        yield "measurement", f'{name} speaks of one group; add group = "*", or such as "SEX=2"'
    elif where == "either" and rule.feature and not rule.group:
        yield (
            "feature",
            (
                f"{name} is known of everybody and by group, not by feature; leave feature out, or "
                'add group = "*"'
            ),
        )


def _of_number(rule: Rule, threshold: float, known: Known | None) -> Iterator[tuple[str, str]]:
    least, most = (-_ANY, _ANY) if known is None else (known.least, known.most)
    if rule.comparison == "beyond":
        least, most = 0.0, max(abs(least), abs(most))
    upwards = rule.comparison not in ("<", "<=")
    strict = rule.comparison in (">", "<")
    far, near = (most, least) if upwards else (least, most)
    past = threshold - far if upwards else far - threshold
    short = near - threshold if upwards else threshold - near
    between = f"{rule.measurement} lies between {least:g} and {most:g}"
    if rule.comparison == "beyond" and known is None and threshold <= 0:
        short = 1.0
    if past > 0 or (strict and past == 0) or abs(threshold) == _ANY:
        yield (
            "threshold",
            (f"{rule.comparison} {threshold:g} is never true: {between}; give a number in between"),
        )
    elif short > 0 or (not strict and short == 0):
        yield _say(
            "threshold",
            f"{rule.comparison} {threshold:g} is always true: {between}; give a number in between",
        )
    yield from _of_clear(rule, threshold)


def _of_clear(rule: Rule, threshold: float) -> Iterator[tuple[str, str]]:
    clear = rule.clear_threshold
    if clear is None:
        return
    upwards = rule.comparison not in ("<", "<=")
    if clear > threshold if upwards else clear < threshold:
        side = "below" if upwards else "above"
        yield _say(
            "clear_threshold",
            f"clear_threshold {clear:g} lies on the wrong side of the threshold "
            f"{threshold:g}, so the alert would end while it "
            f"holds; give a number {side} it, or leave it out",
        )


def _of_floor(rule: Rule, threshold: NoiseFloor, known: Known | None) -> Iterator[tuple[str, str]]:
    if known is not None and not known.floor:
        have = ", ".join(name for name, one in KNOWN.items() if one.floor)
        way = 'a number with use = "low"' if known.ends else "a number"
        yield (
            "threshold",
            (f"{rule.measurement} does not say what chance alone reaches ({have} do); give {way}"),
        )
    if threshold.level != FLOOR_LEVEL:
        yield _say(
            "threshold",
            f"noise_floor is {threshold.level:g}; measurements say what chance reaches at "
            f"{FLOOR_LEVEL:g}: write {{ noise_floor = {FLOOR_LEVEL:g} }}",
        )
    if rule.comparison not in (">", ">="):
        yield (
            "comparison",
            f"a noise floor is passed upwards; write >=, not {rule.comparison}",
        )
    if rule.clear_threshold is not None:
        yield _say(
            "clear_threshold",
            "a noise floor moves with the window's size, so there is no fixed number to "
            "be clear of; leave clear_threshold out and raise clear_windows",
        )


def _of_burn(rule: Rule, threshold: BurnRate, known: Known | None) -> Iterator[tuple[str, str]]:
    is_share = known is None or (known.least, known.most, known.ends) == (0.0, 1.0, True)
    if not is_share:
        yield _say(
            "measurement",
            f"a budget is a share that may fail, and {rule.measurement} is none; take "
            "error_rate or slow_share",
        )
    if not 0 < threshold.budget < 1:
        yield "threshold", f"budget is {threshold.budget:g}; give a share such as 0.01 for 99 %"
    elif not 0 < threshold.burn_rate * threshold.budget <= 1:
        yield _say(
            "threshold",
            f"burn_rate {threshold.burn_rate:g} times the budget {threshold.budget:g} is the "
            f"share {threshold.share:g}; it must lie above 0 and be 1 at most",
        )
    if rule.comparison not in (">", ">="):
        yield "comparison", f"a budget burns upwards; write >=, not {rule.comparison}"
    spans = {}
    for key in ("short", "long"):
        try:
            spans[key] = seconds_of(getattr(threshold, key))
        except ValueError as error:
            yield "threshold", f"{key}: {error}"
    if len(spans) == 2 and spans["short"] >= spans["long"]:
        yield _say(
            "threshold",
            f"short is {threshold.short} and long is {threshold.long}; the short time says "
            "that it still goes on, and must be shorter, about a twelfth",
        )
    yield from _of_clear(rule, threshold.burn_rate)


_ANY = float("inf")
