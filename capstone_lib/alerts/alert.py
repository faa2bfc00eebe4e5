"""An alert: what a rule has found, with its causes, in words; and the silence that hides it."""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from html import escape
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from capstone_lib.alerts.rule import Rule
from capstone_lib.store.measurement import Measurement, moment_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Alert", "Silence", "State", "alert_id_of", "alerts_frame"]

State: TypeAlias = Literal["firing", "pending", "cleared", "silenced", "unknown"]


@dataclass(frozen=True)
class Alert:
    """What a rule has found.

    Attributes
    ----------
    alert_id : str
        The same as long as rule, model, version and what it speaks of are the same.
    rule : Rule
    state : {"firing", "pending", "cleared", "silenced", "unknown"}
        *Pending*: the threshold is passed, but not for long enough yet. *Cleared*: it fired, and
        has ended. *Silenced*: it would fire. *Unknown*: what the rule needs is not measured, so
        that it can say nothing. Only a firing alert acts.
    measurements : tuple of Measurement
        The causes as they were last known, the strongest first.
    feature, group : str
        Of the strongest cause; of a gap between groups the group that fares worst.
    traffic : str
        Of the causes; empty if it is both.
    model, version : str
        Whose answers they are.
    since : str
        The first moment of the first window in which it held; of a cleared alert the end of the
        window that cleared it.
    windows_held : int
        Windows that do not overlap in which the strongest cause has held.
    message : str
        In words: the title, each cause, why, and what to do.
    """

    alert_id: str
    rule: Rule
    state: State
    measurements: tuple[Measurement, ...]
    feature: str
    group: str
    traffic: str
    model: str
    version: str
    since: str
    windows_held: int
    message: str

    @property
    def severity(self) -> str:
        """That of the rule; of what is not known always ``info``."""
        return "info" if self.state == "unknown" else self.rule.severity

    @property
    def title(self) -> str:
        """The first line of the message."""
        return self.message.partition("\n")[0]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON: numbers that are not known are None."""
        return {**_plain(asdict(self)), "severity": self.severity, "title": self.title}

    def __str__(self) -> str:
        return self.message

    def _repr_html_(self) -> str:
        head, *lines = self.message.splitlines()
        return f"<p><b>{escape(head)}</b></p>" + "".join(f"<p>{escape(one)}</p>" for one in lines)


@dataclass(frozen=True)
class Silence:
    """For how long nothing is done about a rule.

    Attributes
    ----------
    rule : str
        Its name.
    until : str
        The first moment at which it counts again, ISO, UTC.
    feature, group : str
        Only for these; empty for all.
    who, why : str
    """

    rule: str
    until: str
    feature: str = ""
    group: str = ""
    who: str = ""
    why: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "until", moment_text(self.until, name="until"))

    @classmethod
    def read(cls, silence: Any) -> "Silence":
        """Make one of a mapping or of anything with these attributes."""
        if isinstance(silence, cls):
            return silence
        names = [field.name for field in fields(cls)]
        if hasattr(silence, "get"):
            return cls(**{name: silence.get(name) or "" for name in names})
        return cls(**{name: getattr(silence, name, "") or "" for name in names})

    def hides(self, rule: str, cause: Measurement, *, now: str) -> bool:
        """Whether a cause of a rule's alert is silenced at a moment."""
        return (
            self.rule == rule
            and now < self.until
            and self.feature in ("", cause.feature)
            and self.group in ("", cause.group)
        )


def alert_id_of(rule: str, *about: str) -> str:
    """Name an alert by its rule and by what it speaks of.

    Examples
    --------
    >>> alert_id_of("late_batch", "employment", "1.0.0")
    'late_batch-...'
    """
    text = "\0".join((rule, *about))
    return f"{rule}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _plain(value: Any) -> Any:
    """The same without NaN, which JSON does not know, and without tuples."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def alerts_frame(alerts: Iterable[Alert]) -> "pd.DataFrame":
    """One row an alert, as it is read best.

    Examples
    --------
    >>> list(alerts_frame([]).columns)[:3]
    ['rule', 'state', 'severity']
    """
    import pandas as pd

    columns = [
        "rule", "state", "severity", "feature", "group", "traffic", "since", "windows_held",
        "causes", "title", "alert_id",
    ]  # fmt: skip
    rows = [
        (one.rule.name, one.state, one.severity, one.feature, one.group, one.traffic, one.since,
         one.windows_held, len(one.measurements), one.title, one.alert_id)
        for one in alerts
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
