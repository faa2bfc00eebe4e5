"""Figures of what a model knows of itself: risk and coverage, calibration, what was estimated."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.plots import PALETTE, axes_for, reach_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from capstone_lib.monitoring.calibration import Calibration
    from capstone_lib.monitoring.risk import RiskCoverage

__all__ = ["draw_calibration", "draw_estimates", "draw_risk"]


def draw_risk(
    curve: "RiskCoverage", *, ax: "Axes | None" = None, marked: float | None = None
) -> "Axes":
    """Draw the share of errors among the surest, for every share decided.

    Parameters
    ----------
    curve : RiskCoverage
        What :func:`~capstone_lib.monitoring.risk.risk_coverage` found.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.
    marked : float, optional
        A coverage to point out, above 0 and up to 1.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_for(ax)
    frame = curve.to_frame()
    ax.fill_between(frame["coverage"], frame["low"], frame["high"], color=PALETTE[0], alpha=0.2)
    ax.plot(frame["coverage"], frame["risk"], color=PALETTE[0], label="surest first")
    ax.axhline(curve.error_rate, color="#555555", ls=":", label="in any order")
    if marked is not None:
        ax.plot([marked], [curve.at(marked)], "o", color=PALETTE[1], ms=8,
                label=f"decides {marked:.0%}: {curve.at(marked):.1%} wrong")  # fmt: skip
    steady = frame["risk"][frame["coverage"] >= 0.05].max()  # the first few say nothing yet
    ax.set(xlabel="share decided without a person", ylabel="share of these decided wrongly",
           xlim=(0, 1), ylim=(0, max(1.3 * max(steady, curve.error_rate), 0.01)),
           title=f"Risk and coverage (n = {curve.n:,}, AURC {curve.aurc:.3f})")  # fmt: skip
    _percent(ax)
    ax.legend(loc="lower right")
    return ax


def draw_calibration(found: "Calibration", *, ax: "Axes | None" = None) -> "Axes":
    """Draw what came true against what was said, bin by bin, with intervals and sizes.

    Parameters
    ----------
    found : Calibration
        What :func:`~capstone_lib.monitoring.calibration.measure_calibration` found.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_for(ax)
    frame = found.frame
    size = 10 + 190 * frame["n"] / frame["n"].max()
    reach = reach_of(frame["rate"], frame["rate_low"], frame["rate_high"])
    ax.plot([0, 1], [0, 1], color="#555555", ls=":", label="as said")
    ax.errorbar(frame["score"], frame["rate"], yerr=reach, fmt="none",
                ecolor=PALETTE[0], capsize=3)  # fmt: skip
    ax.scatter(frame["score"], frame["rate"], s=size, color=PALETTE[0], alpha=0.8,
               label="as it came (larger: more people)")  # fmt: skip
    ax.set(xlabel="mean score", ylabel="share that came true", xlim=(0, 1), ylim=(0, 1),
           title=f"Calibration (n = {found.n:,}, ECE {found.ece:.3f}, "
                 f"chance alone up to {found.ece_floor:.3f})")  # fmt: skip
    _percent(ax)
    ax.legend(loc="upper left")
    return ax


def draw_estimates(
    windows: Sequence[str],
    estimated: Sequence[Any],
    realized: Sequence[Any],
    *,
    label: str = "AUC",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw estimated beside realized performance, window by window.

    Parameters
    ----------
    windows : sequence of str
        Their names, oldest first.
    estimated, realized : sequence of Metric
        For each window something with ``value``, ``low`` and ``high``; an unknown value (NaN) is
        left out.
    label : str, default "AUC"
        What was estimated.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_for(ax)
    places = np.arange(len(windows))
    value, low, high = _parts(estimated)
    ax.fill_between(places, low, high, color=PALETTE[0], alpha=0.2)
    ax.plot(places, value, color=PALETTE[0], label="estimated before outcomes came")
    value, low, high = _parts(realized)
    reach = reach_of(value, low, high)
    ax.errorbar(places, value, yerr=reach, fmt="o", color=PALETTE[1], capsize=3, label="realized")
    step = max(1, len(windows) // 12)
    ax.set_xticks(places[::step], list(windows)[::step], rotation=45, ha="right")
    ax.set(xlabel="window", ylabel=label, title=f"{label}: estimated and realized")
    ax.legend(loc="best")
    return ax


def _parts(values: Sequence[Any]) -> tuple[np.ndarray, ...]:
    return tuple(np.array([getattr(v, k) for v in values], float) for k in ("value", "low", "high"))


def _percent(ax: "Axes") -> None:
    from matplotlib.ticker import PercentFormatter

    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
