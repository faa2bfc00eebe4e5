import json
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capstone_lib.errors import StoreError
from capstone_lib.store import open_store
from capstone_lib.store.engine import writing
from capstone_lib.store.entries import ENTRY
from capstone_lib.store.ids import encode_ids
from capstone_lib.store.overrides import add_override

START = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()


class Features(msgspec.Struct):
    AGEP: int
    SCHL: str | None = None


def entry(row_id="7", served_key=1, *, at=0.0, route="stable", **values):
    usual = {
        "row_id": row_id,
        "received_at": START + at,
        "served_key": served_key,
        "route": route,
        "features": {"AGEP": 40, "SCHL": "21"},
        "score": 0.25,
        "label": 0,
        "uncertainty": 0.75,
        "prediction_set": [0, 1],
        "review": True,
        "latency_ms": 1.5,
        "explanation": None,
    }
    return tuple((usual | values).values())


def served(store, version="1"):
    return store.register_served(
        name="m", version=version, artifact=f"sha {version}", snapshot=f"data {version}"
    )


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store.db") as opened:
        assert served(opened) == 1
        yield opened


def test_an_answer_carries_all_that_is_known_of_it(store):
    key = served(store, "2")
    explained = entry("8", key, at=1.25, route="canary", explanation={"AGEP": 0.5}, label=1)
    store.write_requests([entry(features=Features(40, "21")), explained])

    frame = store.requests()

    assert frame["row_id"].tolist() == [7, 8]
    assert frame["received_at"].tolist() == [
        pd.Timestamp("2026-01-31 12:00"),
        pd.Timestamp("2026-01-31 12:00:01.25"),
    ]
    assert frame["features"].tolist() == ['{"AGEP":40,"SCHL":"21"}'] * 2
    assert frame["score"].tolist() == [0.25, 0.25]
    assert (frame["score"].dtype, frame["uncertainty"].dtype) == (np.float32, np.float32)
    assert frame["label"].tolist() == [0, 1]
    assert frame["prediction_set"].tolist() == ["[0, 1]"] * 2
    assert frame["review"].tolist() == [True, True]
    assert frame["latency_ms"].tolist() == [1.5, 1.5]
    assert frame["explanation"].isna().tolist() == [True, False]
    assert json.loads(frame["explanation"].iloc[1]) == {"AGEP": 0.5}
    for name, value in {"model": "m", "version": "2", "snapshot": "data 2"}.items():
        assert frame[name].iloc[1] == value


def test_an_empty_log_has_the_same_columns(store):
    empty = store.requests()
    store.write_requests([entry(), entry("x", label="no", explanation=[1])])

    assert len(empty) == 0
    assert empty.columns.tolist() == store.requests().columns.tolist()
    assert empty["received_at"].dtype == store.requests()["received_at"].dtype


def test_the_view_says_in_sql_what_the_store_says(store, tmp_path):
    store.write_requests([entry(str(k), at=-k) for k in range(3)])
    with closing(sqlite3.connect(tmp_path / "store.db")) as raw:
        view = pd.read_sql("SELECT * FROM requests ORDER BY received_at", raw)

    frame = store.requests()
    assert view.columns.tolist() == frame.columns.tolist()
    for name in ("request_key", "row_id", "route", "model", "version", "features", "score"):
        assert view[name].tolist() == frame[name].tolist()
    assert view["received_at"].tolist() == [START - 2, START - 1, START]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4),
            st.integers(-5, 5),
            st.sampled_from(["stable", "canary"]),
            st.sampled_from([1, 2]),
        ),
        max_size=12,
    ),
    st.one_of(st.none(), st.integers(-5, 5)),
    st.sampled_from([None, "canary"]),
    st.sampled_from([None, "2"]),
    st.one_of(st.none(), st.lists(st.integers(0, 6))),
    st.one_of(st.none(), st.integers(1, 5)),
)
@settings(max_examples=40, deadline=None)
def test_a_selection_agrees_with_a_search_by_hand(
    tmp_path_factory, log, since, route, version, ids, last
):
    with open_store(tmp_path_factory.mktemp("s") / "store.db") as store:
        for name in ("1", "2"):
            served(store, name)
        store.write_requests([entry(str(i), k, at=at, route=r) for i, at, r, k in log])
        frame = store.requests(
            since=None if since is None else START + since,
            route=route,
            version=version,
            ids=ids,
            last=last,
        )

    expected = [
        (key, i)
        for key, (i, at, r, k) in enumerate(log, start=1)
        if (since is None or at >= since)
        and route in (None, r)
        and version in (None, str(k))
        and (ids is None or i in ids)
    ]
    expected.sort(key=lambda found: (log[found[0] - 1][1], found[0]))
    expected = expected if last is None else expected[-last:]
    assert list(zip(frame["request_key"], frame["row_id"], strict=True)) == expected


@pytest.mark.parametrize(
    "since", ["2026-01-31", "2026-01-31T12:00:00", datetime(2026, 1, 31, 12), START, int(START)]
)
def test_times_can_be_asked_for_in_many_ways(store, since):
    store.write_requests([entry("1", at=-86_400), entry("2")])

    assert store.requests(since=since)["row_id"].tolist() == [2]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"since": "soon"}, "since must be a date or a time"),
        ({"since": float("nan")}, "since must be a time"),
        ({"since": True}, "since must be a time"),
        ({"last": 0}, "last must be a whole number"),
        ({"last": 1.5}, "last must be a whole number"),
        ({"last": True}, "last must be a whole number"),
    ],
)
def test_what_cannot_be_asked_is_refused(store, asked, message):
    with pytest.raises(ValueError, match=message):
        store.requests(**asked)


floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(floats, floats), min_size=1, max_size=50))
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_scores_come_back_to_the_last_bit(store, pairs):
    store.write_requests([entry("bits", score=s, uncertainty=u) for s, u in pairs])

    frame = store.requests(last=len(pairs))

    expected = np.array(pairs, dtype=np.float32)
    assert frame["score"].to_numpy().tobytes() == (expected[:, 0] + np.float32(0)).tobytes()
    assert frame["uncertainty"].to_numpy().tobytes() == (expected[:, 1] + np.float32(0)).tobytes()


words = st.one_of(
    st.text(max_size=12),
    st.sampled_from(['a","b', '\\"', "a,b", "\x00", "7\x00", "Zoë ☃", "\u2028", "\x1f\x7f", "[]"]),
)
ids = st.one_of(
    words,
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(["007", "-0", "+7", "0", "-7", "7.0", " 7", "٣", "9" * 18, "9" * 19, "1e3"]),
)
labels = st.one_of(st.none(), st.booleans(), words, st.integers(-(2**53), 2**53))
leaves = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), floats, words)
entries = st.builds(
    entry,
    st.one_of(st.none(), ids),
    route=words,
    features=st.dictionaries(words, leaves, max_size=4),
    score=st.one_of(st.none(), floats),
    label=labels,
    prediction_set=st.one_of(
        *(st.lists(kind, max_size=4) for kind in (words, st.integers(-9, 9), st.booleans()))
    ),
    review=st.booleans(),
    explanation=st.one_of(st.none(), st.dictionaries(words, leaves, max_size=2)),
)


@given(st.lists(entries, min_size=1, max_size=5), st.integers(1, 62))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_entries_of_any_kind_are_kept_as_they_are(store, few, times):
    log = few * times
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM request_rows")
    store.write_requests(log)
    with store.engine.begin() as connection:
        query = f"SELECT {', '.join(ENTRY)} FROM request_rows ORDER BY request_key"
        rows = connection.exec_driver_sql(query).all()

    assert len(rows) == len(log)
    for row, asked in zip(rows, log, strict=True):
        kept, given_ = (dict(zip(ENTRY, values, strict=False)) for values in (row, asked))
        assert kept["row_id"] == encode_ids([given_["row_id"]])[0]
        assert kept["prediction_set"] == json.dumps(given_["prediction_set"], ensure_ascii=False)
        assert type(kept["label"]) is not bool
        for name in ("features", "explanation"):
            assert (kept[name] is None) == (given_[name] is None)
            assert kept[name] is None or json.loads(kept[name]) == given_[name]
        for name in ("received_at", "route", "score", "label", "uncertainty", "review"):
            assert kept[name] == given_[name]


def test_labels_are_whole_numbers_or_text(store):
    store.write_requests([entry(label=1), entry(label=None)])
    assert store.requests()["label"].dtype == "Int64"
    assert store.requests()["label"].isna().tolist() == [False, True]

    store.write_requests([entry(label="yes")])
    assert store.requests(last=1)["label"].tolist() == ["yes"]


def test_the_same_artifact_keeps_its_key_whoever_registers_it(tmp_path):
    keys = []

    def work():
        with open_store(tmp_path / "store.db") as store:
            keys.extend(served(store, version) for version in "1231")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(keys) == [1] * 8 + [2] * 4 + [3] * 4


def test_a_chunk_sent_twice_is_kept_once(store):
    log = [entry(str(k)) for k in range(10)]

    assert store.write_requests(log[:4], writer="w", first=0) == 4
    assert store.write_requests(log[:4], writer="w", first=0) == 0
    assert store.write_requests(log[2:8], writer="w", first=2) == 4
    assert store.write_requests(log[8:], writer="w", first=8) == 2
    assert store.write_requests(log[:1], writer="another", first=0) == 1
    assert store.write_requests([], writer="w", first=10) == 0
    assert store.requests()["row_id"].tolist() == [*range(10), 0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (entry(features={"AGEP": object()}), "cannot be written as JSON"),
        (entry("half \ud800"), "surrogates not allowed"),
        (entry(route="half \ud800"), "surrogates not allowed"),
        (entry(label=object()), "is a object"),
        (entry(label=2**70), "too large"),
        (entry(score="much"), "could not convert"),
        (entry(prediction_set=7), "not iterable"),
        (entry(prediction_set=[object()]), "not JSON serializable"),
        (entry(served_key=77), "FOREIGN KEY"),
        (entry(route=None), "NOT NULL"),
        (entry(review=None), "NOT NULL"),
        (("7", START), "there must be row_id, received_at"),
        ((*entry(), None, None, None, 1), "there must be row_id, received_at"),
        ((*entry(), 77, None, None), "FOREIGN KEY"),
        ((*entry(), None, None, 77), "FOREIGN KEY"),
        (entry(features=msgspec.Raw(b'{"A":"\xff"}')), "cannot be kept"),
    ],
)
def test_a_chunk_with_a_wrong_entry_is_refused_whole(store, wrong, message):
    with pytest.raises(ValueError, match=message):
        store.write_requests([entry(), wrong, entry()], writer="w")

    assert store.requests().empty
    assert store.write_requests([entry()], writer="w") == 1


def test_numbers_of_numpy_are_numbers(store):
    store.write_requests(
        [entry(score=np.float32(0.1), label=np.int64(1), features={"A": np.int8(1)})]
    )
    store.write_requests([entry(score=np.float64(0.5), label=np.bool_(True))])

    assert store.requests()["score"].tolist() == [np.float32(0.1), 0.5]
    assert store.requests()["label"].tolist() == [1, 1]


def test_a_locked_store_is_given_up_after_the_time_told(store, tmp_path):
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="database is locked"):
            store.write_requests([entry()], wait_s=0.05)
        raw.execute("ROLLBACK")

    assert store.write_requests([entry()]) == 1


def test_a_store_that_is_gone_is_missed_and_found_again(tmp_path):
    with open_store(tmp_path / "here" / "store.db") as store:
        served(store)
        store.write_requests([entry("1")])
        (tmp_path / "here").rename(tmp_path / "there")

        for work in (lambda: store.write_requests([entry("2")]), store.requests, store.rollout):
            with pytest.raises(StoreError, match=r"its file is gone.*put it back"):
                work()
        assert not (tmp_path / "here").exists()

        (tmp_path / "there").rename(tmp_path / "here")
        store.write_requests([entry("2")])
        assert store.requests()["row_id"].tolist() == [1, 2]


def test_a_store_that_was_replaced_is_opened_anew(tmp_path):
    with open_store(tmp_path / "a" / "store.db") as store:
        served(store)
        store.write_requests([entry("1")])
        with open_store(tmp_path / "b" / "store.db") as other:
            served(other)
        (tmp_path / "a").rename(tmp_path / "c")
        (tmp_path / "b").rename(tmp_path / "a")

        store.write_requests([entry("2")])

        assert store.requests()["row_id"].tolist() == [2]


def test_the_log_tells_the_models_label_from_the_one_that_was_given(store, tmp_path):
    with writing(store.engine) as connection:
        key = add_override(connection, row_id="1", label="yes", reviewer="Ada")
    same = {"label": "no", "review": True}
    store.write_requests(
        [
            (*entry("1", **same), None, None, key),
            (*entry("2", **same), None, "stale", None),
        ]
    )
    store.write_requests([entry("3", **same)])
    log = store.requests().set_index("row_id")
    assert log["label"].tolist() == ["no"] * 3
    assert log["review"].all()
    assert log["answered"].tolist() == ["yes", "no", "no"]
    assert log["decided_by"].tolist() == ["Ada", "model", "model"]
    assert log["miss"].astype(object).tolist() == [np.nan, "stale", np.nan]
    assert log["as_of"].isna().all()
    with closing(sqlite3.connect(tmp_path / "store.db")) as raw:
        view = raw.execute("SELECT answered, decided_by, miss FROM requests").fetchall()
    assert view == [("yes", "Ada", None), ("no", "model", "stale"), ("no", "model", None)]
