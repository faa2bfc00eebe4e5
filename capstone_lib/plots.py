"""The course's figures: one style, one palette for colour-blind readers too, labels with units.

Each function draws one figure on the axes it is given, or on new ones, and returns the axes.
Nothing here computes more than what is drawn.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.errors import MissingExtraError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = [
    "MARKERS",
    "PALETTE",
    "axes_for",
    "draw_loop",
    "draw_routes",
    "draw_shares",
    "draw_tail",
    "draw_throughput",
    "reach_of",
    "use_style",
]

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
"""The colours of Okabe and Ito (Wong, "Points of view: Color blindness", 2011), dark ones first."""

MARKERS = "osD^vPX"
"""Told apart without colour, in the order of :data:`PALETTE`."""

_STYLE: dict[str, Any] = {
    "figure.figsize": (7.5, 4.0),
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "axes.facecolor": "white",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "axes.titlelocation": "left",
    "grid.color": "#dddddd",
    "font.size": 11,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "savefig.bbox": "tight",
}
_STAGES = {  # name: (place, words)
    "data": ((0, 2), "Census\ndata"),
    "train": ((1, 2), "Train"),
    "export": ((2, 2), "Export\none .onnx file"),
    "batch": ((3, 2.5), "Batch\nevery night"),
    "live": ((3, 1.5), "Real time\none request"),
    "store": ((4, 2), "Store\nwhat was said"),
    "monitor": ((4, 0.3), "Monitor"),
    "alert": ((3, 0.3), "Alert"),
    "review": ((2, 0.3), "Review\nby a person"),
    "decide": ((1, 0.3), "Decide"),
}
_ARROWS = (
    ("data", "train"), ("train", "export"), ("export", "batch"), ("export", "live"),
    ("batch", "store"), ("live", "store"), ("store", "monitor"), ("monitor", "alert"),
    ("alert", "review"), ("review", "decide"), ("decide", "train"),
)  # fmt: skip


def use_style() -> None:
    """Give every figure that is drawn from now on the look of the course.

    Examples
    --------
    >>> import matplotlib
    >>> with matplotlib.rc_context():
    ...     use_style()
    ...     matplotlib.rcParams["axes.prop_cycle"].by_key()["color"][0]
    '#0072b2'
    """
    try:
        mpl: Any = import_module("matplotlib")
    except ModuleNotFoundError as error:
        raise MissingExtraError("matplotlib", "notebook") from error
    mpl.rcParams.update(_STYLE)
    mpl.rcParams["axes.prop_cycle"] = mpl.cycler(color=list(PALETTE))


def axes_for(ax: "Axes | None", **options: Any) -> "Axes":
    """Return the axes to draw on: those given, or new ones.

    Parameters
    ----------
    ax
        What the caller was given.
    **options
        For ``matplotlib.pyplot.subplots``, if there are none yet.

    Raises
    ------
    MissingExtraError
        If there are none, and Matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        plt: Any = import_module("matplotlib.pyplot")
    except ModuleNotFoundError as error:
        raise MissingExtraError("matplotlib", "notebook") from error
    made: Axes = plt.subplots(**options)[1]
    return made


def reach_of(value: Any, low: Any, high: Any) -> np.ndarray:
    """Return how far an interval reaches below and above its value, as ``errorbar`` wants it.

    Parameters
    ----------
    value, low, high : array of shape (n,)
        In one unit. An end that is on the wrong side by rounding, or not known (NaN), reaches 0.

    Returns
    -------
    numpy.ndarray of shape (2, n)

    Examples
    --------
    >>> reach_of([0.5, 1.0], [0.25, np.nan], [1.0, 0.99]).tolist()
    [[0.25, 0.0], [0.5, 0.0]]
    """
    value, low, high = (np.asarray(one, dtype=float) for one in (value, low, high))
    reach: np.ndarray = np.nan_to_num([value - low, high - value])
    return reach.clip(min=0)


def draw_loop(*, here: Sequence[str] = (), ax: "Axes | None" = None) -> "Axes":
    """Draw the loop of the course: from the data to a decision, and back.

    Parameters
    ----------
    here
        Stages to show in colour: of ``data``, ``train``, ``export``, ``batch``, ``live``,
        ``store``, ``monitor``, ``alert``, ``review`` and ``decide``.
    ax
        Where to draw; new axes by default.

    Raises
    ------
    ValueError
        There is no such stage.
    """
    unknown = [name for name in here if name not in _STAGES]
    if unknown:
        raise ValueError(f"no stage {', '.join(unknown)}; there are {', '.join(_STAGES)}")
    ax = axes_for(ax, figsize=(8.5, 3.6))
    ax.set(xlim=(-0.5, 4.5), ylim=(-0.1, 2.9))
    ax.axis("off")
    drawn = {name: _box(ax, name, bold=name in here) for name in _STAGES}
    for start, end in _ARROWS:
        ax.annotate(
            "",
            xy=_STAGES[end][0],
            xytext=_STAGES[start][0],
            arrowprops={
                "arrowstyle": "-|>", "color": "#555555", "lw": 1.4,
                "patchA": drawn[start], "patchB": drawn[end], "shrinkA": 2, "shrinkB": 2,
            },
        )  # fmt: skip
    return ax


def draw_shares(
    values: Any, groups: Any, *, xlabel: str, ylabel: str, ax: "Axes | None" = None
) -> "Axes":
    """Draw the share of ones in each group, with the group's size and a 95 % interval.

    Parameters
    ----------
    values : array of 0 and 1
        One for each person.
    groups : array
        The group of each person; drawn in the order of their names.
    xlabel, ylabel
        What the groups are, and what is shared.
    ax
        Where to draw; new axes by default.

    Notes
    -----
    The interval is Wilson's (1927), which stays between 0 and 1 in small groups too.
    """
    from capstone_lib.monitoring.rates import wilson

    names, place = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.bincount(place)
    ones = np.bincount(place, weights=np.asarray(values, dtype=float))
    shares = ones / counts
    low, high = wilson(ones, counts, level=0.95)
    ax = axes_for(ax)
    at = np.arange(len(names))
    reach = 100 * reach_of(shares, low, high)
    ax.errorbar(at, 100 * shares, yerr=reach, fmt="o", capsize=4)
    ticks = [f"{name}\nn = {count:,}" for name, count in zip(names, counts, strict=True)]
    ax.set_xticks(at, ticks, fontsize="small")
    ax.set(xlabel=xlabel, ylabel=f"{ylabel} (%)", ylim=(0, 100))
    return ax


def draw_throughput(measured: "pd.DataFrame", *, ax: "Axes | None" = None) -> "Axes":
    """Draw rows a second against rows a call, a line for each way of scoring.

    Parameters
    ----------
    measured
        Columns ``way``, ``batch_size`` and ``rows_per_s``, as
        :func:`capstone_lib.course.measure.measure_throughput` gives them.
    ax
        Where to draw; new axes by default. Both are logarithmic.
    """
    ax = axes_for(ax)
    for marker, (way, rows) in zip(MARKERS, measured.groupby("way", sort=False), strict=False):
        ax.plot(rows["batch_size"], rows["rows_per_s"], marker=marker, label=str(way))
    ax.set(xscale="log", yscale="log", xlabel="rows a call", ylabel="rows a second")
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.legend()
    return ax


def draw_tail(latencies: "Mapping[str, Any]", *, ax: "Axes | None" = None) -> "Axes":
    """Draw the share of answers that took longer than a time, with the mean and the p99 marked.

    Parameters
    ----------
    latencies : mapping of str to array
        A line's name to its latencies in milliseconds, one at least.
    ax
        Where to draw; new axes by default. Both are logarithmic, so that the tail has room.
    """
    ax = axes_for(ax)
    for colour, (name, values) in zip(PALETTE, latencies.items(), strict=False):
        times = np.sort(np.asarray(values, dtype=float))
        longer = 1 - np.arange(len(times)) / len(times)
        ax.plot(times, 100 * longer, color=colour, label=f"{name} (n = {len(times):,})")
        for marker, at in (("o", times.mean()), ("D", np.percentile(times, 99))):
            share = 100 * np.interp(at, times, longer)
            ax.plot(at, share, marker, color=colour, markersize=8, markeredgecolor="white")
    for marker, words in (("o", "mean"), ("D", "p99")):
        ax.plot([], [], marker, color="#555555", label=words)
    ax.set(xscale="log", yscale="log", ylim=(0.05, 130))
    ax.set(xlabel="latency (ms)", ylabel="answers that took longer (%)")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.legend()
    return ax


def draw_routes(
    requests: "pd.DataFrame", changes: "pd.DataFrame", *, ax: "Axes | None" = None
) -> "Axes":
    """Draw every answer as a stroke, at its time and on its route, and the changes of the rollout.

    Parameters
    ----------
    requests
        As :meth:`capstone_lib.Store.requests` gives them.
    changes
        As ``Store.rollout_history()`` gives them; their reasons are written above.
    ax
        Where to draw; new axes by default.
    """
    ax = axes_for(ax)
    times = [frame[name] for frame, name in ((requests, "received_at"), (changes, "changed_at"))]
    begin = min(part.min() for part in times)
    at, changed = ((part - begin).dt.total_seconds() for part in times)
    known, seen = ("degraded", "canary", "stable", "batch"), set(requests["route"])
    names = [name for name in known if name in seen]
    for place, name in enumerate(names):
        mine = at[requests["route"] == name]
        ax.plot(mine, [place] * len(mine), "|", color=PALETTE[place], markersize=26, alpha=0.5)
    for moment, why in zip(changed, changes["why"], strict=True):
        ax.axvline(moment, color="#555555", linestyle=":", linewidth=1.5)
        ax.text(moment, len(names) - 0.45, f" {why}", va="bottom", fontsize="small")
    ax.set_yticks(range(len(names)), names)
    ax.set(ylim=(-0.6, len(names) - 0.1), xlabel="time (s)")
    ax.grid(axis="y", visible=False)
    return ax


def _box(ax: "Axes", name: str, *, bold: bool) -> Any:
    from matplotlib.patches import FancyBboxPatch

    (x, y), words = _STAGES[name]
    colour = PALETTE[0]
    box = FancyBboxPatch(
        (x - 0.37, y - 0.24), 0.74, 0.48, boxstyle="round,pad=0.02",
        facecolor=colour if bold else "white", edgecolor=colour, lw=1.5, zorder=2,
    )  # fmt: skip
    ax.add_patch(box)
    ink = "white" if bold else "black"
    ax.text(x, y, words, ha="center", va="center", color=ink, fontsize=9.5, zorder=3)
    return box
