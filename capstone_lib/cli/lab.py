"""``capstone lab``: JupyterLab on the course, with the settings of ``nbconfig/``."""

import os
import signal
import subprocess
import sys

import click

__all__ = ["lab"]


@click.command(
    "lab", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.option("--workspace", metavar="DIR", help="Where your work goes.  [default: work]")
@click.argument("jupyter_options", nargs=-1, type=click.UNPROCESSED)
def lab(workspace: str | None, jupyter_options: tuple[str, ...]) -> int:
    """Open JupyterLab on the course's notebooks.

    Further options are handed to JupyterLab, such as --no-browser or --port 9999.
    """
    from capstone_lib.course.catalogue import notebooks_folder
    from capstone_lib.course.lab import lab_environment

    environment = lab_environment(workspace, os.environ)
    command = [sys.executable, "-m", "jupyterlab", str(notebooks_folder()), *jupyter_options]
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is JupyterLab's: it asks first
    return 1 if subprocess.call(command, env=environment) else 0  # noqa: S603 - what was typed
