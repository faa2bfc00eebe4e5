"""Sliders in notebooks that are executed without a browser, and read without a kernel."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import nbformat.v4 as v4
from nbconvert import HTMLExporter

from capstone_lib.course.results import NotebookResult
from capstone_lib.course.runner import run_notebooks

TURN = """\
from matplotlib import pyplot as plt
from capstone_lib.widgets import explore
def turn(strength=0.3, rows=2_000):
    plt.subplots()[1].plot([0, strength], [0, rows])
explore(turn, alt="A line that rises.", strength=(0.0, 1.0, 0.1), rows=[200, 2_000])
"""
PRINTS = "with out:\n    print('x')\n    display(1)"


def run(folder: Path, *sources: str, timeout_s: float = 60) -> tuple[NotebookResult, Any]:
    (folder / "notebooks").mkdir()
    node = v4.new_notebook(cells=[v4.new_code_cell(source) for source in sources])
    nbformat.write(node, folder / "notebooks" / "01_case.ipynb")
    space = folder / "work"
    report = run_notebooks(workspace=space, folder=folder / "notebooks", timeout_s=timeout_s)
    return report.notebooks[0], nbformat.read(space / "executed" / "01_case.ipynb", as_version=4)


def states(executed: Any) -> dict[str, Any]:
    kept = executed.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    return {name: one["state"] for name, one in kept.items()}


class Pictures(HTMLParser):
    """The alternative text of each picture."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str | None] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.words.append(dict(attrs).get("alt"))


def test_an_executed_notebook_keeps_the_picture_with_its_words_and_no_dead_slider(
    tmp_path: Path,
) -> None:
    result, executed = run(tmp_path, *[TURN] * 10)
    assert result.status == "passed", result.error
    assert "widgets" not in executed.metadata
    words = ["A line that rises. (strength 0.3, rows 2,000)"] * 10
    for cell in executed.cells:
        [output] = cell.outputs
        assert set(output.data) == {"text/plain", "text/html", "image/png"}
    own = (tmp_path / "work" / "executed" / "01_case.html").read_text("utf-8")
    assert Pictures(own).words == words
    plain, _ = HTMLExporter().from_notebook_node(executed)
    assert Pictures(plain).words == words


def test_a_reader_that_refuses_html_gets_the_picture_with_its_words(tmp_path: Path) -> None:
    _, executed = run(tmp_path, TURN)
    del executed.cells[0].outputs[0].data["text/html"]
    page, _ = HTMLExporter(template_name="classic").from_notebook_node(executed)
    assert Pictures(page).words == ["A line that rises."]


def test_a_widget_without_a_picture_stays_with_its_state(tmp_path: Path) -> None:
    _, executed = run(tmp_path, "from ipywidgets import IntSlider\nIntSlider(7)", TURN)
    view = executed.cells[0].outputs[0].data["application/vnd.jupyter.widget-view+json"]
    assert states(executed)[view["model_id"]]["value"] == 7


def test_output_widgets_do_not_leave_the_runner_waiting(tmp_path: Path) -> None:
    start = "import ipywidgets\nout = ipywidgets.Output()\nout"
    result, executed = run(tmp_path, start, *[PRINTS] * 100, timeout_s=120)
    assert result.status == "passed", result.error
    [output] = [one for one in states(executed).values() if "outputs" in one]
    assert output["outputs"][0]["text"] == "x\n"
