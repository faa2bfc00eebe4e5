"""The environment in which JupyterLab opens the course: its settings, and one workspace."""

import os
from collections.abc import Mapping
from pathlib import Path

from capstone_lib.course.catalogue import notebooks_folder
from capstone_lib.course.workspace import VARIABLE, Workspace

__all__ = ["QUIET_THREADS", "lab_environment", "settings_folder"]

# OpenMP threads that wait actively make training twenty times slower beside one other busy program
QUIET_THREADS = {"OMP_WAIT_POLICY": "passive"}

_PATH = "JUPYTER_CONFIG_PATH"


def settings_folder() -> Path:
    """Return ``nbconfig/``, JupyterLab's settings for the course, beside the notebooks."""
    return notebooks_folder().parent / "nbconfig"


def lab_environment(workspace: str | Path | None, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for JupyterLab.

    Parameters
    ----------
    workspace
        The folder that the notebooks' kernels will take for their workspace; by default ``work``.
    environment
        The present one; what a student has set themselves still wins over the course's settings.

    Raises
    ------
    WorkspaceError
        The workspace cannot be written to.
    """
    paths = [str(settings_folder()), environment.get(_PATH, "")]
    return {
        **QUIET_THREADS,
        **environment,
        _PATH: os.pathsep.join(filter(None, paths)),
        VARIABLE: str(Workspace(workspace).path),
    }
