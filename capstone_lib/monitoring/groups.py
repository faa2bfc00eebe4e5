"""Counts by group, which stand on the floor of the artifact: the passport holds some."""

from capstone_lib.artifact.groups import MISSING, GroupCounts

__all__ = ["MISSING", "GroupCounts"]
