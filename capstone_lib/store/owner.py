"""Who runs an attempt, and whether that process is still alive.

A run that was killed leaves rows which no reader sees; the next run on the store takes them away.
To tell a dead owner from a busy one, an attempt records host, process id and the process's own
start time (a process id alone is used again), and gives a sign of life with every batch.
"""

import os
import socket
import time
from dataclasses import dataclass

import psutil

__all__ = ["SILENT_AFTER_S", "Owner"]

SILENT_AFTER_S = 600.0
"""An owner on another host that gave no sign of life for so long is taken for dead."""

_CLOCK_S = 1.0


@dataclass(frozen=True)
class Owner:
    """A process on a host."""

    host: str
    pid: int
    born: float

    @classmethod
    def here(cls) -> "Owner":
        """The process that asks."""
        return cls(socket.gethostname(), os.getpid(), psutil.Process().create_time())

    def is_dead(self, heartbeat: float, *, now: float | None = None) -> bool:
        """Whether the attempt that last gave a sign of life at ``heartbeat`` is over for good.

        On this host a process that is gone is dead at once. Where that cannot be seen (another
        host, or a process id in use again) silence decides.
        """
        if self.host == socket.gethostname():
            try:
                born = psutil.Process(self.pid).create_time()
            except psutil.NoSuchProcess:
                return True
            except psutil.AccessDenied:
                born = self.born
            if abs(born - self.born) < _CLOCK_S:
                return False
        return (time.time() if now is None else now) - heartbeat > SILENT_AFTER_S
