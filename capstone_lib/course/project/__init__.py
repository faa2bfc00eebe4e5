"""The capstone: a student's own project, from a data set to a workspace that others can judge."""

from capstone_lib.course.project.checks import (
    Assessment,
    Result,
    check_capstone,
)
from capstone_lib.course.project.project import Project, open_project
from capstone_lib.course.project.rubric import RUBRIC, rubric_frame
from capstone_lib.course.project.windows import Case

__all__ = [
    "RUBRIC",
    "Assessment",
    "Case",
    "Project",
    "Result",
    "check_capstone",
    "open_project",
    "rubric_frame",
]
