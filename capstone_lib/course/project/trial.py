"""A playbook on trial with the project's own rows: quiet windows, and two that are broken.

In one a column comes filled in with a default; in the other only the outcomes are others, so that
nothing but outcomes can tell. Columns need no names for that: it works for any data set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.alerts import Playbook, evaluate_alerts
from capstone_lib.alerts.trial import measure_people
from capstone_lib.store.measurement import Measurement

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.artifact import Artifact
    from capstone_lib.course.project.project import Project

__all__ = ["FAULTS", "Trial", "TrialResult", "hold_trial"]

FAULTS: Mapping[str, str] = {
    "defaults": "one column is filled in with its most frequent value, for four cases of five",
    "outcomes": "four of ten cases end as another class than they would have; columns are as "
    "before",
}
"""What happens in the broken windows."""

_FIRST = date(2000, 1, 1)
_QUIET, _BROKEN = 4, 2
_MOST, _LEAST = 2_000, 60


@dataclass(frozen=True)
class TrialResult:
    """How a playbook did.

    Attributes
    ----------
    false_alarms : tuple of str
        Rules that fired although nothing had happened.
    found : mapping of str to tuple of str
        Each fault, and the rules that fired because of it.
    """

    false_alarms: tuple[str, ...]
    found: Mapping[str, tuple[str, ...]]

    def __str__(self) -> str:
        lines = [f"quiet windows: {', '.join(self.false_alarms) or 'silent'}"]
        lines += [
            f"{name}: {', '.join(rules) or 'not heard'}" for name, rules in self.found.items()
        ]
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Trial:
    """What is measured in quiet windows and in broken ones; any playbook can be held against it.

    Attributes
    ----------
    quiet : tuple of tuple of Measurement
        Window by window.
    broken : mapping of str to tuple of Measurement
        All windows of each fault, which come after the first quiet one.
    rows : int
        Rows a window.
    """

    quiet: tuple[tuple[Measurement, ...], ...]
    broken: Mapping[str, tuple[Measurement, ...]]
    rows: int

    def judge(self, playbook: Playbook) -> TrialResult:
        """Hold a playbook against it."""
        heard: set[str] = set()
        past: list[Measurement] = []
        for window in self.quiet:
            past += window
            heard |= _firing(playbook, past)
        standing = _firing(playbook, self.quiet[0])
        found = {
            name: tuple(sorted(_firing(playbook, [*self.quiet[0], *window]) - standing))
            for name, window in self.broken.items()
        }
        return TrialResult(tuple(sorted(heard)), found)


def hold_trial(project: "Project", artifact: "Artifact", *, seed: int = 0) -> Trial:
    """Draw windows from the rows that calibrate, break some, and measure all.

    Parameters
    ----------
    project : Project
    artifact : Artifact
        Its answers are asked for.
    seed : int
        Another seed, other windows.
    """
    rng = np.random.default_rng(seed)
    held_out = project.parts.calibration
    size = int(min(len(held_out), max(_LEAST, min(_MOST, len(held_out) // 2))))
    patience = range(1, _BROKEN + 1)

    def draw() -> "pd.DataFrame":
        return held_out.iloc[np.sort(rng.choice(len(held_out), size, replace=False))]

    def measured(rows: "pd.DataFrame", place: int) -> tuple[Measurement, ...]:
        window = _window(place)
        return tuple(measure_people(artifact, rows, target=project.target, **window))

    quiet = tuple(measured(draw(), place) for place in range(_QUIET))
    column = _telling(project)
    broken = {
        "defaults": [measured(_filled(draw(), column, rng), place) for place in patience],
        "outcomes": [measured(_turned(draw(), project, rng), place) for place in patience],
    }
    together = {
        name: tuple(one for part in parts for one in part) for name, parts in broken.items()
    }
    return Trial(quiet, together, size)


def _telling(project: "Project") -> str:
    """The column whose most frequent value is least frequent among those of few values."""
    train = project.parts.train
    shares = {name: float(train[name].value_counts(normalize=True).iloc[0])
              for name in project.features}  # fmt: skip
    return min(shares, key=lambda name: shares[name])


def _filled(rows: "pd.DataFrame", column: str, rng: np.random.Generator) -> "pd.DataFrame":
    usual = rows[column].mode().iloc[0]
    return rows.assign(**{column: rows[column].mask(rng.random(len(rows)) < 0.8, usual)})


def _turned(rows: "pd.DataFrame", project: "Project", rng: np.random.Generator) -> "pd.DataFrame":
    classes = project.classes
    place = np.searchsorted(classes, rows[project.target].to_numpy())
    turned = np.where(rng.random(len(rows)) < 0.4, (place + 1) % len(classes), place)
    return rows.assign(**{project.target: np.array(classes)[turned]})


def _firing(playbook: Playbook, measured: Sequence[Measurement]) -> set[str]:
    alerts = evaluate_alerts(playbook, measured)
    return {one.rule.name for one in alerts if one.state == "firing"}


def _window(place: int) -> dict[str, Any]:
    start = _FIRST + timedelta(days=place)
    end = start + timedelta(days=1)
    return {"window_start": start.isoformat(), "window_end": end.isoformat(), "traffic": "batch"}
