"""A case as HTML: the same in a notebook, in a saved notebook and on the endpoint's page.

No script, no attribute that styles, nothing from outside: so a strict policy lets it through, and
every word that came from data is escaped.
"""

from html import escape
from math import log2
from pathlib import Path

from capstone_lib.review.case import SOURCES
from capstone_lib.review.view import CaseView, Reason, Value

__all__ = ["CASE_CSS", "case_html"]

CASE_CSS = (Path(__file__).parent / "case.css").read_text("utf-8")
"""How a case looks; the colours are named ``--case-…`` and are the page's to set."""


def case_html(view: CaseView) -> str:
    """Show one case.

    Returns
    -------
    str
        One ``article`` of the class ``cap-case``; :data:`CASE_CSS` styles it.
    """
    case = view.case
    why = SOURCES.get(case.source, case.source)
    said = f": “{escape(case.reason)}”" if case.source == "appeal" else ""
    parts = [f'<p class="cap-why">Case {escape(case.row_id)} · {escape(why)}{said}</p>']
    parts.append(_hidden(view) if view.blind else _answer(view))
    parts.append('<div class="cap-columns">')
    parts += [f"<section>{_person(view.values)}</section>"]
    if not view.blind:
        parts += [f"<section>{_reasons(view)}{_similar(view)}</section>"]
    parts.append("</div>")
    label = f"Case {case.row_id}"
    return f'<article class="cap-case" aria-label="{escape(label)}">{"".join(parts)}</article>'


def _hidden(view: CaseView) -> str:
    return (
        '<p class="cap-small">What the model said is shown after your decision: '
        f"{escape(view.case.model)} {escape(view.case.version)}.</p>"
    )


def _answer(view: CaseView) -> str:
    case = view.case
    bits = log2(max(2, len(case.classes)))
    members = ", ".join(escape(view.words(name)) for name in case.prediction_set) or "none"
    model = f"{escape(case.model)} {escape(case.version)}"
    return (
        f'<p class="cap-answer"><span>{model} says</span> {escape(view.words(case.label))}</p>'
        f"{_score(view)}"
        f'<p class="cap-small">Uncertainty {case.uncertainty:.2f} of {bits:.2f} bits · cannot be '
        f"excluded: {members}</p>"
    )


def _score(view: CaseView) -> str:
    case, cut = view.case, view.cut
    of = f"of “{view.words(case.classes[1])}”" if len(case.classes) == 2 else "of the answer"
    said = f"Probability {of}: {case.score:.2f}"
    turn = "" if cut is None else f"; from {cut:.2f} the answer turns"
    wide = 100 * min(1.0, max(0.0, case.score))
    mark = "" if cut is None else _rect("cap-mark", 100 * cut - 0.2, 0.4, y=0, height=8)
    return (
        f'<p class="cap-small">{escape(said)}{turn}</p>'
        f'<svg viewBox="0 0 100 8" height="10" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(said + turn)}">{_rect("cap-track", 0, 100)}'
        f"{_rect('cap-bar', 0, wide)}{mark}</svg>"
    )


def _rect(kind: str, x: float, width: float, *, y: float = 1.5, height: float = 5) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}"/>'


def _person(values: tuple[Value, ...]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(one.title)}</th><td>{escape(one.words)}'
        + (f" <em>({escape(one.odd)})</em>" if one.odd else "")
        + "</td></tr>"
        for one in values
    )
    return f"<h3>The person</h3><table><tbody>{rows}</tbody></table>"


def _reasons(view: CaseView) -> str:
    note = f'<p class="cap-small">{escape(view.reasons_note)}</p>'
    if not view.reasons:
        return f"<h3>Reasons</h3>{note}"
    most = max(abs(one.effect) for one in view.reasons) or 1.0
    rows = "".join(
        f"<tr><td>{escape(one.text)}</td><td>{_effect(one, most)}</td></tr>" for one in view.reasons
    )
    table = f'<table class="cap-reasons"><tbody>{rows}</tbody></table>'
    return f"<h3>What moved the score</h3>{table}{note if view.reasons_note else ''}"


def _effect(reason: Reason, most: float) -> str:
    """A bar from the middle: to the right it raises the score."""
    half = 49 * abs(reason.effect) / most
    start, kind = (50.0, "cap-up") if reason.effect >= 0 else (50 - half, "cap-down")
    return (
        '<svg viewBox="0 0 100 8" height="9" preserveAspectRatio="none" aria-hidden="true">'
        f"{_rect('cap-track', 0, 100)}{_rect(kind, start, half)}"
        f"{_rect('cap-mark', 49.8, 0.4, y=0, height=8)}</svg>"
    )


def _similar(view: CaseView) -> str:
    if not view.similar:
        return '<h3>Similar cases</h3><p class="cap-small">None was decided so far.</p>'
    items = "".join(
        f"<li>{escape(_said(view, one.label, one.model_label))} "
        f'<span class="cap-small">{escape(difference)}</span></li>'
        for one, difference in zip(view.similar, view.differences, strict=True)
    )
    return f"<h3>Similar cases</h3><ul>{items}</ul>"


def _said(view: CaseView, label: object, model_label: object) -> str:
    if label == model_label:
        return f"Decided {view.words(label)}, as the model had."
    return f"Decided {view.words(label)}; the model had said {view.words(model_label)}."
