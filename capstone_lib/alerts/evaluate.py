"""From measurements to alerts. Pure: it reads no store and no clock but for silences."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from capstone_lib.alerts.alert import Alert, Silence, State, alert_id_of
from capstone_lib.alerts.catalogue import KNOWN
from capstone_lib.alerts.holding import Held, follow
from capstone_lib.alerts.judging import Series, judge, newest_last, speaks_of
from capstone_lib.alerts.playbook import Playbook, load_playbook
from capstone_lib.alerts.rule import SEVERITIES, Rule
from capstone_lib.alerts.words import message_of, unknown_in_words
from capstone_lib.errors import AlertError
from capstone_lib.store.measurement import Measurement, moment_text

__all__ = ["evaluate_alerts"]

BLIND_AFTER = 3
"""A rule whose number is not known in so many of a model's last windows says so."""

_STATES: tuple[State, ...] = ("firing", "silenced", "pending", "cleared", "unknown")
_FIELDS = [field.name for field in fields(Measurement)]
_WORSE_GROUP = re.compile(r"[\w\[\] -]+: (.+) over .+")


@dataclass(frozen=True)
class _Cause:
    """One number that a rule speaks of, and how it stands."""

    held: Held
    told: Measurement
    strength: float

    @property
    def measurement(self) -> Measurement:
        return self.held.last.measurement


def evaluate_alerts(
    playbook: Playbook | str | Path | None,
    measurements: Any,
    *,
    history: Any = (),
    silences: Iterable[Any] = (),
    now: Any = None,
) -> list[Alert]:
    """Say which rules of a playbook hold, from measurements and those that came before.

    Parameters
    ----------
    playbook : Playbook, path or None
        The default one if None.
    measurements : iterable of Measurement, or DataFrame of ``store.measurements()``
        What is judged: alerts are told of the models and versions that it speaks of.
    history : the same
        What was measured before. It may hold the same windows again; what stands in
        ``measurements`` counts then.
    silences : iterable of Silence, mapping, or what has such attributes
        Those that have ended are left aside.
    now : str, date or datetime, optional
        The moment of asking, for silences; the present unless told otherwise.

    Returns
    -------
    list of Alert
        Firing first, the more severe ones first; at most one of each id. A rule of which nothing
        is to be told has none. What has cleared stays in the list as long as its history is given.

    Raises
    ------
    PlaybookError
        If the playbook is wrong.
    AlertError
        If measurements are none.

    Notes
    -----
    All that was given is gone through window by window, so that the same numbers always lead to
    the same alerts, however often and in whatever order they are given. A number without a value,
    or with fewer rows than the rule asks for, neither raises nor clears. Rows of batch and of live
    traffic are followed apart and told in one alert; of windows that end together the shortest
    counts, and windows that overlap count once towards ``for_windows``.

    Examples
    --------
    >>> slow = Measurement("latency_p99", 180, 170, 190, n=5000, unit="ms", traffic="live",
    ...                    window_start="2026-01-01", window_end="2026-01-02")
    >>> alerts = evaluate_alerts(None, [slow])
    >>> [(one.rule.name, one.state) for one in alerts if one.state != "unknown"]
    [('slow_answers', 'firing')]
    """
    rules = playbook if isinstance(playbook, Playbook) else load_playbook(playbook)
    current = _keyed(measurements)
    everything = {**_keyed(history), **current}
    moment = _moment(now)
    hidden = [Silence.read(one) for one in _records(silences)]
    found: list[Alert] = []
    for model, version in sorted({(one.model, one.version) for one in current.values()}):
        mine = [one for one in everything.values() if (one.model, one.version) == (model, version)]
        by_name = defaultdict(list)
        for one in mine:
            by_name[one.name].append(one)
        windows = _last_windows(mine)
        for rule in rules.rules:
            found += _of_rule(rule, by_name, hidden, moment, windows, (model, version))
    return sorted(found, key=_first)


def _of_rule(
    rule: Rule,
    by_name: Mapping[str, list[Measurement]],
    silences: Sequence[Silence],
    now: str,
    windows: set[tuple[str, str]],
    whose: tuple[str, str],
) -> list[Alert]:
    meant = [one for one in by_name.get(rule.measurement, ()) if speaks_of(rule, one)]
    series: dict[Series, list[Measurement]] = defaultdict(list)
    for one in meant:
        series[one.name, one.feature, one.group, one.traffic, one.model, one.version].append(one)
    causes, known = [], set()
    for numbers in series.values():
        seen = list(judge(rule, newest_last(numbers)))
        known |= {(one.measurement.window_start, one.measurement.window_end) for one in seen}
        held = follow(seen, for_windows=rule.for_windows, clear_windows=rule.clear_windows)
        if held is not None and held.state != "quiet":
            causes.append(_cause(rule, held, by_name))
    scopes: dict[tuple[str, str], list[_Cause]] = defaultdict(list)
    for cause in causes:
        scopes[_scope(rule, cause.measurement)].append(cause)
    alerts = [_alert(rule, scope, some, silences, now, whose) for scope, some in scopes.items()]
    speaking = any(one.state in ("firing", "silenced", "pending") for one in alerts)
    if not (speaking or known & windows):
        alerts.append(_unknown(rule, meant, known, whose))
    return alerts


def _cause(rule: Rule, held: Held, by_name: Mapping[str, list[Measurement]]) -> _Cause:
    """Find what tells a cause best: of a yes or no, the number behind it."""
    one = held.last.measurement
    known = KNOWN.get(rule.measurement)
    told = one
    if known is not None and known.told_by:
        place = (one.window_start, one.window_end, one.traffic)
        behind = [
            other
            for other in by_name.get(known.told_by, ())
            if (other.window_start, other.window_end, other.traffic) == place
            and one.feature in ("", other.feature)
            and one.group in ("", other.group)
            and other.is_known
        ]
        told = max(behind, key=lambda other: (other.value, other.feature), default=one)
    strength = abs(told.value) if told is not one else abs(held.last.value - held.last.limit)
    return _Cause(held, told, strength)


def _alert(
    rule: Rule,
    scope: tuple[str, str],
    causes: Sequence[_Cause],
    silences: Sequence[Silence],
    now: str,
    whose: tuple[str, str],
) -> Alert:
    """Put the causes of one alert together; of several states the gravest counts."""
    shown: list[tuple[State, _Cause]] = []
    for cause in causes:
        state: State = cause.held.state if cause.held.state != "quiet" else "cleared"
        hidden = any(one.hides(rule.name, _about(cause), now=now) for one in silences)
        shown.append(("silenced" if hidden and state == "firing" else state, cause))
    gravest = min((state for state, _ in shown), key=_STATES.index)
    some = sorted((cause for state, cause in shown if state == gravest), key=_strongest)
    first = some[0]
    traffics = {cause.measurement.traffic for cause in some}
    since = (
        min(cause.held.since for cause in some)
        if gravest != "cleared"
        else max(cause.held.since for cause in some)
    )
    model, version = whose
    return Alert(
        alert_id=alert_id_of(rule.name, *whose, *scope),
        rule=rule,
        state=gravest,
        measurements=tuple(cause.told for cause in some),
        feature=first.told.feature,
        group=first.told.group or _worse_group(first.told),
        traffic=traffics.pop() if len(traffics) == 1 else "",
        model=model,
        version=version,
        since=since,
        windows_held=first.held.windows_held,
        message=message_of(
            rule, gravest, [(one.told, one.held) for one in some], said_by=f"{model} {version}"
        ),
    )


def _unknown(
    rule: Rule,
    meant: Sequence[Measurement],
    known: set[tuple[str, str]],
    whose: tuple[str, str],
) -> Alert:
    """A rule that has seen nothing for a while says that it is blind."""
    ordered = newest_last(meant)
    last = ordered[-1] if ordered else None
    seen = [one for one in ordered if (one.window_start, one.window_end) in known]
    blind = [one for one in ordered if (one.window_start, one.window_end) not in known]
    return Alert(
        alert_id=alert_id_of(rule.name, *whose, "unknown"),
        rule=rule,
        state="unknown",
        measurements=() if last is None else (last,),
        feature=rule.feature,
        group=rule.group,
        traffic="" if last is None else last.traffic,
        model=whose[0],
        version=whose[1],
        since=blind[0].window_start if blind else "",
        windows_held=len(blind),
        message=unknown_in_words(rule, last, seen[-1] if seen else None),
    )


def _scope(rule: Rule, one: Measurement) -> tuple[str, str]:
    """What an alert speaks of besides its rule."""
    if rule.alert_per == "rule":
        return "", ""
    return one.feature, one.group if rule.alert_per == "group" else ""


def _about(cause: _Cause) -> Measurement:
    """What a silence may name: of a gap between groups also the group that fares worse."""
    one = cause.measurement
    return replace(one, group=one.group or _worse_group(cause.told))


def _worse_group(one: Measurement) -> str:
    """The group that a gap's note names first: the one with the higher rate."""
    found = _WORSE_GROUP.fullmatch(one.note)
    return found[1] if found else ""


def _last_windows(mine: Iterable[Measurement]) -> set[tuple[str, str]]:
    windows = {(one.window_end or "9999", one.window_start, one.window_end) for one in mine}
    return {(start, end) for _, start, end in sorted(windows)[-BLIND_AFTER:]}


def _strongest(cause: _Cause) -> tuple[float, tuple[str, ...]]:
    strength = cause.strength
    return -strength if not math.isnan(strength) else math.inf, cause.measurement.key


def _first(alert: Alert) -> tuple[Any, ...]:
    worst = -SEVERITIES.index(alert.severity)
    return _STATES.index(alert.state), worst, alert.rule.name, alert.alert_id


def _keyed(measurements: Any) -> dict[tuple[str, ...], Measurement]:
    return {one.key: one for one in map(_measurement, _records(measurements))}


def _records(given: Any) -> Iterable[Any]:
    """Rows of a table, or what it is already."""
    rows: Iterable[Any] = given.to_dict("records") if hasattr(given, "to_dict") else given
    return rows


def _measurement(row: Any) -> Measurement:
    if isinstance(row, Measurement):
        return row
    if not isinstance(row, Mapping):
        raise AlertError(
            "measurements are what cap.monitoring.measure gives or store.measurements(); seen "
            f"{type(row).__name__}"
        )
    values = {name: row[name] for name in _FIELDS if name in row}
    if not {"name", "value"} <= values.keys():
        seen = ", ".join(map(str, row)) or "nothing"
        raise AlertError(f"a measurement has a name and a value at least; seen {seen}")
    for name in ("window_start", "window_end"):  # a table's missing time is not a time
        values[name] = "" if values.get(name) != values.get(name) else values.get(name, "")
    if values.get("threshold") != values.get("threshold"):
        values["threshold"] = None
    return Measurement(**values)


def _moment(now: Any) -> str:
    from capstone_lib.store.run import now as present

    return moment_text(now if now is not None else present(), name="now")
