"""Five sentences for somebody who reads nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

from capstone_lib.report.measured import Measured
from capstone_lib.report.risks import SEVERITIES
from capstone_lib.report.span import Span
from capstone_lib.report.words import alert_named, listed, plural, share, window_label, window_words

__all__ = ["summarise"]


def summarise(
    span: Span,
    sections: Mapping[str, Any],
    parts: Sequence[Measured],
    risks: Sequence[Mapping[str, Any]],
) -> tuple[str, ...]:
    """Say what it does, whether it is well, what fired, what people decided, what is open."""
    return (
        _what(span, sections),
        _health(sections["alerts"], parts),
        _fired(sections["alerts"]),
        _decided(sections["reviews"], sections["decision"]),
        _open(risks),
    )


def _what(span: Span, sections: Mapping[str, Any]) -> str:
    batch, live = sections["batch"], sections["live"]
    rows = plural(batch.get("rows", 0), "answer")
    said = [f"{rows} in {plural(batch['succeeded'], 'batch run')}"] if not batch["missing"] else []
    if not live["missing"]:
        said.append(f"{plural(live['n'], 'answer')} to live requests")
    classes = listed([str(one) for one in span.artifact.classes], most=6)
    columns = plural(len(span.artifact.schema.names), "column")
    gave = f"gave {' and '.join(said)}" if said else "has not answered anything yet"
    return (
        f"{span.artifact.name} {span.artifact.version} decides between {classes} from {columns}; "
        f"in {_asked(span)} it {gave}."
    )


def _asked(span: Span) -> str:
    words = window_words(span.window)
    return words if words.startswith("all") else f"the window {words}"


def _health(alerts: Mapping[str, Any], parts: Sequence[Measured]) -> str:
    if not parts:
        return "Whether it is well nobody can say: nothing has been measured in this window."
    newest = listed([f"{one.traffic} {window_label(*one.windows[-1])}" for one in parts])
    critical, still = alerts.get("open_critical", 0), alerts.get("open", 0)
    if critical:
        return (
            f"It is not well: {plural(critical, 'critical alert is', 'critical alerts are')} open; "
            f"newest measurements: {newest}."
        )
    if still:
        return (
            f"It needs attention: {plural(still, 'alert is', 'alerts are')} open, none of them "
            f"critical; newest measurements: {newest}."
        )
    return f"It is well as far as it was measured: no alert is open; newest measurements: {newest}."


def _fired(alerts: Mapping[str, Any]) -> str:
    if alerts["missing"]:
        return "No alert was raised in this window, and nothing had to be done."
    order = sorted(
        alerts["alerts"],
        key=lambda one: (one["cleared_at"] != "", SEVERITIES.index(one["severity"])),
    )
    rules = listed(dict.fromkeys(map(alert_named, order)))
    states = [action["state"] for one in alerts["alerts"] for action in one["actions"]]
    failed = states.count("failed")
    tail = f", and {plural(failed, 'action')} failed" if failed else ""
    raised = plural(alerts["n"], "alert was", "alerts were")
    return (
        f"{raised} raised ({rules}), of which {alerts['open']:,} "
        f"{'is' if alerts['open'] == 1 else 'are'} still open; "
        f"{plural(states.count('done'), 'action was', 'actions were')} taken{tail}."
    )


def _decided(reviews: Mapping[str, Any], decision: Mapping[str, Any]) -> str:
    if reviews["missing"]:
        people = "No case was put before a person"
    elif not reviews["decided"]:
        people = f"People have decided none of {plural(reviews['n'], 'case')} yet"
    else:
        otherwise = reviews["figures"]["override_rate"]
        people = f"People decided {reviews['decided']:,} of {plural(reviews['n'], 'case')}"
        if otherwise["n"]:
            people += (
                f", and otherwise than the model in {share(otherwise['value'])} of the "
                f"{otherwise['n']:,} that could be judged"
            )
    if decision["missing"]:
        return f"{people}; how the model should run has not been decided."
    how = decision["architecture"]
    review = ", with review" if decision["review"] and "review" not in how else ""
    return f"{people}; the checklist advises {how}{review}."


def _open(risks: Sequence[Mapping[str, Any]]) -> str:
    if not risks:
        return "No open risk was found in what the store holds."
    counts = [
        f"{sum(one['severity'] == name for one in risks):,} {name}"
        for name in SEVERITIES
        if any(one["severity"] == name for one in risks)
    ]
    first = str(risks[0]["what"]).rstrip(".")
    return (
        f"{plural(len(risks), 'risk is', 'risks are')} open ({', '.join(counts)}); first: {first}."
    )
