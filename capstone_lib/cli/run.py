"""``capstone run``: the notebooks, executed."""

import json
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from capstone_lib.course.results import NotebookResult, RunReport

__all__ = ["run"]


@click.command("run")
@click.argument("numbers", nargs=-1, metavar="[NN]...")
@click.option(
    "-p",
    "--parameter",
    "given",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="Set a parameter in every notebook that takes it. Repeat for more.",
)
@click.option("--workspace", metavar="DIR", help="Where results go.  [default: work]")
@click.option(
    "--notebooks", metavar="DIR", help="Where the notebooks are.  [default: the course's]"
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=1),
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="Wall-clock limit for each notebook.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def run(
    numbers: tuple[str, ...],
    given: tuple[tuple[str, str], ...],
    workspace: str | None,
    notebooks: str | None,
    timeout_s: float,
    as_json: bool,
) -> int:
    """Execute notebooks with papermill, in order: those with the numbers NN, or all.

    Parameters are checked before a kernel starts, every code cell must run, and what a notebook
    leaves running is stopped. Executed notebooks, their pages and results.json go to the workspace.
    A notebook that fails does not keep the next one from running.
    """
    from capstone_lib.course.catalogue import UnknownNotebookError
    from capstone_lib.course.parameters import ParameterError
    from capstone_lib.course.runner import run_notebooks

    names = [name for name, _ in given]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise click.UsageError(f"parameter {', '.join(twice)} is given twice")
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, _interrupt)
    progress = _Progress(live=sys.stderr.isatty())
    try:
        report = run_notebooks(
            numbers,
            parameters=dict(given),
            workspace=workspace,
            folder=notebooks,
            timeout_s=timeout_s,
            on_cell=progress.cell,
            on_done=progress.done,
        )
    except (UnknownNotebookError, ParameterError) as error:
        raise click.UsageError(str(error)) from error
    _conclude(report, as_json=as_json)
    return 0 if report.passed else 1


class _Progress:
    """A line a notebook on the error stream; in a terminal it moves with the cells."""

    def __init__(self, *, live: bool) -> None:
        self._live, self._name, self._began = live, "", 0.0

    def cell(self, name: str, cell: int, of: int) -> None:
        if name != self._name:
            self._name, self._began = name, time.monotonic()
        if self._live:
            passed = time.monotonic() - self._began
            click.echo(f"\r{name}  cell {cell} of {of}  {passed:.0f} s\x1b[K", nl=False, err=True)

    def done(self, result: "NotebookResult") -> None:
        start = "\r\x1b[K" if self._live else ""
        icon = "✓" if result.status == "passed" else "✗"
        parts = [
            f"{start}{icon} {result.notebook}",
            result.status,
            f"{result.seconds:.1f} s",
            f"{result.peak_memory_mb:.0f} MB",
            *_exercises(result),
            *([f"stopped {', '.join(result.stopped)}"] if result.stopped else []),
        ]
        click.echo("  ".join(parts), err=True)
        if result.error:
            click.echo(f"  {result.error}", err=True)


def _exercises(result: "NotebookResult") -> list[str]:
    states = list(map(str, result.exercises.values()))
    if not states:
        return []
    kinds = ("passed", "failed", "error", "not attempted")
    counts = [f"{states.count(kind)} {kind}" for kind in kinds if kind in states]
    return [f"{len(states)} exercises: {', '.join(counts)}"]


def _conclude(report: "RunReport", *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=1, ensure_ascii=False))
        return
    failed = [one.notebook for one in report.notebooks if one.status == "failed"]
    if failed:
        click.echo(
            f"{len(failed)} of {len(report.notebooks)} notebooks failed: {', '.join(failed)}"
        )
    click.echo("Look here:")
    for one in report.notebooks:
        click.echo(f"  {_short(report.workspace / one.html)}")
    click.echo(f"  {_short(report.workspace / 'results.json')}")


def _short(path: Path) -> str:
    try:
        return min(str(path), os.path.relpath(path), key=len)
    except ValueError:  # another drive
        return str(path)


def _interrupt(*_: object) -> NoReturn:
    # the cell that is under way will never be asked for its result, and asyncio would say so
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    raise KeyboardInterrupt
