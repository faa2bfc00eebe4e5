"""The report as one HTML file: printable, for a phone too, light and dark, without a script.

A strict content policy stands in it, so that it can ask nothing of a network whatever it holds, and
every word that came from data is escaped.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capstone_lib.errors import MissingExtraError
from capstone_lib.report import figures, tables
from capstone_lib.report.document import SECTIONS
from capstone_lib.report.svg import Picture
from capstone_lib.report.table import cells_of, sources_of
from capstone_lib.report.words import (
    alert_named,
    cause_said,
    count,
    day,
    plural,
    share,
    window_words,
)

if TYPE_CHECKING:
    from capstone_lib.report.document import Report

__all__ = ["POLICY", "render_page"]

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)
"""What a browser may load for the page: nothing but what stands in it."""

_HERE = Path(__file__).parent
_TITLES = {
    "passport": "The artifact's passport",
    "parity": "Parity",
    "batch": "Batch",
    "live": "Real time",
    "drift": "Drift",
    "fairness": "Fairness",
    "performance": "Performance",
    "alerts": "Alerts and what was done",
    "reviews": "Reviews",
    "decision": "The decision",
    "measured": "Measured side by side",
}
_MOST_ALERTS = 60


def render_page(report: "Report") -> str:
    """The text of the page.

    Raises
    ------
    MissingExtraError
        If Jinja or Matplotlib is not installed.
    """
    try:
        jinja: Any = import_module("jinja2")
        markup: Any = import_module("markupsafe")
    except ModuleNotFoundError as error:
        raise MissingExtraError("jinja2", "report") from error
    rooms = jinja.Environment(
        autoescape=True,
        undefined=jinja.StrictUndefined,
        loader=jinja.FileSystemLoader(_HERE),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rooms.filters.update(day=day, raw=markup.Markup, kind=_kind, named=alert_named, seen=cause_said)
    page = rooms.get_template("page.html.j2").render(
        policy=POLICY,
        css=markup.Markup((_HERE / "page.css").read_text("utf-8")),
        report=report,
        window=window_words(report.window),
        state=_state(report),
        tiles=list(_tiles(report)),
        titles=_TITLES,
        shown={name: _SHOW[name](getattr(report, name)) for name in SECTIONS},
    )
    return str(page)


def _state(report: "Report") -> tuple[str, str]:
    """How it is, in a class of the style and in words."""
    if any(one["what"].startswith("nothing has been measured") for one in report.risks):
        return "info", "not known"
    if report.alerts.get("open_critical"):
        return "critical", "not well"
    return ("warning", "needs attention") if report.alerts.get("open") else ("good", "well")


def _tiles(report: "Report") -> Iterator[tuple[str, str, str]]:
    """A few figures at a glance: name, value, of what."""
    batch, live = report.batch, report.live
    if not batch["missing"]:
        runs = plural(batch["succeeded"], "batch run")
        yield "answers in batch", count(batch["rows"]), runs
    if not live["missing"]:
        yield "answers live", count(live["n"]), plural(len(live["routes"]), "route")
    for part in report.performance.get("traffic", ())[:1]:
        kind = "realized" if part["realized"] else "estimated"
        for one in part[kind]["numbers"][:1]:
            yield (
                f"accuracy {kind}",
                share(one["value"]),
                f"{part[kind]['label']}, n = {one['n']:,}",
            )
    opened = report.alerts.get("open", 0)
    yield "open alerts", count(opened), f"of {plural(report.alerts.get('n', 0), 'alert')}"
    if not report.reviews["missing"]:
        decided = f"{report.reviews['decided']:,} decided"
        yield "cases waiting", count(report.reviews["waiting"]), decided
    critical = sum(one["severity"] == "critical" for one in report.risks)
    yield "open risks", count(len(report.risks)), f"{critical:,} critical"


Shown = list[Any]


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str


def _nothing_more(_: Mapping[str, Any]) -> Shown:
    """The template shows all of it."""
    return []


def _parity(parity: Mapping[str, Any]) -> Shown:
    return [] if parity["missing"] else [tables.parity_facts(parity)]


def _batch(batch: Mapping[str, Any]) -> Shown:
    if batch["missing"]:
        return []
    return [tables.batch_facts(batch), *figures.draw_rows(batch), tables.run_table(batch)]


def _live(live: Mapping[str, Any]) -> Shown:
    if live["missing"]:
        return []
    return [tables.live_facts(live), *figures.draw_latency(live), tables.route_table(live)]


def _drift(drift: Mapping[str, Any]) -> Shown:
    found: Shown = []
    for part in drift.get("traffic", ()):
        found.append(Heading(_traffic(part)))
        found += figures.draw_heat(part, drift["source"])
        found += figures.draw_columns(part, drift["source"])
        found += [tables.column_table(part, drift["source"])]
        found += [tables.windows_table(part, drift["source"])]
    return found


def _fairness(fairness: Mapping[str, Any]) -> Shown:
    found: Shown = []
    for part in fairness.get("traffic", ()):
        found.append(Heading(_traffic(part)))
        found += figures.draw_groups(part, fairness["source"])
        rate = figures.main_rate(part)
        found += [tables.group_table(part, rate, fairness["source"])] if rate else []
        found += [tables.gap_table(part, fairness["source"])] if part["gaps"] else []
    return found


def _performance(performance: Mapping[str, Any]) -> Shown:
    found: Shown = []
    source = performance["source"]
    for part in performance.get("traffic", ()):
        found.append(Heading(_traffic(part)))
        found += figures.draw_accuracy(part, source)
        if part["why_not"]:
            found.append(f"Not known of the newest window: {part['why_not']}.")
        kinds = (tables.performance_table(part, kind, source) for kind in ("realized", "estimated"))
        found += [table for table in kinds if table is not None]
    return found


def _reviews(reviews: Mapping[str, Any]) -> Shown:
    if reviews["missing"]:
        return []
    found: Shown = [tables.review_facts(reviews), *figures.draw_overrides(reviews)]
    found += [tables.override_table(reviews)] if reviews["by_group"] else []
    return found + ([tables.note_table(reviews)] if reviews["notes"] else [])


def _alerts(alerts: Mapping[str, Any]) -> Shown:
    """The open ones first, then the newest."""
    found = alerts.get("alerts", ())
    order = sorted(found, key=lambda one: (one["cleared_at"] != "", one["severity"] != "critical"))
    return order[:_MOST_ALERTS]


def _measured(section: Mapping[str, Any]) -> Shown:
    """The columns, the rows, and where the figures come from."""
    if section["missing"]:
        return []
    return [*cells_of(section), sources_of(section)]


_SHOW = {
    "passport": _nothing_more,
    "parity": _parity,
    "batch": _batch,
    "live": _live,
    "drift": _drift,
    "fairness": _fairness,
    "performance": _performance,
    "alerts": _alerts,
    "reviews": _reviews,
    "decision": _nothing_more,
    "measured": _measured,
}


def _kind(block: Any) -> str:
    """What a block of a section is, for the template."""
    if isinstance(block, Picture):
        return "picture"
    if isinstance(block, tables.Table):
        return "table"
    if isinstance(block, Heading):
        return "heading"
    return "line" if isinstance(block, str) else "facts"


def _traffic(part: Mapping[str, Any]) -> str:
    return "Batch" if part["traffic"] == "batch" else "Real time"
