"""Measurements of a model at work: each with a size, an interval and what it rests on."""

from capstone_lib.artifact.groups import GroupCounts
from capstone_lib.artifact.window import Window
from capstone_lib.monitoring.calibration import Calibration, measure_calibration
from capstone_lib.monitoring.drift import detect_drift
from capstone_lib.monitoring.estimate import Estimate, estimate_performance
from capstone_lib.monitoring.fairness import FairnessAudit, audit_fairness
from capstone_lib.monitoring.hybrid import HybridUse, measure_hybrid
from capstone_lib.monitoring.level import false_alarms
from capstone_lib.monitoring.live import features_of, window_of_requests
from capstone_lib.monitoring.mitigation import fit_group_thresholds, group_thresholds_of
from capstone_lib.monitoring.monitor import measure
from capstone_lib.monitoring.operations import LatencyProfile, Traffic, measure_latency
from capstone_lib.monitoring.outcomes import Joined, join_outcomes
from capstone_lib.monitoring.parity import FeatureParity, compare_features
from capstone_lib.monitoring.performance import Performance, measure_performance
from capstone_lib.monitoring.report import DriftReport
from capstone_lib.monitoring.risk import RiskCoverage, risk_coverage
from capstone_lib.monitoring.runs import BatchRuns, measure_runs
from capstone_lib.monitoring.tradeoff import Tradeoff, tradeoff
from capstone_lib.monitoring.trial import Monitor, put_on_trial
from capstone_lib.monitoring.uncertainty import Uncertainty, measure_uncertainty
from capstone_lib.store.measurement import Measurement, measurements_frame

__all__ = [
    "BatchRuns",
    "Calibration",
    "DriftReport",
    "Estimate",
    "FairnessAudit",
    "FeatureParity",
    "GroupCounts",
    "HybridUse",
    "Joined",
    "LatencyProfile",
    "Measurement",
    "Monitor",
    "Performance",
    "RiskCoverage",
    "Tradeoff",
    "Traffic",
    "Uncertainty",
    "Window",
    "audit_fairness",
    "compare_features",
    "detect_drift",
    "estimate_performance",
    "false_alarms",
    "features_of",
    "fit_group_thresholds",
    "group_thresholds_of",
    "join_outcomes",
    "measure",
    "measure_calibration",
    "measure_hybrid",
    "measure_latency",
    "measure_performance",
    "measure_runs",
    "measure_uncertainty",
    "measurements_frame",
    "put_on_trial",
    "risk_coverage",
    "tradeoff",
    "window_of_requests",
]
