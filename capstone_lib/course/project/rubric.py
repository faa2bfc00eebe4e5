"""The rubric: what is looked at, in which files, and for how many points. 100 in all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from capstone_lib.course.project.decision_checks import check_advice, check_decision, check_report
from capstone_lib.course.project.desk import Desk
from capstone_lib.course.project.model_checks import check_artifact, check_parity, check_threshold
from capstone_lib.course.project.verdict import Verdict
from capstone_lib.course.project.watch_checks import (
    check_drift,
    check_fairness,
    check_playbook_finds,
    check_playbook_outcomes,
    check_playbook_quiet,
)
from capstone_lib.course.project.work_checks import (
    check_endpoint,
    check_idempotent,
    check_predictions,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RUBRIC", "Item", "rubric_frame"]

Check: TypeAlias = Callable[[Desk], Verdict]


@dataclass(frozen=True)
class Item:
    """A line of the rubric.

    Attributes
    ----------
    name : str
        Such as ``playbook_finds_outcomes``.
    looks_at : str
        What is looked at, in words.
    files : tuple of str
        Without one of these it has not been attempted.
    points : float
    check : callable
        From a :class:`~capstone_lib.course.project.desk.Desk` to a verdict.
    """

    name: str
    looks_at: str
    files: tuple[str, ...]
    points: float
    check: Check


_MODEL = "model.onnx"
_BOTH = (_MODEL, "store.db")

_LINES: tuple[tuple[str, str, tuple[str, ...], float, Check], ...] = (
    ("artifact", "whole, calibrated, knows its groups, better than guessing",
     (_MODEL,), 10, check_artifact),
    ("threshold", "yours: it follows from how bad you say each mistake is",
     (_MODEL, "threshold.json"), 10, check_threshold),
    ("parity", "the file answers as the pipeline does", (_MODEL,), 5, check_parity),
    ("predictions", "every window is scored, everybody once, as the artifact says",
     _BOTH, 10, check_predictions),
    ("idempotent", "a window scored again changes nothing", _BOTH, 5, check_idempotent),
    ("endpoint", "its definition starts it, and it answers as the artifact does",
     (_MODEL, "endpoint.toml"), 10, check_endpoint),
    ("fairness", "rates by group and gaps, computed again",
     (_MODEL, "fairness.json"), 5, check_fairness),
    ("drift", "each window beside the reference, computed again",
     (_MODEL, "drift.json"), 5, check_drift),
    ("playbook_finds", "a column filled in with a default is heard",
     (_MODEL, "playbook.toml"), 5, check_playbook_finds),
    ("playbook_outcomes", "outcomes that change alone are heard: your rule",
     (_MODEL, "playbook.toml"), 10, check_playbook_outcomes),
    ("playbook_quiet", "no false alarm in quiet windows",
     (_MODEL, "playbook.toml"), 5, check_playbook_quiet),
    ("advice", "follows from the case, and the case from what was measured",
     (*_BOTH, "decision.json"), 5, check_advice),
    ("decision", "yours, with a reason and what would change it",
     ("decision.json",), 10, check_decision),
    ("report", "speaks of this artifact, and needs no network",
     (_MODEL, "report.json", "report.html"), 5, check_report),
)  # fmt: skip

RUBRIC: tuple[Item, ...] = tuple(Item(*line) for line in _LINES)
"""In the order in which a project comes into being."""


def rubric_frame() -> "pd.DataFrame":
    """The rubric: what is looked at, in which files, and for how many points."""
    import pandas as pd

    rows = [
        {"item": one.name, "looked at": one.looks_at, "files": ", ".join(one.files),
         "points": one.points}
        for one in RUBRIC
    ]  # fmt: skip
    return pd.DataFrame(rows).set_index("item")
