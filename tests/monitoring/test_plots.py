"""Figures show the counts: bars of the reference, points of the window, marks of what is real."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")

import capstone_lib as cap
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.plots import draw_column, draw_heatmap
from capstone_lib.plots import use_style


@pytest.fixture(autouse=True)
def style():
    from matplotlib import pyplot as plt

    with mpl.rc_context():
        use_style()
        yield
    plt.close("all")


def reports():
    rng = np.random.default_rng(0)
    before = pd.DataFrame({"age": rng.integers(20, 70, 5000), "sex": rng.integers(1, 3, 5000)})
    for shift in (0, 30):
        now = pd.DataFrame({"age": rng.integers(20, 70, 800), "sex": rng.integers(1, 3, 800)})
        now["age"] += shift
        yield cap.detect_drift(before, now)


def test_a_column_is_drawn_with_its_shares_and_sizes():
    quiet, broken = reports()
    ax = quiet.plot("age")
    bars = [100 * share for share in quiet.reference.cells("age")[:10] / 5000]
    assert [bar.get_height() for bar in ax.patches] == pytest.approx(bars)
    points = ax.lines[0].get_ydata()
    assert points == pytest.approx(100 * quiet.current.cells("age")[:10] / 800)
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words == ["reference, n = 5,000", "window, n = 800"]
    assert ax.get_ylabel() == "share of rows (%)"
    shown = [label.get_text() for label in broken.plot("age").get_xticklabels()]
    assert shown[-1] == "above"
    with pytest.raises(MonitoringError, match="no column 'rain'"):
        draw_column(quiet.reference, quiet.current, "rain")


def test_a_heat_map_marks_what_is_real_and_what_is_large():
    quiet, broken = reports()
    ax = draw_heatmap([quiet, broken, broken])
    marks = [(line.get_marker(), line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines]
    assert marks == [(".", 1, 0), ("o", 1, 0), (".", 2, 0), ("o", 2, 0)]
    shown = np.asarray(ax.images[0].get_array())
    assert shown.shape == (2, 3)
    assert shown[0, 1] == pytest.approx(broken["age"].effect)
    with pytest.raises(MonitoringError, match="no report"):
        draw_heatmap([])
