"""The report: what is real, what is large, what of the arguments makes no sense."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import capstone_lib as cap
from capstone_lib.artifact.binning import Binning
from capstone_lib.errors import MonitoringError
from capstone_lib.schema import Schema


def people(n, seed=0, *, shift=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": np.clip(rng.normal(45 + shift, 15, n), 17, 89).astype(int),
            "town": rng.choice(["Adams", "Lee", "Ware"], n, p=[0.6, 0.3, 0.1]),
            "pay": rng.gamma(2.0, 900.0, n),
        }
    )


def test_a_quiet_window_is_silent_and_a_shift_is_named():
    before = people(8000)
    assert cap.detect_drift(before, people(2000, 1)).findings == ()
    report = cap.detect_drift(before, people(2000, 3, shift=8))
    assert [one.name for one in report.alarms] == ["age"]
    one = report["age"]
    assert one.is_real
    assert one.is_large
    assert one.effect_low < one.effect < one.effect_high
    assert all(one.value(m) > floor for m, floor in one.floors.items())
    assert "1 real differences, 1 of them large" in str(report)
    assert "age: large" in str(report)


def test_real_and_large_are_two_questions():
    report = cap.detect_drift(people(60_000), people(60_000, 1, shift=1))
    assert report["age"].is_real
    assert not report["age"].is_large
    assert report.alarms == ()
    assert cap.detect_drift(
        people(60_000), people(60_000, 1, shift=1), thresholds={"effect": 0.01}
    )["age"].is_large


def test_folklore_stands_beside_and_can_be_chosen():
    before, now = people(20_000), people(120, 5)
    noisy = cap.detect_drift(before, now)
    assert noisy["age"].floors["psi"] > 0.1  # in so small a window 0.1 means nothing
    shifted = cap.detect_drift(before, people(3000, 2, shift=6), thresholds="folklore")
    assert shifted["age"].folklore == "watch"
    assert shifted["age"].is_real
    assert shifted.alarms == ()
    assert [one.name for one in shifted.folklore_alarms] == ["age"]


def test_missing_unseen_and_out_of_range_values_are_large_from_one_in_a_hundred():
    now = people(2000, 1).astype({"age": float, "town": object})
    now.loc[:39, "age"] = np.nan
    now.loc[100:139, "town"] = "Gill"
    now.loc[200:239, "pay"] = 1e9
    report = cap.detect_drift(people(8000), now)
    assert {one.name for one in report.alarms} == {"age", "town", "pay"}
    assert report["age"].missing == 0.02
    assert report["town"].unseen == 0.02
    assert report["pay"].out_of_range == pytest.approx(0.02, abs=0.002)
    assert "2.0% unseen" in str(report["town"])


def test_what_was_missing_before_too_is_no_news():
    before, now = (people(n, n).astype({"age": float}) for n in (8000, 2000))
    for frame in (before, now):
        frame.loc[frame.index % 10 == 0, "age"] = np.nan
    report = cap.detect_drift(before, now)
    assert report["age"].missing == 0.1
    assert report.findings == ()


@pytest.mark.parametrize("n", [1, 2, 7])
def test_tiny_windows_raise_nothing_and_find_nothing(n):
    report = cap.detect_drift(people(5000), people(n, 3))
    assert report.findings == ()
    assert report.to_frame()["n"].tolist() == [n] * 3


def test_a_window_without_a_single_value_is_found():
    now = people(300, 1)
    now["age"] = np.nan
    report = cap.detect_drift(people(5000), now)
    assert report["age"].is_large
    assert np.isnan(report["age"].kolmogorov_smirnov)
    assert "100.0% missing" in str(report["age"])


def test_a_constant_reference_has_nothing_to_say_until_it_changes():
    before, now = people(900).assign(one=3), people(200, 4).assign(one=3)
    assert cap.detect_drift(before, now)["one"].p_value == 1
    assert cap.detect_drift(before, now.assign(one=4))["one"].is_large


def test_tables_and_windows_give_the_same_report():
    before, now = people(4000), people(900, 1, shift=3)
    want = cap.detect_drift(before, now).to_frame()
    binning = Binning.of(before, Schema.infer(before))
    windows = [cap.Window.of(rows, binning=binning) for rows in (before, now)]
    halves = cap.Window.merge(
        [cap.Window.of(part, binning=binning) for part in (now[:300], now[300:])]
    )
    thawed = cap.Window.from_dict(json.loads(json.dumps(windows[0].to_dict())))
    for pair in (windows, (windows[0], halves), (thawed, now), (pa.table(before), pa.table(now))):
        pd.testing.assert_frame_equal(cap.detect_drift(*pair).to_frame(), want)


def test_columns_can_be_chosen():
    report = cap.detect_drift(people(4000), people(900, 1, shift=9), columns=["town", "pay"])
    assert [one.name for one in report.features] == ["town", "pay"]
    assert {one.name for one in report.pairs} == {"town × pay"}
    assert report.findings == ()


def test_the_classifier_finds_a_change_that_takes_three_columns():
    rng = np.random.default_rng(0)

    def bits(n, odd):
        x = rng.integers(0, 2, (n, 3))
        if odd:
            x[:, 2] = np.where(rng.random(n) < 0.6, x[:, 0] ^ x[:, 1], x[:, 2])
        return pd.DataFrame(x, columns=list("abc"))

    report = cap.detect_drift(bits(1500, False), bits(1500, True), classifier=True)
    assert [one.name for one in report.alarms] == ["all columns together"]
    assert not any(one.is_real for one in report.features)
    assert report.classifier.auc_low > 0.55
    quiet = cap.detect_drift(bits(600, False), bits(600, False), classifier=True)
    assert quiet.findings == ()
    assert quiet.classifier.auc_low < 0.5 < quiet.classifier.auc_high


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"current": people(10)[:0]}, "the window has no rows"),
        ({"reference": people(10)[:0]}, "the reference has no rows"),
        ({"current": people(10)[["age"]]}, "lacks the columns town, pay"),
        ({"current": [1, 2, 3]}, "is a Window, a DataFrame"),
        ({"alpha": 5}, "alpha lies between 0 and 1"),
        ({"correction": "holm"}, "correction is 'bh' or 'bonferroni'"),
        ({"thresholds": {"phi": 1}}, "no measure 'phi'"),
        ({"thresholds": "strict"}, "a mapping of a measure to a number"),
        ({"columns": ["rain"]}, "no column 'rain'"),
        (
            {"current": pd.concat([people(50), people(50)[["age"]]], axis=1)},
            "the window has more than one column 'age'",
        ),
        (
            {"reference": pd.concat([people(50), people(50)[["age"]]], axis=1)},
            "the reference has more than one column 'age'",
        ),
        ({"columns": []}, "no column"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message):
    given = {"reference": people(100), "current": people(50)} | arguments
    with pytest.raises(MonitoringError, match=message):
        cap.detect_drift(given.pop("reference"), given.pop("current"), **given)


def test_windows_against_other_bins_and_counts_for_a_classifier_are_refused():
    one, two = people(500), people(500, 1)
    windows = [cap.Window.of(x, binning=Binning.of(x, Schema.infer(x))) for x in (one, two)]
    with pytest.raises(MonitoringError, match="other bins"):
        cap.detect_drift(*windows)
    with pytest.raises(MonitoringError, match="needs rows"):
        cap.detect_drift(windows[0], two, classifier=True)


def test_a_report_becomes_measurements(tmp_path):
    before, now = people(8000), people(2000, 1, shift=9).astype({"age": float})
    now.loc[:99, "age"] = np.nan
    report = cap.detect_drift(before, now)
    found = report.measurements(window_start="2016-01-01", window_end="2016-02-01", traffic="live")
    assert {(one.window_start, one.traffic) for one in found} == {("2016-01-01T00:00:00", "live")}
    assert len({one.key for one in found}) == len(found)
    by_name = {(one.name, one.feature): one for one in found}
    effect = by_name["drift_effect", "age"]
    assert (effect.value, effect.low) == (report["age"].effect, report["age"].effect_low)
    assert effect.note == "real and large"
    assert by_name["drift_is_large", "age"].value == 1
    assert by_name["drift_is_large", "town"].value == 0
    assert by_name["drift_alarms", ""].value == 1
    assert "chance alone reaches" in by_name["psi", "town"].note
    missing = by_name["missing_share", "age"]
    assert missing.value == 0.05
    assert missing.low < 0.05 < missing.high
    assert ("wasserstein", "town") not in by_name
    with cap.open_store(tmp_path / "store.db") as store:
        for _ in range(2):  # computing a window again replaces it
            store.write_measurements(found)
        assert len(store.measurements()) == len(found)


def test_a_report_shows_itself():
    report = cap.detect_drift(people(3000), people(500, 1, shift=9))
    html = report._repr_html_()
    assert "<table" in html
    assert "floor_psi" in html
    assert report.to_frame().index[0] == "age"
    with pytest.raises(KeyError, match="no column 'rain'"):
        report["rain"]


strange = st.one_of(
    st.none(),
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=3),
    st.booleans(),
)
column = st.one_of(
    st.lists(st.integers(0, 5), min_size=1, max_size=30),
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=30),
    st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=30),
    st.lists(strange, min_size=1, max_size=30),
)


def array(values):
    out = np.empty(len(values), dtype=object)
    out[:] = values
    kinds = {type(value) for value in values}
    return out.astype(float) if kinds == {float} else out.astype(int) if kinds == {int} else out


@given(st.lists(st.tuples(column, column), min_size=1, max_size=3), st.data())
@settings(deadline=None, max_examples=150)
def test_any_two_tables_can_be_compared(columns, data):
    sides = []
    for side in (0, 1):
        size = data.draw(st.integers(1, 60))
        sides.append({f"c{k}": array((pair[side] * size)[:size]) for k, pair in enumerate(columns)})
    report = cap.detect_drift(*sides)
    for one in report.features:
        assert 0 <= one.p_value <= 1
        assert one.is_real or not one.is_large
        assert 0 <= one.effect_low <= one.effect <= one.effect_high <= 1
        assert one.missing + one.unseen + one.out_of_range <= 1 + 1e-12
    assert len(report.to_frame()) == len(columns)
    assert isinstance(report._repr_html_(), str)
    again = cap.Window.from_dict(json.loads(json.dumps(report.reference.to_dict())))
    assert again.binning == report.reference.binning
