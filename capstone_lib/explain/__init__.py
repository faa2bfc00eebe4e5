"""Why a row got its score, in words and numbers that a person can use."""

from capstone_lib.explain.explanation import Explanation, Reason
from capstone_lib.explain.live import Explainer, explain_row

__all__ = ["Explainer", "Explanation", "Reason", "explain_row"]
