"""Accidents made on purpose, so that a notebook can show what comes of them.

A killed process is real and so is its death; only the moment is chosen, for a student to see the
worst one: rows are written, and nothing is published. A busy interpreter really computes.
"""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from capstone_lib.errors import RunError

__all__ = ["KilledRun", "busy_interpreter", "start_and_kill"]

_CHILD = """
import sys
import capstone_lib as cap
from capstone_lib.batch import steps

write = steps.write

def write_and_wait(attempt, batch):
    write(attempt, batch)
    attempt.flush()
    print(len(batch), flush=True)
    sys.stdin.read()

steps.write = write_and_wait
model, source, store, as_of = sys.argv[1:]
cap.score_batch(model, source, store=store, as_of=as_of, show_progress=False)
print("finished", flush=True)
"""


@dataclass(frozen=True)
class KilledRun:
    """What is known of a run that was killed: its process, and the rows it had written by then."""

    pid: int
    rows_written: int
    exit_status: int

    def __repr__(self) -> str:
        return (
            f"Process {self.pid} had written {self.rows_written:,} rows when it was killed "
            f"(exit status {self.exit_status})."
        )


def start_and_kill(
    model: Path | str, source: Path | str, *, store: str, as_of: str | date, timeout_s: float = 60
) -> KilledRun:
    """Start a batch run in a process of its own, and kill it when it has written rows.

    Parameters
    ----------
    model, source, store, as_of
        As in :func:`capstone_lib.score_batch`.
    timeout_s
        How long to wait for the first rows, in seconds.

    Returns
    -------
    KilledRun
        After the process is gone. It had no chance to tidy up.

    Raises
    ------
    RunError
        The run failed, or had nothing to write since it was published before, or took too long.
    """
    with subprocess.Popen(  # noqa: S603 - our own program, and no shell
        [sys.executable, "-c", _CHILD, str(model), str(source), store, str(as_of)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        watchdog = _killing_after(process, timeout_s)
        try:
            said = process.stdout.readline().strip() if process.stdout else ""
        finally:
            watchdog.cancel()
            process.kill()
        errors = process.communicate()[1].strip()
    if said.isdecimal():
        return KilledRun(process.pid, int(said), process.returncode)
    raise RunError(_why_not(said, errors, timeout_s))


@contextlib.contextmanager
def busy_interpreter() -> Iterator[None]:
    """Let this interpreter compute in pure Python meanwhile, as a cell that runs for long does.

    Whatever else is in the same process has to share it: an endpoint in a thread, for example.

    Examples
    --------
    >>> with busy_interpreter():
    ...     sum(range(10))
    45
    """
    enough = threading.Event()

    def compute() -> None:
        while not enough.is_set():
            sum(number * number for number in range(1_000))

    thread = threading.Thread(target=compute, name="busy-interpreter", daemon=True)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def _killing_after(process: "subprocess.Popen[str]", timeout_s: float) -> threading.Timer:
    timer = threading.Timer(timeout_s, process.kill)
    timer.daemon = True
    timer.start()
    return timer


def _why_not(said: str, errors: str, timeout_s: float) -> str:
    if said == "finished":
        return (
            "the run was published before, so there was nothing to kill; name another as-of date "
            "or another store"
        )
    last = errors.splitlines()[-1] if errors else f"it wrote no rows within {timeout_s:.0f} s"
    return f"the run ended before it could be killed: {last}"
