"""Pictures as SVG that stands inside a page: in its colours, light or dark, and without a script.

Letters are outlines, so that a picture looks the same wherever it is opened or printed; what it
says stands beside it as text.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from importlib import import_module
from io import StringIO
from typing import TYPE_CHECKING, Any

from capstone_lib.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["HEAT", "INK", "LINE", "ONE", "PAPER", "QUIET", "TWO", "Picture", "clipped", "draw"]

INK, QUIET, LINE, ONE, TWO, HEAT, PAPER = (f"#0{k}0{k}0{k}" for k in range(1, 8))
"""Stand-ins, which the page's own colours take the place of."""

_COLOURS = {
    INK: "var(--ink, #1b1f24)",
    QUIET: "var(--quiet, #5b6470)",
    LINE: "var(--line, #d5d9de)",
    ONE: "var(--one, #0072b2)",
    TWO: "var(--two, #d55e00)",
    HEAT: "var(--heat, #0072b2)",
    PAPER: "var(--card, #ffffff)",
}
_STYLE: dict[str, Any] = {
    "svg.fonttype": "path",
    "text.parse_math": False,  # a name may hold a dollar sign
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": LINE,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}
_LONGEST = 34
_GONE = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>"
    r"|<defs>\s*<style[^>]*>.*?</style>\s*</defs>",
    re.DOTALL,
)


@dataclass(frozen=True)
class Picture:
    """A picture with what it shows in words.

    Attributes
    ----------
    svg : str
        One ``svg`` element, labelled with ``alt``.
    alt : str
        What is seen, with its numbers.
    caption : str
        What is drawn, of which window and how many, and where it comes from.
    """

    svg: str
    alt: str
    caption: str


def draw(
    paint: "Callable[[Axes], None]", *, name: str, alt: str, caption: str, height_in: float
) -> Picture:
    """Draw one picture, as wide as a page.

    Parameters
    ----------
    paint : callable
        Draws on the axes that it is given.
    name : str
        Its own within the page.
    alt, caption : str
        As in :class:`Picture`.
    height_in : float
        In inches; it is seven wide.

    Raises
    ------
    MissingExtraError
        If Matplotlib is not installed.
    """
    try:
        matplotlib: Any = import_module("matplotlib")
        figures: Any = import_module("matplotlib.figure")
    except ModuleNotFoundError as error:
        raise MissingExtraError("matplotlib", "report") from error
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}), _any_letter():
        figure = figures.Figure(figsize=(7.0, height_in), layout="constrained")
        paint(figure.add_subplot())
        text = StringIO()
        figure.savefig(text, format="svg", transparent=True)
    return Picture(_inside_a_page(text.getvalue(), name=name, alt=alt), alt, caption)


def clipped(text: str) -> str:
    """A name that fits beside an axis."""
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _inside_a_page(text: str, *, name: str, alt: str) -> str:
    text = _GONE.sub("", text)
    text = re.sub(r'(<svg\b[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg\b[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r'\bid="([^"]*)"', rf'id="{name}-\1"', text)
    text = re.sub(r'href="#([^"]*)"', rf'href="#{name}-\1"', text)
    text = re.sub(r"url\(#([^)]*)\)", rf"url(#{name}-\1)", text)
    for stand_in, colour in _COLOURS.items():
        text = text.replace(stand_in, colour)
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(alt)}"', 1).strip()


@contextmanager
def _any_letter() -> Iterator[None]:
    """A name in letters that the font lacks is drawn as boxes; the table beside it has it right."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield
