"""An audit as a page: gaps first, then every rate with its interval, the small groups in grey."""

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from capstone_lib.monitoring.auditing import GroupResult
    from capstone_lib.monitoring.fairness import FairnessAudit
    from capstone_lib.monitoring.gaps import Gap
    from capstone_lib.monitoring.rates import Metric

__all__ = ["page_of"]

_GREY = " style='color:#777777'"
_LEFT = " style='text-align:left'"


def page_of(audit: "FairnessAudit") -> str:
    """Two tables and a note on who could not be judged, as HTML.

    Parameters
    ----------
    audit : FairnessAudit
    """
    has_labels = any(group.label is not None for group in audit.groups)
    rates = list(audit.groups[0].rates)
    head = ["group", *(["class"] if has_labels else []), "people", *rates]
    rows = [_group_row(group, rates, audit.min_group, has_labels) for group in audit.groups]
    note = f"Intervals hold {audit.level:.0%}. A gap is real if its lower bound is above 0."
    if audit.too_small:
        note += f" In grey: fewer than {audit.min_group} people, not judged."
    return (
        _table(_GAP_HEAD, [_gap_row(gap) for gap in audit.gaps])
        + _table([name.replace("_", " ") for name in head], rows)
        + f"<p>{escape(note)}</p>"
    )


_GAP_HEAD = ("gap", "over", "difference", "at least", "ratio", "highest", "lowest", "judged")


def _gap_row(gap: "Gap") -> str:
    name = gap.name.replace("_", " ") + ("" if gap.label is None else f" ({gap.label})")
    real = f"<b>{_number(gap.lower_bound)}</b>" if gap.is_real else _number(gap.lower_bound)
    cells = [
        f"<td{_LEFT}>{escape(name)}</td>",
        f"<td{_LEFT}>{escape(' × '.join(gap.over))}</td>",
        f"<td>{_interval(gap.difference, gap.low, gap.high)}</td>",
        f"<td>{real}</td>",
        f"<td>{_interval(gap.ratio, gap.ratio_low, gap.ratio_high)}</td>",
        f"<td{_LEFT}>{escape(gap.highest)}</td>",
        f"<td{_LEFT}>{escape(gap.lowest)}</td>",
        f"<td>{gap.n_groups} groups</td>",
    ]
    return "".join(cells)


def _group_row(group: "GroupResult", rates: Sequence[str], min_group: int, has_labels: bool) -> str:
    label = f"<td{_LEFT}>{escape(str(group.label))}</td>" if has_labels else ""
    cells = "".join(_rate_cell(group.rates[rate], min_group) for rate in rates)
    return f"<td{_LEFT}>{escape(group.name)}</td>{label}<td>{group.n:,}</td>{cells}"


def _rate_cell(one: "Metric", min_group: int) -> str:
    colour = "" if one.n >= min_group else _GREY
    text = "not defined" if one.n == 0 else _interval(one.value, one.low, one.high)
    return f"<td{colour} title='of {one.n:,}'>{text}</td>"


def _interval(value: float, low: float, high: float) -> str:
    if math.isnan(value):
        return "not defined"
    if math.isnan(low) or math.isnan(high):
        return _number(value)
    return f"{_number(value)}<br><small>{_number(low)} to {_number(high)}</small>"


def _number(value: float) -> str:
    if 0 < value < 0.0005:
        return "&lt; 0.001"
    return "not defined" if math.isnan(value) else f"{value:.3f}"


def _table(head: Sequence[str], rows: Sequence[str]) -> str:
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"
