"""How often a monitor cries wolf: its rules tried on windows in which nothing has changed.

Do this with your own rows before you believe a monitor, ours included. It is no measurement of a
window, and takes minutes.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.artifact.binning import Binning
from capstone_lib.artifact.tally import column_of, rows_of
from capstone_lib.artifact.window import Window
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.drift import detect_drift
from capstone_lib.monitoring.report import DriftReport

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RULES", "false_alarms"]

RULES: dict[str, Callable[[DriftReport], bool]] = {
    "anything real": lambda report: bool(report.findings),
    "anything large": lambda report: bool(report.alarms),
    "any PSI > 0.1": lambda report: any(one.psi > 0.1 for one in report.features),
    "any PSI > 0.2": lambda report: any(one.psi > 0.2 for one in report.features),
    "any JS > 0.1": lambda report: any(one.jensen_shannon > 0.1 for one in report.features),
    "any p < 0.05": lambda report: any(one.p_value < 0.05 for one in report.features),
}
"""Ours, then the folklore: what fires, of a report."""


def false_alarms(
    rows: Any,
    *,
    binning: Binning,
    predictions: Any = None,
    sizes: Sequence[int] = (200, 1_000, 5_000, 50_000),
    n_windows: int = 500,
    n_reference: int | None = None,
    seed: int = 0,
    **options: Any,
) -> "pd.DataFrame":
    """Draw windows from one population, and count in how many each rule fires.

    Parameters
    ----------
    rows : pandas.DataFrame, pyarrow.Table or mapping of str to array
        The population: windows are drawn from it, with replacement.
    binning : Binning
        The bins, such as ``artifact.reference.binning``.
    predictions : Predictions, or table with the columns ``score`` and ``label``, optional
        What the model says of these rows.
    sizes : sequence of int
        Rows a window.
    n_windows : int, default 500
        Windows of each size.
    n_reference : int, optional
        Rows of a reference that is drawn anew for each window, as a real one is. By default the
        rows themselves are the reference, which a large window then resembles too much.
    seed : int, default 0
        For the draws.
    **options
        Handed to :func:`detect_drift`, such as ``correction``.

    Returns
    -------
    pandas.DataFrame
        A row each size: the share of windows in which each rule of :data:`RULES` fires.

    Raises
    ------
    MonitoringError
        If there are no rows.
    """
    import pandas as pd

    if not rows_of(rows):
        raise MonitoringError("there are no rows to draw windows from")
    draw = _drawer(rows, binning, predictions, np.random.default_rng(seed))
    whole = draw(None)
    table = {}
    for size in sizes:
        fired = dict.fromkeys(RULES, 0)
        for _ in range(n_windows):
            reference = whole if n_reference is None else draw(n_reference)
            report = detect_drift(reference, draw(size), **options)
            for name, rule in RULES.items():
                fired[name] += rule(report)
        table[size] = {name: count / n_windows for name, count in fired.items()}
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("rows")


def _drawer(
    rows: Any, binning: Binning, predictions: Any, rng: np.random.Generator
) -> Callable[[int | None], Window]:
    columns = {name: column_of(rows, name) for name in binning.names}
    n_rows = rows_of(rows)
    said = None
    if predictions is not None:
        answers = (predictions, "score"), (predictions, "label")
        said = {name: np.asarray(getattr(table, name)) for table, name in answers}

    def draw(size: int | None) -> Window:
        chosen = slice(None) if size is None else rng.integers(0, n_rows, size)
        drawn = {name: values[chosen] for name, values in columns.items()}
        answers = None if said is None else {name: part[chosen] for name, part in said.items()}
        return Window.of(drawn, binning=binning, predictions=answers)

    return draw
