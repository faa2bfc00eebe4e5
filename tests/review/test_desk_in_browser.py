"""The review desk as a reviewer meets it: the endpoint's page, and the panel in JupyterLab.

Pictures are kept in ``artefacts/review/``, for people to look at.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nbformat
import psutil
import pytest
from playwright.sync_api import expect

import capstone_lib as cap
from capstone_lib.course.processes import ProcessWatch
from capstone_lib.review import ReviewQueue
from capstone_lib.review.page import review_routes

pytestmark = pytest.mark.browser

PICTURES = Path(__file__).parents[2] / "artefacts" / "review"
KEY = "a-key-of-the-test-0123456789"
TOKEN = "a-token-for-the-test"
WORDS = {0: "without work", 1: "at work"}
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"


@pytest.fixture
def desk(scored, artifact, people):
    queue = ReviewQueue(scored, double_share=0)
    queue.fill_uncertain(artifact=artifact, source=people, n=20)
    return queue


@pytest.fixture
def open_page(chromium):
    """Open a page; at the end, see that nothing went wrong behind the scenes."""
    pages, errors = [], []

    def open_it(url, **options):
        page = chromium.new_page(**options)
        pages.append(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.goto(url)
        return page

    yield open_it
    for page in pages:
        page.close()
    assert [error for error in errors if "status of 4" not in error] == []


@pytest.fixture
def endpoint(desk, scored, artifact):
    routes = partial(review_routes, words=WORDS, queue=desk)
    with cap.serve(artifact, store=scored, extra_routes=routes) as running:
        yield running


def picture(page, name):
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


def decide_on_page(page, place):
    page.get_by_role("radio").nth(place).check()
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_role("status")).to_contain_text("for you.")


def test_on_the_page_a_case_is_decided_in_three_clicks_and_counts(open_page, endpoint, desk):
    page = open_page(f"{endpoint.url}/review")
    page.get_by_label("Your name").fill("ana")
    page.get_by_role("button", name="Next case").click()
    case = desk.next("ana")
    expect(page.get_by_role("article", name=f"Case {case.row_id}")).to_be_visible()
    expect(page.get_by_role("radio", name=f"Accept: {WORDS[case.label]}")).not_to_be_checked()
    expect(page.get_by_role("button", name="Decide")).to_be_disabled()
    page.get_by_role("radio", name=f"Override: {WORDS[1 - case.label]}").click()
    page.get_by_role("button", name="Decide").click()

    expect(page.get_by_role("status")).to_contain_text(f"Decided: {WORDS[1 - case.label]}.")
    expect(page.get_by_role("status")).to_contain_text("19 cases wait for you.")
    made = desk.decisions()
    assert made[["row_id", "reviewer", "verdict"]].astype(str).values.tolist() == [
        [case.row_id, "ana", "override"]
    ]
    assert made["seconds"][0] > 0
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        answer = endpoint.predict(case.features, id=case.row_id)
        if answer.get("decided_by"):
            break
        time.sleep(0.1)
    assert (answer["label"], answer["decided_by"]) == (1 - case.label, "ana")


def test_two_pages_never_show_the_same_case(open_page, endpoint, desk):
    pages = {}
    for name in ("ana", "bo"):
        pages[name] = open_page(f"{endpoint.url}/review")
        pages[name].get_by_label("Your name").fill(name)
    for _ in range(3):
        shown = set()
        for page in pages.values():
            page.get_by_role("button", name="Next case").click()
            shown.add(page.get_by_role("article").get_attribute("aria-label"))
        assert len(shown) == 2
        for page in pages.values():
            decide_on_page(page, 0)
    assert desk.decisions()["case_id"].is_unique


def test_the_page_asks_for_the_key_where_there_is_one(open_page, desk, scored, artifact):
    routes = partial(review_routes, words=WORDS, queue=desk)
    with cap.serve(artifact, store=scored, extra_routes=routes, key=KEY) as endpoint:
        page = open_page(f"{endpoint.url}/review")
        page.get_by_label("Your name").fill("ana")
        page.get_by_role("button", name="Next case").click()
        expect(page.get_by_label("Key")).to_be_focused()
        expect(page.get_by_role("alert")).to_contain_text("wants its key")
        assert desk.cases()["reviewer"].isna().all()
        page.get_by_label("Key").fill(KEY)
        page.get_by_label("Key").press("Enter")
        expect(page.get_by_role("article")).to_be_visible()


def test_the_keyboard_is_enough_for_the_page(open_page, endpoint, desk):
    page = open_page(f"{endpoint.url}/review")
    page.keyboard.press("Tab")
    page.keyboard.type("ana")
    page.keyboard.press("Enter")
    expect(page.locator("#shown")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio").nth(1)).to_be_checked()
    page.keyboard.press("Tab")
    page.keyboard.type("seen")
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Next case")).to_be_focused()
    assert desk.decisions()[["verdict", "note"]].values.tolist() == [["override", "seen"]]


def test_somebody_elses_case_is_told_on_the_page(open_page, endpoint, desk):
    page = open_page(f"{endpoint.url}/review")
    page.get_by_label("Your name").fill("ana")
    page.get_by_role("button", name="Next case").click()
    expect(page.get_by_role("article")).to_be_visible()
    case = desk.next("ana")
    desk.decide(case.case_id, reviewer="ana", verdict="accept")  # in another window
    page.get_by_role("radio").first.check()
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_role("alert")).to_contain_text("you have decided the case")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_fits_every_width_in_light_and_dark(open_page, endpoint, scheme, width):
    page = open_page(
        f"{endpoint.url}/review",
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
    )
    page.get_by_label("Your name").fill("x" * 100)
    page.get_by_role("button", name="Next case").click()
    expect(page.get_by_role("article")).to_be_visible()
    page.get_by_role("radio").nth(1).check()
    picture(page, f"page-{scheme}-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    red = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0]")
    assert (int(red) < 128) == (scheme == "dark")


@dataclass
class Lab:
    url: str
    root: Path

    def kernel_of(self, name):
        """The running kernel of a notebook, or None."""
        key = {"Authorization": f"token {TOKEN}"}
        ask = urllib.request.Request(f"{self.url}/api/sessions", headers=key)
        with urllib.request.urlopen(ask, timeout=30) as answer:
            found = [one["kernel"] for one in json.load(answer) if name in one["path"]]
        return found[0] if found else None


@pytest.fixture
def lab(tmp_path, desk, artifact):
    """`capstone lab` on a notebook with nothing but the panel, one for each reviewer."""
    root = tmp_path / "notebooks"
    root.mkdir()
    for name in ("ana", "bo"):
        code = (
            "import capstone_lib as cap\n"
            "from capstone_lib.widgets.review_panel import ReviewPanel\n"
            f"queue = cap.ReviewQueue(cap.open_store({desk.store.url!r}))\n"
            f"artifact = cap.load_model({str(artifact.path)!r})\n"
            f"ReviewPanel(queue, reviewer={name!r}, artifact=artifact, words={WORDS})"
        )
        cell = nbformat.v4.new_code_cell(code)
        notebook = nbformat.v4.new_notebook(
            cells=[cell], metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}}
        )
        nbformat.write(notebook, root / f"{name}.ipynb")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = [
        f"--workspace={tmp_path / 'work'}", "--no-browser", "--allow-root",
        "--ServerApp.ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={TOKEN}",
        f"--FileContentsManager.root_dir={root}", f"--MappingKernelManager.root_dir={root}",
    ]  # fmt: skip
    folders = {
        "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime", "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces", "IPYTHONDIR": "ipython",
    }  # fmt: skip
    themes = tmp_path / "settings" / "@jupyterlab" / "apputils-extension"
    themes.mkdir(parents=True)
    follow = {"adaptive-theme": True}  # light or dark, as the browser wants it
    (themes / "themes.jupyterlab-settings").write_text(json.dumps(follow))
    log = tmp_path / "log"
    with ProcessWatch() as watch, log.open("wb") as stream:
        own = {name: str(tmp_path / folder) for name, folder in folders.items()}
        process = subprocess.Popen(
            [sys.executable, "-m", "capstone_lib", "lab", *options],
            stdout=stream,
            stderr=stream,
            env={**os.environ, **own, **watch.environment},
            start_new_session=True,
        )
        watch.follow(process.pid)
        end = time.monotonic() + 90
        while "is running at" not in log.read_text("utf-8"):
            gone = process.poll() is not None or time.monotonic() > end
            assert not gone, log.read_text("utf-8")
            time.sleep(0.1)
        yield Lab(f"http://127.0.0.1:{port}", root)
    process.wait(30)  # the watch has stopped the server and its kernels


def open_panel(open_page, lab, name, **options):
    """Open a reviewer's notebook and run its cell."""
    page = open_page(f"{lab.url}/lab/tree/{name}.ipynb?token={TOKEN}&reset", **options)
    expect(page.locator(f"{PANEL} .jp-CodeCell").first).to_be_visible(timeout=60_000)
    run_cell(page, lab, name)
    return page


def run_cell(page, lab, name):
    end = time.monotonic() + 90
    while (lab.kernel_of(name) or {}).get("execution_state") != "idle":
        assert time.monotonic() < end, f"the kernel of {name} did not start"
        page.wait_for_timeout(200)
    page.locator(f"{PANEL} .jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    expect(page.get_by_role("button", name="Next case")).to_be_visible(timeout=120_000)


def case_on(page):
    article = page.get_by_role("article")
    expect(article).to_be_visible(timeout=60_000)
    return article.get_attribute("aria-label")


def test_the_panel_in_a_real_jupyterlab(lab, open_page, desk, scored):
    """Three clicks; two reviewers at once; a kernel killed between seen and decided."""
    ana = open_panel(open_page, lab, "ana", viewport={"width": 1280, "height": 1100})
    bo = open_panel(open_page, lab, "bo", viewport={"width": 1280, "height": 1100})

    ana.get_by_role("button", name="Next case").click()
    bo.get_by_role("button", name="Next case").click()
    first = case_on(ana)
    assert first != case_on(bo)
    ana.get_by_role("radio").nth(1).click()
    picture(ana, "panel")
    ana.get_by_role("button", name="Decide").click()
    expect(ana.get_by_role("status")).to_contain_text("Decided:", timeout=30_000)
    made = desk.decisions()
    assert [f"Case {row_id}" for row_id in made["row_id"]] == [first]
    assert made["verdict"].tolist() == ["override"]
    assert made["seconds"][0] > 0
    assert (scored.predictions()["decided_by"] == "ana").sum() == 1

    ana.get_by_role("button", name="Next case").click()
    seen = case_on(ana)
    assert seen not in (first, case_on(bo))
    kill_kernel_of(lab, "ana")
    restarted(ana)
    run_cell(ana, lab, "ana")
    expect(ana.get_by_role("article")).to_have_count(0)
    ana.get_by_role("button", name="Next case").click()
    assert case_on(ana) == seen
    ana.get_by_role("radio", name="Cannot say").click()
    ana.get_by_role("button", name="Decide").click()
    expect(ana.get_by_role("status")).to_contain_text("You cannot say", timeout=30_000)
    assert desk.decisions()["reviewer"].tolist() == ["ana", "ana"]
    assert desk.next("bo").row_id == case_on(bo).removeprefix("Case ")


def kill_kernel_of(lab, name):
    kernel = lab.kernel_of(name)["id"]
    (process,) = [
        one
        for one in psutil.process_iter(["cmdline"])
        if any(kernel in part for part in one.info["cmdline"] or ())
    ]
    process.send_signal(signal.SIGKILL)
    process.wait(30)


def restarted(page):
    """JupyterLab starts the kernel again by itself, and says so."""
    button = page.get_by_role("button", name="Ok")
    expect(button).to_be_visible(timeout=60_000)
    button.click()


def test_the_panel_by_keyboard_and_in_the_dark(lab, open_page, desk):
    page = open_panel(
        open_page, lab, "bo", viewport={"width": 1000, "height": 1100}, color_scheme="dark"
    )
    page.get_by_label("Your name").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    case_on(page)
    expect(page.get_by_role("button", name="Next case")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Decide")).to_be_enabled()
    for _ in range(3):  # each choice is a stop of its own
        page.keyboard.press("Tab")
    expect(page.get_by_label("Note")).to_be_focused()
    page.keyboard.type("seen")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Decide")).to_be_focused()
    picture(page, "panel-dark")
    ink = page.locator(".cap-case").evaluate("one => getComputedStyle(one).color")
    assert ink == "rgb(232, 234, 237)"
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Decided:", timeout=30_000)
    expect(page.get_by_role("button", name="Next case")).to_be_focused()
    assert desk.decisions()["note"].tolist() == ["seen"]
