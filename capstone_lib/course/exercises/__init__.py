"""The course's exercises: one module a notebook, found by name.

``nb01.py`` holds the exercises of notebook 01 as module variables ``ex_01_…``; they are reached
here: ``exercises.ex_01_threshold.check(threshold)``. A new module ``nbNN.py`` is found unlisted.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from capstone_lib.course.exercise import Exercise

__all__ = ["for_notebook", "registry"]


@cache
def registry() -> dict[str, Exercise]:
    """Return every exercise by its variable's name, in the order of the course.

    Examples
    --------
    >>> registry()["ex_00_harm"].id
    '00.2'
    """
    modules = sorted(module.name for module in iter_modules(__path__))
    found: dict[str, Exercise] = {}
    for module in modules:
        members = vars(import_module(f"{__name__}.{module}"))
        found |= {name: value for name, value in members.items() if isinstance(value, Exercise)}
    return found


def for_notebook(number: str) -> dict[str, Exercise]:
    """Return the exercises of one notebook, such as ``"01"``, by their id."""
    return {one.id: one for one in registry().values() if one.notebook == number}


def __getattr__(name: str) -> Exercise:
    if not name.startswith("ex_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name not in registry():
        same = [known for known in registry() if known[:5] == name[:5]]
        raise AttributeError(f"there is no exercise {name!r}; known here: {', '.join(same)}")
    return registry()[name]


def __dir__() -> list[str]:
    return sorted({*__all__, *registry()})
