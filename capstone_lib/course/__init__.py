"""The classroom: a workspace, exercises that answer, and the strict runner of the notebooks.

What a notebook needs of it is ``course.Workspace`` and ``course.exercises``; everything is imported
when it is first used, so that a scoring engine never loads Jupyter.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from capstone_lib.course import exercises
    from capstone_lib.course.runner import run_notebooks
    from capstone_lib.course.workspace import Workspace

__all__ = ["Workspace", "exercises", "run_notebooks"]

_HOME = {"Workspace": "workspace", "run_notebooks": "runner"}


def __getattr__(name: str) -> Any:
    if name == "exercises":
        return import_module(f"{__name__}.exercises")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
