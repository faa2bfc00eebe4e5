"""Review: answers that a person looks at, what the person decides, and what follows from it."""

from capstone_lib.review.case import Case, Decision
from capstone_lib.review.kappa import cohen_kappa
from capstone_lib.review.measures import measure_reviews
from capstone_lib.review.page import review_routes
from capstone_lib.review.queue import ReviewQueue

__all__ = ["Case", "Decision", "ReviewQueue", "cohen_kappa", "measure_reviews", "review_routes"]
