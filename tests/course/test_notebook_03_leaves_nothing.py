"""Notebook 03 starts servers and load: none of it is there when the notebook ends, however it ends.

The notebook's own cells are run, by the strict runner or in a kernel as JupyterLab has it; only
where they end is chosen here.
"""

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from capstone_lib.course.catalogue import list_notebooks, notebooks_folder, select
from capstone_lib.course.kernel import kernel_environment
from capstone_lib.course.runner import run_notebooks
from capstone_lib.course.workspace import VARIABLE, Workspace

NOTEBOOK = select(list_notebooks(notebooks_folder()), ["03"])[0]
QUICK = {"load_seconds": 1.0, "most_users": 4}
REMEMBER = "import threading\nbefore_all = {one.name for one in threading.enumerate()}"
IN_A_THREAD_AND_A_PROCESS = [
    "users=[1, 8, most_users]",
    pytest.param("explain_share=0.02", marks=pytest.mark.slow),
]
LEFT = """\
import psutil
left = sorted({one.name for one in threading.enumerate()} - before_all)
left += [one.name() for one in psutil.Process().children(recursive=True)]
"""


@pytest.fixture(scope="module")
def provided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ws = Workspace(tmp_path_factory.mktemp("provided") / "work")
    ws.provide("artifact", "inbox", "canary", "fallback")
    return ws.path


@pytest.fixture
def space(provided: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(provided, tmp_path / "work"))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[list[str]], Path]:
    """Write a notebook 03 of these cells; its first one holds the parameters."""

    def write(sources: list[str]) -> Path:
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        cells[0].metadata["tags"] = ["parameters"]
        folder = tmp_path / "notebooks"
        folder.mkdir()
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / NOTEBOOK.path.name)
        return folder

    return write


def code() -> list[str]:
    cells = nbformat.read(NOTEBOOK.path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def up_to(words: str) -> list[str]:
    """The cells up to the first that has these words in it."""
    cells = code()
    return cells[: 1 + next(place for place, cell in enumerate(cells) if words in cell)]


def only(words: str) -> list[str]:
    """Parameters, set-up, the first endpoint and the people; then the cell with these words."""
    return [*up_to("people.iloc[0]"), "endpoint.stop()", up_to(words)[-1]]


def of(space: Path) -> list[psutil.Process]:
    """Every process that was started in this workspace, by whomever."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(VARIABLE) == str(space) and process.is_running():
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def listening(space: Path) -> set[int]:
    ports: set[int] = set()
    for process in of(space):
        try:
            known = process.net_connections("tcp")
        except psutil.NoSuchProcess:
            continue
        ports |= {one.laddr.port for one in known if one.status == psutil.CONN_LISTEN}
    return ports


def running(space: Path, program: str) -> list[psutil.Process]:
    """The processes that have this word in their command line and a connection open."""
    found = []
    for process in of(space):
        try:
            if program in process.cmdline() and process.net_connections("tcp"):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def wait_until(done: Callable[[], Any], otherwise: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, otherwise
        time.sleep(0.05)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ports_in(space: Path) -> set[int]:
    """Where the endpoints were, as the executed notebook tells."""
    text = (space / "executed" / NOTEBOOK.path.name).read_text("utf-8")
    return {int(port) for port in re.findall(r"http://127\.0\.0\.1:(\d+)", text)}


@pytest.mark.slow
def test_a_run_to_the_end_stops_everything_itself(
    space: Path, write: Callable[[list[str]], Path]
) -> None:
    cells = code()
    folder = write([cells[0], REMEMBER, *cells[1:], LEFT + "print('left:', left)"])
    report = run_notebooks(workspace=space, folder=folder, parameters=QUICK)
    result = report.notebooks[0]
    assert result.error is None
    executed = nbformat.read(space / "executed" / NOTEBOOK.path.name, as_version=4)
    assert executed.cells[-1].outputs[0].text == "left: []\n"
    assert result.stopped == (), "nothing was left for the runner to stop"
    assert of(space) == []
    assert len(ports_in(space)) >= 2
    assert not any(map(answers, ports_in(space)))


@pytest.mark.parametrize(
    "words",
    ["endpoint = cap.serve(ws.model, store=store)", "canary=ws.canary"],
    ids=["thread", "process"],
)
def test_a_cell_that_fails_leaves_nothing_when_the_kernel_is_gone(
    space: Path, write: Callable[[list[str]], Path], words: str
) -> None:
    folder = write([*only(words), "endpoint", "1 / 0", "'never'"])
    result = run_notebooks(workspace=space, folder=folder, parameters=QUICK).notebooks[0]
    assert result.error is not None
    assert result.error.error == "ZeroDivisionError"
    assert of(space) == []
    assert ports_in(space)
    assert not any(map(answers, ports_in(space)))


@pytest.mark.parametrize("words", IN_A_THREAD_AND_A_PROCESS)
def test_a_cell_that_fails_under_load_has_stopped_its_endpoint_at_once(
    space: Path, write: Callable[[list[str]], Path], words: str
) -> None:
    broken = "def load_test(*args, **kwargs):\n    raise RuntimeError('no load today')"
    *before, cell = only(words)
    look = f"try:\n{_indented(cell)}\nexcept RuntimeError:\n    print(endpoint.url)"
    cells = [before[0], REMEMBER, *before[1:], broken + "\ncap.load_test = load_test", look]
    folder = write([*cells, LEFT + "assert left == [], left"])
    result = run_notebooks(workspace=space, folder=folder, parameters=QUICK).notebooks[0]
    assert result.error is None
    assert result.stopped == ()
    assert not any(map(answers, ports_in(space)))


@pytest.mark.parametrize("words", IN_A_THREAD_AND_A_PROCESS)
def test_stop_in_jupyter_under_load_ends_load_and_endpoint_and_keeps_the_kernel(
    space: Path, tmp_path: Path, words: str
) -> None:
    *before, loads = only(words)
    with kernel(space, tmp_path) as (manager, client):
        for cell in [before[0], "load_seconds = 30.0", REMEMBER, *before[1:]]:
            assert ask(client, cell)["status"] == "ok"
        quiet = listening(space)
        client.execute(loads)
        wait_until(lambda: running(space, "locust"), "no load came")
        ports = listening(space) - quiet
        assert ports
        assert all(map(answers, ports))
        manager.interrupt_kernel()
        reply = client.get_shell_msg(timeout=60)["content"]
        assert reply["ename"] == "KeyboardInterrupt"
        assert not any(map(answers, ports))
        assert ask(client, LEFT + "assert left == [], left")["status"] == "ok"
    assert of(space) == []


@pytest.mark.slow
@pytest.mark.parametrize("end", ["interrupt", "terminate", "kill"])
def test_a_run_that_is_stopped_under_load_takes_everything_along(
    space: Path, write: Callable[[list[str]], Path], end: str
) -> None:
    folder = write(only("explain_share=0.02"))
    program = "import sys; from capstone_lib.cli import main; sys.exit(main())"
    options = ["--notebooks", folder, "--workspace", space, "-p", "load_seconds", "30"]
    run = subprocess.Popen(
        [sys.executable, "-c", program, "run", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: running(space, "locust"), "no load came")
        ports = listening(space)
        if end == "kill":
            (started,) = running(space, "ipykernel_launcher")
            started.kill()  # as when the memory runs out
        else:
            run.send_signal(2) if end == "interrupt" else run.terminate()
        assert run.wait(60) == 1
    finally:
        run.kill()
        run.wait()
    wait_until(lambda: of(space) == [], "processes are left", 15)
    assert ports
    assert not any(map(answers, ports))


def _indented(cell: str) -> str:
    return "\n".join("    " + line for line in cell.splitlines())


class kernel:  # noqa: N801 - reads as a function
    """A kernel as JupyterLab starts one, in a workspace."""

    def __init__(self, space: Path, scratch: Path) -> None:
        self._space, self._scratch = space, scratch

    def __enter__(self) -> tuple[KernelManager, BlockingKernelClient]:
        self._manager = KernelManager(connection_file=str(self._scratch / "kernel.json"))
        environment = kernel_environment(self._scratch, **{VARIABLE: str(self._space)})
        self._manager.start_kernel(env=environment, cwd=str(self._space))
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)
        return self._manager, self._client

    def __exit__(self, *_: object) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel()


def ask(client: BlockingKernelClient, cell: str) -> dict[str, Any]:
    reply: dict[str, Any] = client.execute_interactive(
        cell, timeout=120, allow_stdin=False, output_hook=lambda _: None
    )["content"]
    return reply
