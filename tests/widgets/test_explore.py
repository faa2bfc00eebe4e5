"""Sliders above a picture: the picture follows, and a still one is left where no kernel runs."""

import asyncio
import re
import sys
import time
from base64 import b64decode
from collections.abc import Iterator
from io import BytesIO
from threading import Thread
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt

from capstone_lib.widgets import explore

WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(autouse=True)
def _no_figure_stays() -> Iterator[None]:
    before = plt.get_fignums()
    yield
    assert plt.get_fignums() == before


def black(share: float = 0.5, rows: int = 10) -> None:
    """A picture whose darkness can be measured."""
    figure = plt.figure(figsize=(rows / 10, 1), facecolor=str(1 - share))
    figure.add_axes((0, 0, 1, 1)).axis("off")


def darkness(png: bytes) -> float:
    return 1 - float(np.mean(plt.imread(BytesIO(png))[:, :, :3]))


def picture(shown: Any) -> bytes:
    """What the widget shows."""
    found = re.search(r"base64,([^\"]+)", shown._widget.children[-2].value)
    assert found is not None
    return b64decode(found[1])


def told(shown: Any) -> str:
    return str(shown._widget.children[-1].value)


def test_a_slider_changes_the_picture_and_what_is_said_of_it() -> None:
    shown = explore(black, alt="A dark square.", share=(0.0, 1.0), rows=[10, 20])
    assert darkness(picture(shown)) == pytest.approx(0.5, abs=0.01)
    assert "share 0.5, rows 10" in told(shown)
    shown.controls["share"].value = 0.8
    assert darkness(picture(shown)) == pytest.approx(0.8, abs=0.01)
    assert shown.still.png == picture(shown)
    shown.controls["rows"].value = 20
    assert plt.imread(BytesIO(picture(shown))).shape[:2] == (100, 200)
    assert "share 0.8, rows 20" in told(shown)
    assert 'aria-live="polite"' in told(shown)


def test_the_caption_is_what_the_function_says() -> None:
    def draw(rows: int) -> str:
        black(rows=rows)
        return f"{rows} < 99 rows"

    shown = explore(draw, alt="Rows.", rows=(1, 9))
    assert shown.still.caption == "5 < 99 rows"
    assert "5 &lt; 99 rows" in told(shown)


@pytest.mark.parametrize(
    ("given", "kind", "start"),
    [
        ((0, 10), "IntSlider", 5),
        ((0, 100, 20), "IntSlider", 40),
        ((0.0, 1.0), "FloatSlider", 0.5),
        ((0, 1, 0.25), "FloatSlider", 0.5),
        ([200, 2_000, 20_000], "SelectionSlider", 200),
        (["SEX", "AGEP"], "SelectionSlider", "SEX"),
        (("a", "b"), "SelectionSlider", "a"),
    ],
)
def test_ranges_become_sliders(given: Any, kind: str, start: object) -> None:
    shown = explore(lambda value: black(), alt="Black.", value=given)
    assert type(shown.controls["value"]).__name__ == kind
    assert shown.values == {"value": start}
    assert shown.controls["value"].continuous_update is False


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "nothing to turn"),
        ({"share": 3}, r"share is 3; give \(low, high\)"),
        ({"share": "abc"}, "share is 'abc'"),
        ({"share": []}, "share is "),
        ({"share": (1.0, 0.0)}, "rising"),
        ({"share": (0.0, 1.0, 0.0)}, "rising"),
        ({"share": (0.0, float("inf"))}, "rising"),
        ({"share": (0.6, 1.0)}, "share starts at 0.5, which is not between 0.6 and 1.0"),
        ({"rows": [20, 30]}, "rows starts at 10, which is not one of"),
    ],
)
def test_a_range_that_is_none_is_told(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        explore(black, alt="Black.", **given)


def test_an_error_in_the_first_picture_is_raised_and_a_later_one_is_told() -> None:
    def draw(share: float = 0.5) -> None:
        black(share)
        1 / (share - 0.7)

    with pytest.raises(ZeroDivisionError):
        explore(lambda share: 1 / (share - 0.5), alt="None.", share=(0.0, 1.0, 0.1))
    shown = explore(draw, alt="Black.", share=(0.0, 1.0, 0.1))
    shown.controls["share"].value = 0.7
    assert 'role="alert"' in told(shown)
    assert "no picture for share 0.7: ZeroDivisionError" in told(shown)
    assert shown._widget.children[-2].value == ""
    shown.controls["share"].value = 0.9
    assert darkness(picture(shown)) == pytest.approx(0.9, abs=0.01)


def test_a_function_that_draws_nothing_is_told_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"begin with: figure, axes = plt.subplots\(\)"):
        explore(lambda share: None, alt="None.", share=(0, 1))


def test_one_bundle_carries_the_widget_and_the_picture_with_its_words() -> None:
    shown = explore(black, alt='A "dark" square.', share=(0.0, 1.0))
    data, metadata = shown._repr_mimebundle_()
    assert data[WIDGET]["model_id"] == shown._widget.model_id
    assert data["image/png"] == shown.still.png
    assert metadata["image/png"]["alt"] == 'A "dark" square.'
    assert '<img alt="A &quot;dark&quot; square. (share 0.5)" src="data:' in data["text/html"]


def test_without_ipywidgets_there_is_the_picture_and_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    shown = explore(black, alt="A dark square.", share=(0.0, 1.0))
    data, _ = shown._repr_mimebundle_()
    assert WIDGET not in data
    assert data["image/png"].startswith(b"\x89PNG")
    assert "<img alt=" in data["text/html"]
    assert data["text/html"].count("capstone-lib[notebook]") == 1
    assert shown.values == {"share": 0.5}


def test_what_is_turned_while_it_draws_is_drawn_once_and_in_one_thread() -> None:
    drawn: list[float] = []

    def draw(share: float = 0.0) -> None:
        black(share)
        drawn.append(share)
        time.sleep(0.2)

    async def turn() -> Any:
        shown = explore(draw, alt="Black.", share=(0.0, 1.0, 0.1))
        turning = Thread(target=lambda: [set_to(shown, k / 10) for k in range(1, 10)])
        turning.start()
        for _ in range(100):
            await asyncio.sleep(0.05)
            if drawn[-1] == 0.9 and not shown._waits:
                break
        turning.join()
        return shown

    def set_to(shown: Any, share: float) -> None:
        shown.controls["share"].value = share

    shown = asyncio.run(turn())
    assert drawn[0] == 0.0
    assert drawn[-1] == 0.9
    assert len(drawn) <= 4
    assert "share 0.9" in told(shown)
