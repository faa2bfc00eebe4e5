"""Figures of a batch's explanation, in the course's style."""

from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.plots import PALETTE, axes_for, reach_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from capstone_lib.explain.table import BatchExplanation

__all__ = ["draw_effects", "draw_importances"]

_BINS = 60


def draw_effects(found: "BatchExplanation", *, top: int = 12, ax: "Axes | None" = None) -> "Axes":
    """Draw every effect as a dot: a line of dots for each column, the strongest above.

    Parameters
    ----------
    found : BatchExplanation
    top : int
        How many columns.
    ax
        Where to draw; new axes by default.

    Notes
    -----
    Dots of equal effect are heaped on one another, so that a heap's height says how many there are.
    The colour is the value's rank in its column, from light (low, or an early code) to dark, which
    is told apart without seeing colours; grey where it is missing.
    """
    columns = found.importances()["column"].tolist()[:top]
    ax = axes_for(ax, figsize=(8.5, 0.45 * len(columns) + 1.4))
    places = [found.columns.index(name) for name in columns]
    reach = np.abs(found.values[:, places]).max() or 1.0
    drawn = None
    for line, (name, place) in enumerate(zip(columns, places, strict=True)):
        effects = found.values[:, place]
        shade = _ranks(found.data[name])
        y = len(columns) - 1 - line + _heaped(effects, reach)
        known = ~np.isnan(shade)
        ax.scatter(effects[~known], y[~known], s=9, color="#999999", linewidths=0)
        drawn = ax.scatter(
            effects[known], y[known], s=9, c=shade[known], cmap="cividis_r", vmin=0, vmax=1,
            linewidths=0,
        )  # fmt: skip
    ax.axvline(0, color="#555555", linewidth=1)
    titles = [found.schema[name].title or name for name in columns]
    ax.set_yticks(range(len(columns)), titles[::-1])
    ax.set(xlabel="effect on the score", ylim=(-0.6, len(columns) - 0.4))
    ax.grid(axis="y", visible=False)
    figure: Any = ax.figure
    bar = figure.colorbar(drawn, ax=ax, ticks=[0, 1], shrink=0.6, aspect=30)
    bar.ax.set_yticklabels(["low", "high"])
    bar.set_label("value, by rank in its column")
    return ax


def draw_importances(
    found: "BatchExplanation", *, top: int = 12, ax: "Axes | None" = None
) -> "Axes":
    """Draw the mean size of each column's effects as a bar, with its 95 % interval.

    Parameters
    ----------
    found : BatchExplanation
    top : int
        How many columns.
    ax
        Where to draw; new axes by default.
    """
    table = found.importances().head(top).iloc[::-1]
    ax = axes_for(ax, figsize=(7.5, 0.35 * len(table) + 1.2))
    titles = [found.schema[name].title or name for name in table["column"]]
    reach = reach_of(table["importance"], table["low"], table["high"])
    ax.barh(titles, table["importance"], xerr=reach, color=PALETTE[0], ecolor="#333333", capsize=3)
    ax.set(xlabel=f"mean size of the effect on the score (n = {len(found):,} rows)")
    ax.grid(axis="y", visible=False)
    return ax


def _ranks(values: np.ndarray) -> np.ndarray:
    """Each value's rank among the different ones, from 0 to 1; NaN where missing."""
    known = np.array([value is not None and value == value for value in values.tolist()])
    out = np.full(len(values), np.nan)
    _, rank = np.unique(values[known], return_inverse=True)
    out[known] = rank / max(rank.max(initial=0), 1)
    return out


def _heaped(effects: np.ndarray, reach: float) -> np.ndarray:
    """Heights within a line: dots of about the same effect lie above and below one another."""
    bins = np.round(effects / reach * _BINS).astype(int)
    heights = np.zeros(len(effects))
    for one in np.unique(bins):
        mine = np.flatnonzero(bins == one)
        heights[mine] = np.arange(len(mine)) - (len(mine) - 1) / 2
    return heights * min(0.04, 0.8 / (np.ptp(heights) + 1))
