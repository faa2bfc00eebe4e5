"""``capstone serve``: one process that serves, or one that watches over several.

The workers share a port and, through a folder, their counts. One that dies is replaced.
"""

import contextlib
import gc
import multiprocessing
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from capstone_lib.errors import EndpointError
from capstone_lib.serving.build import Plan, build
from capstone_lib.serving.metrics import bury
from capstone_lib.serving.server import DRAIN_S, EndpointServer, bind, configure

__all__ = ["run"]

_LOOK_S = 0.1
_START_S = 60.0
_QUICK_DEATHS = 3


def run(
    plan: Plan,
    *,
    port: int,
    workers: int,
    ready: Callable[[int], None],
    end: threading.Event,
) -> int:
    """Serve until interrupted, or until ``end`` is set; return the exit status.

    Parameters
    ----------
    plan : Plan
        What to serve.
    port : int
        0 takes a free one.
    workers : int
        Processes.
    ready : callable
        Told the port once requests are answered.
    end : threading.Event
        Another way to stop than a signal.
    """
    plan.check()
    listening = bind(plan.host, port)
    try:
        if workers == 1:
            return _serve(plan, listening, ready, end)
        with tempfile.TemporaryDirectory(prefix="capstone-metrics-") as folder:
            shared = replace(plan, metrics_folder=Path(folder))
            return _watch_over(shared, listening, workers, ready, end)
    finally:
        listening.close()


def _serve(
    plan: Plan, listening: socket.socket, ready: Callable[[int], None], end: threading.Event
) -> int:
    """Serve in this process."""
    app = build(plan)
    server = _Told(configure(app), lambda: ready(listening.getsockname()[1]), end)
    with _told_by_signals(end):
        server.run(sockets=[listening])
    if app.trouble is not None:
        raise app.trouble
    return 0 if server.started else 1


class _Told(EndpointServer):
    """Says when it is ready, and stops when it is told."""

    def __init__(self, config: Any, ready: Callable[[], None], end: threading.Event) -> None:
        super().__init__(config)
        self._ready, self._end = ready, end

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the caller: uvicorn would die of them after a clean stop."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _spare_the_collector()
        self._ready()

    async def on_tick(self, counter: int) -> bool:
        self.should_exit = self.should_exit or self._end.is_set()
        return await super().on_tick(counter)


def _spare_the_collector() -> None:
    """Look less often for garbage, and never at what was loaded at the start.

    A process that only serves makes next to none; each look costs everybody who waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _watch_over(
    plan: Plan,
    listening: socket.socket,
    n_workers: int,
    ready: Callable[[int], None],
    end: threading.Event,
) -> int:
    build(plan).close()  # what is wrong is told once, here, and not by every worker
    plan = replace(plan, share=None)  # recorded once, and not by every worker
    context = multiprocessing.get_context("spawn")
    with _told_by_signals(end):
        workers = [_Worker(context, plan, listening) for _ in range(n_workers)]
        try:
            for worker in workers:
                worker.wait()
            ready(listening.getsockname()[1])
            while not end.wait(_LOOK_S):
                for worker in workers:
                    worker.keep_alive()
        finally:
            for worker in workers:
                worker.stop()
    return max(worker.status for worker in workers)


class _Worker:
    """One serving process, and its successors."""

    def __init__(self, context: Any, plan: Plan, listening: socket.socket) -> None:
        self._context, self._plan, self._listening = context, plan, listening
        self._deaths: list[float] = []
        self._start()

    def _start(self) -> None:
        self._is_ready = self._context.Event()
        self._end = self._context.Event()
        self._process: BaseProcess = self._context.Process(
            target=_work, args=(self._plan, self._listening, self._is_ready, self._end)
        )
        self._process.start()

    def wait(self) -> None:
        limit = time.monotonic() + _START_S
        while not self._is_ready.wait(_LOOK_S):
            if not self._process.is_alive() or time.monotonic() > limit:
                raise EndpointError("a worker did not start; run it with --workers 1 to see why")

    def keep_alive(self) -> None:
        if self._process.is_alive():
            return
        now = time.monotonic()
        self._deaths = [*(moment for moment in self._deaths if now - moment < _START_S), now]
        if len(self._deaths) > _QUICK_DEATHS:
            raise EndpointError(
                f"a worker died {len(self._deaths)} times within a minute (the last with status "
                f"{self._process.exitcode}); run with --workers 1 to see why"
            )
        if self._plan.metrics_folder is not None and self._process.pid is not None:
            bury(self._plan.metrics_folder, self._process.pid)
        self._start()

    def stop(self) -> None:
        self._end.set()
        self._process.join(DRAIN_S + 15)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    @property
    def status(self) -> int:
        """0 if the process ended as it should, else 1."""
        return int(self._process.exitcode != 0)


def _work(plan: Plan, listening: socket.socket, is_ready: Any, end: Any) -> None:
    """The body of a worker: signals are its parent's affair."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _Orphan(end).start()
    app = build(plan)
    server = _Told(configure(app), is_ready.set, end)
    server.run(sockets=[listening])
    parent = multiprocessing.parent_process()
    if plan.metrics_folder is not None and parent is not None and not parent.is_alive():
        shutil.rmtree(plan.metrics_folder, ignore_errors=True)  # nobody else is left to do it
    if app.trouble is not None:
        raise SystemExit(f"capstone: {app.trouble}")


class _Orphan(threading.Thread):
    """Ends a worker whose parent is gone."""

    def __init__(self, end: Any) -> None:
        super().__init__(name="capstone-orphan", daemon=True)
        self._end = end

    def run(self) -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            self._end.set()


@contextlib.contextmanager
def _told_by_signals(end: threading.Event) -> Iterator[None]:
    before = {
        number: signal.signal(number, lambda *_: end.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
