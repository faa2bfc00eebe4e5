import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from scipy.stats import binomtest

from capstone_lib import plots
from capstone_lib.errors import MissingExtraError


@pytest.fixture(autouse=True)
def no_windows():
    mpl.use("agg")
    with mpl.rc_context():
        yield
    plt.close("all")


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def test_the_style_gives_every_figure_the_palette_and_a_white_ground():
    plots.use_style()
    figure, ax = plt.subplots()
    (line,) = ax.plot([0, 1])
    assert line.get_color() == plots.PALETTE[0]
    assert mpl.colors.to_hex(figure.get_facecolor()) == "#ffffff"


def test_the_first_colours_stand_out_from_white_as_lines_must():
    for colour in plots.PALETTE[:3]:
        assert 1.05 / (luminance(colour) + 0.05) >= 3, colour


def test_figures_go_where_they_are_told_or_on_new_axes():
    _, given = plt.subplots()
    assert plots.axes_for(given, figsize=(1, 1)) is given
    new = plots.axes_for(None, figsize=(3, 2))
    assert new is not given
    assert tuple(new.figure.get_size_inches()) == (3, 2)


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingExtraError, match=r"capstone-lib\[notebook\]"):
        plots.axes_for(None)


def test_the_loop_shows_every_stage_inside_the_picture_and_no_two_overlap():
    plots.use_style()
    ax = plots.draw_loop(here=["batch"])
    ax.figure.canvas.draw()
    frame = ax.figure.bbox
    boxes = [patch.get_window_extent() for patch in ax.patches if hasattr(patch, "get_boxstyle")]
    words = [text for text in ax.texts if text.get_text()]
    assert len(boxes) == len(words) == 10
    for box, word in zip(boxes, words, strict=True):
        assert frame.contains(box.x0, box.y0)
        assert frame.contains(box.x1, box.y1)
        said = word.get_window_extent()
        assert box.x0 <= said.x0, word.get_text()
        assert said.x1 <= box.x1, word.get_text()
    assert not any(a.overlaps(b) for a in boxes for b in boxes if a is not b)
    assert [t.get_text() for t in words if t.get_color() == "white"] == ["Batch\nevery night"]


def test_an_unknown_stage_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="no stage lunch; there are data, train"):
        plots.draw_loop(here=["lunch"])


def test_shares_stand_with_their_sizes_and_wilson_intervals():
    values = np.array([1, 1, 0, 1, 0, 0, 0, 1, 1])
    groups = np.array(["b", "b", "b", "a", "a", "a", "a", "c", "c"])
    ax = plots.draw_shares(values, groups, xlabel="group", ylabel="at work")
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a\nn = 4", "b\nn = 3", "c\nn = 2"]
    dots = ax.lines[0].get_ydata()
    np.testing.assert_allclose(dots, [25, 200 / 3, 100])
    (bars,) = ax.collections
    for (low, high), (hits, n) in zip(
        (segment[:, 1] for segment in bars.get_segments()), [(1, 4), (2, 3), (2, 2)], strict=True
    ):
        interval = binomtest(hits, n).proportion_ci(method="wilson")
        np.testing.assert_allclose(
            [low, high], [100 * interval.low, 100 * interval.high], rtol=1e-6
        )
    assert ax.get_ylabel() == "at work (%)"


def test_throughput_has_a_line_a_way_in_the_axes_given():
    measured = pd.DataFrame(
        {"way": ["x", "x", "y"], "batch_size": [1, 10, 1], "rows_per_s": [5.0, 50.0, 2.0]}
    )
    _, ax = plt.subplots()
    assert plots.draw_throughput(measured, ax=ax) is ax
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["x", "y"]
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_the_tail_shows_the_share_that_took_longer_and_marks_mean_and_p99():
    times = np.arange(1, 1001, dtype=float)
    ax = plots.draw_tail({"all": np.random.default_rng(0).permutation(times), "one": [5.0]})
    line, mean, p99 = ax.lines[:3]
    for time, share in zip(line.get_xdata(), line.get_ydata(), strict=True):
        assert share == pytest.approx(100 * np.mean(times >= time))
    assert mean.get_xdata() == pytest.approx(times.mean())
    assert p99.get_xdata() == pytest.approx(np.percentile(times, 99))
    assert mean.get_ydata() == pytest.approx(50, abs=0.2)
    assert p99.get_ydata() == pytest.approx(1, abs=0.2)
    said = [text.get_text() for text in ax.get_legend().get_texts()]
    assert said == ["all (n = 1,000)", "one (n = 1)", "mean", "p99"]


def test_routes_have_a_stroke_for_each_answer_and_a_line_for_each_change():
    begin = pd.Timestamp("2026-01-01")
    seconds = pd.to_timedelta([1, 2, 3], unit="s")
    routes = ["stable", "degraded", "stable"]
    requests = pd.DataFrame({"received_at": begin + seconds, "route": routes})
    changes = pd.DataFrame({"changed_at": [begin], "why": ["bad day"]})
    _, ax = plt.subplots()
    assert plots.draw_routes(requests, changes, ax=ax) is ax
    degraded, stable, change = ax.lines
    assert [t.get_text() for t in ax.get_yticklabels()] == ["degraded", "stable"]
    assert list(degraded.get_xdata()) == [2]
    assert list(stable.get_xdata()) == [1, 3]
    assert list(stable.get_ydata()) == [1, 1]
    assert list(change.get_xdata()) == [0, 0]
    assert [t.get_text().strip() for t in ax.texts] == ["bad day"]
