"""The measurement: one number, with all that is needed to read it right.

It stands on the floor of the store, which keeps it; the monitoring passes it on.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from capstone_lib.errors import MonitoringError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KEY", "Measurement", "interval_text", "measurements_frame", "moment_text", "within"]

_NAN = float("nan")

KEY = (
    "name", "feature", "group", "window_start", "window_end", "traffic", "model", "version",
)  # fmt: skip
"""What makes two measurements the same one, computed again."""


@dataclass(frozen=True)
class Measurement:
    """A named number, with its window, size and interval.

    Attributes
    ----------
    name : str
        What was measured, such as ``psi`` or ``false_positive_rate``.
    value : float
        NaN if it is not defined or could not be measured; ``note`` then says why.
    low, high : float
        The ends of its interval; NaN if there is none.
    n : int
        Rows, requests or runs that it rests on.
    unit : str
        Such as ``share``, ``ms`` or ``days``; empty for a number without one.
    feature : str
        The column it speaks of; empty if it speaks of none.
    group : str
        The group it speaks of, such as ``SEX=1``; empty for everybody.
    window_start, window_end : str
        The first moment of the window and the first one after it, ISO, UTC; empty if not known.
        Dates and times of any zone may be given.
    threshold : float or None
        From where on the value is too much, if somebody has said so.
    model, version : str
        Whose answers were measured; empty if nobody's.
    traffic : str
        ``batch``, ``live``, or empty where that makes no difference.
    note : str
        What a reader must know: an assumption, or why there is no value.

    Examples
    --------
    >>> rate = Measurement("review_share", 0.25, n=400, unit="share", window_start="2016-01-01")
    >>> rate.window_start, rate.is_known
    ('2016-01-01T00:00:00', True)
    """

    name: str
    value: float
    low: float = _NAN
    high: float = _NAN
    n: int = 0
    unit: str = ""
    feature: str = ""
    group: str = ""
    window_start: str = ""
    window_end: str = ""
    threshold: float | None = None
    model: str = ""
    version: str = ""
    traffic: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise MonitoringError(f"a measurement has a name; seen {self.name!r}")
        for name in ("value", "low", "high"):
            object.__setattr__(self, name, _number(getattr(self, name), f"{self.name}: {name}"))
        if self.threshold is not None:
            object.__setattr__(
                self, "threshold", _number(self.threshold, f"{self.name}: threshold")
            )
        object.__setattr__(self, "n", int(self.n))
        for name in ("window_start", "window_end"):
            object.__setattr__(self, name, moment_text(getattr(self, name), name=name))

    @property
    def is_known(self) -> bool:
        """Whether there is a value."""
        return not math.isnan(self.value)

    @property
    def key(self) -> tuple[str, ...]:
        """What makes it the same measurement when it is computed again."""
        return tuple(getattr(self, name) for name in KEY)

    def __str__(self) -> str:
        """Say it in one line."""
        about = ", ".join(part for part in (self.feature, self.group) if part)
        about = f" [{about}]" if about else ""
        if not self.is_known:
            return f"{self.name}{about}: not known" + (f" ({self.note})" if self.note else "")
        between = interval_text(self.low, self.high)
        unit = f" {self.unit}" if self.unit not in ("", "share") else ""
        return f"{self.name}{about}: {self.value:.4g}{unit}{between}, n = {self.n:,}"


def moment_text(value: "str | date | datetime", *, name: str = "window") -> str:
    """Read a moment as ISO text in UTC without a zone, so that equal moments are equal text.

    Raises
    ------
    MonitoringError
        If it is neither empty nor a date or time.

    Examples
    --------
    >>> moment_text("2016-01-01"), moment_text("2016-01-01T02:00+02:00")
    ('2016-01-01T00:00:00', '2016-01-01T00:00:00')
    """
    if isinstance(value, str) and not value:
        return ""
    try:
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (TypeError, ValueError, OverflowError):
        raise MonitoringError(
            f"{name} must be a date or a time such as '2016-01-31'; seen {value!r}"
        ) from None
    return moment.isoformat()


def within(measurements: Iterable[Measurement], **window: Any) -> list[Measurement]:
    """The same measurements with a window, a model or a traffic of theirs filled in.

    Examples
    --------
    >>> within([Measurement("psi", 0.1)], traffic="live")[0].traffic
    'live'
    """
    return [replace(one, **window) for one in measurements]


def measurements_frame(measurements: Iterable[Measurement]) -> "pd.DataFrame":
    """One row a measurement, with typed columns; times are ``datetime64``, UTC.

    Examples
    --------
    >>> measurements_frame([Measurement("psi", 0.1, feature="age")])[["name", "feature", "value"]]
      name feature  value
    0  psi     age    0.1
    """
    import pandas as pd

    names = [field.name for field in fields(Measurement)]
    rows = [tuple(getattr(one, name) for name in names) for one in measurements]
    columns: dict[str, Any] = {
        name: list(values)
        for name, values in zip(
            names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True
        )
    }
    for name in ("window_start", "window_end"):
        moments = pd.Series([text or None for text in columns[name]], dtype="str")
        times = pd.to_datetime(moments, format="ISO8601")
        columns[name] = times.astype("datetime64[us]").to_numpy()
    for name in names:
        if name in ("value", "low", "high", "threshold"):
            columns[name] = pd.array(columns[name], dtype="float64")
        elif name == "n":
            columns[name] = pd.array(columns[name], dtype="int64")
        elif name not in ("window_start", "window_end"):
            columns[name] = pd.array(columns[name], dtype="str")
    return pd.DataFrame(columns)


def interval_text(low: float, high: float) -> str:
    """Say an interval in words; an end may be open.

    Examples
    --------
    >>> interval_text(0.1, 0.25), interval_text(0.1, _NAN), interval_text(_NAN, _NAN)
    (' (0.1 to 0.25)', ' (from 0.1)', '')
    """
    if math.isnan(low):
        return "" if math.isnan(high) else f" (up to {high:.4g})"
    return f" (from {low:.4g})" if math.isnan(high) else f" ({low:.4g} to {high:.4g})"


def _number(value: Any, what: str) -> float:
    if value is None:
        return _NAN
    try:
        return float(value)
    except (TypeError, ValueError):
        raise MonitoringError(f"{what} must be a number; seen {value!r}") from None
