"""Decide: batch, real time or hybrid, from what an application needs and what was measured.

The checklist gives advice with its reasons; the table and the costs say what each way takes.
"""

from capstone_lib.decide.checklist import Advice, advise
from capstone_lib.decide.cost import (
    Costs,
    Prices,
    Speed,
    Volume,
    break_even,
    draw_costs,
    monthly_costs,
)
from capstone_lib.decide.figure import Figure, Source
from capstone_lib.decide.measuring import Promise
from capstone_lib.decide.table import ArchitectureTable, Cell, compare_architectures
from capstone_lib.decide.use_case import UseCase

__all__ = [
    "Advice",
    "ArchitectureTable",
    "Cell",
    "Costs",
    "Figure",
    "Prices",
    "Promise",
    "Source",
    "Speed",
    "UseCase",
    "Volume",
    "advise",
    "break_even",
    "compare_architectures",
    "draw_costs",
    "monthly_costs",
]
