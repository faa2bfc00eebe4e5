"""Decide: batch, real time or hybrid, from what an application needs and what was measured.

The checklist gives advice with its reasons; the table and the costs say what each way takes.
"""

from capstone_lib.decide.checklist import Advice, UseCase, advise

__all__ = ["Advice", "UseCase", "advise"]
