"""Unit tests of the exported rules, for ``promtool test rules``.

Of each alert the endpoint's counters are played through three times of day: quiet, beyond the
threshold, quiet again. It must be silent, fire, and end.
"""

from itertools import accumulate
from math import ceil
from typing import Any

from capstone_lib.alerts.catalogue import known_as
from capstone_lib.alerts.playbook import Playbook
from capstone_lib.alerts.prometheus import RULES_FILE, expressible, limit_of, to_yaml
from capstone_lib.alerts.rule import BurnRate, Rule, seconds_of

__all__ = ["prometheus_tests"]

_ASKED = 60_000.0
"""Requests a minute: enough for any ``min_n``."""


def prometheus_tests(playbook: Playbook, *, window: str = "5m") -> str:
    """Write the tests as the text of a file for ``promtool test rules``.

    Parameters
    ----------
    playbook : Playbook
    window : str, default "5m"
        As for :func:`capstone_lib.alerts.prometheus.prometheus_rules`.
    """
    figures, _ = expressible(playbook)
    tests = [_test(rule, window, playbook.sla_ms) for rule in playbook if rule.name in figures]
    document = {"rule_files": [RULES_FILE], "evaluation_interval": "1m", "tests": tests}
    return to_yaml(document)


def _test(rule: Rule, window: str, sla_ms: float) -> dict[str, Any]:
    quiet, bad = (_counters(rule, level, sla_ms) for level in _levels(rule))
    lengths = _lengths(rule, window)
    ends = list(accumulate(lengths))
    firing = f'ALERTS{{alertname="{rule.name}", alertstate="firing"}}'
    about = f'owner="{rule.owner}", severity="{rule.severity}"'
    sample = {"labels": f"{firing[:-1]}, {about}}}", "value": 1}
    return {
        "name": rule.name,
        "interval": "1m",
        "input_series": [
            {"series": name, "values": _played((quiet[name], bad[name], quiet[name]), lengths)}
            for name in quiet
        ],
        "promql_expr_test": [
            {"expr": firing, "eval_time": f"{end - 1}m", "exp_samples": samples}
            for end, samples in zip(ends, ([], [sample], []), strict=True)
        ],
    }


def _lengths(rule: Rule, window: str) -> tuple[int, int, int]:
    """For how many minutes it is quiet, bad, and quiet again, so that each has its effect."""
    threshold = rule.threshold
    span = threshold.short if isinstance(threshold, BurnRate) else window
    short, step = (-(-seconds_of(text) // 60) for text in (span, window))
    quiet, bad, limit = short + 5, short, limit_of(rule)
    if isinstance(threshold, BurnRate):  # so much that the long time burns too, with the quiet part
        beyond = _levels(rule)[1]
        bad += ceil(1.2 * quiet * limit / (beyond - limit))
    return quiet, bad + rule.for_windows * step + 5, short + rule.clear_windows * step + 5


def _levels(rule: Rule) -> tuple[float, float]:
    """A value on the quiet side of a rule, and one beyond its threshold."""
    limit, scale = limit_of(rule), 1.0
    if isinstance(rule.threshold, BurnRate):
        scale = rule.threshold.budget
    clear = limit if rule.clear_threshold is None else rule.clear_threshold * scale
    known = known_as(rule.measurement)
    is_share = known is not None and known.most == 1
    far = (limit + 1) / 2 if is_share else 2 * limit + 1
    if rule.comparison in ("<", "<="):
        return (clear + 1) / 2 if is_share else 2 * clear + 1, limit / 2
    return clear / 2, far


def _counters(rule: Rule, level: float, sla_ms: float) -> dict[str, float]:
    """How much the endpoint's counters grow in a minute when a figure has a value."""
    name, route = rule.measurement, rule.group.partition("=")[2] or "stable"
    if name.startswith("latency_p"):
        return _latency(route, level)
    if name == "slow_share":
        bucket = f'capstone_latency_seconds_bucket{{route="{route}",le="{sla_ms / 1000}"}}'
        count = f'capstone_latency_seconds_count{{route="{route}"}}'
        return {bucket: (1 - level) * _ASKED, count: _ASKED}
    if name == "review_share":
        answers = f'capstone_answers_total{{route="{route}",model="work",version="1.0"}}'
        return {answers: _ASKED, f'capstone_reviews_total{{route="{route}"}}': level * _ASKED}
    asked = 'capstone_requests_total{{path="/predict",status="{}"}}'.format
    if name == "requests_asked":
        return {asked(200): level / 5}
    status = {"error_rate": 500, "refused_rate": 422, "shed_rate": 503}[name]
    grown = {asked(200): (1 - level) * _ASKED, asked(status): level * _ASKED}
    shed = level * _ASKED if name == "shed_rate" else 0.0
    others = (
        'capstone_requests_total{path="/metrics",status="500"}'  # nobody asked for a prediction
    )
    return {**grown, others: _ASKED, 'capstone_shed_total{reason="busy"}': shed}


def _latency(route: str, level_ms: float) -> dict[str, float]:
    """All answers in the histogram's bucket just below a latency, or in that just above it."""
    from capstone_lib.serving.metrics import LATENCY_BUCKETS_S

    grown = {
        f'capstone_latency_seconds_bucket{{route="{route}",le="{end}"}}':
            _ASKED if 1000 * end >= level_ms else 0.0
        for end in LATENCY_BUCKETS_S
    }  # fmt: skip
    grown[f'capstone_latency_seconds_bucket{{route="{route}",le="+Inf"}}'] = _ASKED
    grown[f'capstone_latency_seconds_count{{route="{route}"}}'] = _ASKED
    return grown


def _played(growth: tuple[float, ...], lengths: tuple[int, ...]) -> str:
    """A counter in promtool's notation: each part grows evenly for so many minutes."""
    parts, at = [], 0.0
    for step, length in zip(growth, lengths, strict=True):
        parts.append(f"{at:.12g}+{step:.12g}x{length - 1}")
        at += step * length
    return " ".join(parts)
