"""Measurements of a model at work: each with a size, an interval and what it rests on."""

from capstone_lib.artifact.window import Window
from capstone_lib.monitoring.drift import detect_drift
from capstone_lib.monitoring.fairness import FairnessAudit, audit_fairness
from capstone_lib.monitoring.groups import GroupCounts
from capstone_lib.monitoring.report import DriftReport

__all__ = [
    "DriftReport",
    "FairnessAudit",
    "GroupCounts",
    "Window",
    "audit_fairness",
    "detect_drift",
]
