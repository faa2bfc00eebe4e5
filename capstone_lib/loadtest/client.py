"""Locust as a process: started in a session of its own, watched, and never left behind.

It gets a folder with a plan and the requests, and writes its notes there. Whatever happens here,
an interrupt included, its whole process group is killed; if this process is killed itself, the
pipe between them closes and Locust ends.
"""

import contextlib
import json
import os
import signal
import site
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from capstone_lib.errors import LoadTestError, MissingExtraError
from capstone_lib.loadtest.kinds import CODES, SHED, words
from capstone_lib.loadtest.live import Live
from capstone_lib.loadtest.records import Notes
from capstone_lib.loadtest.step import LoadStep
from capstone_lib.loadtest.target import Target

__all__ = ["Plan", "bare_server", "make_load", "require_locust"]

_LOOK_S = 0.25
_START_S = 60.0
_LOCUSTFILE = Path(__file__).with_name("locustfile.py")
_BARE = Path(__file__).with_name("bare.py")


@dataclass(frozen=True)
class Plan:
    """What Locust is to do.

    Attributes
    ----------
    steps : sequence of dict
        ``users``, ``duration_s`` and ``rate`` (or ``None``) of each.
    requests : sequence of bytes
        The bodies, in order.
    headers : dict
        Of every request.
    timeout_s : float
        How long to wait for an answer.
    check_ids : bool
        Whether an answer must bear the id that was sent.
    clean : Path, optional
        What Locust deletes if its parent is killed; by default its own folder.
    """

    steps: Sequence[Mapping[str, Any]]
    requests: Sequence[bytes]
    headers: Mapping[str, str]
    timeout_s: float
    check_ids: bool = True
    clean: Path | None = None

    @property
    def seconds(self) -> float:
        """How long the steps last together."""
        return float(sum(step["duration_s"] for step in self.steps))

    @property
    def deadline_s(self) -> float:
        """By when it must be over, with everything waiting as long as it may."""
        slack = 3 * (self.timeout_s + 5) * (len(self.steps) + 1)
        users = sum(step["users"] for step in self.steps)
        return float(_START_S + self.seconds + slack + users / 50)

    def write(self, folder: Path, target: Target) -> None:
        """Put it where Locust reads it; the headers may hold a key, so nobody else can."""
        plan = {
            "path": target.path,
            "steps": [dict(step) for step in self.steps],
            "most_users": max(step["users"] for step in self.steps),
            "headers": dict(self.headers),
            "timeout_s": self.timeout_s,
            "check_ids": self.check_ids,
            "clean": str(self.clean or folder),
            "codes": CODES,
            "words": {str(code): words(code) for code in (*CODES.values(), *SHED, *_STATUSES)},
        }
        (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        (folder / "requests.jsonl").write_bytes(b"\n".join(self.requests))


_STATUSES = (400, 401, 403, 404, 405, 408, 413, 415, 422, 500, 502, 504)


def require_locust() -> None:
    """Say which extra is missing, without importing Locust.

    Raises
    ------
    MissingExtraError
        Locust is not installed.
    """
    if find_spec("locust") is None or find_spec("gevent") is None:
        raise MissingExtraError("locust", "loadtest")


def make_load(target: Target, plan: Plan, folder: Path, live: Live) -> tuple[LoadStep, ...]:
    """Run Locust to its end and sum up what it noted; its own report is ``report.html``.

    Raises
    ------
    LoadTestError
        Locust failed, or did not end in time.
    """
    plan.write(folder, target)
    notes = Notes(folder)
    with _process(_command(target, plan, folder), folder) as locust:
        give_up = time.monotonic() + plan.deadline_s
        while locust.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                locust.wait(_LOOK_S)
            live.look(notes)
            if time.monotonic() > give_up:
                raise LoadTestError(
                    f"Locust was not done after {plan.deadline_s:.0f} s and was stopped"
                    f"{_log(folder)}"
                )
        live.look(notes)
        _check(locust.returncode, folder)
    return _steps(notes, plan, folder)


def _command(target: Target, plan: Plan, folder: Path) -> list[str]:
    return [
        sys.executable, "-P", "-m", "locust",
        "--locustfile", str(_LOCUSTFILE), "--headless", "--only-summary",
        "--host", target.origin,
        "--stop-timeout", f"{plan.timeout_s + 2:.0f}",
        "--exit-code-on-error", "0",
        "--html", str(folder / "report.html"),
        "--loglevel", "WARNING", "--logfile", str(folder / "locust.log"),
    ]  # fmt: skip


@contextlib.contextmanager
def _process(command: Sequence[str], folder: Path, **options: Any) -> Iterator[Any]:
    """A process whose group is gone when this is left, however it is left."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LOCUST_")}
    environment |= {
        "CAPSTONE_LOAD_PLAN": str(folder),
        "HOME": str(folder),  # a ~/.locust.conf would change the test
        "PYTHONUSERBASE": site.getuserbase(),
    }
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and files
            command,
            stdin=subprocess.PIPE,
            stderr=output,
            cwd=folder,
            env=environment,
            start_new_session=True,
            **{"stdout": output, **options},
        )
        try:
            yield process
        finally:
            _kill(process)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


@contextlib.contextmanager
def bare_server(folder: Path) -> Iterator[Target]:
    """A server that does nothing (:mod:`capstone_lib.loadtest.bare`), as a process.

    Raises
    ------
    LoadTestError
        It did not start.
    """
    command = [sys.executable, "-P", str(_BARE)]
    with _process(command, folder, stdout=subprocess.PIPE) as process:
        port = process.stdout.readline().strip()
        if not port.isdigit():
            raise LoadTestError(f"the bare endpoint did not start{_log(folder)}")
        yield Target("http", "127.0.0.1", int(port), "/predict")


def _check(status: int, folder: Path) -> None:
    error = folder / "error.txt"
    if error.exists():
        raise LoadTestError(f"the load generator stopped: {error.read_text('utf-8')}")
    if status:
        raise LoadTestError(f"Locust failed with status {status}{_log(folder)}")


def _log(folder: Path) -> str:
    """The end of what it said, if it said anything."""
    said = ""
    for name in ("locust.log", "output.txt"):
        file = folder / name
        if file.exists():
            said += file.read_text("utf-8", errors="replace")
    lines = [line for line in said.splitlines() if line.strip()]
    return ". It said:\n  " + "\n  ".join(lines[-8:]) if lines else ""


def _steps(notes: Notes, plan: Plan, folder: Path) -> tuple[LoadStep, ...]:
    records = notes.all()
    unfinished = [
        k for k in range(len(plan.steps)) if "generator_cpu" not in notes.steps.get(k, {})
    ]
    if unfinished:
        raise LoadTestError(f"Locust ended before its last step was over{_log(folder)}")
    return tuple(
        LoadStep.of(records[records["step"] == k], step, notes.steps[k])
        for k, step in enumerate(plan.steps)
    )
