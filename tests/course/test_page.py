import base64
from html.parser import HTMLParser
from pathlib import Path

import nbformat.v4 as v4
from nbclient import NotebookClient

from capstone_lib.course.page import to_page

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n not a real picture").decode()
WIDGET = "application/vnd.jupyter.widget-view+json"


class Loads(HTMLParser):
    """Collects what a browser would fetch, and the scripts it would run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.scripts = 0
        self.policy = ""
        self.title = ""
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self._open = tag
        self.scripts += tag == "script"
        if named.get("http-equiv") == "Content-Security-Policy":
            self.policy = named["content"] or ""
        wanted = [named.get("src"), named.get("href") if tag == "link" else None]
        self.fetched += [url for url in wanted if url and not url.startswith("data:")]

    def handle_data(self, data: str) -> None:
        if self._open == "title":
            self.title += data.strip()


def notebook(folder: Path) -> object:
    (folder / "loop.png").write_bytes(base64.b64decode(PNG))
    both = {
        WIDGET: {"model_id": "abc", "version_major": 2, "version_minor": 0},
        "text/html": "<b id='beside-the-widget'>42</b>",
    }
    state = {"state": {"abc": {"model_name": "HTMLModel"}}, "version_major": 2, "version_minor": 0}
    return v4.new_notebook(
        cells=[
            v4.new_markdown_cell("# A page\n![the loop](loop.png)\n\n$x^2$"),
            v4.new_code_cell("figure", outputs=[v4.new_output("display_data", both)]),
            v4.new_code_cell("png", outputs=[v4.new_output("display_data", {"image/png": PNG})]),
            v4.new_code_cell(
                "js", outputs=[v4.new_output("display_data", {"application/javascript": "steal()"})]
            ),
        ],
        metadata={"widgets": {"application/vnd.jupyter.widget-state+json": state}},
    )


def test_a_page_loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    page = to_page(notebook(tmp_path), title="01_größe", folder=tmp_path)
    loads = Loads(page)
    assert loads.fetched == []
    assert loads.scripts == 0
    assert loads.policy.startswith("default-src 'none'")
    assert loads.title == "01_größe"


def test_what_stands_beside_a_widget_is_shown_and_pictures_are_inside(tmp_path: Path) -> None:
    page = to_page(notebook(tmp_path), title="t", folder=tmp_path)
    assert "beside-the-widget" in page
    assert page.count(PNG) == 2, "the prose's picture and the output's"
    assert "steal()" not in page


def widget(text: str, **beside: str) -> object:
    view = {"model_id": "box", "version_major": 2, "version_minor": 0}
    return v4.new_output("display_data", {WIDGET: view, "text/plain": text, **beside})


def test_a_widget_shows_its_still_picture_and_never_its_python_text() -> None:
    alone = widget("interactive(children=(FloatSlider(value=0.5), Output()))")
    picture = widget("VBox(children=(IntSlider(value=3),))", **{"image/png": PNG})
    html = widget("Box()", **{"text/html": f'<img alt="a dial" src="data:image/png;base64,{PNG}">'})
    cells = [v4.new_code_cell("x", outputs=[one]) for one in (alone, picture, html)]
    page = to_page(v4.new_notebook(cells=cells), title="t")
    for text in ("interactive(", "VBox(", "Box()", "FloatSlider"):
        assert text not in page
    assert page.count(PNG) == 2
    assert 'alt="a dial"' in page
    assert page.count("A widget stands here while the notebook runs") == 1


def test_what_a_widget_had_drawn_last_is_shown(tmp_path: Path) -> None:
    """A real slider and the figure that it redraws, run by a real kernel."""
    source = (
        "import ipywidgets\n"
        "from IPython.display import HTML, display\n"
        "def draw(x): print(f'drawn at {x}'); display(HTML(f'<b id=still-{x}>here</b>'))\n"
        "ipywidgets.interactive(draw, x=(0, 10, 1))"
    )
    made = v4.new_notebook(cells=[v4.new_code_cell(source)])
    NotebookClient(made, kernel_name="python3", timeout=60).execute(cwd=str(tmp_path))
    page = to_page(made, title="t")
    assert "interactive(children" not in page
    assert "still-5" in page
    assert "drawn at 5" in page
    assert "A widget stands here" not in page
