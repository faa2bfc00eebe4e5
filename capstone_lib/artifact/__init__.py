"""The artifact: one ONNX file with preprocessing, model, decision head and passport."""

from capstone_lib.artifact.conformal import Conformal, ReviewRule
from capstone_lib.artifact.export import export_model, verify_parity
from capstone_lib.artifact.group_rule import GroupThresholds, Interpolation
from capstone_lib.artifact.model import Artifact, Predictions, load_model
from capstone_lib.artifact.parity import ParityReport
from capstone_lib.artifact.passport import Passport
from capstone_lib.artifact.window import Window

__all__ = [
    "Artifact",
    "Conformal",
    "GroupThresholds",
    "Interpolation",
    "ParityReport",
    "Passport",
    "Predictions",
    "ReviewRule",
    "Window",
    "export_model",
    "load_model",
    "verify_parity",
]
