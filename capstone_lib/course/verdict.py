"""Whether an executed notebook did what it says, and if not, the first cell that did not.

Read from the notebook alone: the outputs and counts of its cells. A cell tagged
``raises-exception`` shows an error on purpose, so it must raise one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Failure", "failure_at", "judge", "show_in"]

_QUOTED_LINES = 4


@dataclass(frozen=True)
class Failure:
    """Why a notebook failed.

    Attributes
    ----------
    cell
        Which code cell, counted from 1; 0 if it was none of them.
    source
        The first lines of that cell.
    error
        The kind of failure: an exception's name, or ``"NotRun"``, ``"Timeout"``, ``"KernelDied"``,
        ``"OutputFlood"``, ``"DidNotRaise"``.
    message
        What happened.
    """

    cell: int
    source: str
    error: str
    message: str

    def __str__(self) -> str:
        quoted = "".join(f"\n    | {line}" for line in self.source.splitlines())
        where = f"code cell {self.cell}: " if self.cell else ""
        return f"{where}{self.error}: {self.message}{quoted}"


def judge(notebook: Any) -> Failure | None:
    """Return the first failure of an executed notebook, or None if it is as it should be.

    Parameters
    ----------
    notebook
        An nbformat node. Cells without code need not have run.
    """
    for number, cell in _code_cells(notebook):
        found = _problem(cell)
        if found is not None:
            return Failure(number, _quote(cell), *found)
    return None


def failure_at(notebook: Any, index: int | None, error: str, message: str) -> Failure:
    """Return a failure of the cell with this index in the notebook, or of no cell."""
    for number, cell in _code_cells(notebook):
        if index is not None and cell is notebook.cells[index]:
            return Failure(number, _quote(cell), error, message)
    return Failure(0, "", error, message)


def show_in(notebook: Any, failure: Failure) -> None:
    """Write a failure below its cell, unless the cell shows an error of its own."""
    text = f"capstone run: {failure.error}: {failure.message}\n"
    for number, cell in _code_cells(notebook):
        if number == failure.cell and all(one.output_type != "error" for one in cell.outputs):
            node = type(cell)
            cell.outputs.append(node(output_type="stream", name="stderr", text=text))


def _code_cells(notebook: Any) -> Iterator[tuple[int, Any]]:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    return enumerate(cells, start=1)


def _problem(cell: Any) -> tuple[str, str] | None:
    errors = [output for output in cell.outputs if output.output_type == "error"]
    expected = "raises-exception" in cell.metadata.get("tags", [])
    if any(error.ename == "SystemExit" for error in errors):
        return "SystemExit", "the cell ends the notebook, so the cells after it did not run"
    if errors and not expected:
        return errors[0].ename, _first_line(errors[0].evalue)
    if cell.execution_count is None:
        skipped = "skip-execution" in cell.metadata.get("tags", [])
        return "NotRun", "the cell did not run" + ", being tagged skip-execution" * skipped
    if cell.metadata.get("papermill", {}).get("exception") is True:
        return "CellError", "the cell failed without showing an error"
    if expected and not errors:
        return "DidNotRaise", "the cell is tagged raises-exception, and raised nothing"
    return None


def _quote(cell: Any) -> str:
    lines = cell.source.strip().splitlines()
    more = ["…"] if len(lines) > _QUOTED_LINES else []
    return "\n".join([*lines[:_QUOTED_LINES], *more])


def _first_line(text: str) -> str:
    lines = text.strip().splitlines() or [""]
    return lines[0][:300]
