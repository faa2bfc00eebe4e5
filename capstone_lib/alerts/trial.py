"""A playbook on trial: how often each rule fires when something happens, and when nothing does.

Do this before a rule wakes anybody: with your rows, in windows of your size. A rule that fires in
the row *nothing* cries wolf; one that is silent in the row of what you fear sleeps.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.alerts.evaluate import evaluate_alerts
from capstone_lib.alerts.playbook import Playbook, load_playbook
from capstone_lib.artifact.bands import banded, cuts_of
from capstone_lib.artifact.groups import GroupCounts
from capstone_lib.artifact.window import Window
from capstone_lib.data import scenarios
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.calibration import measure_calibration
from capstone_lib.monitoring.drift import detect_drift
from capstone_lib.monitoring.estimate import estimate_performance
from capstone_lib.monitoring.fairness import FairnessAudit
from capstone_lib.monitoring.group_change import change_measurements
from capstone_lib.monitoring.parity import compare_features
from capstone_lib.monitoring.performance import measure_performance
from capstone_lib.monitoring.uncertainty import measure_uncertainty
from capstone_lib.store.measurement import Measurement, within

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.artifact.model import Artifact

__all__ = ["measure_people", "try_playbook"]

Sensitive = Sequence[str] | Mapping[str, Sequence[float] | None] | None
_FIRST = date(2000, 1, 1)


def measure_people(
    artifact: "Artifact",
    people: "pd.DataFrame",
    *,
    target: str,
    sensitive: Sensitive = None,
    batch: "pd.DataFrame | None" = None,
    **window: Any,
) -> list[Measurement]:
    """Measure labelled rows as :func:`capstone_lib.monitoring.measure` would, without a store.

    Parameters
    ----------
    artifact : Artifact
        Its answers are asked for here. Rows that it refuses have none: then only columns are
        measured.
    people : pandas.DataFrame
        With features, label and sensitive columns.
    target : str
        The column of the label.
    sensitive : sequence of str, or mapping of str to cuts, optional
        Columns that form groups; those of the passport's baseline unless told otherwise.
    batch : pandas.DataFrame, optional
        The same people as the batch sees them, with ``row_id``, for parity.
    **window
        What is set on each measurement, such as ``window_start``, ``window_end`` and ``traffic``.

    Returns
    -------
    list of Measurement

    Raises
    ------
    MonitoringError
        If the artifact carries no reference.
    """
    if artifact.reference is None:
        raise MonitoringError(
            f"the artifact {artifact.name} {artifact.version} carries no reference; export it again"
        )
    checked = artifact.schema.check(people)
    said = artifact.score(checked.columns) if checked.valid.all() else None
    seen = Window.of(people, binning=artifact.reference.binning, predictions=said)
    drift = detect_drift(artifact.reference, seen)
    found = drift.measurements()
    if said is not None:
        cuts = artifact.reference_cuts if sensitive is None else cuts_of(sensitive)
        groups = banded(people, cuts) if cuts else None
        found += estimate_performance(said, artifact.recalibration, drift=drift).measurements()
        found += _of_outcomes(artifact, people[target], said, groups, cuts)
    about = {"model": artifact.name, "version": artifact.version, **window}
    found = within(found, **about)
    if batch is not None:
        columns = [name for name in artifact.schema.names if name in batch.columns]
        parity = compare_features(batch, people, columns=columns).measurements()
        found += within(parity, **{**about, "traffic": ""})
    return found


def _of_outcomes(
    artifact: "Artifact", truth: Any, said: Any, groups: Any, cuts: Mapping[str, Any]
) -> list[Measurement]:
    found = measure_uncertainty(said, y_true=truth, sensitive_features=groups).measurements()
    found += measure_performance(truth, said).measurements()
    found += measure_calibration(truth, said).measurements()
    if groups is not None:
        score = said.score if len(said.classes) == 2 else None
        counts = GroupCounts.of(
            truth, said.label, sensitive_features=groups, y_score=score, classes=said.classes
        )
        found += FairnessAudit.of(counts, intersections=False).measurements()
        past = artifact.reference_groups
        found += change_measurements(past, counts, same_groups=cuts == artifact.reference_cuts)
    return found


def try_playbook(
    playbook: Playbook | None,
    artifact: "Artifact",
    people: "pd.DataFrame",
    *,
    target: str,
    sensitive: Sensitive = None,
    names: Sequence[str] | None = None,
    rows: int = 5_000,
    n_windows: int = 10,
    seed: int = 0,
) -> "pd.DataFrame":
    """Let scenarios happen, and count how often each rule fires.

    Parameters
    ----------
    playbook : Playbook or None
        The default one if None.
    artifact : Artifact
        The model, with its reference.
    people : pandas.DataFrame
        Windows are drawn from these, each without replacement.
    target : str
        The column of the label.
    sensitive : sequence of str, or mapping of str to cuts, optional
        Columns that form groups.
    names : sequence of str, optional
        Which scenarios; all of them unless told otherwise. The last, ``"nothing"``, is the control.
    rows : int, default 5000
        Rows a window.
    n_windows : int, default 10
        How often each scenario happens: after a quiet window, for as many windows as the most
        patient rule waits for.
    seed : int, default 0
        For the draws and the scenarios.

    Returns
    -------
    pandas.DataFrame
        A row each scenario, a column each rule: the share of times that it fired and had not in
        the quiet window before. Scenarios of the pipeline happen on the live path only, so that
        batch and live differ. A rule that needs what labelled rows do not tell, such as a latency,
        stays 0.
    """
    import pandas as pd

    rules = playbook or load_playbook()
    chosen = list(names or scenarios.names())
    patience = max(rule.for_windows for rule in rules)
    rng = np.random.default_rng(seed)
    fired = {name: dict.fromkeys((rule.name for rule in rules), 0) for name in chosen}
    measured = partial(measure_people, artifact, target=target, sensitive=sensitive)
    for number in range(n_windows):
        draws = [
            people.iloc[rng.choice(len(people), rows, replace=False)] for _ in range(patience + 1)
        ]
        quiet = measured(draws[0], **_window(0))
        standing = _firing(rules, quiet)
        for name in chosen:
            on_the_way = scenarios.get(name).kind == "pipeline"
            found = list(quiet)
            for place, drawn in enumerate(draws[1:], start=1):
                broken, _ = scenarios.apply(name, drawn, seed=seed + number)
                batch = drawn if on_the_way else None
                found += measured(broken, batch=batch, **_window(place))
            new = _firing(rules, found).items() - standing.items()
            for rule in {rule for _, rule in new}:
                fired[name][rule] += 1
    table = pd.DataFrame.from_dict(fired, orient="index") / n_windows
    return table.rename_axis(index="scenario", columns="rule")


def _firing(rules: Playbook, found: Sequence[Measurement]) -> dict[str, str]:
    """The rule of each alert that fires, by the alert's id."""
    alerts = evaluate_alerts(rules, found)
    return {one.alert_id: one.rule.name for one in alerts if one.state == "firing"}


def _window(place: int) -> dict[str, Any]:
    start = _FIRST + timedelta(days=place)
    end = start + timedelta(days=1)
    return {"window_start": start.isoformat(), "window_end": end.isoformat(), "traffic": "live"}
