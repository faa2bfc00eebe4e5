import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from capstone_lib.progress import _html, in_notebook, progress

SCRIPT = """
from capstone_lib.progress import progress
with progress(1000, desc="scoring", show={show}) as bar:
    for _ in range(10):
        bar.update(100)
"""


@pytest.mark.parametrize(("show", "shown"), [(True, True), (False, False), (None, False)])
def test_a_terminal_bar_goes_to_stderr_and_only_when_wanted(show, shown):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(show=show)], capture_output=True, text=True, check=True
    )

    assert done.stdout == ""
    assert ("1.00k" in done.stderr and "scoring" in done.stderr) == shown
    assert bool(done.stderr) == shown


def test_a_notebook_keeps_one_output_with_the_final_state():
    cells = [SCRIPT.format(show=None), SCRIPT.format(show=False)]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])

    NotebookClient(notebook, kernel_name="python3", timeout=60).execute()

    first, second = (cell["outputs"] for cell in notebook.cells)
    assert second == []
    assert [output["output_type"] for output in first] == ["display_data"]
    html = first[0]["data"]["text/html"]
    assert "1,000 of 1,000 rows" in html
    assert "value='1000' max='1000'" in html
    assert "rows/s" in html


def test_here_is_no_notebook():
    assert not in_notebook()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"n": 0, "total": 10, "elapsed": 0.0, "rate": None}, "0 of 10 rows"),
        ({"n": 5, "total": 10, "elapsed": 5.0, "rate": 1.0}, "1 rows/s · 00:05 left"),
        ({"n": 5, "total": None, "elapsed": 5.0, "rate": None}, "5 rows · 1 rows/s"),
        ({"n": 12, "total": 10, "elapsed": 5.0, "rate": 1.0}, "12 of 10 rows"),
        ({"n": 0, "total": 0, "elapsed": 0.0, "rate": None}, "0 of 0 rows"),
    ],
)
def test_the_state_is_told_in_words_and_escaped(state, words):
    html = _html(state | {"unit": " rows", "prefix": "<b>model</b>: "})

    assert words in html
    assert "<b>" not in html
    assert "&lt;b&gt;model" in html


def test_updates_are_counted_when_nothing_is_shown():
    with progress(None, show=False) as bar:
        bar.update(5)
    assert bar.disable
