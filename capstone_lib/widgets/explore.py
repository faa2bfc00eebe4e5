"""Sliders above a picture: turn a dial, and see what becomes of it.

Where no kernel runs, in an executed notebook, on a page or on GitHub, the first picture is shown.
ipywidgets' ``interact`` and ``Output`` are not used: a picture here is a value that a widget has,
not something that is printed and caught.
"""

import asyncio
from collections.abc import Callable, Mapping
from html import escape
from importlib import import_module
from time import perf_counter
from typing import Any

from capstone_lib.errors import MissingExtraError
from capstone_lib.widgets.dials import Dial, dials_of, in_words, say
from capstone_lib.widgets.still import Still, take

__all__ = ["Explorer", "explore"]

_PAUSE_S = 0.05  # what else has been turned meanwhile is drawn at once
_SLOW_S = 0.5
_WIDE = {"width": "min(100%, 36em)"}


def explore(draw: Callable[..., Any], *, alt: str, **ranges: Any) -> "Explorer":
    """Show sliders, and the picture that a function draws for their values.

    Parameters
    ----------
    draw : callable
        Called with a value for each range, by name. It makes one figure with
        :mod:`matplotlib.pyplot`. Text that it returns is shown and spoken below the picture;
        without it the values are.
    alt : str
        What the picture shows, for those who do not see it.
    **ranges
        For each parameter a tuple of numbers, ``(low, high)`` or ``(low, high, step)``, or a list
        of choices. A slider starts at the parameter's default, if it has one, else in the middle,
        or at the first choice.

    Returns
    -------
    Explorer
        A notebook shows it. Without ipywidgets it is the first picture.

    Raises
    ------
    ValueError
        A range cannot be read, or no figure was made.
    MissingExtraError
        There is no matplotlib.

    Notes
    -----
    The first picture is drawn at once, and an error in it is raised. Later ones are drawn when a
    slider is let go, in the kernel's main thread; an error is then told in place of the picture.

    Examples
    --------
    >>> def roll(dice=2):
    ...     from matplotlib import pyplot as plt
    ...     plt.subplots()[1].bar(["most"], [6 * dice])
    >>> shown = explore(roll, alt="The most that dice can show.", dice=(1, 5))
    >>> shown.values, shown.still.caption
    ({'dice': 2}, 'dice 2')
    """
    return Explorer(draw, alt=alt, dials=dials_of(draw, ranges))


class Explorer:
    """What :func:`explore` returns.

    Attributes
    ----------
    still : Still
        The picture that was drawn last.
    controls : dict of str to ipywidgets.Widget
        The sliders by name; empty without ipywidgets.
    """

    def __init__(self, draw: Callable[..., Any], *, alt: str, dials: tuple[Dial, ...]) -> None:
        self._draw, self._alt, self._dials = draw, alt, dials
        self.controls: dict[str, Any] = {}
        self._loop = _running_loop()
        self._waits = False
        self._seconds = 0.0
        self.still = self._take()
        try:
            self._widget = self._make(import_module("ipywidgets"))
        except ModuleNotFoundError:
            self._widget = None

    @property
    def values(self) -> dict[str, Any]:
        """What the sliders are set to."""
        return {one.name: self._value(one) for one in self._dials}

    def _value(self, dial: Dial) -> Any:
        value = self.controls[dial.name].value if self.controls else dial.start
        return value if dial.choices or dial.is_whole else round(value, dial.decimals)

    def _take(self) -> Still:
        began = perf_counter()
        try:
            return take(self._draw, self.values, alt=self._alt)
        finally:
            self._seconds = perf_counter() - began

    def _make(self, widgets: Any) -> Any:
        wide = max(len(one.name) for one in self._dials) + 1
        self.controls = {one.name: _control(widgets, one, wide) for one in self._dials}
        for one in self.controls.values():
            one.observe(self._on_change, names="value")
        self._picture = widgets.HTML(self.still.img)
        self._caption = widgets.HTML(_spoken(self.still.caption))
        return widgets.VBox([*self.controls.values(), self._picture, self._caption])

    def _on_change(self, _: Any) -> None:
        if self._loop is None:
            self._redraw()
        else:  # JupyterLab may tell of it in another thread, and pyplot knows only one
            self._loop.call_soon_threadsafe(self._redraw_soon)

    def _redraw_soon(self) -> None:
        if self._waits or self._loop is None:
            return
        self._waits = True
        self._loop.call_later(_PAUSE_S, self._redraw)

    def _redraw(self) -> None:
        self._waits = False
        if self._seconds > _SLOW_S:
            self._caption.value = _spoken("Drawing …")
        try:
            self.still = self._take()
        except Exception as error:  # told where the picture was: there is no cell to raise it in
            self._picture.value = ""
            self._caption.value = _spoken(_sorry(error, self.values), role="alert")
        else:
            self._picture.value = self.still.img
            self._caption.value = _spoken(self.still.caption)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        parts = [self.still.img, f"<p>{escape(self.still.caption)}</p>"]
        shown: Mapping[str, Any] = {}
        if self._widget is None:
            missing = MissingExtraError("ipywidgets", "notebook")
            parts.append(f"<p>There are no sliders: {escape(str(missing))}</p>")
        else:
            shown = self._widget._repr_mimebundle_()
        still = {
            "text/plain": f"{self.still.alt} ({self.still.caption})",
            "text/html": "\n".join(parts),
            "image/png": self.still.png,
        }
        return {**shown, **still}, {"image/png": {"alt": self.still.alt}}


def _control(widgets: Any, dial: Dial, wide: int) -> Any:
    common = {
        "description": dial.name,
        "value": dial.start,
        "style": {"description_width": f"{wide}ch"},
        "layout": _WIDE,
    }
    if dial.choices:
        options = [(say(one), one) for one in dial.choices]
        return widgets.SelectionSlider(options=options, continuous_update=False, **common)
    kind = widgets.IntSlider if dial.is_whole else widgets.FloatSlider
    return kind(
        min=dial.low,
        max=dial.high,
        step=dial.step,
        readout_format="d" if dial.is_whole else f".{dial.decimals}f",
        continuous_update=False,
        **common,
    )


def _spoken(words: str, *, role: str = "status") -> str:
    live = "assertive" if role == "alert" else "polite"
    return f'<p role="{role}" aria-live="{live}" style="margin: 0">{escape(words)}</p>'


def _sorry(error: Exception, values: Mapping[str, Any]) -> str:
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    return f"There is no picture for {in_words(values)}: {said}. Turn back, or mend the function."


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
