"""The schema: what a row must look like, and the one gate through which every row enters.

Batch and real time use the same gate, so that a row refused at night is refused by day too.
"""

from capstone_lib.schema.definition import Column, Kind, Schema
from capstone_lib.schema.gate import Checked, Problem

__all__ = ["Checked", "Column", "Kind", "Problem", "Schema"]
