"""A figure of the table, and where it comes from: a question to the store that anybody may repeat.

What was not measured is a figure without a value, whose note says how to measure it.
"""

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["Figure", "Source", "not_measured"]

_NAN = float("nan")


@dataclass(frozen=True)
class Source:
    """Where a figure comes from.

    Attributes
    ----------
    kind : str
        ``runs``, ``requests``, ``load test``, ``reviews`` or ``computed``.
    words : str
        For people: which run, or which window and how many requests.
    sql : str
        A question to the store's database whose rows the figure rests on; empty for a load test
        that no store keeps, and for what is computed.
    parts : tuple of Source
        Of what is computed: what goes into it.
    """

    kind: str
    words: str
    sql: str = ""
    parts: tuple["Source", ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The source as JSON can say it."""
        return {
            "kind": self.kind,
            "words": self.words,
            "sql": self.sql,
            "parts": [one.to_dict() for one in self.parts],
        }


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes
    ----------
    name : str
        In words, such as ``99 of 100 within``.
    value : float
        NaN if it was not measured; ``note`` then says how to.
    unit : str
        Such as ``ms`` or ``rows/s``; ``share`` for a share.
    low, high : float
        The ends of its 95 % interval; NaN where there is none, or so few rows do not bound it.
    n : int
        Runs, requests or cases that it rests on.
    source : Source or None
        None if it was not measured.
    note : str
        What a reader must know.

    Examples
    --------
    >>> about = Source("runs", "batch run 4f2a")
    >>> print(Figure("a run takes", 2.5, "s", n=1, source=about))
    a run takes 2.5 s
    >>> print(not_measured("a run takes", "score a batch"))
    a run takes: not measured (score a batch)
    """

    name: str
    value: float
    unit: str = ""
    low: float = _NAN
    high: float = _NAN
    n: int = 0
    source: Source | None = None
    note: str = ""

    @property
    def is_known(self) -> bool:
        """Whether it was measured."""
        return not math.isnan(self.value)

    @property
    def said(self) -> str:
        """The value with its unit."""
        return _said(self.value, self.unit)

    @property
    def between(self) -> str:
        """The interval in words; empty if there is none."""
        low, high = (_said(end, self.unit) for end in (self.low, self.high))
        if math.isnan(self.low):
            return "" if math.isnan(self.high) else f"up to {high}"
        return f"from {low}" if math.isnan(self.high) else f"{low} to {high}"

    def __str__(self) -> str:
        if not self.is_known:
            return f"{self.name}: not measured ({self.note})"
        between = f" ({self.between})" if self.between else ""
        return f"{self.name} {self.said}{between}"

    def to_dict(self) -> dict[str, Any]:
        """The figure as JSON can say it; NaN becomes ``None``."""
        numbers = {name: getattr(self, name) for name in ("value", "low", "high")}
        return {
            "name": self.name,
            **{name: None if math.isnan(one) else one for name, one in numbers.items()},
            "unit": self.unit,
            "n": self.n,
            "source": None if self.source is None else self.source.to_dict(),
            "note": self.note,
        }


def not_measured(name: str, how: str) -> Figure:
    """A figure that nobody has measured yet, and how to do it."""
    return Figure(name, _NAN, note=how)


def _said(value: float, unit: str) -> str:
    """A number for people.

    Examples
    --------
    >>> _said(0.1234, "share"), _said(1234.5, "rows/s"), _said(0.98765, "ms")
    ('12 %', '1,234 rows/s', '0.988 ms')
    """
    if unit == "share":
        return f"{100 * value:.3g} %" if 0 < value < 0.1 else f"{100 * value:.0f} %"
    words = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{words} {unit}".rstrip()
