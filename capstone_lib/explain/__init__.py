"""Why a row got its score, in words and numbers that a person can use."""

from capstone_lib.explain.substitution import explain_row

__all__ = ["explain_row"]
