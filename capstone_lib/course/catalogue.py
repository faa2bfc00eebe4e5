"""Which notebooks there are: found by their two-digit number, in order.

An installed wheel carries the course's notebooks beside this package; a checkout has them in
``notebooks/``. Nothing here opens one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from capstone_lib.errors import CapstoneError

__all__ = [
    "CatalogueError",
    "Notebook",
    "UnknownNotebookError",
    "list_notebooks",
    "notebooks_folder",
    "select",
]

_NAME = re.compile(r"(\d\d)_[a-z0-9_]+\.ipynb")
_IN_WHEEL = Path(__file__).parent / "notebooks"
_IN_CHECKOUT = Path(__file__).parents[2] / "notebooks"


class CatalogueError(CapstoneError, ValueError):
    """A folder does not hold the course's notebooks as it should."""


class UnknownNotebookError(CatalogueError):
    """A notebook is asked for that there is not."""


@dataclass(frozen=True, order=True)
class Notebook:
    """One notebook of the course: its number (``"01"``), its name and where it is."""

    number: str
    name: str
    path: Path


def notebooks_folder() -> Path:
    """Return the folder with the course's notebooks: the wheel's copy, or the checkout's."""
    return _IN_WHEEL if _IN_WHEEL.is_dir() else _IN_CHECKOUT


def list_notebooks(folder: Path) -> tuple[Notebook, ...]:
    """Return the notebooks of a folder in the order of their numbers.

    A file whose name is not like ``01_export_to_onnx.ipynb`` is not one of them.

    Raises
    ------
    CatalogueError
        Two notebooks share a number, or there is none.
    """
    found = sorted(
        Notebook(match[1], path.stem, path)
        for path in folder.glob("*.ipynb")
        if (match := _NAME.fullmatch(path.name))
    )
    if not found:
        raise CatalogueError(
            f"there is no notebook such as 01_export_to_onnx.ipynb in {folder}; "
            "name the folder that has them, or make them with `make notebooks`"
        )
    numbers = [one.number for one in found]
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    if twice:
        raise CatalogueError(f"{folder} has more than one notebook {', '.join(twice)}; rename one")
    return tuple(found)


def select(notebooks: Sequence[Notebook], numbers: Sequence[str]) -> tuple[Notebook, ...]:
    """Return the notebooks with these numbers, in the order of the course, each once.

    Parameters
    ----------
    notebooks
        What :func:`list_notebooks` gave.
    numbers
        ``"1"`` and ``"01"`` are the same. None at all means every notebook.

    Raises
    ------
    UnknownNotebookError
        There is no notebook with such a number.
    """
    if not numbers:
        return tuple(notebooks)
    wanted = {number.zfill(2) for number in numbers}
    unknown = sorted(wanted - {one.number for one in notebooks})
    if unknown:
        known = ", ".join(one.name for one in notebooks)
        raise UnknownNotebookError(f"there is no notebook {', '.join(unknown)}; there are: {known}")
    return tuple(one for one in notebooks if one.number in wanted)
