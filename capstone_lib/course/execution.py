"""One notebook, run strictly by papermill: it passes if every code cell ran and did as it says.

papermill alone lets much pass that is not right: ``sys.exit(0)`` in a cell is a success, a skipped
cell goes unnoticed, the clock starts anew in every cell, an endless ``print`` fills the memory, and
child processes stay behind. Which notebooks are run, and what is written, is decided elsewhere.
"""

import logging
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine

from capstone_lib.course.kernel import kernel_environment, manager_class
from capstone_lib.course.processes import ProcessWatch
from capstone_lib.course.stills import keep_stills
from capstone_lib.course.verdict import Failure, failure_at, judge, show_in

__all__ = ["Execution", "OnCell", "execute"]

OnCell = Callable[[int, int], None]
_LOG = logging.getLogger(__name__)
_LOG.addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Execution:
    """What came of running a notebook.

    Attributes
    ----------
    notebook
        The executed notebook, as far as it got.
    failure
        Why it failed, or None.
    seconds
        Wall-clock time, the kernel's start and end included.
    peak_memory_mb
        Of the kernel and all processes below it, shared pages counted once.
    stopped
        Names of the processes that it had left running.
    """

    notebook: Any
    failure: Failure | None
    seconds: float
    peak_memory_mb: float
    stopped: tuple[str, ...]


class _Client(PapermillNotebookClient):  # type: ignore[misc]  # papermill has no types
    def __init__(
        self, nb_man: Any, *, deadline: float, output_limit: int, on_cell: OnCell, **kwargs: Any
    ) -> None:
        super().__init__(nb_man, **kwargs)
        self.current: int | None = None
        self.flooded = False
        self._deadline, self._room, self._tell = deadline, output_limit, on_cell
        self.timeout_func = lambda _: max(self._deadline - time.monotonic(), 0.01)
        self.on_cell_start = self._on_cell_start

    def _on_cell_start(self, cell: Any, cell_index: int) -> None:
        self.current = cell_index
        self._tell(cell_index + 1, len(self.nb.cells))

    async def _async_handle_timeout(self, timeout: int, cell: Any = None) -> Any:
        self.shutdown_kernel = "immediate"
        return await super()._async_handle_timeout(timeout, cell)

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        self._room -= _weight(msg["content"])
        if self._room < 0 and not self.flooded:
            self.flooded, self.shutdown_kernel = True, "immediate"
            self.task_poll_for_reply.cancel()
        try:
            return None if self.flooded else super().process_message(msg, cell, cell_index)
        finally:
            # nbclient answers an output widget on the very socket on which it waits for the cell's
            # reply, past asyncio: the wake-up call is lost then; to ask for events renews it
            self.kc.shell_channel.socket.get(zmq.EVENTS)


class _StrictEngine(Engine):  # type: ignore[misc]  # papermill has no types
    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> None:
        start, options, clients = kwargs["start"], kwargs["options"], kwargs["clients"]
        clients.append(_Client(nb_man, kernel_name=kernel_name, log=_LOG, **options))
        with clients[0].setup_kernel(**start):
            kwargs["watch"].follow(clients[0].km.provisioner.pid)
            clients[0].papermill_execute_cells()
            kwargs["watch"].look()
            clients[0].set_widgets_metadata()


def execute(
    notebook: Any,
    *,
    folder: Path,
    environment: Mapping[str, str],
    timeout_s: float,
    output_limit_mb: float,
    on_cell: OnCell,
) -> Execution:
    """Run a notebook in a kernel of this interpreter.

    Parameters
    ----------
    notebook
        The nbformat node, its parameters already put in; it is changed.
    folder
        The kernel's working directory.
    environment
        Variables that the kernel gets beyond the present ones.
    timeout_s
        Wall-clock limit for the whole notebook.
    output_limit_mb
        Limit for all its outputs together.
    on_cell
        Called with the number of the cell that begins, and how many there are.
    """
    began = time.monotonic()
    clients: list[_Client] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, ProcessWatch() as watch:
        scratch = Path(name)
        log = scratch / "kernel.log"
        options = {
            "deadline": began + timeout_s,
            "timeout": math.ceil(timeout_s),
            "startup_timeout": max(1, min(60, math.ceil(timeout_s))),
            "iopub_timeout": 60,
            "output_limit": int(output_limit_mb * 1e6),
            "on_cell": on_cell,
            "coalesce_streams": True,
            "kernel_manager_class": manager_class(scratch),
        }
        with log.open("wb") as stream:
            env = kernel_environment(scratch, **watch.environment, **environment)
            start = {"env": env, "cwd": str(folder), "stdout": stream, "stderr": stream}
            stopped = _run(notebook, start=start, options=options, watch=watch, clients=clients)
        reason = _reason(stopped, clients, timeout_s, output_limit_mb, log)
    keep_stills(notebook)
    current = clients[0].current if clients else None
    failure = failure_at(notebook, current, *reason) if reason else judge(notebook)
    if failure:
        show_in(notebook, failure)
    return Execution(
        notebook, failure, time.monotonic() - began, watch.peak_memory_mb, watch.stopped
    )


def _run(notebook: Any, **kwargs: Any) -> Exception | None:
    try:
        _StrictEngine.execute_notebook(
            notebook, "python3", progress_bar=False, autosave_cell_every=0, **kwargs
        )
    except (RuntimeError, TimeoutError) as error:  # the kernel is dead, or did not answer in time
        return error
    return None


def _reason(
    error: Exception | None,
    clients: list[_Client],
    timeout_s: float,
    output_limit_mb: float,
    log: Path,
) -> tuple[str, str] | None:
    if error is None:
        return None
    if clients and clients[0].flooded:
        return "OutputFlood", f"the outputs are more than {output_limit_mb:g} MB; print less"
    if isinstance(error, TimeoutError):
        return (
            "Timeout",
            f"the notebook took longer than {timeout_s:g} s; raise --timeout if it may",
        )
    last = log.read_text("utf-8", "replace").strip().splitlines()[-3:]
    detail = f" Its last words: {' / '.join(last)}" if last else ""
    if clients and clients[0].current is not None:
        return "KernelDied", f"the kernel died while this cell ran.{detail}"
    return "KernelDied", f"the kernel did not start ({error}); try `capstone doctor`.{detail}"


def _weight(content: Mapping[str, Any]) -> int:
    data = content.get("data")
    shown = data.values() if isinstance(data, dict) else ()
    return len(content.get("text", "")) + sum(len(one) for one in shown if isinstance(one, str))
