"""Why a row got its score, in words and numbers that a person can use."""

from capstone_lib.explain.batch import explain_batch
from capstone_lib.explain.explanation import Explanation, Reason
from capstone_lib.explain.kept import Explanations
from capstone_lib.explain.live import Explainer, explain_row
from capstone_lib.explain.table import BatchExplanation

__all__ = [
    "BatchExplanation",
    "Explainer",
    "Explanation",
    "Explanations",
    "Reason",
    "explain_batch",
    "explain_row",
]
