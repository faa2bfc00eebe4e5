"""Measurements of a model at work: each with a size, an interval and what it rests on."""

from capstone_lib.artifact.window import Window
from capstone_lib.monitoring.drift import detect_drift
from capstone_lib.monitoring.fairness import FairnessAudit, audit_fairness
from capstone_lib.monitoring.groups import GroupCounts
from capstone_lib.monitoring.level import false_alarms
from capstone_lib.monitoring.live import features_of, window_of_requests
from capstone_lib.monitoring.mitigation import fit_group_thresholds, group_thresholds_of
from capstone_lib.monitoring.parity import FeatureParity, compare_features
from capstone_lib.monitoring.report import DriftReport
from capstone_lib.monitoring.tradeoff import Tradeoff, tradeoff

__all__ = [
    "DriftReport",
    "FairnessAudit",
    "FeatureParity",
    "GroupCounts",
    "Tradeoff",
    "Window",
    "audit_fairness",
    "compare_features",
    "detect_drift",
    "false_alarms",
    "features_of",
    "fit_group_thresholds",
    "group_thresholds_of",
    "tradeoff",
    "window_of_requests",
]
