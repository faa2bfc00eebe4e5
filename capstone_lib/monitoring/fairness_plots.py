"""Figures of fairness: groups as points with intervals and counts, and what equality costs."""

from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.errors import MonitoringError
from capstone_lib.plots import PALETTE, axes_for, reach_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from capstone_lib.monitoring.auditing import GroupResult
    from capstone_lib.monitoring.fairness import FairnessAudit
    from capstone_lib.monitoring.tradeoff import Tradeoff

__all__ = ["draw_groups", "draw_tradeoff"]

_JUDGED, _SMALL, _ALL = PALETTE[0], "#777777", PALETTE[1]
_SHARES = {"calibration", "mean_error", "mean_absolute_error", "root_mean_squared_error"}


def draw_groups(
    audit: "FairnessAudit",
    rate: str = "",
    *,
    over: str | tuple[str, ...] | None = None,
    label: Any = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw one rate of each group: a point, its interval and how many people it speaks of.

    Groups with too few people to be judged are hollow and grey; where a rate is not defined the
    axis says so.

    Parameters
    ----------
    audit : FairnessAudit
    rate : str, optional
        By default the false-positive rate, or a regression's mean error.
    over : str or tuple of str, optional
        The columns that span the groups; by default the first.
    label : object, optional
        With more than two classes which of them; by default the first.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    MonitoringError
        If there are no such groups or no such rate.
    """
    groups = _chosen(audit, over, label)
    known = groups[0].rates
    rate = rate or ("false_positive_rate" if "false_positive_rate" in known else "mean_error")
    if rate not in known:
        raise MonitoringError(f"no rate {rate!r}; there are {', '.join(known)}")
    ax = axes_for(ax, figsize=(7.5, 1.4 + 0.3 * len(groups)))
    percent = 1 if rate in _SHARES - {"calibration"} else 100
    ticks = []
    for place, group in enumerate(groups):
        one = group.rates[rate]
        ticks.append(f"{group.name}   n = {one.n:,}")
        if np.isnan(one.value):
            ax.text(0.02, place, "not defined", va="center", fontsize="small", color=_SMALL,
                    transform=ax.get_yaxis_transform())  # fmt: skip
            continue
        reach = percent * reach_of([one.value], [one.low], [one.high])
        enough = one.n >= audit.min_group
        colour, fill = (_JUDGED, _JUDGED) if enough else (_SMALL, "white")
        ax.errorbar(percent * one.value, place, xerr=reach, fmt="o", ms=6, capsize=3, lw=1.5,
                    color=colour, markerfacecolor=fill)  # fmt: skip
    if any(group.rates[rate].n < audit.min_group for group in groups):
        words = f"fewer than {audit.min_group}: not judged"
        ax.plot([], [], "o", color=_SMALL, markerfacecolor="white", label=words)
    _mark_all(ax, groups, rate, percent)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="lower right", ncols=2, fontsize="small", bbox_to_anchor=(1.0, 1.0))
    ax.set_yticks(range(len(groups)), ticks, fontsize="small")
    ax.set_ylim(len(groups) - 0.4, -0.6)
    words = "mean score less base rate" if rate == "calibration" else rate.replace("_", " ")
    words += "" if groups[0].label is None else f" of {groups[0].label}"
    unit = " (%)" if percent == 100 else ""
    ax.set_xlabel(f"{words}{unit}, {audit.level:.0%} intervals")
    if rate not in _SHARES:
        ax.set_xlim(-2, 102)
    ax.grid(axis="y", visible=False)
    return ax


def draw_tradeoff(curve: "Tradeoff", *, ax: "Axes | None" = None) -> "Axes":
    """Draw error against gap, a point a rule with intervals either way; the plain rule is marked.

    Parameters
    ----------
    curve : Tradeoff
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_for(ax, figsize=(7.5, 4.4))
    frame = 100 * curve.to_frame()
    for place, (colour, marker) in enumerate([(_ALL, "D"), *[(_JUDGED, "o")] * (len(frame) - 1)]):
        row = frame.iloc[place]
        across, along = (
            reach_of([row[name]], [row[f"{name}_low"]], [row[f"{name}_high"]])
            for name in ("gap", "error")
        )
        ax.errorbar(row["gap"], row["error"], xerr=across, yerr=along, fmt=marker, ms=7,
                    capsize=3, lw=1, color=colour)  # fmt: skip
        words = "plain threshold" if place == 0 else f"within {row['tolerance']:.3g}"
        ax.annotate(words, (row["gap"], row["error"]), xytext=(5, -13 if place == 0 else 5),
                    fontsize="small", textcoords="offset points", color=colour)  # fmt: skip
    ax.plot(frame["gap"], frame["error"], color="#999999", lw=1, zorder=0)
    name = curve.constraint.replace("_parity", "").replace("_", " ")
    ax.set_xlabel(f"gap between groups in {name} (points), n = {curve.n_judged:,}")
    ax.set_ylabel("decided wrongly (%)")
    ax.set_xlim(left=min(0.0, float(frame["gap_low"].min())))
    return ax


def _chosen(
    audit: "FairnessAudit", over: str | tuple[str, ...] | None, label: Any
) -> list["GroupResult"]:
    wanted = (over,) if isinstance(over, str) else over or audit.groups[0].over
    label = audit.groups[0].label if label is None else label
    groups = [g for g in audit.groups if g.over == tuple(wanted) and g.label == label]
    if not groups:
        overs = ", ".join(dict.fromkeys(" × ".join(group.over) for group in audit.groups))
        raise MonitoringError(f"no groups over {over!r}, class {label!r}; there are {overs}")
    return groups


def _mark_all(ax: "Axes", groups: list["GroupResult"], rate: str, percent: int) -> None:
    """A line at the rate of everybody; a root of a mean has no such sum."""
    known = [g.rates[rate] for g in groups if g.rates[rate].n and not np.isnan(g.rates[rate].value)]
    if not known or rate == "root_mean_squared_error":
        return
    mean = sum(one.value * one.n for one in known) / sum(one.n for one in known)
    ax.axvline(percent * mean, color=_ALL, ls="--", lw=1.2, label="everybody")
