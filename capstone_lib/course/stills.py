"""An executed notebook has no kernel: where a widget carries a still one, that is kept.

A slider that moves and changes nothing misleads; JupyterLab, nbconvert and GitHub would try to
show it, or an error in its place, rather than the picture. Other widgets stay as they are.
"""

from typing import Any

__all__ = ["keep_stills"]

_VIEW = "application/vnd.jupyter.widget-view+json"


def keep_stills(notebook: Any) -> None:
    """Take widgets out of the outputs that carry a PNG or HTML too, and their state if none is left.

    Parameters
    ----------
    notebook
        An executed nbformat node; it is changed.
    """
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = [output.data for output in outputs if _VIEW in output.get("data", {})]
    for data in shown:
        if "image/png" in data or "text/html" in data:
            del data[_VIEW]
    if not any(_VIEW in data for data in shown):
        notebook.metadata.pop("widgets", None)
