"""Every process that a notebook starts: its memory while it runs, its end when the notebook ends.

Processes are found by the tree below the kernel, and by a marker in their environment: a child that
put itself into a session of its own, or whose parent has died, is found too. This is housekeeping
and no sandbox: a process that clears its own environment on purpose gets away.
"""

import contextlib
import threading
import uuid
from typing import Self

import psutil

__all__ = ["MARKER", "ProcessWatch"]

MARKER = "CAPSTONE_RUN"
_GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


class ProcessWatch:
    """Watches the processes of one notebook from a thread; stops them when it is left.

    Parameters
    ----------
    interval_s
        Seconds between two looks at the memory.

    Attributes
    ----------
    peak_memory_mb : float
        The most memory seen in all processes together, shared pages counted once, in MB.
    stopped : tuple of str
        The names of the processes that were still there at the end.
    """

    def __init__(self, *, interval_s: float = 0.2) -> None:
        self.marker = uuid.uuid4().hex
        self.peak_memory_mb = 0.0
        self.stopped: tuple[str, ...] = ()
        self._interval_s = interval_s
        self._known: dict[int, psutil.Process] = {}
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(
            target=self._keep_looking, name="process-watch", daemon=True
        )

    @property
    def environment(self) -> dict[str, str]:
        """The variable that the kernel must be started with."""
        return {MARKER: self.marker}

    def follow(self, pid: int) -> None:
        """Count this process and all below it."""
        with contextlib.suppress(*_GONE):
            self._known[pid] = psutil.Process(pid)
        self.look()

    def look(self) -> None:
        """Look at the memory now, and not only when the next interval is over."""
        with self._lock:
            self._gather()
            total = sum(map(_memory, self._known.values()))
            self.peak_memory_mb = max(self.peak_memory_mb, total / 1e6)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self.stopped = self._stop_all()

    def _keep_looking(self) -> None:
        while not self._end.wait(self._interval_s):
            self.look()

    def _gather(self) -> None:
        for process in list(self._known.values()):
            with contextlib.suppress(*_GONE):
                below = process.children(recursive=True)
                self._known.update((child.pid, child) for child in below)

    def _stop_all(self) -> tuple[str, ...]:
        names: dict[int, str] = {}
        for patience_s in (1.0, 1.0, 3.0):  # a process may start another while it is being stopped
            self._gather()
            alive = [one for one in {*self._known.values(), *self._marked()} if _alive(one)]
            if not alive:
                break
            for one in alive:
                names.setdefault(one.pid, _name(one))
                self._known[one.pid] = one
            _end(alive, patience_s)
        return tuple(sorted(names.values()))

    def _marked(self) -> set[psutil.Process]:
        found = set()
        for process in psutil.process_iter():
            with contextlib.suppress(*_GONE):
                if process.environ().get(MARKER) == self.marker:
                    found.add(process)
        return found


def _memory(process: psutil.Process) -> int:
    try:
        usage = process.memory_full_info()
    except _GONE:
        return 0
    return int(getattr(usage, "pss", usage.rss))


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except _GONE:
        return False


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except _GONE:
        return "?"


def _end(processes: list[psutil.Process], patience_s: float) -> None:
    for process in processes:
        with contextlib.suppress(*_GONE):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=patience_s)
    for process in alive:
        with contextlib.suppress(*_GONE):
            process.kill()
    psutil.wait_procs(alive, timeout=patience_s)
