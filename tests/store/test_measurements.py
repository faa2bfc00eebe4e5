"""Measurements in a real store: kept whole, and a window computed again replaces itself."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capstone_lib.errors import MonitoringError, StoreError
from capstone_lib.store import open_store
from capstone_lib.store.measurement import Measurement, measurements_frame

JANUARY = {"window_start": "2016-01-01", "window_end": "2016-02-01", "model": "m", "version": "1"}
RATE = Measurement(
    "false_positive_rate", 0.25, 0.2, 0.3, n=400, unit="share", group="SEX=1", threshold=0.3,
    traffic="batch", note="of the negative", **JANUARY,
)  # fmt: skip


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store.db") as opened:
        yield opened


def read(frame):
    """What was read, as measurements again."""
    rows = frame.drop(columns="recorded_at").to_dict("records")
    for row in rows:
        for name in ("window_start", "window_end"):
            row[name] = "" if pd.isna(row[name]) else row[name].to_pydatetime()
        row["threshold"] = None if np.isnan(row["threshold"]) else row["threshold"]
    return [Measurement(**row) for row in rows]


def test_a_measurement_comes_back_as_it_was(store):
    assert store.write_measurements([RATE]) == 1

    frame = store.measurements()

    assert read(frame) == [RATE]
    assert frame["window_start"].tolist() == [pd.Timestamp("2016-01-01")]
    assert (frame["value"].dtype, frame["n"].dtype) == (np.float64, np.int64)
    assert frame["window_end"].dtype == "datetime64[us]"
    assert pd.Timestamp.now(tz=UTC).tz_localize(None) - frame["recorded_at"][0] < pd.Timedelta("1m")


def test_an_empty_store_has_the_same_columns_and_types(store):
    empty = store.measurements()
    store.write_measurements([RATE])
    assert empty.dtypes.to_dict() == store.measurements().dtypes.to_dict()
    assert store.write_measurements([]) == 0


def test_what_is_not_known_is_empty_in_the_database_and_nan_outside(store, tmp_path):
    store.write_measurements([Measurement("auc", float("nan"), note="no outcomes yet")])

    frame = store.measurements()
    assert frame[["value", "low", "high", "threshold"]].isna().all(axis=None)
    assert frame["window_start"].isna().all()
    assert frame["note"].tolist() == ["no outcomes yet"]
    with closing(sqlite3.connect(tmp_path / "store.db")) as raw:
        assert raw.execute('SELECT value, threshold, "group" FROM measurements').fetchall() == [
            (None, None, "")
        ]


def test_moments_of_any_zone_and_kind_are_one_window(store):
    east = timezone(timedelta(hours=2))
    same = ["2016-01-01", date(2016, 1, 1), datetime(2016, 1, 1, 2, tzinfo=east)]
    same += ["2016-01-01T00:00:00Z", datetime(2016, 1, 1)]
    for value, moment in enumerate(same):
        store.write_measurements([Measurement("psi", value, window_start=moment)])
    assert store.measurements()["value"].tolist() == [len(same) - 1]


NAMES = st.sampled_from(["psi", "auc"])
KEYS = st.fixed_dictionaries(
    {
        "name": NAMES,
        "feature": st.sampled_from(["", "AGEP"]),
        "group": st.sampled_from(["", "SEX=1"]),
        "window_start": st.sampled_from(["2016-01-01", "2016-02-01"]),
        "traffic": st.sampled_from(["batch", "live"]),
        "version": st.sampled_from(["1", "2"]),
    }
)
VALUES = st.one_of(st.none(), st.floats(allow_nan=False))
SOME = st.lists(st.builds(lambda key, value: Measurement(value=value, **key), KEYS, VALUES))


@given(st.lists(st.tuples(SOME, st.booleans()), max_size=4))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_computing_again_replaces_like_a_mapping(tmp_path_factory, calls):
    expected = {}
    with open_store(tmp_path_factory.mktemp("store") / "s.db") as store:
        for measurements, whole in calls:
            if whole:
                gone = {(m.window_start, m.version) for m in measurements}
                expected = {
                    key: m for key, m in expected.items() if (m.window_start, m.version) not in gone
                }
            expected |= {m.key: m for m in measurements}
            store.write_measurements(measurements, whole=whole)
        found = read(store.measurements())
    assert sorted(map(repr, found)) == sorted(map(repr, expected.values()))


def test_a_failure_leaves_what_was_there(store):
    store.write_measurements([RATE])
    broken = replace(RATE, value=0.5)
    object.__setattr__(broken, "unit", None)
    with pytest.raises(Exception, match="NOT NULL"):
        store.write_measurements([replace(RATE, value=0.4), replace(broken, group="SEX=2")])
    assert store.measurements()["value"].tolist() == [0.25]


def test_asking_for_some(store):
    february = replace(RATE, window_start="2016-02-01", window_end="2016-03-01", value=0.5)
    drift = replace(RATE, name="psi", feature="AGEP", group="", value=0.1, traffic="live")
    store.write_measurements([february, RATE, drift])

    assert store.measurements()["value"].tolist() == [0.25, 0.1, 0.5]
    for asked, values in (
        ({"name": "psi"}, [0.1]),
        ({"group": ""}, [0.1]),
        ({"feature": "AGEP", "traffic": "live"}, [0.1]),
        ({"since": "2016-02-01"}, [0.5]),
        ({"until": date(2016, 2, 1)}, [0.25, 0.1]),
        ({"version": "2"}, []),
    ):
        assert store.measurements(**asked)["value"].tolist() == values
    with pytest.raises(MonitoringError, match="since must be a date"):
        store.measurements(since="yesterday")


def test_a_folder_refuses_and_says_what_to_use(tmp_path):
    with open_store(tmp_path / "folder") as folder:
        for call in (lambda: folder.write_measurements([RATE]), folder.measurements):
            with pytest.raises(StoreError, match=r"batch results only; measurements need a data"):
                call()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": ""}, "has a name"),
        ({"value": "much"}, "value must be a number; seen 'much'"),
        ({"threshold": "high"}, "threshold must be a number"),
        ({"window_end": "soon"}, "window_end must be a date or a time"),
        ({"window_end": "0001-01-01T00:00+14:00"}, "window_end must be a date or a time"),
        ({"window_end": 7}, "window_end must be a date or a time"),
    ],
)
def test_what_is_no_measurement_is_refused(wrong, message):
    with pytest.raises(MonitoringError, match=message):
        Measurement(**({"name": "psi", "value": 0.1} | wrong))


def test_a_measurement_says_itself_in_one_line():
    assert str(RATE) == "false_positive_rate [SEX=1]: 0.25 (0.2 to 0.3), n = 400"
    unknown = Measurement("auc", float("nan"), note="no outcomes yet")
    assert str(unknown) == "auc: not known (no outcomes yet)"
    assert str(Measurement("latency_p99", 12.5, unit="ms", n=9)) == "latency_p99: 12.5 ms, n = 9"
    assert str(Measurement("p99", 2, low=1, n=3)) == "p99: 2 (from 1), n = 3"
    assert str(Measurement("p99", 2, high=4, n=3)) == "p99: 2 (up to 4), n = 3"
    assert len(measurements_frame([])) == 0
