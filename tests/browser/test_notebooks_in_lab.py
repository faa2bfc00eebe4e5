"""Every notebook as a student meets it: opened in JupyterLab in Chromium, run from top to bottom.

The pages are kept as pictures in ``artefacts/lab/``, for people to look at.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pytest
from playwright.sync_api import Browser, Page, expect

from capstone_lib.course.catalogue import Notebook, list_notebooks, notebooks_folder
from capstone_lib.course.processes import ProcessWatch
from capstone_lib.course.sync import generate

pytestmark = pytest.mark.browser

TOKEN = "a-token-for-the-test"
PICTURES = Path(__file__).parents[2] / "artefacts" / "lab"
WIDTH, HEIGHT = 1280, 1400
PATIENCE_S = 600
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"
PAGE = f"{PANEL} .jp-WindowedPanel-outer"

# what stands further to the right than there is room for, and outputs that got a scrollbar;
# scikit-learn's diagram has folded parts of its own, which do
CUT_OFF = """panel => [...panel.querySelectorAll(
    '.jp-OutputArea-output, .jp-OutputArea-output *, .jp-RenderedMarkdown, .jp-RenderedMarkdown *,'
    + '.cm-scroller, .jp-mod-outputsScrolled')]
  .filter(one => !one.closest('.sk-top-container'))
  .filter(one => one.matches('.jp-mod-outputsScrolled')
                 || ('auto scroll hidden'.includes(getComputedStyle(one).overflowX)
                     && one.clientWidth > 0 && one.scrollWidth > one.clientWidth + 1))
  .map(one => `${one.scrollWidth} px in ${one.clientWidth}: ${one.textContent.slice(0, 80)}`)"""


# where the last cell ends; below it JupyterLab leaves room to scroll on
BOTTOM = """outer => [...outer.querySelectorAll('.jp-Cell')].at(-1).getBoundingClientRect().bottom
  - outer.getBoundingClientRect().top + outer.scrollTop"""

TURN = """\
# %%
from matplotlib import pyplot as plt
from capstone_lib.widgets import explore
def turn(strength=0.3, rows=2_000):
    if rows > 2_000:
        raise ValueError("too many rows")
    plt.subplots()[1].plot([0, strength], [0, rows])
explore(turn, alt="A line that rises.", strength=(0.0, 1.0, 0.1), rows=[200, 2_000, 20_000])
"""

CHECKLIST = """\
# %%
import capstone_lib as cap
from capstone_lib.widgets.decide import Checklist
Checklist(
    cap.UseCase("counter", answer_within_s=2, staleness_h=48, known_ahead=0.9, stakes="fairness")
)
"""


@dataclass
class Lab:
    url: str
    root: Path

    def ask(self, path: str) -> Any:
        request = urllib.request.Request(
            self.url + path, headers={"Authorization": f"token {TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def is_busy(self) -> bool:
        states = [one["kernel"]["execution_state"] for one in self.ask("/api/sessions")]
        return states != ["idle"]


@dataclass
class Heard:
    """What the browser did and said while a notebook was open."""

    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def listen(self, page: Page) -> None:
        page.on("console", lambda said: self._say(said.type, said.text))
        page.on("pageerror", lambda error: self._say("error", str(error)))
        page.on("request", lambda request: self._ask(request.url))
        page.on("websocket", lambda one: self._ask(one.url))

    def _say(self, kind: str, text: str) -> None:
        if kind == "error":
            self.errors.append(text)

    def _ask(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob"):
            self.hosts.add(parts.hostname or url)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """`capstone lab` with a new workspace, on a copy: JupyterLab saves what it has run."""
    root = tmp_path / "notebooks"
    shutil.copytree(notebooks_folder(), root, ignore=shutil.ignore_patterns(".*"))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = [
        f"--workspace={tmp_path / 'work'}", "--no-browser", "--allow-root",
        "--ServerApp.ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={TOKEN}",
        f"--FileContentsManager.root_dir={root}", f"--MappingKernelManager.root_dir={root}",
    ]  # fmt: skip
    log = tmp_path / "log"
    with ProcessWatch() as watch, log.open("wb") as stream:
        own = {
            "OMP_WAIT_POLICY": "passive",
            "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
            "JUPYTER_DATA_DIR": str(tmp_path / "data"),
            "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
            "IPYTHONDIR": str(tmp_path / "ipython"),
            **watch.environment,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "capstone_lib", "lab", *options],
            stdout=stream,
            stderr=stream,
            env={**os.environ, **own},
            start_new_session=True,
        )
        watch.follow(process.pid)
        wait_for_server(process, log)
        yield Lab(f"http://127.0.0.1:{port}", root)
    process.wait(30)  # the watch has stopped the server and its kernels


def wait_for_server(process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + 60
    while "is running at" not in log.read_text("utf-8"):
        gone = process.poll() is not None or time.monotonic() > end
        assert not gone, f"JupyterLab did not start:\n{log.read_text('utf-8')}"
        time.sleep(0.1)


@pytest.mark.parametrize("notebook", list_notebooks(notebooks_folder()), ids=lambda one: one.name)
def test_runs_in_silence_and_fits_the_page(lab: Lab, chromium: Browser, notebook: Notebook) -> None:
    page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    heard = Heard()
    heard.listen(page)
    try:
        open_and_run(page, lab, notebook)
        cut_off = photograph(page, notebook.name)
        save(page)
    finally:
        page.close()

    cells = [
        cell
        for cell in nbformat.read(lab.root / notebook.path.name, as_version=4).cells
        if cell.cell_type == "code"
    ]
    assert [cell.source for cell in cells if cell.execution_count is None] == []
    assert [output for cell in cells for output in cell.outputs if is_stray(output)] == []
    assert cut_off == []
    assert heard.errors == []
    assert heard.hosts == {"127.0.0.1"}


def test_the_checklist_is_answered_by_keyboard(lab: Lab, chromium: Browser) -> None:
    path = lab.root / "checklist.ipynb"
    path.write_text(generate(CHECKLIST), "utf-8")
    page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    heard = Heard()
    heard.listen(page)
    try:
        open_and_run(page, lab, Notebook("99", "checklist", path))
        said = page.get_by_role("status")
        expect(said.get_by_text("counter: hybrid, with review")).to_be_visible()
        within = page.get_by_label("An answer is needed within")
        expect(within).to_have_value("2 seconds")
        within.select_option("two days")
        expect(said.get_by_text("counter: batch, with review")).to_be_visible()
        photograph(page, "checklist")
    finally:
        page.close()
    assert heard.errors == []


def test_sliders_are_dragged_and_moved_by_keyboard(lab: Lab, chromium: Browser) -> None:
    path = lab.root / "turn.ipynb"
    path.write_text(generate(TURN), "utf-8")
    page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    heard = Heard()
    heard.listen(page)
    try:
        open_and_run(page, lab, Notebook("99", "turn", path))
        picture, said = (
            page.get_by_role("img", name="A line that rises"),
            page.get_by_role("status"),
        )
        strength, rows = (page.get_by_role("slider").nth(k) for k in (0, 1))
        expect(picture).to_have_count(1)
        expect(said.get_by_text("strength 0.3, rows 2,000")).to_be_visible()
        first = picture.get_attribute("src") or ""

        strength.press("ArrowRight")
        expect(said.get_by_text("strength 0.4, rows 2,000")).to_be_visible()
        expect(picture).not_to_have_attribute("src", first)
        second = picture.get_attribute("src") or ""

        strength.drag_to(page.locator(".noUi-base").first, target_position={"x": 1, "y": 1})
        expect(said.get_by_text("strength 0, rows 2,000")).to_be_visible()
        expect(picture).not_to_have_attribute("src", second)

        rows.press("ArrowRight")
        expect(page.get_by_role("alert")).to_contain_text("ValueError: too many rows")
        rows.press("ArrowLeft")
        expect(said.get_by_text("strength 0, rows 2,000")).to_be_visible()
        page.locator(PAGE).screenshot(path=PICTURES / "turn.png")
        save(page)

        page.goto("about:blank")
        for one in lab.ask("/api/sessions"):
            token = {"Authorization": f"token {TOKEN}"}
            assert page.request.delete(f"{lab.url}/api/sessions/{one['id']}", headers=token).ok
        page.goto(f"{lab.url}/lab/tree/{path.name}?token={TOKEN}&reset")
        expect(picture).to_have_count(1, timeout=20_000)
    finally:
        page.close()
    assert heard.errors == []
    assert heard.hosts == {"127.0.0.1"}


def open_and_run(page: Page, lab: Lab, notebook: Notebook) -> None:
    page.goto(f"{lab.url}/lab/tree/{notebook.path.name}?token={TOKEN}&reset")
    expect(page.locator(f"{PANEL} .jp-CodeCell").first).to_be_visible(timeout=60_000)
    wait_until(page, lambda: not lab.is_busy(), "the kernel did not start")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    last = page.locator(f"{PANEL} .jp-CodeCell .jp-InputPrompt").last
    expect(last).not_to_have_text("[ ]:", timeout=60_000)
    waiting = page.locator(f"{PANEL} .jp-InputPrompt", has_text="[*]")
    expect(waiting).to_have_count(0, timeout=PATIENCE_S * 1000)
    wait_until(page, lambda: not lab.is_busy(), "the kernel is busy although all cells have run")


def wait_until(page: Page, done: Any, otherwise: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < end, otherwise
        page.wait_for_timeout(200)


def photograph(page: Page, name: str) -> list[str]:
    """Keep the notebook as pictures, a screenful each; return what does not fit the page."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for old in PICTURES.glob(f"{name}-*.png"):
        old.unlink()
    outer = page.locator(PAGE)
    cut_off: dict[str, None] = {}
    number, top, end = 0, 0, 1
    while top < end:
        outer.evaluate("(one, top) => one.scrollTo(0, top)", top)
        page.wait_for_timeout(500)
        cut_off.update(dict.fromkeys(outer.evaluate(CUT_OFF)))
        number += 1
        outer.screenshot(path=PICTURES / f"{name}-{number:02}.png")
        height = outer.evaluate("one => one.clientHeight")
        end = outer.evaluate(BOTTOM)
        top += height - 60  # a little of the last page again
    return list(cut_off)


def save(page: Page) -> None:
    page.get_by_role("menuitem", name="File", exact=True).click()
    with page.expect_response(
        lambda answer: answer.request.method == "PUT" and "/api/contents/" in answer.url
    ) as answer:
        page.get_by_role("menuitem", name=re.compile("^Save Notebook(?! As)")).click()
    assert answer.value.ok


def is_stray(output: Any) -> bool:
    return output.output_type == "error" or output.get("name") == "stderr"
