"""The sections on what followed: alerts and what was done, reviews, and the decision."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from capstone_lib.alerts import AlertBook
from capstone_lib.errors import ReportError
from capstone_lib.report.measured import in_order, plain_measurement
from capstone_lib.report.span import NO_DATABASE, Span, iso, records
from capstone_lib.report.words import plural
from capstone_lib.review import ReviewQueue, measure_reviews
from capstone_lib.review.queue import AIM_S
from capstone_lib.store.staleness import parse_moment

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["gather_alerts", "gather_decision", "gather_reviews"]

_NOTES = 10


def gather_alerts(span: Span) -> dict[str, Any]:
    """The book of alerts: what was raised in the window or is still open, and what was done."""
    if span.is_folder:
        return {"missing": NO_DATABASE, "source": ""}
    book = AlertBook(span.store)
    source = f"tables alerts, alert_actions, tickets and silences of {span.where}"
    done = book.actions()
    tickets = {row["alert_key"]: row for row in records(book.tickets())}
    found = [
        _alert(row, [one for one in done if one.alert_key == row["alert_key"]], tickets)
        for row in records(book.history())
        if row["model"] in ("", span.artifact.name) and _overlaps(span, row)
    ]
    silences = [vars(one) for one in book.silences(now=span.now)]
    if not found:
        return {
            "missing": "No alert was raised in this window: capstone monitor evaluates the "
            "playbook each time it measures.",
            "source": source,
            "silences": silences,
        }
    return {
        "missing": "",
        "source": f"{source}, {plural(len(found), 'alert')}",
        "n": len(found),
        "open": sum(one["cleared_at"] == "" for one in found),
        "open_critical": sum(
            one["cleared_at"] == "" and one["severity"] == "critical" for one in found
        ),
        "alerts": found,
        "silences": silences,
    }


def gather_reviews(span: Span) -> dict[str, Any]:
    """What people decided: how often otherwise than the model, of whom, how long it took."""
    if span.is_folder:
        return {"missing": NO_DATABASE, "source": ""}
    queue = ReviewQueue(span.store)
    source = f"tables cases and case_decisions of {span.where}"
    cases = _in_window(span, queue.cases(), "opened_at")
    said = _in_window(span, queue.decisions(), "decided_at")
    if not len(cases) and not len(said):
        return {
            "missing": "No case was put before a person in this window: ReviewQueue(store)"
            ".fill_uncertain(artifact=…) or the action human_audit of a rule fills the queue.",
            "source": source,
        }
    first = said.drop_duplicates("case_id", keep="first")
    waiting = cases[cases["closed_at"].isna()]
    found = measure_reviews(
        span.store, artifact=span.artifact, window=(span.start, span.end), now=span.now
    )
    return {
        "missing": "",
        "source": f"{source}, {plural(len(cases), 'case')} opened and {len(first):,} decided",
        "n": len(cases),
        "decided": len(first),
        "waiting": len(waiting),
        "oldest_waiting": iso(waiting["opened_at"].min()) if len(waiting) else "",
        "reviewers": int(said["reviewer"].nunique()),
        "by_source": {str(name): int(n) for name, n in cases["source"].value_counts().items()},
        "verdicts": {str(name): int(n) for name, n in first["verdict"].value_counts().items()},
        "figures": {one.name: plain_measurement(one) for one in found if not one.feature},
        "by_group": [
            {"feature": one.feature, "group": one.group, **plain_measurement(one)}
            for one in sorted(found, key=lambda one: in_order(one.group))
            if one.name == "override_rate" and one.feature not in ("", "source", "blind")
        ],
        "aim_s": AIM_S,
        "notes": _notes(first),
    }


def gather_decision(decision: Any) -> dict[str, Any]:
    """The advice as it was given; nothing is decided here.

    Raises
    ------
    ReportError
        If it is neither an ``Advice`` nor what its ``to_dict()`` gives.
    """
    if decision is None:
        return {
            "missing": "No decision was given: cap.advise(UseCase(…)) makes one, and "
            "write_report(…, decision=…) or --decision FILE puts it here.",
            "source": "",
        }
    said = decision.to_dict() if hasattr(decision, "to_dict") else decision
    if not isinstance(said, Mapping) or not isinstance(said.get("architecture"), str):
        raise ReportError(
            "a decision is an Advice, or what its to_dict() gives, with an 'architecture'; seen "
            f"{_short(said)}"
        )
    reasons = said.get("reasons") or []
    if not all(isinstance(one, Mapping) for one in reasons):
        raise ReportError(f"each reason of a decision is an object; seen {_short(reasons)}")
    parts = ("question", "answer", "therefore")
    return {
        "missing": "",
        "source": "the checklist, as it was answered",
        "name": str(said.get("name", "")),
        "case": _plain(said.get("case") or {}),
        "architecture": said["architecture"],
        "review": bool(said.get("review")),
        "reasons": [{part: str(one.get(part, "")) for part in parts} for one in reasons],
        "changes": [str(one) for one in said.get("changes") or []],
        "risks": [str(one) for one in said.get("risks") or []],
    }


def _overlaps(span: Span, row: dict[str, Any]) -> bool:
    """Whether an alert speaks of the window: by its causes, or by when it was raised."""
    causes = row["measurements"] or []
    if span.start is None and span.end is None:
        return True
    for one in causes:
        start, end = one.get("window_start") or "", row["window_end"] or one.get("window_end") or ""
        begins = not start or span.end is None or parse_moment(start) < span.end
        ends = not end or span.start is None or parse_moment(end) > span.start
        if begins and ends:
            return True
    return not causes and span.holds_text(row["raised_at"])


def _alert(row: dict[str, Any], done: list[Any], tickets: Mapping[int, Any]) -> dict[str, Any]:
    rule = row["definition"] or {}
    ticket = tickets.get(row["alert_key"])
    names = (
        "alert_id", "rule", "severity", "owner", "version", "traffic", "feature", "group",
    )  # fmt: skip
    return {
        **{name: row[name] for name in names},
        "title": row["message"].partition("\n")[0],
        "causes": row["measurements"] or [],
        "why": rule.get("why", ""),
        "what_to_do": rule.get("what_to_do", ""),
        "since": rule.get("since", ""),
        **{name: iso(row[name]) for name in ("raised_at", "seen_at", "cleared_at")},
        "cleared_by": row["cleared_by"] or "",
        "acknowledged_at": iso(row["acknowledged_at"]),
        "acknowledged_by": row["acknowledged_by"] or "",
        "actions": [_action(one) for one in done],
        "ticket": None
        if ticket is None
        else {
            "ticket": int(ticket["ticket"]),
            "title": ticket["title"],
            "opened_at": iso(ticket["opened_at"]),
            "closed_at": iso(ticket["closed_at"]),
            "closed_by": ticket["closed_by"] or "",
        },
    }


def _action(one: Any) -> dict[str, Any]:
    names = (
        "action", "state", "result", "error", "tries", "done_at", "done_by", "undone_at",
        "undone_by",
    )  # fmt: skip
    return {name: getattr(one, name) for name in names}


def _in_window(span: Span, frame: "pd.DataFrame", when: str) -> "pd.DataFrame":
    """The model's rows that belong to the window."""
    mine = (frame["model"] == span.artifact.name) & (frame["version"] == span.artifact.version)
    some = frame[mine]
    return some[[span.holds_text(one) for one in some[when]]]


def _notes(first: "pd.DataFrame") -> list[dict[str, Any]]:
    """The last words that reviewers left, without their names."""
    some = first[first["note"] != ""].tail(_NOTES).iloc[::-1]
    return [
        {
            "decided_at": iso(row["decided_at"]),
            "source": row["source"],
            "group": row["group"],
            "verdict": row["verdict"],
            "model_label": str(row["model_label"]),
            "label": "" if row["label"] is None else str(row["label"]),
            "note": row["note"],
        }
        for row in records(some)
    ]


def _plain(value: Any) -> Any:
    """As JSON has it: whatever it does not know is text."""
    return json.loads(json.dumps(value, default=_text))


def _text(value: Any) -> str:
    return f"{value.total_seconds():g} s" if isinstance(value, timedelta) else str(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
