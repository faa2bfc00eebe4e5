"""Make ``notebooks/*.ipynb`` from ``notebooks/source/*.py``: the same source, the same bytes.

The source is jupytext's percent format. A generated notebook has no outputs, execution counts or
machine paths, and its cell ids stay when cells are put in before them. ``python -m
capstone_lib.course.sync`` writes them, ``--check`` only tells whether they are as they should be.
"""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from capstone_lib.course.catalogue import notebooks_folder
from capstone_lib.course.workspace import write_atomic
from capstone_lib.errors import MissingExtraError

__all__ = ["differences", "generate", "main", "sources"]

_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def sources(folder: Path) -> tuple[Path, ...]:
    """Return the sources in ``folder/source``, in order."""
    return tuple(sorted((folder / "source").glob("[0-9][0-9]_*.py")))


def generate(source: str) -> str:
    r"""Return the notebook of a source, as the text of its file.

    Examples
    --------
    >>> notebook = json.loads(generate("# %% [markdown]\n# # Title\n\n# %%\n1 + 1\n"))
    >>> [cell["cell_type"] for cell in notebook["cells"]]
    ['markdown', 'code']
    """
    jupytext: Any = _jupytext()
    node = jupytext.reads(source, fmt="py:percent")
    seen: Counter[str] = Counter()
    cells = [_cell(cell, seen) for cell in node.cells]
    document = {"cells": cells, "metadata": _METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def differences(folder: Path) -> list[str]:
    """Return what is not as ``notebooks/source`` says: one sentence a notebook."""
    wanted = {path.stem: generate(path.read_text("utf-8")) for path in sources(folder)}
    present = {path.stem: path.read_text("utf-8") for path in folder.glob("*.ipynb")}
    cure = "run `make notebooks`"
    said = [f"{name}.ipynb has no source; delete it" for name in present.keys() - wanted.keys()]
    for name, text in wanted.items():
        if name not in present:
            said.append(f"{name}.ipynb is missing; {cure}")
        elif present[name] != text:
            said.append(f"{name}.ipynb is not what source/{name}.py gives; {cure}")
    return sorted(said)


def main(arguments: Sequence[str] | None = None, *, folder: Path | None = None) -> int:
    """Write the notebooks, or with ``--check`` compare them; return an exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    place = folder or notebooks_folder()
    if given not in ([], ["--check"]):
        sys.stderr.write("usage: python -m capstone_lib.course.sync [--check]\n")
        return 2
    if not given:
        for path in sources(place):
            write_atomic(place / f"{path.stem}.ipynb", generate(path.read_text("utf-8")))
    said = differences(place)
    sys.stderr.writelines(f"{line}\n" for line in said)
    return 1 if said else 0


def _jupytext() -> Any:
    try:
        return import_module("jupytext")  # it has no types
    except ModuleNotFoundError as error:
        raise MissingExtraError("jupytext", "dev") from error


def _cell(cell: Any, seen: Counter[str]) -> dict[str, Any]:
    content = f"{cell.cell_type}\n{cell.source}"
    seen[content] += 1
    identity = hashlib.sha256(f"{content}\n{seen[content]}".encode()).hexdigest()[:12]
    made = {
        "cell_type": cell.cell_type,
        "id": identity,
        "metadata": {
            key: value for key, value in cell.metadata.items() if key != "lines_to_next_cell"
        },
        "source": cell.source.splitlines(keepends=True),
    }
    if cell.cell_type == "code":
        made |= {"execution_count": None, "outputs": []}
    return made


if __name__ == "__main__":
    sys.exit(main())
