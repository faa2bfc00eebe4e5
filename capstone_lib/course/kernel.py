"""A Jupyter kernel of this very interpreter, whatever kernels the machine has installed.

The user's IPython profile stays out of it, its connection file lies in a folder of the run's own,
and the connection is encrypted where the installed Jupyter can do that. Running cells is not done
here.
"""

import os
from pathlib import Path
from typing import Any

import zmq
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from capstone_lib.course.lab import QUIET_THREADS

__all__ = ["ask_kernel", "kernel_environment", "manager_class"]


def manager_class(scratch: Path) -> type[AsyncKernelManager]:
    """Return a class of kernel managers that start this interpreter.

    Parameters
    ----------
    scratch
        An existing folder for the connection file.
    """

    class OwnKernelManager(AsyncKernelManager):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.connection_file = str(scratch / "kernel.json")
            if self.has_trait("transport_encryption") and zmq.has("curve"):
                self.transport_encryption = "auto"

        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(resource_dir=str(scratch), **get_kernel_dict())

    return OwnKernelManager


def kernel_environment(scratch: Path, **more: str) -> dict[str, str]:
    """Return the environment of a kernel: the present one, without the user's IPython profile."""
    own = {
        **QUIET_THREADS,
        "IPYTHONDIR": str(scratch / "ipython"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else the debugger warns of frozen modules
    }
    return {**os.environ, **own, **more}


async def ask_kernel(expression: str, *, scratch: Path, timeout_s: float = 60) -> str:
    """Start a kernel, let it evaluate one expression, stop it, and return what it answered.

    Raises
    ------
    RuntimeError or TimeoutError
        No kernel came up, or it gave no answer in time.
    """
    manager = manager_class(scratch)()
    log = (scratch / "kernel.log").open("wb")
    await manager.start_kernel(env=kernel_environment(scratch), stdout=log, stderr=log)
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=timeout_s)
        reply = await client.execute_interactive(
            "", user_expressions={"answer": expression}, timeout=timeout_s, allow_stdin=False
        )
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
        log.close()
    answer = reply["content"]["user_expressions"]["answer"]
    return str(answer["data"]["text/plain"] if answer["status"] == "ok" else answer["evalue"])
