"""Run the course's notebooks: parameters checked first, each run strictly, everything written down.

A notebook that fails does not keep the next one from running, for each runs alone; the report says
that it failed.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from capstone_lib.course import exercises
from capstone_lib.course.catalogue import Notebook, list_notebooks, notebooks_folder, select
from capstone_lib.course.feedback import harvest
from capstone_lib.course.parameters import (
    Parameter,
    ParameterError,
    ParameterFormError,
    Value,
    check_parameters,
    describe,
    read_parameters,
)
from capstone_lib.course.results import (
    NotebookResult,
    RunReport,
    library_versions,
    merge,
    read_json,
)
from capstone_lib.course.workspace import VARIABLE, Workspace, write_atomic
from capstone_lib.errors import CapstoneError

__all__ = ["NotebookFormError", "OnCell", "OnDone", "run_notebooks"]

OnCell = Callable[[str, int, int], None]
OnDone = Callable[[NotebookResult], None]


class NotebookFormError(CapstoneError, ValueError):
    """A file is not a notebook that can be run."""


@dataclass(frozen=True)
class _Plan:
    notebook: Notebook
    node: Any
    declared: tuple[Parameter, ...]
    given: Mapping[str, Value]

    @property
    def parameters(self) -> dict[str, Value]:
        return {one.name: one.default for one in self.declared} | dict(self.given)


def run_notebooks(
    numbers: Sequence[str] = (),
    *,
    parameters: Mapping[str, Any] | None = None,
    workspace: str | Path | None = None,
    folder: str | Path | None = None,
    timeout_s: float = 600,
    output_limit_mb: float = 20,
    on_cell: OnCell | None = None,
    on_done: OnDone | None = None,
) -> RunReport:
    """Run notebooks with papermill, in the order of the course.

    Parameters
    ----------
    numbers
        Such as ``["00", "01"]``; none means all.
    parameters
        Name to value. Each must be a parameter of one of these notebooks at least, and goes to
        all of them that take it.
    workspace
        The folder that gets ``executed/`` and ``results.json``, and in which the notebooks' kernels
        run; by default ``work``.
    folder
        Where the notebooks are; by default the course's.
    timeout_s
        Wall-clock limit for each notebook.
    output_limit_mb
        Limit for the outputs of each notebook.
    on_cell
        Called with a notebook's name, the number of the cell that begins, and how many there are.
    on_done
        Called with each notebook's result.

    Returns
    -------
    RunReport

    Raises
    ------
    UnknownNotebookError, CatalogueError
        There is no such notebook, or the folder has none.
    ParameterError
        A parameter is unknown, missing or of the wrong type. No kernel has been started.
    NotebookFormError, ParameterFormError
        A notebook or its parameters cell cannot be read. No kernel has been started.
    WorkspaceError
        The workspace cannot be written to.
    """
    known = list_notebooks(Path(folder) if folder else notebooks_folder())
    plans = _plan(select(known, numbers), parameters or {})
    space = Workspace(workspace)
    done: list[NotebookResult] = []
    for plan in plans:
        result = _run(plan, space, timeout_s, output_limit_mb, on_cell)
        done.append(result)
        report = RunReport(space.path, tuple(done), library_versions())
        document = merge(report, read_json(space.results))
        write_atomic(space.results, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        if on_done:
            on_done(result)
    return report


def _plan(notebooks: Sequence[Notebook], given: Mapping[str, Any]) -> list[_Plan]:
    opened = [(one, *_open(one)) for one in notebooks]
    taken = {parameter.name for _, _, declared in opened for parameter in declared}
    unknown = sorted(set(given) - taken)
    if unknown:
        raise ParameterError(
            f"unknown parameter {', '.join(map(repr, unknown))}\n"
            + "\n".join(f"{one.name}: {describe(declared)}" for one, _, declared in opened)
        )
    plans, problems = [], []
    for one, node, declared in opened:
        names = {parameter.name for parameter in declared}
        try:
            mine = {name: value for name, value in given.items() if name in names}
            plans.append(_Plan(one, node, declared, check_parameters(declared, mine)))
        except ParameterError as error:
            problems.append(f"{one.name}: {error}")
    if problems:
        raise ParameterError("\n".join(problems))
    return plans


def _open(notebook: Notebook) -> tuple[Any, tuple[Parameter, ...]]:
    from papermill.iorw import load_notebook_node

    try:
        node = load_notebook_node(str(notebook.path))
    except Exception as error:  # nbformat raises what its JSON and schema readers raise
        reason = str(error).strip().partition("\n")[0][:200]
        raise NotebookFormError(f"{notebook.path} is not a notebook: {reason}") from error
    tagged = [cell for cell in node.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) > 1:
        raise NotebookFormError(f"{notebook.path} has {len(tagged)} cells tagged parameters")
    try:
        return node, read_parameters(tagged[0].source) if tagged else ()
    except ParameterFormError as error:
        raise ParameterFormError(f"{notebook.name}: {error}") from None


def _run(
    plan: _Plan, space: Workspace, timeout_s: float, output_limit_mb: float, on_cell: OnCell | None
) -> NotebookResult:
    from papermill.parameterize import parameterize_notebook

    from capstone_lib.course.execution import execute

    name, node = plan.notebook.name, plan.node
    if plan.given:
        node = parameterize_notebook(
            node, dict(plan.given), kernel_name="python3", language="python"
        )
    execution = execute(
        node,
        folder=space.path,
        environment={VARIABLE: str(space.path)},
        timeout_s=timeout_s,
        output_limit_mb=output_limit_mb,
        on_cell=lambda cell, of: on_cell(name, cell, of) if on_cell else None,
    )
    _write(space, plan.notebook, execution.notebook)
    outputs = [output for cell in node.cells for output in cell.get("outputs", ())]
    return NotebookResult(
        notebook=name,
        status="failed" if execution.failure else "passed",
        seconds=round(execution.seconds, 2),
        peak_memory_mb=round(execution.peak_memory_mb, 1),
        parameters=plan.parameters,
        exercises=harvest(outputs, exercises.for_notebook(plan.notebook.number)),
        error=execution.failure,
        executed=f"executed/{name}.ipynb",
        html=f"executed/{name}.html",
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        stopped=execution.stopped,
    )


def _write(space: Workspace, notebook: Notebook, node: Any) -> None:
    from capstone_lib.course.page import to_page

    executed = json.dumps(node, indent=1, ensure_ascii=False, sort_keys=True)
    write_atomic(space.executed / f"{notebook.name}.ipynb", executed + "\n")
    page = to_page(node, title=notebook.name, folder=notebook.path.parent)
    write_atomic(space.executed / f"{notebook.name}.html", page)
