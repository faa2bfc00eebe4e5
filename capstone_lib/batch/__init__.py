"""Batch: a source of rows in, published predictions out."""

from capstone_lib.batch.run import BatchRun
from capstone_lib.batch.score import score_batch

__all__ = ["BatchRun", "score_batch"]
