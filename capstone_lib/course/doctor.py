"""Whether everything is here that the course needs. A check can fail, and says what to do then.

The checks run in the order in which their failures explain one another. Packages are imported in a
process of their own, so that one that crashes or patches the interpreter does no harm.
"""

import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from capstone_lib.errors import CapstoneError

__all__ = ["Check", "checks"]

PYTHON = (3, 11)
MEMORY_MB = 1_000
DISK_MB = 500
_LOOPBACK = "127.0.0.1"
_DATA = ("census", "flights")
_SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Check:
    """One thing that was checked."""

    name: str
    ok: bool
    detail: str
    cure: str = ""


def checks(workspace: str | Path | None = None) -> Iterator[Check]:
    """Check the installation, one thing after the other.

    Parameters
    ----------
    workspace
        The workspace that shall be used.

    Yields
    ------
    Check
        As soon as each is known.

    Examples
    --------
    >>> next(checks()).name
    'Python'
    """
    from capstone_lib.course.packages import check_packages

    yield _check_python()
    yield from (Check(*one) for one in check_packages())
    steps: tuple[Callable[[], Check], ...] = (
        _check_kernel,
        check_memory,
        check_port,
        lambda: check_workspace(workspace),
        check_data,
    )
    for step in steps:
        yield step()


def check_memory(*, need_mb: float = MEMORY_MB) -> Check:
    """Check that a notebook has memory to run in, within the limits set to this process."""
    free_mb = min(_memory_bounds_mb())
    return Check(
        "Memory",
        free_mb >= need_mb,
        f"{free_mb:,.0f} MB available, {need_mb:,.0f} MB needed",
        "close other programs, stop other kernels, or give the container more memory",
    )


def check_port() -> Check:
    """Check that a program on this machine can talk to another through a free port."""
    try:
        with socket.create_server((_LOOPBACK, 0)) as server:
            port = server.getsockname()[1]
            with socket.create_connection((_LOOPBACK, port), timeout=5):
                return Check("Port", True, f"a free port on {_LOOPBACK} answers")
    except OSError as error:
        cure = f"allow connections to {_LOOPBACK}: look at the firewall, VPN or sandbox"
        return Check("Port", False, f"no port on {_LOOPBACK} answers ({error})", cure)


def check_workspace(workspace: str | Path | None, *, need_mb: float = DISK_MB) -> Check:
    """Check that the workspace can be written to, with room on its disk."""
    from capstone_lib.course.workspace import Workspace

    try:
        space = Workspace(workspace)
        space.check_space(need_mb=need_mb)
    except CapstoneError as error:
        detail, _, cure = str(error).rpartition("; ")
        return Check("Workspace", False, detail, cure)
    return Check("Workspace", True, f"{space.path} can be written to")


def check_data(*folders: Path) -> Check:
    """Check that the files of all data sets, or of these folders, are those that were shipped."""
    from capstone_lib.data.files import data_folder, read_checked

    n_files = 0
    try:
        given = [data_folder(folder.name, folder) for folder in folders]
        places = given or [data_folder(name) for name in _DATA]
        for place in places:
            names = [line.split()[-1] for line in (place / _SUMS).read_text("utf-8").splitlines()]
            n_files += len(names)
            for name in names:
                read_checked(place, name.lstrip("*"))
    except CapstoneError as error:
        detail, _, cure = str(error).rpartition("; ")
        return Check("Data", False, detail, cure)
    shown = " and ".join(map(str, places))
    return Check("Data", bool(n_files), f"{n_files} files in {shown} are as they were shipped")


def _check_python() -> Check:
    seen = ".".join(map(str, sys.version_info[:3]))
    wanted = ".".join(map(str, PYTHON))
    cure = f"install Python {wanted} or newer, and make the environment again with it"
    return Check(
        "Python", sys.version_info >= PYTHON, f"{seen} at {sys.executable}, {wanted} needed", cure
    )


def _check_kernel() -> Check:
    cure = "install the course's packages again: pip install --force-reinstall ipykernel pyzmq"
    try:
        import asyncio

        from capstone_lib.course.kernel import ask_kernel

        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            answer = asyncio.run(ask_kernel("1 + 1", scratch=Path(scratch), timeout_s=60))
    except Exception as error:  # whatever keeps a kernel from starting is what is asked for here
        reason = str(error).strip().partition("\n")[0]
        return Check("Kernel", False, f"no kernel starts ({type(error).__name__}: {reason})", cure)
    return Check("Kernel", answer == "2", f"a kernel starts, and says that 1 + 1 is {answer}", cure)


def _memory_bounds_mb() -> Iterator[float]:
    import psutil

    yield psutil.virtual_memory().available / 1e6
    limit, used = (_cgroup_bytes(f"memory.{name}") for name in ("max", "current"))
    if limit is not None and used is not None:
        yield (limit - used) / 1e6
    if sys.platform != "win32":
        import resource

        soft = resource.getrlimit(resource.RLIMIT_AS)[0]
        if soft != resource.RLIM_INFINITY:
            yield (soft - psutil.Process(os.getpid()).memory_info().vms) / 1e6


def _cgroup_bytes(name: str) -> int | None:
    try:
        return int((Path("/sys/fs/cgroup") / name).read_text())
    except (OSError, ValueError):  # no control group, or its limit is "max"
        return None
