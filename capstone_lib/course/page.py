"""A notebook as one HTML file that needs nothing from a network and runs no script.

The look is nbconvert's JupyterLab template, without its links to MathJax, Mermaid and widget
renderers. Formulas in TeX and live widgets are therefore not shown: an output that carries a
picture or HTML beside a widget shows that.
"""

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
    for cell in shown.cells:
        if "outputs" in cell:
            cell.outputs = [
                output
                for output in cell.outputs
                if "data" not in output or not output.data.keys().isdisjoint(_SHOWN)
            ]
    return shown
