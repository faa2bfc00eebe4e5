"""Of the model watched: what is claimed of groups and of drift, and whether the playbook hears."""

from typing import TYPE_CHECKING

from capstone_lib.course.project.claims import (
    audit_project,
    differs,
    drift_claim,
    drift_of,
    fairness_claim,
    read_bytes,
    read_claim,
)
from capstone_lib.course.project.desk import Desk
from capstone_lib.course.project.verdict import Verdict

if TYPE_CHECKING:
    from capstone_lib.course.project.trial import TrialResult

__all__ = [
    "check_drift",
    "check_fairness",
    "check_playbook_finds",
    "check_playbook_outcomes",
    "check_playbook_quiet",
]

_LARGEST_PLAYBOOK = 1_000_000


def check_fairness(desk: Desk) -> Verdict:
    """Rates and gaps, computed again."""
    claimed = read_claim(desk.folder / "fairness.json", "model", "outcomes_until", "groups", "gaps")
    until = claimed["outcomes_until"] or None
    audit = audit_project(desk.project, desk.artifact, until=until)
    found = fairness_claim(desk.artifact, audit, until=until)
    said = differs(claimed, found, tolerance=1e-3)
    if said:
        return Verdict(0, said, "audit this artifact's answers, and write fairness.json again")
    if audit is None:
        return Verdict(1, "there is nobody to compare, and it says so")
    real = sum(gap.is_real for gap in audit.gaps)
    return Verdict(1, f"{len(audit.groups)} groups, {real} gaps more than chance: as claimed")


def check_drift(desk: Desk) -> Verdict:
    """Each window beside the reference, computed again."""
    claimed = read_claim(desk.folder / "drift.json", "model", "windows")
    found = drift_claim(desk.artifact, drift_of(desk.project, desk.artifact))
    said = differs(claimed, found, tolerance=1e-3)
    if said:
        return Verdict(
            0, said, "compare each window with this artifact, and write drift.json again"
        )
    alarms = sum(len(one["alarms"]) for one in found["windows"])
    return Verdict(1, f"{len(found['windows'])} windows, {alarms} alarms: as claimed")


def check_playbook_finds(desk: Desk) -> Verdict:
    """A column comes filled in with a default: some rule must fire."""
    return _heard(desk, "defaults", "let a rule look at drift_is_large of each feature")


def check_playbook_outcomes(desk: Desk) -> Verdict:
    """Only outcomes change: some rule must fire."""
    return _heard(desk, "outcomes", "let a rule look at what outcomes say, such as accuracy_change")


def check_playbook_quiet(desk: Desk) -> Verdict:
    """Nothing happens: no rule may fire, of a playbook that can be heard at all."""
    result = _tried(desk)
    if not any(result.found.values()):
        return Verdict(0, "it never fires: silence is worth nothing then", "write a rule that can")
    if result.false_alarms:
        return Verdict(
            0, f"{', '.join(result.false_alarms)} fires though nothing has happened",
            "use an end of the interval, a noise floor, more rows, or what has changed",
        )  # fmt: skip
    return Verdict(1, f"{len(desk.trial.quiet)} quiet windows, no false alarm")


def _heard(desk: Desk, fault: str, cure: str) -> Verdict:
    rules = _tried(desk).found[fault]
    if not rules:
        return Verdict(0, f"nobody hears the fault {fault!r}", cure)
    return Verdict(1, f"{fault}: {', '.join(rules)}")


def _tried(desk: Desk) -> "TrialResult":
    from capstone_lib.alerts import load_playbook

    path = desk.folder / "playbook.toml"
    read_bytes(path, most=_LARGEST_PLAYBOOK)
    return desk.trial.judge(load_playbook(path))
