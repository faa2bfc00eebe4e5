"""Figures of alerts: what stands in them, read from the axes."""

import itertools

import matplotlib
import pandas as pd
import pytest

from capstone_lib.alerts import AlertBook, Playbook, Rule, act, evaluate_alerts
from capstone_lib.alerts.plots import draw_timeline, draw_trial
from capstone_lib.alerts.rule import NoiseFloor
from capstone_lib.alerts.tuning import try_rule
from capstone_lib.errors import AlertError
from capstone_lib.store.measurement import Measurement

matplotlib.use("agg")

MONTHS = [f"2016-{month:02}-01" for month in range(1, 7)]
RULE = Rule(
    "gap", "false_positive_rate_difference", 0.2, "me", "why", "what", feature="*",
    clear_threshold=0.15, alert_per="feature", actions=("pause_rollout", "ticket"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def measured(values, **about):
    return [
        Measurement(
            RULE.measurement, value, value - 0.01, value + 0.01, n=500, unit="share",
            window_start=start, window_end=end, model="m", version="1", **about,
        )
        for value, (start, end) in zip(values, itertools.pairwise(MONTHS), strict=True)
    ]  # fmt: skip


@pytest.fixture
def lived(store):
    """Five months, in the third of which a gap opens; a person undoes what was done."""
    rules, book = Playbook((RULE,)), AlertBook(store)
    months = list(
        zip(
            measured([0.1, 0.1, 0.3, 0.3, 0.1], feature="SEX"),
            measured([0.1] * 5, feature="DIS"),
            strict=True,
        )
    )
    for month in months:
        store.write_measurements(month)
        found = evaluate_alerts(rules, month, history=store.measurements())
        act(found, store, playbook=rules, now=month[0].window_end)
    (alert,) = book.history()["alert_id"]
    book.undo(alert, "pause_rollout", who="Ada", now="2016-04-10")
    return store.measurements(), book.history(), book.actions()


def test_the_number_that_rang_is_drawn_with_both_thresholds(lived):
    seen, history, done = lived
    ax = draw_timeline(seen, history, RULE, actions=done)
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert lines["threshold"].get_ydata()[0] == 0.2
    assert lines["clear"].get_ydata()[0] == 0.15
    (shown,) = [one for one in ax.containers if one.get_label() == "SEX"]
    assert list(shown.lines[0].get_ydata()) == pytest.approx([0.1, 0.1, 0.3, 0.3, 0.1])
    assert ax.get_ylabel() == "false positive rate difference (share)"
    assert "gap" in (ax.get_title(loc="left"), ax.get_title())


def test_the_alert_is_shaded_from_its_raising_to_its_end(lived):
    seen, history, _ = lived
    ax = draw_timeline(seen, history, RULE)
    (span,) = [one for one in ax.patches if one.get_label() == "alert open"]
    ends = [matplotlib.dates.num2date(x).strftime("%Y-%m-%d") for x in span.get_bbox().intervalx]
    assert ends == ["2016-04-01", "2016-06-01"]
    assert not ax.texts


def test_what_was_done_and_undone_is_written_where_it_happened(lived):
    seen, history, done = lived
    ax = draw_timeline(seen, history, RULE, actions=done)
    said = {str(text.xy[0])[:10]: text.get_text() for text in ax.texts}
    assert said == {
        "2016-04-01": "pause_rollout\nticket",
        "2016-04-10": "undone: pause_rollout",
    }
    heights = [text.xyann[1] for text in ax.texts]
    assert heights[1] < heights[0] - 20  # below the two lines of the first


def test_batch_and_live_are_told_apart():
    both = [*measured([0.1] * 5, traffic="batch"), *measured([0.3] * 5, traffic="live")]
    frame = pd.DataFrame([vars(one) for one in both])
    frame["window_end"] = pd.to_datetime(frame["window_end"])
    rule = Rule("all", RULE.measurement, 0.2, "me", "why", "what")
    ax = draw_timeline(frame, pd.DataFrame({"rule": [], "feature": []}), rule)
    labels = [one.get_label() for one in ax.containers]
    assert labels == ["everybody, batch", "everybody, live"]


def test_what_cannot_be_drawn_is_said(lived):
    seen, history, _ = lived
    with pytest.raises(AlertError, match="nothing was measured"):
        draw_timeline(seen, history, Rule("x", "psi", 0.2, "me", "", ""))
    with pytest.raises(AlertError, match="no threshold that could be drawn"):
        draw_timeline(seen, history, Rule("x", "psi", NoiseFloor(), "me", "", ""))


def test_a_trial_shows_numbers_and_how_many_have_rung():
    quiet, broken = [measured([0.1] * 5)], [measured([0.3] * 5), measured([0.1, *[0.3] * 4])]
    rule = Rule("all", RULE.measurement, 0.2, "me", "why", "what")
    left, right = draw_trial(try_rule(rule, quiet, broken), quiet, broken)
    assert len(left.get_lines()) == 4
    shares = {line.get_label(): list(line.get_ydata()) for line in right.get_lines()}
    assert shares == {"quiet": [0] * 6, "broken": [0, 0.5, 1, 1, 1, 1]}
    assert left.get_xlabel() == right.get_xlabel() == "windows"
