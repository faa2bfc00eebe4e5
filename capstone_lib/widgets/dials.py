"""What a slider can be set to, and where it starts. No widget is made here."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite, log10
from numbers import Integral, Real
from typing import Any

__all__ = ["Dial", "dials_of", "in_words"]

_STEPS = 10


@dataclass(frozen=True)
class Dial:
    """One thing to turn.

    Attributes
    ----------
    name
        The parameter that it sets.
    start
        Where it stands at first.
    choices
        All it can be set to; none if it is a range of numbers.
    low, high, step
        The range, both ends included.
    """

    name: str
    start: Any
    choices: tuple[Any, ...] = ()
    low: float = 0
    high: float = 0
    step: float = 0

    @property
    def is_whole(self) -> bool:
        """Whether it takes whole numbers only."""
        return all(isinstance(one, Integral) for one in (self.low, self.high, self.step))

    @property
    def decimals(self) -> int:
        """How many digits behind the point its step needs."""
        return 0 if self.is_whole else max(0, ceil(-log10(self.step) - 1e-9))


def dials_of(draw: Callable[..., Any], ranges: Mapping[str, Any]) -> tuple[Dial, ...]:
    """Read ranges as dials; each starts at the parameter's default, else in the middle.

    Raises
    ------
    ValueError
        There is no range, or one that cannot be read.
    """
    if not ranges:
        raise ValueError("there is nothing to turn; give a range, such as strength=(0.0, 1.0)")
    known = inspect.signature(draw).parameters
    defaults = {name: one.default for name, one in known.items() if one.default is not one.empty}
    return tuple(_dial(name, given, defaults) for name, given in ranges.items())


def in_words(values: Mapping[str, Any]) -> str:
    """Return values as a reader would say them.

    Examples
    --------
    >>> in_words({"strength": 0.30000000000000004, "rows": 2000, "at": "work"})
    'strength 0.3, rows 2,000, at work'
    """
    return ", ".join(f"{name} {say(value)}" for name, value in values.items())


def say(value: Any) -> str:
    """Return one value in words."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    return f"{value:,}" if isinstance(value, Integral) else f"{value:.6g}"


def _dial(name: str, given: Any, defaults: Mapping[str, Any]) -> Dial:
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise ValueError(f"{name} is {given!r}; give (low, high), (low, high, step) or a list")
    if isinstance(given, tuple) and len(given) in (2, 3) and all(map(_is_number, given)):
        return _range(name, given, defaults)
    start = defaults.get(name, given[0])
    if start not in given:
        raise ValueError(f"{name} starts at {start!r}, which is not one of {list(given)}")
    return Dial(name, start, choices=tuple(given))


def _range(name: str, given: tuple[Any, ...], defaults: Mapping[str, Any]) -> Dial:
    low, high = given[:2]
    whole = all(isinstance(one, Integral) for one in given)
    step = given[2] if len(given) == 3 else 1 if whole else (high - low) / _STEPS
    if not (isfinite(low) and isfinite(high) and low < high and 0 < step <= high - low):
        raise ValueError(
            f"{name} is {given!r}; it must be (low, high) or (low, high, step), rising"
        )
    start = defaults.get(name, low + round((high - low) / step) // 2 * step)
    if not _is_number(start) or not low <= start <= high:
        raise ValueError(f"{name} starts at {start!r}, which is not between {low} and {high}")
    return Dial(name, start, low=low, high=high, step=step)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
