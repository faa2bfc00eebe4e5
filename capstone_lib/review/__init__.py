"""Review: answers that a person looks at, what the person decides, and what follows from it."""

from capstone_lib.review.case import Case, Decision
from capstone_lib.review.queue import ReviewQueue

__all__ = ["Case", "Decision", "ReviewQueue"]
