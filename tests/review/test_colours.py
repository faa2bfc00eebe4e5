"""Whatever a case is painted on, its words and bars can be told apart (WCAG 2.2, AA)."""

import re

import pytest

from capstone_lib.review.page import render_review_page
from capstone_lib.widgets.review_panel import _COLOURS

PAPERS = {"light": ["#ffffff", "#fbfbf9"], "dark": ["#111111", "#1d2125", "#14171a"]}


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def schemes(text):
    """The colours by name, of the light scheme and of the dark one."""
    found = re.findall(r"--(?:case-)?([\w-]+): (#\w{6})", text)
    half = len(found) // 2
    return {"light": dict(found[:half]), "dark": dict(found[half:])}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("where", ["page", "panel"])
def test_words_and_bars_can_be_told_apart(artifact, scheme, where):
    text = _COLOURS if where == "panel" else render_review_page(artifact)
    colours = schemes(text)[scheme]
    papers = PAPERS[scheme][:2] if where == "panel" else [colours["paper"], colours["card"]]
    for paper in papers:
        for name in ("ink", "quiet", "accent", "care", "bad"):
            assert contrast(colours[name], paper) >= 4.5, (name, paper)
        assert contrast(colours["down"], paper) >= 3
    for bar in ("accent", "down", "ink"):
        assert contrast(colours[bar], colours["track"]) >= 3, bar
