"""A monitor on trial: every alarm that a window of labelled rows raises, and which are right.

Do this before you trust a monitor that is silent: in windows of your size, how often would it have
seen what you fear? How often columns cry wolf, beside rules of thumb, is in
:func:`capstone_lib.monitoring.level.false_alarms`. Neither is a measurement of a window.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.artifact.groups import GroupCounts
from capstone_lib.artifact.model import Artifact
from capstone_lib.artifact.window import Window
from capstone_lib.data import scenarios
from capstone_lib.data.scenarios import Scenario
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.drift import detect_drift
from capstone_lib.monitoring.feature import FeatureDrift
from capstone_lib.monitoring.group_change import compare_groups
from capstone_lib.monitoring.performance import Performance, measure_performance
from capstone_lib.monitoring.rates import normal_quantile

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SIGNS", "Monitor", "is_right", "put_on_trial"]

SIGNS = ("columns", "pairs", "performance", "groups")
"""Where an alarm can come from: the same words as :attr:`Scenario.shows_in`."""

WORSE = {"auc": 0.02, "accuracy": 0.02, "brier": 0.01}
"""From when a real change of performance is large."""

UNFAIR = 0.1
"""From when a real change of a group's rate is large: one in ten is decided otherwise."""


@dataclass(frozen=True, eq=False)
class Monitor:
    """A model with what it did on held-out rows, against which windows are judged.

    Made by :meth:`of`.

    Attributes
    ----------
    artifact : Artifact
    target : str
        The column of the label.
    sensitive : tuple of str
        Columns of groups.
    reference : Window
        The passport's.
    performance : Performance
        On the held-out rows.
    groups : GroupCounts
        Of them.
    alpha : float
        The chance that anything of one sign is called real when nothing has changed.
    """

    artifact: Artifact
    target: str
    sensitive: tuple[str, ...]
    reference: Window
    performance: Performance
    groups: GroupCounts
    alpha: float

    @classmethod
    def of(
        cls,
        artifact: Artifact,
        held_out: "pd.DataFrame",
        *,
        target: str,
        sensitive: Sequence[str],
        alpha: float = 0.05,
    ) -> "Monitor":
        """Measure the model on held-out rows.

        Parameters
        ----------
        artifact : Artifact
            The model; its passport holds the reference of columns and answers.
        held_out : pandas.DataFrame
            Rows with features, label and sensitive columns that it was not trained on.
        target : str
            The column of the label.
        sensitive : sequence of str
            Columns of groups.
        alpha : float, default 0.05
            The chance that anything of one sign is called real when nothing has changed.

        Returns
        -------
        Monitor

        Raises
        ------
        MonitoringError
            If the artifact carries no reference.
        """
        if artifact.reference is None:
            raise MonitoringError(
                f"the artifact {artifact.name} {artifact.version} carries no reference; export it "
                "again"
            )
        predictions = artifact.predict(held_out)
        return cls(
            artifact,
            target,
            tuple(sensitive),
            artifact.reference,
            measure_performance(held_out[target], predictions),
            _counts(held_out, predictions, target, sensitive),
            alpha,
        )

    def alarms(
        self, rows: "pd.DataFrame", *, signs: Sequence[str] = SIGNS
    ) -> Mapping[str, tuple[str, ...]]:
        """Return what is real and large in a window, the strongest first, for each sign.

        Parameters
        ----------
        rows : pandas.DataFrame
            With features and, for ``performance`` and ``groups``, label and sensitive columns.
        signs : sequence of str
            Which of :data:`SIGNS` to look for.

        Returns
        -------
        mapping of str to tuple of str
            Columns (``AGEP``, ``score``), pairs (``AGEP × MAR``), metrics (``accuracy``) and
            groups (``SEX=2``). Rows that the model refuses have no answers: performance and
            groups stay silent then.
        """
        predictions = self._predict(rows)
        found: dict[str, tuple[str, ...]] = {}
        if {"columns", "pairs"} & {*signs}:
            found |= self._drift(rows, predictions)
        if "performance" in signs:
            found["performance"] = () if predictions is None else self._worse(rows, predictions)
        if "groups" in signs:
            found["groups"] = () if predictions is None else self._unfair(rows, predictions)
        return {sign: found[sign] for sign in signs}

    def _predict(self, rows: "pd.DataFrame") -> Any:
        checked = self.artifact.schema.check(rows)
        return self.artifact.score(checked.columns) if checked.valid.all() else None

    def _drift(self, rows: "pd.DataFrame", predictions: Any) -> dict[str, tuple[str, ...]]:
        window = Window.of(rows, binning=self.reference.binning, predictions=predictions)
        alarms = detect_drift(self.reference, window, alpha=self.alpha).alarms
        columns = tuple(one.name for one in alarms if isinstance(one, FeatureDrift))
        return {
            "columns": columns,
            "pairs": tuple(one.name for one in alarms if not isinstance(one, FeatureDrift)),
        }

    def _worse(self, rows: "pd.DataFrame", predictions: Any) -> tuple[str, ...]:
        now = measure_performance(rows[self.target], predictions)
        limit = normal_quantile(1 - self.alpha / len(WORSE))
        real = {}
        for name, large in WORSE.items():
            before, after = self.performance[name], now[name]
            reach = np.hypot(before.high - before.low, after.high - after.low) / 2
            spread = reach / normal_quantile(now.level)
            change = abs(after.value - before.value)
            if change >= large and change > limit * spread:
                real[name] = change / spread
        return tuple(sorted(real, key=lambda name: -real[name]))

    def _unfair(self, rows: "pd.DataFrame", predictions: Any) -> tuple[str, ...]:
        counts = _counts(rows, predictions, self.target, self.sensitive)
        changes = compare_groups(self.groups, counts, alpha=self.alpha)
        large = (one.group for one in changes if one.is_real and abs(one.difference) >= UNFAIR)
        return tuple(dict.fromkeys(large))


def is_right(scenario: Scenario, sign: str, alarms: Sequence[str]) -> bool:
    """Return whether alarms say what a scenario has done: the right column, pair or group.

    Parameters
    ----------
    scenario : Scenario
        What has happened; of the control any alarm is "right", so that it counts false alarms.
    sign : str
        One of :data:`SIGNS`.
    alarms : sequence of str
        The strongest first; of columns and pairs it is the first that has to name the column.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_right(scenarios.get("bad_join"), "pairs", ["AGEP × MAR"])
    True
    >>> is_right(scenarios.get("bad_join"), "pairs", ["SEX × MAR", "AGEP × MAR"])
    False
    """
    if not alarms or scenario.kind == "nothing" or sign == "performance":
        return bool(alarms)
    if sign in ("columns", "pairs"):
        return any(column in alarms[0].split(" × ") for column in scenario.columns)
    named = (alarm.split("=") for alarm in alarms)
    ranges = scenario.group.ranges
    return any(
        column in ranges and ranges[column][0] <= float(value) <= ranges[column][1]
        for column, value in named
    )


def put_on_trial(
    monitor: Monitor,
    people: "pd.DataFrame",
    *,
    names: Sequence[str] | None = None,
    sizes: Sequence[int] = (200, 1_000, 5_000),
    n_windows: int = 100,
    strength: float = 1.0,
    seed: int = 0,
) -> "pd.DataFrame":
    """Put scenarios into windows of several sizes, and count in how many the right alarm fires.

    Parameters
    ----------
    monitor : Monitor
        What is tried.
    people : pandas.DataFrame
        Windows are drawn from these, each without replacement.
    names : sequence of str, optional
        Which scenarios; all of them by default.
    sizes : sequence of int
        Rows a window.
    n_windows : int, default 100
        Windows of each size.
    strength : float, default 1.0
        Of the scenarios.
    seed : int, default 0
        For the draws and the scenarios.

    Returns
    -------
    pandas.DataFrame
        A row each scenario and sign where it shows, a column each size: the share of windows, from
        0 to 1, in which the right alarm fires. For the control, in which any alarm fires.
    """
    import pandas as pd

    chosen = [scenarios.get(name) for name in names or scenarios.names()]
    rng = np.random.default_rng(seed)
    fired = {
        (one.name, sign): dict.fromkeys(sizes, 0)
        for one in chosen
        for sign in one.shows_in or SIGNS
    }
    for size in sizes:
        for number in range(n_windows):
            rows = people.iloc[rng.choice(len(people), size, replace=False)]
            for one in chosen:
                altered, _ = scenarios.apply(one.name, rows, seed=seed + number, strength=strength)
                for sign, alarms in monitor.alarms(altered, signs=one.shows_in or SIGNS).items():
                    fired[one.name, sign][size] += is_right(one, sign, alarms)
    table = pd.DataFrame.from_dict(fired, orient="index") / n_windows
    return table.rename_axis(["scenario", "sign"])


def _counts(
    rows: "pd.DataFrame", predictions: Any, target: str, sensitive: Sequence[str]
) -> GroupCounts:
    return GroupCounts.of(
        rows[target],
        predictions.label,
        sensitive_features=rows[list(sensitive)],
        classes=predictions.classes,
    )
