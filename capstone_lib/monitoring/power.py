"""What a monitor can find: scenarios put into windows of several sizes, and how many are found.

The counterpart of :mod:`capstone_lib.monitoring.level`: silence when nothing is wrong is easy.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from capstone_lib.artifact.window import Window
from capstone_lib.data import scenarios
from capstone_lib.monitoring.drift import detect_drift

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["detection_power"]


def detection_power(
    people: "pd.DataFrame",
    reference: Window,
    *,
    names: Sequence[str] | None = None,
    sizes: Sequence[int] = (200, 1_000, 5_000),
    n_windows: int = 20,
    seed: int = 0,
    **options: Any,
) -> "pd.DataFrame":
    """Put scenarios into windows, and count in how many of them the right column is found.

    Parameters
    ----------
    people : pandas.DataFrame
        Census rows, as :meth:`capstone_lib.data.Census.frame` gives them, of a time in which all
        is well; windows are drawn from them.
    reference : Window
        What the windows are compared with.
    names : sequence of str, optional
        Which scenarios; all of them by default.
    sizes : sequence of int
        Rows a window.
    n_windows : int, default 20
        Windows of each scenario and size.
    seed : int, default 0
        For the draws and the scenarios.
    **options
        Handed to :func:`detect_drift`.

    Returns
    -------
    pandas.DataFrame
        A row for each scenario and size: ``found``, the share of windows whose largest alarm names
        a column that the scenario changes; ``any_alarm``, the share with any alarm, which should be
        0 for scenarios that change outcomes only; ``most_common``, the largest alarm most often.
    """
    import pandas as pd

    table = []
    for name in scenarios.names() if names is None else names:
        columns = scenarios.get(name).columns
        for size in sizes:
            first = []
            for k in range(n_windows):
                some = people.sample(size, random_state=seed + k)
                broken, _ = scenarios.apply(name, some, seed=seed + k)
                window = Window.of(broken, binning=reference.binning)
                alarms = detect_drift(reference, window, **options).alarms
                first.append(alarms[0].name if alarms else "")
            right = [any(column in one for column in columns) for one in first]
            common = pd.Series([one for one in first if one], dtype=object).mode()
            table.append(
                {
                    "scenario": name,
                    "rows": size,
                    "found": sum(right) / n_windows,
                    "any_alarm": sum(map(bool, first)) / n_windows,
                    "most_common": common[0] if len(common) else "",
                }
            )
    return pd.DataFrame(table)
