"""The two ways in which an endpoint runs beside its caller: a thread, or a process of its own."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from capstone_lib.artifact import Artifact
from capstone_lib.errors import EndpointError
from capstone_lib.serving.build import Plan, build
from capstone_lib.serving.guard import KEY_VARIABLE
from capstone_lib.serving.hybrid import parse_age
from capstone_lib.serving.server import DRAIN_S, EndpointServer, bind, configure

__all__ = ["ProcessRunner", "ThreadRunner"]

_PAUSE_S = 0.01
_STOP_S = DRAIN_S + 20


class ThreadRunner:
    """uvicorn in a thread of this process."""

    def __init__(self, plan: Plan, port: int) -> None:
        self._socket = bind(plan.host, port)
        try:
            self._app = build(plan)
        except BaseException:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        self._server = EndpointServer(configure(self._app))
        self._error: BaseException | None = None
        self._thread = threading.Thread(
            target=self._run, name=f"capstone-endpoint-{self.port}", daemon=True
        )
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._thread.is_alive()

    def wait(self, timeout_s: float) -> None:
        """Wait until requests are answered."""
        end = time.monotonic() + timeout_s
        while not self._server.started:
            if not self._thread.is_alive():
                raise EndpointError(f"the endpoint did not start: {self._error or 'see its log'}")
            if time.monotonic() > end:
                raise EndpointError(f"the endpoint was not ready within {timeout_s:g} seconds")
            time.sleep(_PAUSE_S)

    def stop(self) -> None:
        """Answer what was accepted, write the log, and end."""
        self._server.should_exit = True
        self._thread.join(_STOP_S)
        self._socket.close()
        if self._thread.is_alive():
            raise EndpointError("the endpoint did not stop; restart the kernel to be rid of it")
        if self._error is not None:
            error, self._error = self._error, None
            raise EndpointError(f"the endpoint did not stop cleanly: {error}") from error

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
            self._error = self._app.trouble
        except BaseException as error:  # told by wait or stop, in the caller's thread
            self._error = error


class ProcessRunner:
    """``capstone serve`` as a child, which ends when this process does."""

    def __init__(self, plan: Plan, port: int, workers: int = 1) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        arguments = [*self._arguments(plan, port), "--workers", str(workers)]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - without a name, gone with its readers
        self.port = 0
        self._process = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-m", "capstone_lib", "serve", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(plan),
            start_new_session=True,  # an interrupt of the kernel is not meant for it
        )
        self._said = ""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _arguments(self, plan: Plan, port: int) -> list[str]:
        options = {"host": plan.host, "port": port}
        options |= {name.replace("_", "-"): value for name, value in vars(plan.limits).items()}
        if plan.store is not None:
            options["store"] = plan.store if isinstance(plan.store, str) else _place(plan.store)
        if plan.hybrid is not None:
            options["hybrid"] = f"{parse_age(plan.hybrid).total_seconds():f}s"
        if plan.extra_routes:
            options["mount"] = _name(plan.extra_routes)
        for name in ("canary", "fallback"):
            model = getattr(plan, name)
            if model is not None:
                options[name] = self._file(model, name)
        named = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        hosts = [text for host in plan.allowed_hosts for text in ("--allowed-host", host)]
        return [self._file(plan.artifact, "model"), *named, *hosts, "--json", "--until-stdin-ends"]

    def _file(self, model: Artifact | str | Path, name: str) -> str:
        if isinstance(model, str | Path):
            return str(model)
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="capstone-endpoint-")
        path = Path(self._folder.name, f"{name}.onnx")
        model.save(path)
        return str(path)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError, OSError):
            self._said = self._process.stdout.readline().decode()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def wait(self, timeout_s: float) -> None:
        """Wait until requests are answered."""
        self._listener.join(timeout_s)
        if not self._said and self._process.poll() is None and self._listener.is_alive():
            raise EndpointError(f"the endpoint was not ready within {timeout_s:g} seconds")
        if not self._said:
            self._process.wait(5)
            raise EndpointError(f"the endpoint did not start: {self._complaint()}")
        self.port = int(json.loads(self._said)["port"])

    def _complaint(self) -> str:
        self._errors.seek(0)
        text = self._errors.read().decode("utf-8", "replace").strip()
        return text.removeprefix("capstone: ")[-2000:] or "it said nothing"

    def stop(self) -> None:
        """Answer what was accepted, write the log, and end."""
        if self._process.stdin is None or self._process.stdin.closed:
            return
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            status = self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        complaint = self._complaint() if status else ""
        self._listener.join(1)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()
        if self._folder is not None:
            self._folder.cleanup()
        if status and self.port:
            raise EndpointError(f"the endpoint did not stop cleanly: {complaint}")


def _environment(plan: Plan) -> dict[str, str]:
    rest = {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}
    return rest if plan.key is None else {**rest, KEY_VARIABLE: plan.key}


def _name(routes: Any) -> str:
    """The name by which a child finds a function."""
    name, home = getattr(routes, "__qualname__", "<"), getattr(routes, "__module__", "")
    if "<" in name or home == "__main__":
        raise EndpointError(
            "a process cannot be handed these extra routes; give a function that stands in a "
            "module, or use mode='thread'"
        )
    return f"{home}:{name}"


def _place(store: Any) -> str:
    """The URL that a child opens the same store by."""
    engine = getattr(store, "engine", None)
    if engine is None:
        return str(getattr(store, "url", store))
    url: str = engine.url.render_as_string(hide_password=False)
    return url
