"""From measurements to alerts: raised, held, cleared; never flapping, whatever the order."""

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import capstone_lib as cap
from capstone_lib.alerts import Alert, BurnRate, NoiseFloor, Playbook, Rule, Silence, alerts_frame
from capstone_lib.alerts.holding import follow
from capstone_lib.errors import AlertError
from capstone_lib.store.measurement import Measurement, measurements_frame, moment_text

DAY = date(2026, 1, 1)


def rule(**changes):
    values = {
        "name": "high", "measurement": "review_share", "threshold": 0.5, "owner": "me",
        "why": "It matters.", "what_to_do": "Look.",
    }  # fmt: skip
    return Rule(**{**values, **changes})


def book(**changes):
    return Playbook((rule(**changes),))


def at(value, day=0, *, days=1, n=1000, **more):
    values = {
        "name": "review_share", "low": value - 0.1, "high": value + 0.1, "unit": "share",
        "model": "work", "version": "1", "traffic": "live",
        "window_start": DAY + timedelta(days=day), "window_end": DAY + timedelta(days=day + days),
    }  # fmt: skip
    return Measurement(**{**values, "value": value, "n": n, **more})


def states(playbook, found, **options):
    return [(one.rule.name, one.state) for one in cap.evaluate_alerts(playbook, found, **options)]


def state(playbook, found, **options):
    alerts = cap.evaluate_alerts(playbook, found, **options)
    assert len(alerts) <= 1
    return alerts[0].state if alerts else "quiet"


def through(playbook, values):
    """The state after each day, as days go by."""
    days = [at(value, day) for day, value in enumerate(values)]
    return [state(playbook, [one], history=days[:place]) for place, one in enumerate(days)]


@pytest.mark.parametrize(
    ("comparison", "over", "clear"),
    [(">", 0.51, 0.5), (">=", 0.5, 0.49), ("<", 0.49, 0.5), ("<=", 0.5, 0.51)],
)
def test_a_number_is_held_against_the_threshold(comparison, over, clear):
    playbook = book(comparison=comparison)
    assert state(playbook, [at(over)]) == "firing"
    assert state(playbook, [at(clear)]) == "quiet"


@pytest.mark.parametrize(("use", "over", "clear"), [("low", 0.61, 0.59), ("high", 0.41, 0.39)])
def test_an_end_of_the_interval_can_be_held_against_it(use, over, clear):
    assert state(book(use=use), [at(over)]) == "firing"
    assert state(book(use=use), [at(clear)]) == "quiet"
    assert state(book(use=use), [at(0.9, low=np.nan, high=np.nan)]) == "unknown"


@pytest.mark.parametrize(
    ("use", "ends", "fires"),
    [
        ("value", (0.1, 0.9), True),
        ("low", (0.6, 0.9), True),
        ("low", (0.4, 0.9), False),
        ("low", (-0.9, -0.6), True),
        ("low", (-0.9, 0.9), False),
        ("high", (-0.6, 0.1), True),
        ("high", (-0.4, 0.4), False),
    ],
)
def test_beyond_is_far_from_nothing_on_either_side(use, ends, fires):
    value = -0.7 if use == "value" else sum(ends) / 2
    one = at(value, low=ends[0], high=ends[1])
    assert state(book(comparison="beyond", use=use), [one]) == ("firing" if fires else "quiet")


def test_the_noise_floor_is_the_measurements_own():
    playbook = book(measurement="psi", feature="*", threshold=NoiseFloor())
    for threshold, expected in ((0.02, "firing"), (0.04, "quiet"), (None, "unknown")):
        one = at(0.03, name="psi", feature="age", threshold=threshold)
        assert state(playbook, [one]) == expected
    message = cap.evaluate_alerts(playbook, [at(0.03, name="psi", feature="age", threshold=0.02)])
    assert "0.02, what chance shows at most in 95% of windows" in message[0].message


def test_it_must_hold_for_so_many_windows_and_be_clear_for_so_many():
    playbook = book(for_windows=2, clear_windows=2, clear_threshold=0.4)
    assert through(playbook, [0.6, 0.3, 0.6, 0.6, 0.45, 0.3, 0.45, 0.3, 0.3, 0.6, 0.6]) == [
        "pending", "quiet", "pending", "firing", "firing", "firing", "firing", "firing", "cleared",
        "pending", "firing",
    ]  # fmt: skip


def test_a_number_that_sits_on_the_threshold_does_not_ring_and_fall_silent_in_turn():
    trembling = [0.51, 0.49] * 10
    with_hysteresis = through(book(clear_threshold=0.4), trembling)
    assert set(with_hysteresis) == {"firing"}
    assert len(set(through(book(), trembling))) == 2


def test_windows_that_overlap_count_once():
    playbook = book(for_windows=2)
    sliding = [at(0.9, day, days=7) for day in range(7)]
    assert state(playbook, sliding) == "pending"
    assert state(playbook, [*sliding, at(0.9, 7, days=7)]) == "firing"
    alert = cap.evaluate_alerts(playbook, [*sliding, at(0.9, 7, days=7)])[0]
    assert alert.windows_held == 2
    clearing = book(clear_windows=2)
    falling = [at(0.9, -7, days=7), *(at(0.1, day, days=7) for day in range(7))]
    assert state(clearing, falling) == "firing"
    assert state(clearing, [*falling, at(0.1, 7, days=7)]) == "cleared"


def test_of_windows_that_end_together_the_shortest_counts():
    year, month = at(0.9, -364, days=365), at(0.1, -30, days=31)
    assert state(book(), [year, month]) == "quiet"
    assert state(book(), [replace(year, value=0.1), replace(month, value=0.9)]) == "firing"


def test_a_window_without_a_value_or_with_few_rows_changes_nothing():
    playbook = book(min_n=100, for_windows=2)
    nothing = at(np.nan, 1, note="no source")
    few = at(0.1, 1, n=99)
    for between in (nothing, few):
        assert state(playbook, [at(0.9), between]) == "pending"
        assert state(playbook, [at(0.9), between, at(0.9, 2)]) == "firing"
        held = [at(0.9, -1), at(0.9), between]
        assert state(playbook, held) == "firing"


def test_a_rule_that_sees_nothing_says_so_and_does_nothing():
    blind = [at(np.nan, day, note="no source of the batch") for day in range(2)]
    (alert,) = cap.evaluate_alerts(book(severity="critical"), blind)
    assert (alert.state, alert.severity, alert.windows_held) == ("unknown", "info", 2)
    assert "can say nothing: no source of the batch" in alert.message
    (alert,) = cap.evaluate_alerts(book(min_n=5000), [at(0.9)])
    assert "n = 1,000, and the rule asks for 5,000" in alert.message
    (alert,) = cap.evaluate_alerts(book(measurement="coverage"), [at(0.9)])
    assert "no window has it" in alert.message
    assert alert.measurements == ()


def test_it_is_blind_only_if_it_stays_so():
    seen = at(0.1)
    blind = [at(np.nan, day, note="late") for day in range(1, 4)]
    assert state(book(), [seen, *blind[:2]]) == "quiet"
    (alert,) = cap.evaluate_alerts(book(), [seen, *blind])
    assert alert.state == "unknown"
    assert "last known 2026-01-01 to 2026-01-02" in alert.message
    assert state(book(), [at(0.9), *blind]) == "firing"  # unknown does not clear


def test_ten_columns_that_drift_are_one_alert_the_strongest_first():
    columns = [at(0.5 + place / 100, name="drift_effect", feature=f"c{place}")
               for place in range(12)]  # fmt: skip
    playbook = book(measurement="drift_effect", feature="*")
    (alert,) = cap.evaluate_alerts(playbook, columns)
    assert [one.feature for one in alert.measurements] == [f"c{p}" for p in range(11, -1, -1)]
    assert alert.feature == "c11"
    assert "and 11 more" in alert.title
    assert "1. drift_effect [c11]: 0.61 (0.51 to 0.71), n = 1,000" in alert.message
    assert alert.message.count("drift_effect [c") == 11  # the title, and ten
    assert "and 2 more" in alert.message
    per_feature = book(measurement="drift_effect", feature="*", alert_per="feature")
    assert len(cap.evaluate_alerts(per_feature, columns)) == 12


def test_a_yes_or_no_is_told_by_the_number_behind_it():
    found = [
        *(at(1.0, name="drift_is_large", feature=name, low=np.nan, high=np.nan) for name in "ab"),
        at(0.2, name="drift_effect", feature="a"),
        at(0.6, name="drift_effect", feature="b", note="real and large"),
        at(0.9, name="drift_effect", feature="b", traffic="batch"),
    ]
    playbook = book(measurement="drift_is_large", feature="*", threshold=1)
    (alert,) = cap.evaluate_alerts(playbook, found)
    assert [(one.name, one.feature, one.value) for one in alert.measurements] == [
        ("drift_effect", "b", 0.6), ("drift_effect", "a", 0.2),
    ]  # fmt: skip
    assert alert.title == "high (warning): drift_effect [b]: 0.6, and 1 more"
    assert "(real and large)" in alert.message


def test_batch_and_live_are_followed_apart_and_told_together():
    playbook = book(for_windows=2)
    apart = [at(0.9), at(0.9, 1, traffic="batch")]
    assert state(playbook, apart) == "pending"  # neither has held for two
    both = [*apart, at(0.9, 1), at(0.8, 0, traffic="batch")]
    (alert,) = cap.evaluate_alerts(playbook, both)
    assert (alert.state, alert.traffic, len(alert.measurements)) == ("firing", "", 2)
    (alert,) = cap.evaluate_alerts(book(traffic="batch"), both)
    assert alert.traffic == "batch"


def test_models_and_versions_have_alerts_of_their_own():
    found = [at(0.9), at(0.9, version="2"), at(0.1, version="3")]
    alerts = cap.evaluate_alerts(book(), found)
    assert {one.version for one in alerts} == {"1", "2"}
    assert len({one.alert_id for one in alerts}) == 2
    again = cap.evaluate_alerts(book(), [at(0.9, 5)], history=found)
    assert [one.version for one in again] == ["1"]  # only what was measured is told


def test_the_id_stays_while_window_threshold_and_strongest_cause_change():
    first = cap.evaluate_alerts(
        book(measurement="psi", feature="*"), [at(0.9, name="psi", feature="a")]
    )
    later = cap.evaluate_alerts(
        book(measurement="psi", feature="*", threshold=0.3),
        [at(0.9, 4, name="psi", feature="b", traffic="batch")],
    )
    assert first[0].alert_id == later[0].alert_id
    assert first[0].alert_id.startswith("high-")


def test_of_a_gap_the_group_that_fares_worst_is_named():
    gap = at(0.3, name="false_positive_rate_lower_bound", feature="SEX",
             note="false_positive_rate: SEX=2 over SEX=1")  # fmt: skip
    (alert,) = cap.evaluate_alerts(
        book(measurement="false_positive_rate_lower_bound", feature="*", threshold=0.1), [gap]
    )
    assert (alert.feature, alert.group) == ("SEX", "SEX=2")


def test_the_group_of_a_real_audit_is_found():
    truth = np.zeros(400, dtype=int)
    decided = np.r_[np.ones(150), np.zeros(50), np.ones(50), np.zeros(150)].astype(int)
    audit = cap.audit_fairness(truth, decided, sensitive_features={"SEX": [2] * 200 + [1] * 200})
    playbook = Playbook((cap.Playbook.default()["unequal_errors"],))
    found = [replace(one, n=600) for one in audit.measurements()]
    (alert,) = cap.evaluate_alerts(playbook, found)
    assert (alert.state, alert.feature, alert.group) == ("firing", "SEX", "SEX=2")


def test_what_is_silenced_does_not_fire_until_its_time():
    silence = Silence("high", until="2026-02-01", who="me", why="known")
    for now, expected in (("2026-01-31", "silenced"), ("2026-02-01", "firing")):
        assert state(book(), [at(0.9)], silences=[silence], now=now) == expected
    other = replace(silence, rule="other")
    assert state(book(), [at(0.9)], silences=[other], now="2026-01-31") == "firing"
    table = pd.DataFrame([vars(silence) | {"silence_key": 1}])
    assert state(book(), [at(0.9)], silences=table, now="2026-01-31") == "silenced"


def test_a_silence_of_one_column_leaves_the_others():
    playbook = book(measurement="psi", feature="*")
    two = [at(0.9, name="psi", feature="a"), at(0.6, name="psi", feature="b")]
    silence = {"rule": "high", "until": "2026-02-01", "feature": "a"}
    (alert,) = cap.evaluate_alerts(playbook, two, silences=[silence], now="2026-01-05")
    assert (alert.state, [one.feature for one in alert.measurements]) == ("firing", ["b"])
    (alert,) = cap.evaluate_alerts(playbook, two[:1], silences=[silence], now="2026-01-05")
    assert alert.state == "silenced"


def test_pending_is_not_silenced_and_the_present_is_the_default():
    silence = Silence("high", until="2000-01-01")
    assert state(book(), [at(0.9)], silences=[silence]) == "firing"
    forever = Silence("high", until="2999-01-01")
    assert state(book(), [at(0.9)], silences=[forever]) == "silenced"
    assert state(book(for_windows=2), [at(0.9)], silences=[forever]) == "pending"


MINUTES = 5


def minutes(values, *, n=1000, first=0):
    start = pd.Timestamp("2026-01-01")
    return [
        at(value, n=n, name="error_rate",
           window_start=(start + pd.Timedelta(minutes=MINUTES * (first + k))).to_pydatetime(),
           window_end=(start + pd.Timedelta(minutes=MINUTES * (first + k + 1))).to_pydatetime())
        for k, value in enumerate(values)
    ]  # fmt: skip


BURNING = book(
    measurement="error_rate", threshold=BurnRate(10, 0.01, "5m", "1h"), clear_threshold=5
)


def test_a_budget_must_burn_over_the_long_time_and_over_the_short_one():
    quiet, spike = [0.001] * 12, [0.5]
    assert state(BURNING, minutes([*quiet, *spike])) == "quiet"  # 0.5 / 12: it does not matter yet
    assert state(BURNING, minutes([*quiet, *spike * 3])) == "firing"
    assert state(BURNING, minutes([*quiet, *spike * 4, 0.0])) == "cleared"  # it has stopped
    assert state(BURNING, minutes([*quiet, *spike * 4, 0.06])) == "firing"  # clear of 5 times only
    (alert,) = cap.evaluate_alerts(BURNING, minutes([*quiet, *spike * 3]))
    assert "0.1, 10 times a budget of 0.01, over 1h and over 5m" in alert.message


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.data())
@settings(deadline=None, max_examples=60)
def test_burn_rates_are_the_pooled_shares_of_both_times(values, data):
    sizes = data.draw(st.lists(st.integers(1, 5000), min_size=len(values), max_size=len(values)))
    found = [replace(one, n=n) for one, n in zip(minutes(values), sizes, strict=True)]
    parts = np.array(values) * sizes
    long = parts[-12:].sum() / sum(sizes[-12:])
    burn = min(values[-1], long) / 0.01
    limit = data.draw(st.floats(0.1, 99))
    playbook = book(measurement="error_rate", threshold=BurnRate(limit, 0.01, "5m", "1h"))
    expected = burn >= limit
    if abs(burn - limit) > 1e-9:
        now = cap.evaluate_alerts(playbook, found)
        firing = bool(now) and now[0].state == "firing"
        assert firing == expected


def test_one_long_window_stands_for_both_times():
    month = at(0.2, days=30, name="error_rate")
    assert state(BURNING, [month]) == "firing"
    assert state(BURNING, [replace(month, window_start="", window_end="")]) == "firing"


def test_measurements_come_as_a_list_or_as_the_stores_table(tmp_path):
    found = [at(0.9), at(np.nan, 1, note="late"), at(0.3, name="psi", feature="a", threshold=0.1)]
    with cap.open_store(tmp_path / "store.db") as store:
        store.write_measurements(found)
        table = store.measurements()
    for given_ in (table, measurements_frame(found), iter(found)):
        assert cap.evaluate_alerts(book(), given_) == cap.evaluate_alerts(book(), found)
    open_ended = [replace(at(0.9), window_start="", window_end="")]
    frame = measurements_frame(open_ended)
    assert cap.evaluate_alerts(book(), frame) == cap.evaluate_alerts(book(), open_ended)


def test_what_is_no_measurement_is_refused():
    with pytest.raises(AlertError, match=r"measurements are what .* seen float"):
        cap.evaluate_alerts(book(), [0.3])
    with pytest.raises(AlertError, match="a name and a value at least; seen name, n"):
        cap.evaluate_alerts(book(), [{"name": "psi", "n": 3}])


def test_nothing_measured_raises_nothing():
    assert cap.evaluate_alerts(None, []) == []


def test_history_may_hold_the_same_windows_and_what_is_newer_counts():
    old, new = at(0.9), at(0.1)
    assert state(book(), [new], history=[old]) == "quiet"
    assert state(book(), [old], history=[new, old]) == "firing"


def test_an_alert_is_told_in_full_and_ready_for_json():
    (alert,) = cap.evaluate_alerts(
        book(clear_threshold=0.4, clear_windows=2), [at(0.9, low=np.nan)]
    )
    for part in ("high (warning): review_share: 0.9\n1. review_share: 0.9 (up to 1), n = 1,000",
                 "of live rows, 2026-01-01 to 2026-01-02", "review_share at or above 0.5",
                 "it ends when 2 windows are clear of 0.4",
                 "Model: work 1", "Why: It matters.", "What to do (me): Look."):  # fmt: skip
        assert part in alert.message
    plain = json.loads(json.dumps(alert.to_dict(), allow_nan=False))
    assert plain["measurements"][0]["low"] is None
    assert plain["severity"] == "warning"
    assert alert.title in alert._repr_html_()
    frame = alerts_frame([alert])
    assert frame.loc[0, ["rule", "state", "causes"]].tolist() == ["high", "firing", 1]


def test_the_gravest_come_first():
    three = (("a", "info", 1), ("b", "critical", 1), ("c", "critical", 9))
    rules = [rule(name=name, severity=severity, for_windows=n) for name, severity, n in three]
    assert states(Playbook(tuple(rules)), [at(0.9)]) == [
        ("b", "firing"), ("a", "firing"), ("c", "pending"),
    ]  # fmt: skip


# --- properties ---------------------------------------------------------------------------------

VALUES = st.one_of(st.floats(0, 1), st.just(float("nan")))
RULES = st.builds(
    rule,
    threshold=st.floats(0.01, 1),
    comparison=st.sampled_from([">", ">=", "<", "<=", "beyond"]),
    use=st.sampled_from(["value", "low", "high"]),
    for_windows=st.integers(1, 4),
    clear_windows=st.integers(1, 4),
    min_n=st.sampled_from([0, 500]),
    feature=st.sampled_from(["", "*"]),
    alert_per=st.sampled_from(["rule", "feature"]),
)
POINTS = st.builds(
    at,
    VALUES,
    st.integers(0, 20),
    days=st.integers(1, 8),
    n=st.sampled_from([100, 1000]),
    feature=st.sampled_from(["", "a", "b"]),
    traffic=st.sampled_from(["batch", "live"]),
)
SERIES = st.lists(POINTS, max_size=25, unique_by=lambda one: one.key)


@given(st.builds(lambda one: Playbook((one,)), RULES), POINTS, st.integers(1, 12), st.booleans())
@settings(deadline=None, max_examples=150)
def test_a_constant_never_flaps(playbook, one, n_windows, sliding):
    step = 1 if sliding else 8
    days = [replace(one, window_start=moment_text(DAY + timedelta(days=step * k)),
                    window_end=moment_text(DAY + timedelta(days=step * k + 8)))
            for k in range(n_windows)]  # fmt: skip
    seen = [states(playbook, [day], history=days[:k]) for k, day in enumerate(days)]
    order = {"unknown": 0, "pending": 1, "firing": 2}
    ranks = [order[now[0][1]] if now else -1 for now in seen]
    assert ranks == sorted(ranks)
    assert not any(name == "cleared" for now in seen for _, name in now)


@given(st.builds(lambda one: Playbook((one,)), RULES), SERIES, st.randoms())
@settings(deadline=None, max_examples=150)
def test_order_and_repetition_make_no_difference(playbook, found, random):
    first = cap.evaluate_alerts(playbook, found)
    shuffled = list(found)
    random.shuffle(shuffled)
    assert cap.evaluate_alerts(playbook, shuffled) == first
    assert cap.evaluate_alerts(playbook, found, history=shuffled) == first
    assert len({one.alert_id for one in first}) == len(first)
    for one in first:
        assert isinstance(one, Alert)
        assert one.message
        assert {cause.traffic for cause in one.measurements} <= {"batch", "live"}


@given(RULES, SERIES, st.floats(0.01, 1))
@settings(deadline=None, max_examples=150)
def test_a_stricter_threshold_never_loses_an_alert(one, found, other):
    low, high = sorted((one.threshold, other))
    strict, lax = (low, high) if one.comparison in (">", ">=", "beyond") else (high, low)

    def firing(threshold):
        alerts = cap.evaluate_alerts(Playbook((replace(one, threshold=threshold),)), found)
        return {alert.alert_id for alert in alerts if alert.state == "firing"}

    assert firing(lax) <= firing(strict)


@given(RULES, SERIES)
@settings(deadline=None, max_examples=100)
def test_more_patience_never_raises_more(one, found):
    def firing(**changes):
        alerts = cap.evaluate_alerts(Playbook((replace(one, **changes),)), found)
        return {alert.alert_id for alert in alerts if alert.state == "firing"}

    assert firing(for_windows=one.for_windows + 1) <= firing()
    assert firing() <= firing(clear_windows=one.clear_windows + 1)


@given(st.lists(st.sampled_from(["over", "between", "clear"]), max_size=30),
       st.integers(1, 4), st.integers(1, 4))  # fmt: skip
@settings(deadline=None)
def test_holding_is_that_of_a_plain_loop(verdicts, for_windows, clear_windows):
    from capstone_lib.alerts.holding import Seen

    windows = [Seen(at(0.5, day), verdict, 0.5, 0.5) for day, verdict in enumerate(verdicts)]
    held = follow(windows, for_windows=for_windows, clear_windows=clear_windows)
    firing, over, clear, fired = False, 0, 0, False
    for verdict in verdicts:
        over = over + 1 if verdict == "over" else 0
        clear = clear + 1 if verdict == "clear" else 0
        if over >= for_windows:
            firing = fired = True
        elif firing and clear >= clear_windows:
            firing = False
    expected = "firing" if firing else "pending" if over else "cleared" if fired else "quiet"
    assert (held.state if held else "quiet") == expected
