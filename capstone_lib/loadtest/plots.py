"""Figures of a load test: latency and throughput against load, and one step's whole distribution.

Matplotlib is imported when something is drawn.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from capstone_lib.plots import PALETTE, axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from capstone_lib.loadtest.result import LoadTest
    from capstone_lib.loadtest.step import LoadStep

__all__ = ["draw_ramp", "draw_times"]

_LINES = (("p99_ms", "p99", "^"), ("p95_ms", "p95", "s"), ("p50_ms", "p50", "o"))
_WIDE = 8
_SHARES = (50, 90, 99, 99.9, 99.99)


def draw_ramp(result: "LoadTest", *, ax: "Axes | None" = None) -> "Axes":
    """Draw latency percentiles (left) and good answers a second (right) against load.

    Parameters
    ----------
    result
        Of two steps or more.
    ax
        Where to draw; new axes by default. Latency is logarithmic.
    """
    ax = axes_for(ax, layout="constrained")
    steps = sorted(result.steps, key=lambda step: step.load)
    load = [step.load for step in steps]
    for (name, label, marker), colour in zip(
        _LINES, (PALETTE[1], PALETTE[5], PALETTE[0]), strict=True
    ):
        ax.plot(
            load, [getattr(step, name) for step in steps], marker=marker, color=colour, label=label
        )
    right = ax.twinx()
    good = [step.good_per_s for step in steps]
    right.plot(
        load, good, color="#555555", linestyle="--", marker="x", label="good answers a second"
    )
    if result.knee is not None:
        ax.axvline(
            result.knee.load,
            color="#333333",
            linestyle=":",
            linewidth=1.5,
            label="knee",
            zorder=0,
        )
    with_rate = steps[0].rate is not None
    ax.set(xlabel="requests due a second" if with_rate else "users", ylabel="latency (ms)")
    ax.set(yscale="log")
    _ticks_of_time(ax.yaxis)
    if load[-1] >= _WIDE * load[0]:
        ax.set(xscale="log")
    ax.set_xticks(load, [f"{one:g}" for one in load])
    ax.set_xticks([], minor=True)
    right.set(ylabel="good answers a second", ylim=(0, max([*good, 1.0]) * 1.15))
    right.yaxis.set_major_formatter("{x:,.0f}")
    right.grid(visible=False)
    right.spines["right"].set_visible(True)
    handles = [one.get_legend_handles_labels() for one in (ax, right)]
    ax.legend(
        handles[0][0] + handles[1][0],
        handles[0][1] + handles[1][1],
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=5,
        fontsize="small",
    )
    return ax


def draw_times(
    steps: "Sequence[LoadStep]", *, labels: Sequence[str] | None = None, ax: "Axes | None" = None
) -> "Axes":
    """Draw how many answers were slower than a time, a line a step: the tail fills half of it.

    Parameters
    ----------
    steps
        Of one test, or of several to compare.
    labels
        Names of the lines; by default their users.
    ax
        Where to draw; new axes by default. Both are logarithmic.
    """
    ax = axes_for(ax, layout="constrained")
    names = labels or [step.load_words for step in steps]
    least = 1.0
    for step, name in zip(steps, names, strict=True):
        total = step.histogram.total
        if not total:
            continue
        slower = 1 - np.cumsum(step.histogram.counts) / total
        shown = np.maximum(slower, 0.5 / total)
        least = min(least, 0.5 / total)
        ax.step(step.histogram.values_ms, shown, where="post", label=name)
    shares = [share for share in _SHARES if 1 - share / 100 >= least]
    ax.set(xscale="log", yscale="log", ylim=(least, 1.1))
    ax.set(xlabel="time to a good answer (ms)", ylabel="share of answers that took longer")
    _ticks_of_time(ax.xaxis)
    ax.set_yticks(
        [1 - share / 100 for share in shares],
        [f"{100 - share:.3g} % (p{share:g})" for share in shares],
    )
    ax.set_yticks([], minor=True)
    if any(step.good for step in steps):
        ax.legend()
    return ax


def _ticks_of_time(axis: "Axis") -> None:
    """Ticks at 1, 2, 5, 10 … milliseconds, written out."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=20))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")
