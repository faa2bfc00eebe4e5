"""Open risks: what the sections show that somebody should do something about.

Each says what is open, why that is known, and what to do. Nothing is judged here that the playbook
or a person has not judged, but for what is simply not there.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from capstone_lib.alerts import Playbook
from capstone_lib.report.measured import Measured
from capstone_lib.report.span import Span
from capstone_lib.report.words import (
    alert_named,
    cause_said,
    day,
    listed,
    number,
    plural,
    window_label,
)

__all__ = ["SEVERITIES", "find_risks"]

SEVERITIES = ("critical", "warning", "info")
"""The gravest first."""

_AT_LEAST = timedelta(days=2)
_STALE_DAYS = 31.0

Risk = dict[str, str]


def find_risks(
    span: Span, sections: Mapping[str, Any], parts: list[Measured], playbook: Playbook
) -> list[Risk]:
    """Everything that is open, the gravest first."""
    found = [
        *_of_alerts(sections["alerts"]),
        *_of_runs(sections["batch"], sections["alerts"], playbook),
        *_of_live(sections["live"], span),
        *_of_groups(sections["fairness"]),
        *_not_measured(span, parts),
        *_of_reviews(sections["reviews"]),
        *_of_parity(sections["parity"]),
        *(_risk("warning", one, "the checklist says so", "") for one in
          sections["decision"].get("risks", ())),
    ]  # fmt: skip
    return sorted(found, key=lambda one: SEVERITIES.index(one["severity"]))


def _risk(severity: str, what: str, because: str, do: str) -> Risk:
    return {"severity": severity, "what": what, "because": because, "do": do}


def _of_alerts(section: Mapping[str, Any]) -> Iterator[Risk]:
    for one in section.get("alerts", ()):
        failed = [action for action in one["actions"] if action["state"] == "failed"]
        for action in failed:
            yield _risk(
                "critical",
                f"the action {action['action'].replace('_', ' ')} failed: {alert_named(one)}",
                f"{plural(action['tries'], 'try', 'tries')}: {action['error']}",
                "Mend the cause; the next capstone monitor tries it again.",
            )
        if one["cleared_at"]:
            continue
        seen = one["acknowledged_by"]
        yield _risk(
            one["severity"],
            f"an alert is open: {alert_named(one)}",
            f"{cause_said(one)}; raised {day(one['raised_at'])}, "
            + (f"seen by {seen}" if seen else "and nobody has said that they have seen it"),
            one["what_to_do"],
        )
    for one in section.get("silences", ()):
        yield _risk(
            "info",
            f"nothing is done about {one['rule']} until {day(one['until'])}",
            f"silenced by {one['who']}: {one['why']}",
            f"capstone alerts says which alerts of {one['rule']} it hides.",
        )


def _of_runs(
    batch: Mapping[str, Any], alerts: Mapping[str, Any], playbook: Playbook
) -> Iterator[Risk]:
    if batch["missing"]:
        return
    if batch["failed"]:
        last = batch["errors"][0] if batch["errors"] else "no reason was kept"
        yield _risk(
            "warning",
            f"{plural(batch['failed'], 'batch run')} of {batch['failed'] + batch['succeeded']} "
            "failed",
            f"the last failure: {last}",
            "Mend the cause and run it again: a run is published whole or not at all.",
        )
    stale = batch["staleness"]["p95_days"]
    limits = {rule.name: rule.threshold for rule in playbook if rule.measurement == "staleness_p95"}
    told = {one["rule"] for one in alerts.get("alerts", ()) if not one["cleared_at"]}
    most = next((one for one in limits.values() if isinstance(one, int | float)), _STALE_DAYS)
    if stale is not None and stale > most and not told & set(limits):
        yield _risk(
            "info",
            f"one score in twenty is {number(stale)} days old or older",
            f"asked at {day(batch['staleness']['asked_at'])} about "
            f"{batch['staleness']['n']:,} people; at most {number(float(most))} days are allowed",
            "Score those people again, or serve them live when their score is too old.",
        )


def _of_live(live: Mapping[str, Any], span: Span) -> Iterator[Risk]:
    rollout = live.get("rollout")
    if rollout and (rollout["paused"] or rollout["route"] == "degraded"):
        state = "degraded" if rollout["route"] == "degraded" else "paused"
        yield _risk(
            "warning",
            "the degraded model answers" if state == "degraded" else "the rollout is paused",
            f"since {day(rollout['changed_at'])}, by {rollout['who']}: {rollout['why']}",
            "When the cause is mended: store.change_rollout(who=…, why=…, "
            + ("route='stable')." if state == "degraded" else "paused=False)."),
        )
    without = sum(one["without_a_model"] for one in live.get("routes", ()))
    if without:
        yield _risk(
            "warning",
            f"{plural(without, 'request was', 'requests were')} answered without any model",
            "the degraded route has no fallback of its own, and hands everything to a person",
            "capstone serve … --fallback MODEL gives it a plain model for bad days.",
        )
    elif live.get("routes") and not _has_fallback(live, span):
        yield _risk(
            "info",
            "no fallback is known: when the model has to be taken away, a person gets every case",
            "the endpoint has registered no other model than "
            + listed(sorted({f"{one['name']} {one['version']}" for one in live["served"]})),
            "capstone serve … --fallback MODEL gives it a plain model for bad days.",
        )


def _has_fallback(live: Mapping[str, Any], span: Span) -> bool:
    canaries = {one["version"] for one in live["routes"] if one["route"] in ("canary", "shadow")}
    mine = {one["version"] for one in live["served"] if one["name"] == span.artifact.name}
    return bool(mine - canaries - {span.artifact.version})


def _of_groups(fairness: Mapping[str, Any]) -> Iterator[Risk]:
    for part in fairness.get("traffic", ()):
        small = [
            f"{group['group']}"
            for feature in part["features"]
            for group in feature["groups"]
            if not all(rate["judged"] for rate in group["rates"].values())
        ]
        if small:
            yield _risk(
                "info",
                f"{plural(len(small), 'group is', 'groups are')} too small to be judged in some "
                f"rate: {listed(small, most=6)}",
                f"{part['traffic']} rows of {part['label']}, n = {part['n']:,}",
                "Measure a longer window, and have cases of these groups reviewed by hand.",
            )


def _not_measured(span: Span, parts: list[Measured]) -> Iterator[Risk]:
    if not parts and not span.is_folder:
        yield _risk(
            "critical",
            "nothing has been measured in this window",
            "no measurement of this model and version is in the store",
            "capstone monitor MODEL --store URL --source FILE, after each run.",
        )
    for part in parts:
        start, end = window = part.windows[-1]
        label = window_label(*window)
        unknown = [
            one for one in part.within(window) if not one.is_known and not one.feature and one.note
        ]
        for note in dict.fromkeys(one.note for one in unknown):
            names = [one.name for one in unknown if one.note == note]
            because = f"{part.traffic} rows of {label}: {note}"
            yield _risk("info", f"not measured: {listed(names)}", because, "")
        if end and start and _is_old(span, start, end):
            age = (span.now - datetime.fromisoformat(end).replace(tzinfo=UTC)).days
            yield _risk(
                "warning",
                f"the newest {part.traffic} window that was measured, {label}, says nothing of "
                "today",
                f"it ended {plural(age, 'day')} before {day(span.now.isoformat())}, the moment of "
                "asking",
                "Measure the newest window, or give now= (--now) if the past is being replayed.",
            )


def _is_old(span: Span, start: str, end: str) -> bool:
    first, after = (datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (start, end))
    return span.now - after > max(2 * (after - first), _AT_LEAST)


def _of_reviews(reviews: Mapping[str, Any]) -> Iterator[Risk]:
    if reviews["missing"] or not reviews["waiting"]:
        return
    yield _risk(
        "info",
        f"{plural(reviews['waiting'], 'case waits', 'cases wait')} for a reviewer",
        f"{reviews['decided']:,} of {reviews['n']:,} are decided; the oldest has waited since "
        f"{day(reviews['oldest_waiting'])}",
        "More reviewers, or a smaller review share (review_budget= of export_model).",
    )


def _of_parity(parity: Mapping[str, Any]) -> Iterator[Risk]:
    if parity["missing"]:
        yield _risk("warning", "parity with the pipeline is not known", parity["missing"], "")
        return
    for one in parity["batch_and_live"]:
        if one["value"]:
            yield _risk(
                "warning",
                f"batch and live saw other values in {plural(int(one['value']), 'column')}",
                f"{one['n']:,} people known to both, {one['label']}",
                "See which value the live path fills in; mend it, then recover the route.",
            )
