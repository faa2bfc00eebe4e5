"""Gathering: everything that a store knows of a model in a window, as one document.

Nothing is measured anew that a measurement says, nothing is written, and nothing is drawn.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capstone_lib import __version__
from capstone_lib.alerts import Playbook, load_playbook
from capstone_lib.alerts.records import plain
from capstone_lib.report.at_work import gather_batch, gather_live
from capstone_lib.report.document import Report
from capstone_lib.report.followed import gather_alerts, gather_decision, gather_reviews
from capstone_lib.report.measured import (
    gather_drift,
    gather_fairness,
    gather_performance,
    read_measured,
)
from capstone_lib.report.risks import find_risks
from capstone_lib.report.span import Span, iso, open_span, records
from capstone_lib.report.summary import summarise
from capstone_lib.report.table import gather_table
from capstone_lib.report.words import window_label
from capstone_lib.store import Store

if TYPE_CHECKING:
    from capstone_lib.artifact.model import Artifact

__all__ = ["gather_report"]


def gather_report(
    artifact: "Artifact",
    store: Store,
    *,
    decision: Any = None,
    measured: Any = None,
    window: Any = None,
    title: str = "",
    playbook: Playbook | str | Path | None = None,
    now: Any = None,
) -> Report:
    """Gather what is known of a model at work.

    Parameters
    ----------
    artifact : Artifact
        The model.
    store : Store
        What it answered, what was measured of it, and what followed.
    decision : Advice or mapping, optional
        What :func:`capstone_lib.decide.advise` says, or its ``to_dict()``.
    measured : ArchitectureTable or mapping, optional
        What :func:`capstone_lib.decide.compare_architectures` gives, or its ``to_dict()``; made
        from the store unless told otherwise.
    window : tuple of two dates, times or None, optional
        The first moment, and the first one after it; all that the store holds unless told
        otherwise. Batch runs count by their as-of date, requests by their arrival, measurements if
        their window lies in this one, alerts if theirs meets it, cases by when they were opened.
    title : str, optional
    playbook : Playbook or path, optional
        Whose limits are quoted; the default one unless told otherwise.
    now : str, date or datetime, optional
        The moment of asking, for the age of scores; the window's end, or the present.

    Returns
    -------
    Report

    Raises
    ------
    ReportError
        If the window or the moment is none, or the decision is no decision.
    PlaybookError
        If the playbook is wrong.
    """
    span = open_span(artifact, store, window=window, now=now)
    rules = playbook if isinstance(playbook, Playbook) else load_playbook(playbook)
    parts = read_measured(span)
    sections = {
        "passport": _passport(span),
        "parity": _parity(span),
        "batch": gather_batch(span),
        "live": gather_live(span),
        "drift": gather_drift(span, parts),
        "fairness": gather_fairness(span, parts),
        "performance": gather_performance(span, parts),
        "alerts": gather_alerts(span),
        "reviews": gather_reviews(span),
        "decision": gather_decision(decision),
        "measured": gather_table(span, measured),
    }
    sections = plain(sections)
    risks = find_risks(span, sections, parts, rules)
    return Report(
        title=title or f"Report on {artifact.name} {artifact.version}",
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        made_by=f"capstone_lib {__version__}",
        model={"name": artifact.name, "version": artifact.version, "sha256": artifact.sha256},
        store=span.where,
        window=span.window,
        summary=summarise(span, sections, parts, risks),
        risks=tuple(risks),
        **sections,
    )


def _passport(span: Span) -> dict[str, Any]:
    passport = span.artifact.passport
    document = passport.to_dict()
    reference = document.pop("reference")  # counts of whole columns: they are in the artifact
    return {
        "missing": "",
        "source": f"the artifact, SHA-256 {span.artifact.sha256}",
        "lines": [list(pair) for pair in passport.lines()],
        "document": document,
        "has_reference": bool(reference),
    }


def _parity(span: Span) -> dict[str, Any]:
    """Of the file with its pipeline, and of what batch and live saw."""
    said = span.artifact.passport.parity
    if not said:
        return {
            "missing": "The artifact does not say that it was compared with its pipeline: export "
            "it again with cap.export_model.",
            "source": "the artifact's passport",
        }
    kept = {
        name: said.get(name) for name in ("rows", "labels_wrong", "max_difference", "tolerance")
    }
    edges = said.get("edge_cases") or []
    return {
        "missing": "",
        "source": "the artifact's passport, written at export",
        **kept,
        "edge_cases": len(edges),
        "batch_and_live": _both(span),
    }


def _both(span: Span) -> list[dict[str, Any]]:
    """In how many columns batch and live saw different values of the same people."""
    if span.is_folder:
        return []
    frame = span.store.measurements(
        name="parity_differing_columns", **span.model, since=span.start, until=span.end
    )
    return [
        {
            "start": iso(row["window_start"]),
            "end": iso(row["window_end"]),
            "label": window_label(iso(row["window_start"]), iso(row["window_end"])),
            "value": row["value"],
            "n": int(row["n"]),
            "note": row["note"],
        }
        for row in records(frame)
    ]
