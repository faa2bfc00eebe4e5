"""Figures of drift: one column against the reference, and all columns month by month."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.artifact.bins import ABOVE, BELOW, MISSING, UNSEEN
from capstone_lib.artifact.window import Window
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.rates import wilson
from capstone_lib.plots import PALETTE, axes_for, reach_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from capstone_lib.monitoring.report import DriftReport

__all__ = ["draw_column", "draw_heatmap"]

_EXTRAS = {BELOW: "below", ABOVE: "above", UNSEEN: "unseen", MISSING: "missing"}
_REFERENCE, _WINDOW = PALETTE[:2]
_MOST_TICKS = 25


def draw_column(
    reference: Window, current: Window, column: str, *, ax: "Axes | None" = None
) -> "Axes":
    """Draw a column's shares: the reference as bars, the window as points with 95 % intervals.

    Parameters
    ----------
    reference, current : Window
        Counted against the same bins.
    column : str
        Which column.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    MonitoringError
        If the windows do not count this column.
    """
    if column not in reference.counts or column not in current.counts:
        known = ", ".join(name for name in reference.columns if name in current.counts)
        raise MonitoringError(f"there is no column {column!r} in both windows; there are {known}")
    p, q = reference.cells(column), current.cells(column)
    names = reference.binning[column].group_labels() + list(_EXTRAS.values())
    shown = [k for k in range(len(p)) if k < len(p) - len(_EXTRAS) or p[k] + q[k] > 0]
    a, b = p[shown] / max(p.sum(), 1), q[shown] / max(q.sum(), 1)
    low, high = wilson(q[shown], max(q.sum(), 1), level=0.95)
    ax = axes_for(ax)
    at = np.arange(len(shown))
    ax.bar(at, 100 * a, color=_REFERENCE, alpha=0.35, label=f"reference, n = {p.sum():,.0f}")
    reach = 100 * reach_of(b, low, high)
    label = f"{current.name or 'window'}, n = {q.sum():,.0f}"
    look: dict[str, Any] = {"fmt": "o", "ms": 5, "capsize": 3, "color": _WINDOW, "clip_on": False}
    ax.errorbar(at, 100 * b, yerr=reach, label=label, **look)
    labels = [names[k] for k in shown]
    tilt = sum(map(len, labels)) > 70
    ax.set_xticks(at, labels, rotation=90 if tilt else 0, fontsize="small")
    ax.grid(visible=False, axis="x")
    ax.set(xlabel=column, ylabel="share of rows (%)")
    ax.set_ylim(bottom=0)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    return ax


def draw_heatmap(
    reports: "Sequence[DriftReport]", *, measure: str = "effect", ax: "Axes | None" = None
) -> "Axes":
    """Draw a measure of every column in every window, darker where it is larger.

    Parameters
    ----------
    reports : sequence of DriftReport
        One a window, in order; columns are named after ``report.current.name``.
    measure : str, default "effect"
        Such as ``"psi"``; see :class:`capstone_lib.monitoring.feature.FeatureDrift`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes

    Notes
    -----
    A dot marks what is real, a ring what is real and large.

    Raises
    ------
    MonitoringError
        If there is no report.
    """
    if not reports:
        raise MonitoringError("there is no report to draw; give one at least")
    names = [one.name for one in reports[0].features]
    values = np.array([[report[name].value(measure) for report in reports] for name in names])
    ax = axes_for(ax, figsize=(max(5.0, 0.34 * len(reports) + 2.5), 0.27 * len(names) + 1.2))
    top = max(float(np.nanmax(values, initial=0.0)), reports[0].thresholds.get(measure, 0.05))
    image = ax.imshow(values, aspect="auto", cmap="Blues", vmin=0, vmax=top)
    for x, report in enumerate(reports):
        for y, name in enumerate(names):
            _mark(ax, x, y, report[name], dark=values[y, x] > 0.6 * top)
    step = -(-len(reports) // _MOST_TICKS)
    ticks = list(range(0, len(reports), step))
    labels = [reports[k].current.name or str(k + 1) for k in ticks]
    ax.set_xticks(ticks, labels, rotation=90, fontsize="small")
    ax.set_yticks(range(len(names)), names, fontsize="small")
    ax.grid(visible=False)
    words = measure.replace("_", " ")
    ax.figure.colorbar(image, ax=ax, label=words)
    ax.set(xlabel="window", title=f"{words}: dot = real, ring = real and large")
    return ax


def _mark(ax: "Axes", x: int, y: int, one: Any, *, dark: bool) -> None:
    if not one.is_real:
        return
    colour = "white" if dark else "black"
    ax.plot(x, y, marker=".", ms=5, color=colour)
    if one.is_large:
        ax.plot(x, y, marker="o", ms=10, mfc="none", mec=colour, mew=1.2)
