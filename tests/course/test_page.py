import base64
from html.parser import HTMLParser
from pathlib import Path

import nbformat.v4 as v4

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
