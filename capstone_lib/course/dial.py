"""A dial for notebook 05: noise floors that fall with a window's size, and measures above them.

Tables and figures for teaching, and no monitor: :func:`capstone_lib.detect_drift` is that.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from capstone_lib.artifact.window import Window
from capstone_lib.data import scenarios
from capstone_lib.monitoring.drift import detect_drift
from capstone_lib.monitoring.noise import psi_floor
from capstone_lib.plots import MARKERS, PALETTE, axes_for

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["draw_floors", "draw_sweep", "psi_floors", "say_sweep", "sweep"]

_MEASURES = {
    "psi": "PSI",
    "jensen_shannon": "Jensen-Shannon",
    "total_variation": "total variation",
    "kolmogorov_smirnov": "Kolmogorov-Smirnov",
    "wasserstein": "Wasserstein",
}


def psi_floors(
    reference: Window, sizes: Sequence[int], *, columns: Sequence[str], alpha: float = 0.05
) -> "pd.DataFrame":
    """Return the PSI that chance exceeds with probability ``alpha``, by size of window and column.

    Parameters
    ----------
    reference : Window
        The windows resemble it but for chance.
    sizes : sequence of int
        Rows a window.
    columns : sequence of str
        Which columns.
    alpha : float, default 0.05
        Of each column, not of all together.

    Examples
    --------
    >>> import pandas as pd
    >>> from capstone_lib.artifact.binning import Binning
    >>> people = pd.DataFrame({"sex": [1, 2] * 500})
    >>> reference = Window.of(people, binning=Binning.guess(people, None))
    >>> psi_floors(reference, [100, 10_000], columns=["sex"])["sex"].round(3).tolist()
    [0.042, 0.004]
    """
    import pandas as pd

    rows = {}
    for size in sizes:
        cells = {name: reference.cells(name) for name in columns}
        rows[size] = {
            name: psi_floor(p, p * size / p.sum(), alpha=alpha) for name, p in cells.items()
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("rows")


def draw_floors(
    floors: "pd.DataFrame", *, threshold: float = 0.1, ax: "Axes | None" = None
) -> "Axes":
    """Draw noise floors against the size of a window, and a threshold that knows no size.

    Parameters
    ----------
    floors
        As :func:`psi_floors` gives them.
    threshold
        The rule of thumb, drawn as a dashed line.
    ax
        Where to draw; new axes by default. Both are logarithmic.
    """
    ax = axes_for(ax)
    for place, name in enumerate(floors.columns):
        colour, marker = PALETTE[place], MARKERS[place % len(MARKERS)]
        ax.plot(floors.index, floors[name], marker=marker, color=colour, label=f"floor of {name}")
    ax.axhline(threshold, color="#555555", linestyle="--", label=f"rule of thumb: {threshold:g}")
    ax.set(xscale="log", yscale="log", xlabel="rows in the window", ylabel="PSI")
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.legend()
    return ax


def sweep(
    people: "pd.DataFrame",
    reference: Window,
    *,
    scenario: str,
    column: str,
    rows: int,
    strengths: Sequence[float] = tuple(np.linspace(0, 1, 11).round(1)),
    seed: int = 0,
) -> "pd.DataFrame":
    """Turn a scenario up from nothing, and measure one column at each step.

    Parameters
    ----------
    people : pandas.DataFrame
        The window is drawn from these.
    reference : Window
        What it is compared with.
    scenario : str
        One of :func:`capstone_lib.data.scenarios.names`.
    column : str
        Which column is measured.
    rows : int
        Rows in the window, the same people at each step.
    strengths : sequence of float
        From 0, nothing, to 1.
    seed : int, default 0
        Another seed, other people.

    Returns
    -------
    pandas.DataFrame
        A row each strength, a column each measure: how many times its noise floor it is.
    """
    import pandas as pd

    some = people.sample(min(rows, len(people)), random_state=seed)
    table = {}
    for strength in strengths:
        altered, _ = scenarios.apply(scenario, some, strength=float(strength), seed=seed)
        window = Window.of(altered, binning=reference.binning, pairs=False)
        one = detect_drift(reference, window, pairs=False)[column]
        known = {name: floor for name, floor in one.floors.items() if name in _MEASURES}
        table[float(strength)] = {
            words: one.value(name) / known[name]
            for name, words in _MEASURES.items()
            if known.get(name, 0) > 0
        }
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("strength")


def draw_sweep(
    measured: "pd.DataFrame", *, strength: float, title: str = "", ax: "Axes | None" = None
) -> "Axes":
    """Draw what :func:`sweep` measured, with the dial's place as a dotted line.

    Parameters
    ----------
    measured
        As :func:`sweep` gives it.
    strength
        Where the dial stands.
    title
        Above the figure.
    ax
        Where to draw; new axes by default. The y axis is logarithmic.
    """
    ax = axes_for(ax)
    for place, name in enumerate(measured.columns):
        values = measured[name].clip(lower=0.02)
        marker = MARKERS[place % len(MARKERS)]
        ax.plot(measured.index, values, marker=marker, color=PALETTE[place], label=name)
    ax.axhline(1, color="#555555", linestyle="--", label="noise floor")
    ax.axvline(strength, color="#555555", linestyle=":")
    ax.set(yscale="log", xlabel="strength of the change", title=title)
    ax.set_ylabel("measure, in noise floors")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.legend(fontsize="small")
    return ax


def say_sweep(measured: "pd.DataFrame", *, strength: float) -> str:
    """Say how many noise floors high each measure is where the dial stands.

    Parameters
    ----------
    measured
        As :func:`sweep` gives it.
    strength
        Where the dial stands; the nearest strength that was measured is read.

    Examples
    --------
    >>> import pandas as pd
    >>> measured = pd.DataFrame({"PSI": [0.62, 4.4], "Wasserstein": [0.2, 2]}, index=[0.0, 0.5])
    >>> say_sweep(measured, strength=0.5)
    'Strength 0.5, in noise floors: PSI 4.4, Wasserstein 2.0.'
    """
    row = measured.iloc[np.abs(np.asarray(measured.index, dtype=float) - strength).argmin()]
    return f"Strength {strength:g}, in noise floors: " + (
        ", ".join(f"{name} {value:.1f}" for name, value in row.items()) + "."
    )
