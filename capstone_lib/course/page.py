"""A notebook as one HTML file that needs nothing from a network and runs no script.

The look is nbconvert's JupyterLab template, without its links to MathJax, Mermaid and widget
renderers. Formulas in TeX and live widgets are therefore not shown: of a widget the page shows the
picture or HTML that stands beside it or that it had drawn last, or else says that it was one.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

__all__ = ["to_page"]

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:"
_TEMPLATE = f"""\
{{%- extends 'lab/index.html.j2' -%}}
{{%- block html_head_js -%}}
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
{{%- endblock html_head_js -%}}
{{%- block jupyter_widgets -%}}{{%- endblock jupyter_widgets -%}}
{{%- block html_head_js_mathjax -%}}{{%- endblock html_head_js_mathjax -%}}
{{%- block html_head_js_mermaidjs -%}}{{%- endblock html_head_js_mermaidjs -%}}
{{%- block html_head_css -%}}
<style>.jp-RenderedMarkdown pre {{ font-family: var(--jp-code-font-family, monospace); }}</style>
{{%- endblock html_head_css -%}}
{{%- block footer -%}}</html>{{%- endblock footer -%}}
"""
_WIDGET = "application/vnd.jupyter.widget-view+json"
_WIDGETS = "application/vnd.jupyter.widget-state+json"
_GONE = "<p><em>A widget stands here while the notebook runs; run it to move the widget.</em></p>"
_SHOWN = ["text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/plain"]


def to_page(notebook: Any, *, title: str, folder: Path | None = None) -> str:
    """Return an executed notebook as the text of an HTML file.

    Parameters
    ----------
    notebook
        An nbformat notebook node.
    title
        The page's title.
    folder
        Where pictures that the prose names are found; they are put into the page.
    """
    from jinja2 import DictLoader
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    config = Config({"NbConvertBase": {"display_data_priority": _SHOWN}})
    make: Any = HTMLExporter  # nbconvert has no types
    exporter = make(
        config=config,
        embed_images=True,
        extra_loaders=[DictLoader({"capstone_page.html.j2": _TEMPLATE})],
        template_file="capstone_page.html.j2",
    )
    metadata = {"name": title, **({"path": str(folder)} if folder else {})}
    page, _ = exporter.from_notebook_node(_showable(notebook), resources={"metadata": metadata})
    return str(page)


def _showable(notebook: Any) -> Any:
    shown = deepcopy(notebook)
    states = shown.metadata.get("widgets", {}).get(_WIDGETS, {}).get("state", {})
    for cell in shown.cells:
        if "outputs" in cell:
            still = (one for output in cell.outputs for one in _still(output, states))
            cell.outputs = [one for one in still if "data" not in one or _can_be_seen(one)]
    return shown


def _still(output: Any, states: Mapping[str, Any]) -> Iterator[Any]:
    """What can be seen of an output without a kernel; of a widget never its Python text."""
    view = output.get("data", {}).get(_WIDGET)
    if view is None:
        yield output
        return
    output.data.pop("text/plain", None)
    drawn = [] if _can_be_seen(output) else list(_drawn(view.get("model_id", ""), states))
    if drawn:
        yield from drawn
        return
    if not _can_be_seen(output):
        output.data["text/html"] = _GONE
    yield output


def _drawn(model_id: str, states: Mapping[str, Any]) -> Iterator[Any]:
    """What a widget and those inside it had put out when the notebook was saved."""
    state = states.get(model_id, {}).get("state", {})
    for output in state.get("outputs", ()):
        if "data" not in output or (_WIDGET not in output.data and _can_be_seen(output)):
            yield output
    for child in state.get("children", ()):
        yield from _drawn(str(child).removeprefix("IPY_MODEL_"), states)


def _can_be_seen(output: Any) -> bool:
    return not output.data.keys().isdisjoint(_SHOWN)
