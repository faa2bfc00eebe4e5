"""What a project claims, written down so that anybody can compute it again and compare.

``fairness.json``, ``drift.json`` and ``decision.json``, beside ``project.json``, which says how the
data were opened. Plain JSON: a number that is not defined is null.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capstone_lib.course.workspace import write_atomic
from capstone_lib.errors import CapstoneError

if TYPE_CHECKING:
    from capstone_lib.artifact import Artifact
    from capstone_lib.course.project.project import Project
    from capstone_lib.decide import Advice
    from capstone_lib.monitoring import DriftReport, FairnessAudit

__all__ = [
    "ClaimError",
    "audit_project",
    "decision_claim",
    "drift_claim",
    "drift_of",
    "fairness_claim",
    "read_bytes",
    "read_claim",
    "threshold_claim",
    "write_claim",
]

_LARGEST = 20_000_000


class ClaimError(CapstoneError, ValueError):
    """A file of the project is missing or is not what it should be."""


def audit_project(
    project: "Project", artifact: "Artifact", *, until: Any = None
) -> "FairnessAudit | None":
    """Audit the artifact's answers on production, for outcomes known by a day.

    Parameters
    ----------
    project, artifact
        Whose rows, and whose answers.
    until : date, optional
        All that will ever be known unless told otherwise.

    Returns
    -------
    FairnessAudit or None
        None if there are no groups, or no outcome is known.
    """
    import pandas as pd

    from capstone_lib.artifact.groups import GroupCounts
    from capstone_lib.monitoring import FairnessAudit

    outcomes = project.outcomes(until).set_index("row_id")["outcome"]
    rows = pd.concat([one.rows for one in project.windows], ignore_index=True)
    rows = rows[rows["row_id"].isin(outcomes.index)].reset_index(drop=True)
    groups = project.in_groups(rows)
    if groups is None or not len(rows):
        return None
    said = artifact.predict(rows)
    counts = GroupCounts.of(
        outcomes.loc[rows["row_id"]].to_numpy(),
        said.label,
        sensitive_features=groups,
        classes=artifact.classes,
    )
    return FairnessAudit.of(counts, intersections=False)


def drift_of(project: "Project", artifact: "Artifact") -> "dict[str, DriftReport]":
    """Compare each window of production with the artifact's reference."""
    from capstone_lib.artifact.window import Window
    from capstone_lib.monitoring import detect_drift

    assert artifact.reference is not None
    binning = artifact.reference.binning
    return {
        one.name: detect_drift(
            artifact,
            Window.of(
                one.rows, binning=binning, predictions=artifact.predict(one.rows), name=one.name
            ),
        )
        for one in project.windows
    }


def fairness_claim(
    artifact: "Artifact", audit: "FairnessAudit | None", *, until: Any = None
) -> dict[str, Any]:
    """The audit as a document: rates of each group, and the gaps."""
    head = {"model": _model(artifact), "outcomes_until": "" if until is None else str(until)}
    if audit is None:
        why = "no group can be judged: no column was named as sensitive, or no outcome is known"
        return head | {"rows": 0, "why_not": why, "groups": [], "gaps": []}
    groups = [
        {"over": " × ".join(one.over), "group": one.name, "label": _plain(one.label), "n": one.n}
        | {name: _plain(rate.value) for name, rate in one.rates.items()}
        for one in audit.groups
    ]
    gaps = [
        {"name": one.name, "over": " × ".join(one.over), "label": _plain(one.label)}
        | {key: _plain(getattr(one, key)) for key in ("difference", "lower_bound")}
        | {"highest": one.highest, "lowest": one.lowest}
        for one in audit.gaps
    ]
    return head | {"rows": int(audit.counts.n.sum()), "groups": groups, "gaps": gaps}


def drift_claim(artifact: "Artifact", reports: "Mapping[str, DriftReport]") -> dict[str, Any]:
    """Drift reports as a document: each window, each column."""
    windows = [
        {
            "name": name,
            "n": report.current.n_rows,
            "alarms": sorted(one.name for one in report.alarms),
            "columns": {
                one.name: {"psi": _plain(one.psi), "effect": _plain(one.effect),
                           "is_large": bool(one.is_large)}
                for one in report.features
            },
        }
        for name, report in reports.items()
    ]  # fmt: skip
    return {"model": _model(artifact), "windows": windows}


def decision_claim(
    advice: "Advice", decision: Any = ..., because: Any = ..., would_change: Any = ...
) -> dict[str, Any]:
    """The checklist's advice, and beside it what the student decides (``own``; null if nothing)."""
    own = {"architecture": decision, "because": because, "would_change": would_change}
    given = {key: str(value) for key, value in own.items() if isinstance(value, str)}
    return advice.to_dict() | {"own": given if len(given) == len(own) else None}


def threshold_claim(harm: Any = ..., threshold: Any = ...) -> dict[str, Any]:
    """How bad each mistake is to the student, and the threshold that follows; null if nothing."""
    if harm is None or harm is ... or threshold is None or threshold is ...:
        return {"own": None}
    costs = {str(name): float(cost) for name, cost in dict(harm).items()}
    return {"own": {"harm": costs, "threshold": float(threshold)}}


def write_claim(path: Path, claim: Mapping[str, Any]) -> Path:
    """Write a document, at once or not at all."""
    write_atomic(path, json.dumps(claim, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def read_claim(path: Path, *keys: str) -> dict[str, Any]:
    """Read a document that must have these members.

    Raises
    ------
    ClaimError
        If it is missing, no regular file, too large, no JSON object, or lacks one of them.
    """
    found = read_json_object(path)
    lacking = [key for key in keys if key not in found]
    if lacking:
        raise ClaimError(f"{path.name} lacks {', '.join(lacking)}; write it again")
    return found


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object; see :func:`read_claim`."""
    try:
        found = json.loads(read_bytes(path, most=_LARGEST))
    except (ValueError, RecursionError) as error:
        if isinstance(error, ClaimError):
            raise
        raise ClaimError(f"{path.name} is no JSON ({str(error)[:80]}); write it again") from None
    if not isinstance(found, dict):
        raise ClaimError(f"{path.name} is no JSON object, but a {type(found).__name__}")
    return found


def read_bytes(path: Path, *, most: int) -> bytes:
    """Read a regular file, no link, of at most so many bytes.

    Raises
    ------
    ClaimError
    """
    if path.is_symlink():
        raise ClaimError(f"{path.name} is a link; put the file itself there")
    if not path.exists():
        raise ClaimError(f"{path.name} is not there")
    if not path.is_file():
        raise ClaimError(f"{path.name} is no file")
    size = path.stat().st_size
    if size > most:
        raise ClaimError(f"{path.name} has {size:,} bytes; {most:,} at most are looked at")
    return path.read_bytes()


def differs(claimed: Any, found: Any, *, tolerance: float, where: str = "") -> str:
    """Where two documents first differ, in words; empty if they agree within a tolerance."""
    if isinstance(found, Mapping) and isinstance(claimed, Mapping):
        for key, value in found.items():
            if key not in claimed:
                return f"{where}{key} is missing"
            said = differs(claimed[key], value, tolerance=tolerance, where=f"{where}{key}: ")
            if said:
                return said
        return ""
    if isinstance(found, Sequence) and not isinstance(found, str):
        if not isinstance(claimed, list) or len(claimed) != len(found):
            n = len(claimed) if isinstance(claimed, list) else "no"
            return f"{where}{n} entries, computed again {len(found)}"
        pairs = enumerate(zip(claimed, found, strict=True))
        found_out = (
            differs(one, two, tolerance=tolerance, where=f"{where}{_name(two, place)}: ")
            for place, (one, two) in pairs
        )
        return next(filter(None, found_out), "")
    if _is_number(claimed) and _is_number(found):
        near = abs(float(claimed) - float(found)) <= tolerance
        return "" if near else f"{where}{claimed:.4g}, computed again {found:.4g}"
    return "" if claimed == found else f"{where}{claimed!r:.60}, computed again {found!r:.60}"


def _name(entry: Any, place: int) -> str:
    if not isinstance(entry, Mapping):
        return str(place + 1)
    words = [str(entry[key]) for key in ("name", "over", "group") if entry.get(key)]
    return " ".join(words) or str(place + 1)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _model(artifact: "Artifact") -> dict[str, str]:
    return {"name": artifact.name, "version": artifact.version, "sha256": artifact.sha256}


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
