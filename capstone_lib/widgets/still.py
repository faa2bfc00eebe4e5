"""One picture of what a function draws, with words for those who do not see it."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from importlib import import_module
from io import BytesIO
from typing import Any

from capstone_lib.errors import MissingExtraError
from capstone_lib.widgets.dials import in_words

__all__ = ["Still", "take"]


@dataclass(frozen=True)
class Still:
    """A picture that needs no kernel.

    Attributes
    ----------
    png
        The picture.
    alt
        What it shows, for those who do not see it.
    caption
        What it shows just now.
    """

    png: bytes
    alt: str
    caption: str

    @property
    def img(self) -> str:
        """The picture as an HTML element that carries it."""
        data = b64encode(self.png).decode("ascii")
        words = escape(f"{self.alt} ({self.caption})")
        return f'<img alt="{words}" src="data:image/png;base64,{data}" style="max-width: 100%">'


def take(draw: Callable[..., Any], values: Mapping[str, Any], *, alt: str) -> Still:
    """Let a function draw with pyplot, keep the picture, and close its figures.

    Parameters
    ----------
    draw
        Makes a figure. If it returns text, that is the caption.
    values
        Its arguments, by name.
    alt
        What the picture shows, whatever the values.

    Raises
    ------
    ValueError
        No new figure was made.
    MissingExtraError
        There is no matplotlib.
    """
    try:
        plt: Any = import_module("matplotlib.pyplot")
    except ModuleNotFoundError as error:
        raise MissingExtraError("matplotlib", "notebook") from error
    before = set(plt.get_fignums())
    try:
        said = draw(**values)
        made = [number for number in plt.get_fignums() if number not in before]
        if not made:
            raise ValueError("no figure was made; begin with: figure, axes = plt.subplots()")
        png = BytesIO()
        plt.figure(made[-1]).savefig(png, format="png")
    finally:
        for number in set(plt.get_fignums()) - before:
            plt.close(number)
    return Still(png.getvalue(), alt, said if isinstance(said, str) else in_words(values))
