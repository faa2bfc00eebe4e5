"""A real JupyterLab server, asked for its settings and for a kernel."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from capstone_lib.course.lab import lab_environment, settings_folder

TOKEN = "a-token-for-the-test"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = tmp_path / "log"
    options = [
        "--no-browser", f"--port={port}", "--ServerApp.port_retries=0", "--allow-root",
        f"--IdentityProvider.token={TOKEN}",
    ]  # fmt: skip
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "capstone_lib", "lab", "--workspace", tmp_path / "w", *options],
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        wait_until(log, "is running at")
        wait_for_port(port)  # it says so a moment before it listens
        yield f"http://127.0.0.1:{port}", log
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def wait_until(log: Path, words: str) -> None:
    for _ in range(600):
        if words in log.read_text("utf-8"):
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8"))


def wait_for_port(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"nobody listens at port {port}")


def ask(url: str, method: str = "GET") -> object:
    request = urllib.request.Request(
        url, method=method, headers={"Authorization": f"token {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_the_courses_settings_are_in_force_and_kernels_start_in_silence(
    server: tuple[str, Path],
) -> None:
    url, log = server
    answer = ask(f"{url}/lab/api/settings")
    assert isinstance(answer, dict)
    defaults = {
        one["id"]: {
            name: p.get("default") for name, p in one["schema"].get("properties", {}).items()
        }
        for one in answer["settings"]
    }
    news = defaults["@jupyterlab/apputils-extension:notification"]
    assert (news["fetchNews"], news["checkForUpdates"]) == ("false", False)
    assert defaults["@jupyterlab/notebook-extension:tracker"]["codeCellConfig"]["lineNumbers"]

    kernel = ask(f"{url}/api/kernels", "POST")
    assert isinstance(kernel, dict)
    wait_until(log, "Kernel started")
    time.sleep(2)
    assert not re.search(r"unencrypted|not encrypted", log.read_text("utf-8"), re.IGNORECASE)
    listing = ask(f"{url}/api/kernels")
    assert isinstance(listing, list)
    assert [one["id"] for one in listing] == [kernel["id"]]


def test_a_students_own_settings_come_after_and_the_workspace_is_named(tmp_path: Path) -> None:
    before = {"JUPYTER_CONFIG_PATH": "/mine", "HOME": "/h"}
    environment = lab_environment(tmp_path / "w", before)
    assert environment["JUPYTER_CONFIG_PATH"] == f"{settings_folder()}{os.pathsep}/mine"
    assert environment["CAPSTONE_WORKSPACE"] == str(tmp_path / "w")
    assert environment["HOME"] == "/h"
    assert environment["OMP_WAIT_POLICY"] == "passive"
    assert lab_environment(tmp_path / "w", {})["JUPYTER_CONFIG_PATH"] == str(settings_folder())
    assert (settings_folder() / "jupyter_server_config.py").is_file()
