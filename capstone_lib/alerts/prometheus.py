"""The rules of a playbook as a rules file for Prometheus, with a file that tests them.

Only what the endpoint itself counts can be asked there: latency, errors, what was shed or refused,
and reviews. Prometheus judges once a minute or so, a playbook once a window; the names are the
same, so that a silence or a ticket means the same thing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capstone_lib.alerts.playbook import Playbook
from capstone_lib.alerts.promql import Figure, figure_of
from capstone_lib.alerts.rule import BurnRate, NoiseFloor, Rule, seconds_of
from capstone_lib.errors import AlertError, MissingExtraError

__all__ = [
    "RULES_FILE",
    "TESTS_FILE",
    "Exported",
    "expressible",
    "limit_of",
    "prometheus_rules",
    "to_yaml",
    "write_rules",
]

_END_MS = 9_000.0
RULES_FILE, TESTS_FILE = "capstone_rules.yml", "capstone_rules_test.yml"


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes
    ----------
    rules, tests : Path
        The rules file, and the one for ``promtool test rules``.
    names : tuple of str
        The rules in it.
    left_out : dict of str to str
        The other rules, and why Prometheus cannot ask them.
    """

    rules: Path
    tests: Path
    names: tuple[str, ...]
    left_out: dict[str, str]


def expressible(playbook: Playbook) -> tuple[dict[str, Figure], dict[str, str]]:
    """Which rules the endpoint's figures can be asked for, and why the others cannot."""
    figures, left_out = {}, {}
    for rule in playbook:
        found = _figure(rule, playbook.sla_ms)
        if isinstance(found, Figure):
            figures[rule.name] = found
        else:
            left_out[rule.name] = found
    return figures, left_out


def prometheus_rules(playbook: Playbook, *, window: str = "5m") -> str:
    """Write the rules as the text of a Prometheus rules file.

    Parameters
    ----------
    playbook : Playbook
    window : str, default "5m"
        Over which a figure is taken where the rule has no burn rate, and what counts as a window
        of ``for_windows`` and ``clear_windows``.

    Returns
    -------
    str
        YAML: recording rules for every figure and time, then the alerts.

    Raises
    ------
    AlertError
        If no rule can be expressed, or the window is no length of time.
    MissingExtraError
        Without PyYAML.

    Examples
    --------
    >>> print(prometheus_rules(Playbook.default()).splitlines()[0])
    # Made from the playbook; change it there and export it again.
    """
    _check(window)
    figures, left_out = expressible(playbook)
    if not figures:
        raise AlertError(
            "no rule of this playbook can be asked of the endpoint's own figures: "
            + "; ".join(f"{name}: {why}" for name, why in left_out.items())
        )
    recorded: dict[str, str] = {}
    alerts = []
    for rule in playbook:
        if rule.name in figures:
            figure = figures[rule.name]
            for span in _spans(rule, window):
                recorded[_record(rule, span)] = figure.over(span)
            alerts.append(_alert(rule, figure, window))
    groups = [
        {"name": "capstone_figures", "rules": [
            {"record": name, "expr": text} for name, text in recorded.items()]},
        {"name": "capstone_alerts", "rules": alerts},
    ]  # fmt: skip
    head = ["Made from the playbook; change it there and export it again."]
    head += ["Thresholds are held against the figures themselves: Prometheus has no intervals."]
    head += [f"Not here: {name}: {why}." for name, why in left_out.items()]
    return "".join(f"# {line}\n" for line in head) + to_yaml({"groups": groups})


def write_rules(playbook: Playbook, folder: str | Path, *, window: str = "5m") -> Exported:
    """Write the rules file and its tests into a folder, for ``promtool`` and for Prometheus.

    Parameters
    ----------
    playbook : Playbook
    folder : str or Path
        It is made if it is missing; files of the same names are replaced.
    window : str, default "5m"
        As for :func:`prometheus_rules`.
    """
    from capstone_lib.alerts.prometheus_tests import prometheus_tests

    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    rules, tests = target / RULES_FILE, target / TESTS_FILE
    rules.write_text(prometheus_rules(playbook, window=window), encoding="utf-8")
    tests.write_text(prometheus_tests(playbook, window=window), encoding="utf-8")
    figures, left_out = expressible(playbook)
    return Exported(rules, tests, tuple(figures), left_out)


def _figure(rule: Rule, sla_ms: float) -> Figure | str:
    if rule.traffic == "batch":
        return "it speaks of batch"
    if isinstance(rule.threshold, NoiseFloor):
        return "Prometheus does not know what chance alone reaches"
    limit = rule.threshold
    if rule.measurement.startswith("latency_p") and isinstance(limit, float) and limit >= _END_MS:
        return f"the endpoint's histogram ends at {_END_MS:g} ms"
    if rule.feature not in ("", "*", "route"):
        return f"the endpoint does not count by {rule.feature}"
    return figure_of(rule.measurement, group=rule.group, sla_ms=sla_ms)


def _alert(rule: Rule, figure: Figure, window: str) -> dict[str, Any]:
    alert: dict[str, Any] = {"alert": rule.name, "expr": _condition(rule, figure, window)}
    seconds = seconds_of(window)
    if rule.for_windows > 1:
        alert["for"] = f"{(rule.for_windows - 1) * seconds}s"
    alert["keep_firing_for"] = f"{rule.clear_windows * seconds}s"
    alert["labels"] = {"severity": rule.severity, "owner": rule.owner}
    alert["annotations"] = {
        "summary": f"{rule.measurement} is {{{{ $value | humanize }}}}: {_limit_in_words(rule)}",
        "why": _plain(rule.why),
        "what_to_do": _plain(rule.what_to_do),
        "actions": ", ".join(rule.actions) or "none",
    }
    return alert


def _condition(rule: Rule, figure: Figure, window: str) -> str:
    """Over the threshold; or over the clear threshold, once it fires."""
    over = _over(rule, window, limit_of(rule))
    if rule.clear_threshold is not None:
        clear = rule.clear_threshold
        limit = clear * rule.threshold.budget if isinstance(rule.threshold, BurnRate) else clear
        firing = f'ALERTS{{alertname="{rule.name}", alertstate="firing"}}'
        over = f"({over}) or ({_over(rule, window, limit)} and on() {firing})"
    if rule.min_n:
        count = figure.count_over(_spans(rule, window)[0])
        over = f"({over}) and on() {count} >= {rule.min_n}"
    return over


def _over(rule: Rule, window: str, limit: float) -> str:
    comparison = ">=" if rule.comparison == "beyond" else rule.comparison
    parts = []
    for span in _spans(rule, window):
        name = _record(rule, span)
        value = f"abs({name})" if rule.comparison == "beyond" else name
        parts.append(f"{value} {comparison} {limit:.12g}")
    return " and ".join(parts)


def limit_of(rule: Rule) -> float:
    """The figure from which on a rule holds; of a burn rate the share of requests."""
    assert not isinstance(rule.threshold, NoiseFloor)
    return rule.threshold.share if isinstance(rule.threshold, BurnRate) else rule.threshold


def _spans(rule: Rule, window: str) -> tuple[str, ...]:
    threshold = rule.threshold
    return (threshold.short, threshold.long) if isinstance(threshold, BurnRate) else (window,)


def _record(rule: Rule, span: str) -> str:
    """A recorded figure's name, by the custom of level:metric:operations."""
    route = rule.group.partition("=")[2]
    name = f"{rule.measurement}_{route}" if route else rule.measurement
    return f"capstone:{name}:rate{span}"


def _limit_in_words(rule: Rule) -> str:
    if isinstance(rule.threshold, BurnRate):
        return f"{rule.threshold}"
    return f"{rule.comparison} {rule.threshold:g}"


def _plain(text: str) -> str:
    """Text that Prometheus' templates leave as it is."""
    return text.replace("{{", "{ {").replace("}}", "} }")


def _check(window: str) -> None:
    try:
        seconds_of(window)
    except ValueError as error:
        raise AlertError(f"window: {error}") from error


def to_yaml(document: Any) -> str:
    """Write a document as YAML.

    Raises
    ------
    MissingExtraError
        Without PyYAML.
    """
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise MissingExtraError("pyyaml", "alerts") from error
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    return text
