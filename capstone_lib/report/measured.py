"""The sections on what was measured: drift, fairness and performance, window by window."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from capstone_lib.report.span import NO_DATABASE, Span, iso, records
from capstone_lib.report.words import window_label
from capstone_lib.store.measurement import Measurement

__all__ = [
    "Measured", "gather_drift", "gather_fairness", "gather_performance", "in_order",
    "plain_measurement", "read_measured",
]  # fmt: skip

_TRAFFIC = ("batch", "live")
_RATES = ("selection_rate", "false_positive_rate", "true_positive_rate", "accuracy")
_GAP = "_difference"
_SMALL = "not judged"
_METRICS = (
    "accuracy", "auc", "false_positive_rate", "false_negative_rate", "precision", "base_rate",
    "brier", "log_loss", "ece", "coverage", "review_share",
)  # fmt: skip
_HOW = (
    "capstone monitor MODEL --store URL --source FILE --from DATE --to DATE measures a window and "
    "keeps what it finds."
)

Window = tuple[str, str]


@dataclass(frozen=True)
class Measured:
    """The measurements of one model and one kind of traffic.

    Attributes
    ----------
    traffic : str
    rows : tuple of Measurement
        Oldest window first.
    """

    traffic: str
    rows: tuple[Measurement, ...]

    @cached_property
    def windows(self) -> list[Window]:
        """Every window, by its end; one that is open ends last."""
        found = {(one.window_start, one.window_end) for one in self.rows}
        return sorted(found, key=lambda ends: (ends[1] or "9", ends[0]))

    @cached_property
    def by_key(self) -> dict[tuple[Window, str, str, str], Measurement]:
        """Found by window, name, feature and group."""
        return {
            ((one.window_start, one.window_end), one.name, one.feature, one.group): one
            for one in self.rows
        }

    def one(self, window: Window, name: str, feature: str = "") -> Measurement | None:
        """The number of everybody in a window, if it is known."""
        found = self.by_key.get((window, name, feature, ""))
        return found if found is not None and found.is_known else None

    def within(self, window: Window) -> list[Measurement]:
        """All of one window."""
        return [one for one in self.rows if (one.window_start, one.window_end) == window]

    def newest(self, *names: str, features: bool = False) -> Window | None:
        """The last window in which one of these is known; with features, of a column."""
        known = {
            (one.window_start, one.window_end)
            for one in self.rows
            if one.is_known and _base(one.name) in names and bool(one.feature) is features
        }
        return next((window for window in reversed(self.windows) if window in known), None)


def read_measured(span: Span) -> list[Measured]:
    """The measurements of the windows that lie in the report's window, by traffic."""
    if span.is_folder:
        return []
    frame = span.store.measurements(**span.model, since=span.start, until=span.end)
    frame = frame.drop(columns="recorded_at")
    rows = [Measurement(**_read(row)) for row in records(frame)]
    parts = (Measured(name, tuple(r for r in rows if r.traffic == name)) for name in _TRAFFIC)
    return [part for part in parts if part.rows]


def gather_drift(span: Span, parts: Iterable[Measured]) -> dict[str, Any]:
    """How far each column moved in each window, and the strongest of the newest window."""
    found = [one for part in parts if (one := _drift(part)) is not None]
    if not found:
        return _nothing(span, "No drift has been measured in this window", ["drift_alarms"], parts)
    return _section(span, {"traffic": found})


def gather_fairness(span: Span, parts: Iterable[Measured]) -> dict[str, Any]:
    """Rates by group and the gaps between groups, of the newest window that has them."""
    found = [one for part in parts if (one := _fairness(part)) is not None]
    if not found:
        names = ["equalized_odds_difference", "accuracy"]
        said = "No rates by group have been measured in this window"
        return _nothing(span, said, names, parts)
    return _section(span, {"traffic": found})


def gather_performance(span: Span, parts: Iterable[Measured]) -> dict[str, Any]:
    """How good answers were, estimated before outcomes are known and realized after."""
    found = [one for part in parts if (one := _performance(part)) is not None]
    if not found:
        names = ["estimated_accuracy", "accuracy"]
        said = "Neither estimated nor realized performance is known in this window"
        return _nothing(span, said, names, parts)
    return _section(span, {"traffic": found})


def plain_measurement(one: Measurement) -> dict[str, Any]:
    """What a table says of a measurement."""
    return {
        "name": one.name, "value": one.value, "low": one.low, "high": one.high, "n": one.n,
        "unit": one.unit, "note": one.note,
    }  # fmt: skip


def _drift(part: Measured) -> dict[str, Any] | None:
    windows = [w for w in part.windows if part.one(w, "drift_alarms") is not None]
    if not windows:
        return None
    effects = [one for one in part.rows if one.name == "drift_effect" and one.is_known]
    columns = _strongest(effects)
    newest = windows[-1]
    last = [one for one in part.within(newest) if one.name == "drift_effect"]
    return {
        "traffic": part.traffic,
        "windows": [
            _window(w)
            | {
                "n": _n(part.one(w, "drift_alarms")),
                "alarms": _value(part.one(w, "drift_alarms")),
                "findings": _value(part.one(w, "drift_findings")),
                "pairs": _value(part.one(w, "pair_alarms")),
            }
            for w in windows
        ],
        "columns": columns,
        "effect": [[_value(part.one(w, "drift_effect", c)) for w in windows] for c in columns],
        "real": [[_is_real(part, w, c) for w in windows] for c in columns],
        "large": [
            [_value(part.one(w, "drift_is_large", c)) == 1 for w in windows] for c in columns
        ],
        "newest": _window(newest)
        | {
            "features": [
                {"feature": one.feature, **plain_measurement(one)}
                | {"large": _value(part.one(newest, "drift_is_large", one.feature)) == 1}
                for one in sorted(last, key=_by_effect)
            ],
            "pairs": [
                {"feature": one.feature, **plain_measurement(one)}
                for one in part.within(newest)
                if one.name == "pair_effect"
            ],
        },
    }


def _fairness(part: Measured) -> dict[str, Any] | None:
    window = part.newest(*_RATES, features=True)
    if window is None:
        return None
    rows = part.within(window)
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    for one in rows:
        if one.feature and one.group and _base(one.name) in _RATES:
            said = plain_measurement(one) | {"judged": one.is_known and _SMALL not in one.note}
            groups.setdefault(one.feature, {}).setdefault(one.group, {})[one.name] = said
    gaps = [_gap(one, rows) for one in rows if one.feature and _is_gap(one)]
    return {
        "traffic": part.traffic,
        **_window(window),
        "n": max((_n(one) or 0 for one in rows if one.name == "rows"), default=0),
        "features": [
            {
                "feature": name,
                "groups": [
                    {"group": g, "rates": r}
                    for g, r in sorted(of.items(), key=lambda pair: in_order(pair[0]))
                ],
            }
            for name, of in sorted(groups.items())
        ],
        "gaps": sorted(gaps, key=lambda gap: -(_finite(gap["lower_bound"]))),
        "changes": [
            {"feature": one.feature, "group": one.group, **plain_measurement(one)}
            for one in rows
            if one.name.endswith("_rate_change") and one.group and "real" in one.note.lower()
        ],
    }


def _performance(part: Measured) -> dict[str, Any] | None:
    known = [w for w in part.windows if _has_performance(part, w)]
    if not known:
        return None
    realized = part.newest("accuracy")
    estimated = part.newest("estimated_accuracy")
    return {
        "traffic": part.traffic,
        "windows": [
            _window(w)
            | {
                "estimated": _said(part.one(w, "estimated_accuracy")),
                "realized": _said(part.one(w, "accuracy")),
                "outcomes_missing": _value(part.one(w, "outcomes_missing")),
            }
            for w in known
        ],
        "realized": None if realized is None else _numbers(part, realized, ""),
        "estimated": None if estimated is None else _numbers(part, estimated, "estimated_"),
        "why_not": _why(part, ["estimated_accuracy", "accuracy"], known[-1]),
    }


def _numbers(part: Measured, window: Window, prefix: str) -> dict[str, Any]:
    found = [part.one(window, f"{prefix}{name}") for name in _METRICS]
    return _window(window) | {
        "numbers": [plain_measurement(one) for one in found if one is not None]
    }


def _has_performance(part: Measured, window: Window) -> bool:
    names = ("accuracy", "estimated_accuracy")
    return any(part.one(window, name) is not None for name in names)


def _gap(one: Measurement, rows: list[Measurement]) -> dict[str, Any]:
    bound = one.name.replace(_GAP, "_lower_bound")
    lower = [other for other in rows if (other.name, other.feature) == (bound, one.feature)]
    return {
        "gap": one.name.replace(_GAP, ""), "feature": one.feature, "value": one.value,
        "low": one.low, "high": one.high, "n": one.n, "between": one.note,
        "lower_bound": lower[0].value if lower else float("nan"),
    }  # fmt: skip


def _is_gap(one: Measurement) -> bool:
    return _base(one.name).endswith(_GAP) and not one.group


def _is_real(part: Measured, window: Window, column: str) -> bool:
    one = part.one(window, "drift_effect", column)
    return one is not None and one.note.startswith("real")


def _strongest(effects: list[Measurement]) -> list[str]:
    top: dict[str, float] = {}
    for one in effects:
        top[one.feature] = max(top.get(one.feature, 0.0), one.value)
    return sorted(top, key=lambda name: (-top[name], name))


def _by_effect(one: Measurement) -> tuple[float, str]:
    return -_finite(one.value), one.feature


def in_order(group: str) -> tuple[str, float, str]:
    """Sort groups by their column, then bands and codes by their number, the lowest band first.

    Examples
    --------
    >>> names = ["AGE=below 25", "AGE=from 65", "AGE=25 to below 65", "SEX=10", "SEX=2"]
    >>> sorted(names, key=in_order)[1:]
    ['AGE=25 to below 65', 'AGE=from 65', 'SEX=2', 'SEX=10']
    """
    column, _, value = group.partition("=")
    if value.startswith("below"):
        return column, float("-inf"), value
    found = re.match(r"\D*?(-?\d+(\.\d+)?)", value)
    return column, float(found.group(1)) if found else float("inf"), value


def _base(name: str) -> str:
    """The name without the class that it speaks of: ``recall[late]``."""
    return name.partition("[")[0]


def _section(span: Span, found: dict[str, Any]) -> dict[str, Any]:
    return {"missing": "", "source": f"table measurements of {span.where}"} | found


def _nothing(span: Span, said: str, names: list[str], parts: Iterable[Measured]) -> dict[str, Any]:
    """What is missing, with the reason that the newest measurement gives."""
    if span.is_folder:
        return {"missing": NO_DATABASE, "source": ""}
    reasons = [r for part in parts if (r := _why(part, names, part.windows[-1]))]
    why = f": {'; '.join(dict.fromkeys(reasons))}." if reasons else f": {_HOW}"
    return {"missing": f"{said}{why}", "source": f"table measurements of {span.where}"}


def _why(part: Measured, names: Iterable[str], window: Window) -> str:
    """Why none of these is known in a window."""
    notes = [part.by_key.get((window, name, "", "")) for name in names]
    unknown = [one.note for one in notes if one is not None and not one.is_known and one.note]
    return f"{part.traffic}: {'; '.join(dict.fromkeys(unknown))}" if unknown else ""


def _window(window: Window) -> dict[str, str]:
    start, end = window
    return {"start": start, "end": end, "label": window_label(start, end)}


def _read(row: dict[str, Any]) -> dict[str, Any]:
    threshold = row["threshold"]
    return row | {
        "window_start": iso(row["window_start"]),
        "window_end": iso(row["window_end"]),
        "threshold": None if threshold != threshold else threshold,
    }


def _value(one: Measurement | None) -> float | None:
    return None if one is None else one.value


def _n(one: Measurement | None) -> int | None:
    return None if one is None else one.n


def _said(one: Measurement | None) -> dict[str, Any] | None:
    return None if one is None else plain_measurement(one)


def _finite(value: float) -> float:
    return value if value == value else float("-inf")
