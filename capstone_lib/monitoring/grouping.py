"""Counting combinations of values, which stands on the floor of the artifact."""

from capstone_lib.artifact.grouping import MISSING, Cells, columns_of, count_cells

__all__ = ["MISSING", "Cells", "columns_of", "count_cells"]
