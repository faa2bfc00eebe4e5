"""The servers that are compared: how each is started, found, asked and stopped."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil

__all__ = ["Running", "Server", "servers"]

HERE = Path(__file__).parent
UVICORN = [
    *("-m", "uvicorn", "--host", "127.0.0.1", "--loop", "uvloop", "--http", "httptools"),
    *("--no-access-log", "--no-server-header", "--log-level", "warning", "--lifespan", "off"),
    *("--no-proxy-headers", "--ws", "none", "--backlog", "2048", "--timeout-keep-alive", "30"),
]
PATIENCE_S = 60


@dataclass(frozen=True)
class Server:
    """A command that serves ``/predict``, on the port that stands in it as ``PORT``."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    is_kernel: bool = False
    """It says its address itself, and computes for as many seconds as it is told."""


def servers(asked: dict, log: Path, fastapi: Path | None) -> list[Server]:
    """All of them; without FastAPI's interpreter, those that need none."""
    here, model = sys.executable, str(asked["model"])
    serve = (here, "-m", "capstone_lib", "serve", model, "--port", "PORT")
    uvicorn = (*UVICORN, "--port", "PORT", "--app-dir", str(HERE))
    found = [
        Server("floor", (here, *uvicorn, "floor:app"), {"BENCH_ANSWER": asked["answer"]}),
        Server("ours", serve),
        Server("ours, log on", (*serve, "--store", f"sqlite:///{log}")),
        Server("ours, in a kernel", (here, str(HERE / "kernel.py"), model), is_kernel=True),
    ]
    ways = {"onnxruntime": model, "predict_proba": str(asked["pipeline"])} if fastapi else {}
    for way, path in ways.items():
        for endpoint in ("def", "async def"):
            facts = {"BENCH_MODEL": path, "BENCH_ENDPOINT": endpoint}
            facts["BENCH_FEATURES"] = ",".join(asked["features"])
            command = (str(fastapi), *uvicorn, "fastapi_app:app")
            found.append(Server(f"FastAPI + {way} ({endpoint})", command, facts))
    return found


class Running:
    """A server at work, in a session of its own, so that all of it can be stopped."""

    def __init__(self, server: Server, log: Path) -> None:
        self.server, self.log = server, log
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [str(port) if part == "PORT" else part for part in server.command],
                env=os.environ | server.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if server.is_kernel else errors,
                stderr=errors,
                text=True,
                start_new_session=True,
            )

    def wait_until_ready(self, body: bytes) -> None:
        if self.server.is_kernel:
            self.url = self.process.stdout.readline().strip().rstrip("/")
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                self.ask([body])
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit(f"{self.server.name} does not answer:\n{self.log.read_text()[-2_000:]}")

    def ask(self, bodies: list[bytes]) -> list[dict]:
        """Their answers, over one connection."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        answers = []
        for body in bodies:
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read()
            if response.status != 200:
                raise SystemExit(f"{self.server.name}: {response.status} {text[:500]!r}")
            answers.append(json.loads(text))
        connection.close()
        return answers

    def cpu_s(self) -> float:
        """Processor seconds so far, of all its processes."""
        main = psutil.Process(self.process.pid)
        times = [process.cpu_times() for process in (main, *main.children(recursive=True))]
        return sum(t.user + t.system for t in times)

    def settle(self) -> None:
        """Wait until nothing is left to do, a log's queue above all."""
        for _ in range(40):
            before = self.cpu_s()
            time.sleep(0.25)
            if self.cpu_s() - before < 0.03:
                return

    def compute(self, seconds: float) -> None:
        """Let the kernel's main thread compute; it says so when it is done."""
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()

    def wait_until_computed(self) -> None:
        self.process.stdout.readline()

    def stop(self) -> None:
        """Ask for a graceful end, and see to it that there is one."""
        self.process.stdin.close()
        if not self.server.is_kernel:
            self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            print(f"{self.server.name} did not stop and was killed", file=sys.stderr)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
            if self.process.stdout:
                self.process.stdout.close()
