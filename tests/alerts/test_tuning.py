"""A rule turned like a dial: when it would have rung."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capstone_lib.alerts import Playbook, Rule, evaluate_alerts
from capstone_lib.alerts.tuning import change_rule, first_firing, try_rule
from capstone_lib.errors import PlaybookError
from capstone_lib.store.measurement import Measurement

DAYS = [f"2016-01-{day:02}" for day in range(1, 30)]


def rule(**more):
    return Rule("gap", "gap", more.pop("threshold", 0.2), "me", "why", "what", **more)


def stretch(values):
    ends = itertools.pairwise(DAYS[: len(values) + 1])
    return [
        Measurement("gap", value, window_start=start, window_end=end)
        for value, (start, end) in zip(values, ends, strict=True)
    ]


def test_a_changed_rule_stands_where_it_stood_and_the_others_stay():
    default = Playbook.default()
    changed = change_rule(default, "parity", threshold=0.05, for_windows=3)
    assert (changed["parity"].threshold, changed["parity"].for_windows) == (0.05, 3)
    assert [one.name for one in changed] == [one.name for one in default]
    assert [one for one in changed if one.name != "parity"] == [
        one for one in default if one.name != "parity"
    ]
    assert default["parity"].threshold == 0.01


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [("paritet", {}, "no rule 'paritet'"), ("parity", {"treshold": 1}, "has no treshold")],
)
def test_what_cannot_be_changed_is_said(name, changes, words):
    with pytest.raises(PlaybookError, match=words):
        change_rule(Playbook.default(), name, **changes)


def test_the_first_window_of_an_alert_counts_those_before_it():
    assert first_firing(rule(), stretch([0.3])) == 1
    assert first_firing(rule(), stretch([0.1, 0.1, 0.3, 0.1])) == 3
    assert first_firing(rule(for_windows=2), stretch([0.3, 0.1, 0.3, 0.1])) is None
    assert first_firing(rule(for_windows=2), stretch([0.3, 0.1, 0.3, 0.3])) == 4
    assert first_firing(rule(), []) is None


@given(
    st.lists(st.floats(0, 0.4), min_size=1, max_size=8),
    st.floats(0.05, 0.35),
    st.integers(1, 3),
)
def test_it_is_the_first_window_at_which_the_playbook_fires(values, threshold, for_windows):
    mine = rule(threshold=threshold, for_windows=for_windows)
    windows = stretch(values)
    fired = [
        any(one.state == "firing" for one in evaluate_alerts(Playbook((mine,)), windows[:passed]))
        for passed in range(1, len(windows) + 1)
    ]
    expected = fired.index(True) + 1 if any(fired) else None
    assert first_firing(mine, windows) == expected


def test_a_trial_counts_wolves_and_sleep():
    quiet = [stretch([0.1] * 4), stretch([0.1, 0.3, 0.1, 0.1])]
    broken = [stretch([0.3] * 4), stretch([0.1, 0.1, 0.3, 0.3]), stretch([0.1] * 4)]
    trial = try_rule(rule(), quiet, broken)
    assert (trial.quiet, trial.broken, trial.n_windows) == ((None, 2), (1, 3, None), 4)
    assert (trial.false_alarms, trial.heard(2), trial.heard(3)) == (0.5, 1 / 3, 2 / 3)
    assert trial.delay == 3
    assert "50% of 2 quiet stretches of 4 windows" in str(trial)


def test_what_mostly_sleeps_has_no_delay():
    trial = try_rule(rule(), [], [stretch([0.1]), stretch([0.1]), stretch([0.3])])
    assert math.isnan(trial.delay)
    assert math.isnan(trial.false_alarms)
    assert "most sleep" in str(try_rule(rule(), [stretch([0.1])], [stretch([0.1])]))
