"""Whether a condition holds: for how many windows it must, and for how many it must be gone.

Windows that overlap speak of the same people, so only those that do not overlap count towards
"for three windows". A window between the two thresholds, or without a value, changes nothing that
has been decided.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from capstone_lib.store.measurement import Measurement

__all__ = ["Held", "Seen", "Verdict", "follow"]

Verdict: TypeAlias = Literal["over", "between", "clear"]


@dataclass(frozen=True)
class Seen:
    """One window of one number, judged.

    Attributes
    ----------
    measurement : Measurement
    verdict : {"over", "between", "clear"}
        Beyond the threshold; not, but not clear of it either; clear.
    value, limit : float
        What was compared, and with what.
    """

    measurement: Measurement
    verdict: Verdict
    value: float
    limit: float


@dataclass(frozen=True)
class Held:
    """How things stand after the last window.

    Attributes
    ----------
    state : {"quiet", "pending", "firing", "cleared"}
    since : str
        When it began; of what is cleared, when it ended.
    windows_held, windows_clear : int
        Windows that do not overlap: in which it held, and since then has been clear.
    last : Seen
        The newest window; of what is cleared the one that cleared it.
    """

    state: Literal["quiet", "pending", "firing", "cleared"]
    since: str
    windows_held: int
    windows_clear: int
    last: Seen


class _Streak:
    """Windows one after the other; those that overlap an earlier one of them do not count."""

    def __init__(self) -> None:
        self.count, self.since, self._end = 0, "", ""

    def add(self, one: Measurement) -> None:
        if not self.count:
            self.since = one.window_start or one.window_end
        after = self._end and one.window_start and one.window_start >= self._end
        if not self.count or after:
            self.count, self._end = self.count + 1, one.window_end


def follow(windows: Iterable[Seen], *, for_windows: int, clear_windows: int) -> Held | None:
    """Go through judged windows, oldest first.

    Parameters
    ----------
    windows : iterable of Seen
    for_windows, clear_windows : int
        See :class:`~capstone_lib.alerts.rule.Rule`.

    Returns
    -------
    Held or None
        None without windows.

    Examples
    --------
    >>> def seen(month, verdict):
    ...     one = Measurement("psi", 0.3, window_start=f"2016-{month:02}-01",
    ...                       window_end=f"2016-{month + 1:02}-01")
    ...     return Seen(one, verdict, 0.3, 0.2)
    >>> told = ["over", "clear", "over", "over", "between", "clear"]
    >>> windows = [seen(month, verdict) for month, verdict in enumerate(told, start=1)]
    >>> held = follow(windows, for_windows=2, clear_windows=2)
    >>> held.state, held.since, held.windows_held, held.windows_clear
    ('firing', '2016-03-01T00:00:00', 2, 1)
    """
    state: Literal["quiet", "pending", "firing", "cleared"] = "quiet"
    over, clear = _Streak(), _Streak()
    since, last, told = "", None, None
    for one in windows:
        last = one
        firing = state == "firing"
        if one.verdict == "over":
            clear = _Streak()
            over.add(one.measurement)
            if over.count >= for_windows:
                state, told = "firing", None
            elif not firing:
                state = "pending"
        elif firing:
            if one.verdict == "between":
                clear = _Streak()
                continue
            clear.add(one.measurement)
            if clear.count >= clear_windows:
                state, since, told = "cleared", one.measurement.window_end, one
                held, over = over.count, _Streak()
        else:
            over = _Streak()
            state = "cleared" if told is not None else "quiet"
    if last is None:
        return None
    if state == "cleared":
        assert told is not None
        return Held(state, since, held, clear.count, told)
    return Held(state, over.since, over.count, clear.count, last)
