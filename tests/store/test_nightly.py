"""The newest score of every id, equal to what the store says of it."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capstone_lib.store import RunIdentity, RunRecord, ScoredBatch, open_store
from capstone_lib.store.decisions import Decision, code_decisions
from capstone_lib.store.engine import reading
from capstone_lib.store.frames import Piece
from capstone_lib.store.ids import encode_text
from capstone_lib.store.nightly import Nightly
from capstone_lib.store.orders import read_orders
from capstone_lib.store.run import now

CLASSES = (False, True)


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store.db") as opened:
        yield opened


def publish(store, ids, *, as_of, version="1", model="m", seed=0, status="published"):
    n = len(ids)
    identity = RunIdentity(as_of, f"s{seed}", model, version, f"{model} {version}", "row_id")
    record = RunRecord(identity, "running", "people.parquet", "local", CLASSES, now())
    score = np.random.default_rng(seed).random(n, dtype=np.float32)
    sets = np.stack([score < 0.7, score > 0.3], axis=1)
    coded = code_decisions(score > 0.5, sets, sets.sum(axis=1) != 1, CLASSES)
    attempt = store.begin(record)
    attempt.write(ScoredBatch(pa.array(ids), score, score / 2, coded, np.arange(n)))
    if status == "published":
        attempt.publish(attempt.record.finished("published", rows=n, rejected=0, seconds=1.0))


def read(store, artifact="m 1", since_day="2016-01-01", until_day="2016-12-31"):
    with reading(store.engine) as connection:
        return Nightly.read(connection, artifact=artifact, since_day=since_day, until_day=until_day)


def test_every_id_is_found_with_what_the_store_says_of_it(store):
    publish(store, [*range(0, 3000, 3), -7], as_of="2016-01-31")
    publish(store, ["10", "007", "9" * 30, "größer"], as_of="2016-02-29", seed=1)
    nightly, others = read(store)
    said = store.latest(model="m")
    assert len(nightly) == len(said) == 1005
    assert not len(others)
    for row in said.itertuples():
        found = nightly.find(str(row.row_id))
        assert found.score == row.score
        assert found.uncertainty == row.uncertainty
        assert (found.label, found.review) == (row.label, row.review)
        assert type(found.label) is bool
        assert str(found.prediction_set).lower() == row.prediction_set
        assert found.as_of == f"{row.as_of:%Y-%m-%d}"
        assert found.since == datetime.fromisoformat(found.as_of).replace(tzinfo=UTC).timestamp()
    for stranger in ("1", "7", "00", "", "größe", "9" * 17, "a"):
        assert nightly.find(stranger) is None
        assert stranger not in nightly


def test_of_several_runs_the_newest_counts_and_one_too_old_run_is_remembered(store):
    for k, day in enumerate(("2016-01-01", "2016-02-01", "2016-03-01", "2016-04-01")):
        publish(store, [k, 10, 20 + k % 2], as_of=day, seed=k)
    nightly, _ = read(store, since_day="2016-03-01", until_day="2016-03-31")
    found = {case: nightly.find(str(case)) for case in (0, 1, 2, 3, 10, 20, 21)}
    days = {case: one and one.as_of for case, one in found.items()}
    assert days == {
        0: None,  # in a run older than the one before
        1: "2016-02-01", 2: "2016-03-01",
        3: None,  # in a run that speaks of a later day
        10: "2016-03-01", 20: "2016-03-01", 21: "2016-02-01",
    }  # fmt: skip


def test_ids_that_another_version_has_scored_are_known_apart(store):
    publish(store, [1, 2], as_of="2016-01-01")
    publish(store, [2, 3], as_of="2016-02-01", version="2", seed=1)
    publish(store, [4], as_of="2016-03-01", model="another", seed=2)
    publish(store, [5], as_of="2016-03-01", seed=3, status="running")
    nightly, others = read(store)
    assert ["1" in nightly, "2" in nightly, "3" in nightly] == [True, True, False]
    assert [case in others for case in "12345"] == [False, False, True, False, False]


def test_an_empty_store_has_no_scores(store):
    nightly, others = read(store)
    assert (len(nightly), nightly.n_bytes, len(others)) == (0, 0, 0)
    assert nightly.find("1") is None


def test_the_orders_name_the_published_runs_of_late(store):
    assert read_orders(store.engine, since_day="2016-01-01").runs == frozenset()
    publish(store, [1], as_of="2016-01-31")
    publish(store, [1], as_of="2016-02-29", seed=1)
    publish(store, [1], as_of="2016-03-31", seed=2, status="running")
    assert read_orders(store.engine, since_day="2016-02-01").runs == {2}
    assert read_orders(store.engine, since_day="2016-01-31").runs == {1, 2}
    orders = read_orders(store.engine)
    assert (orders.runs, orders.overrides, orders.replicas) == (frozenset(), [], None)


ids = st.one_of(st.integers(-(10**18) + 1, 10**18 - 1), st.text(max_size=4))


@given(st.lists(ids, unique_by=str, max_size=40), st.lists(ids, max_size=9))
@settings(max_examples=200, deadline=None)
def test_it_finds_what_a_dictionary_finds(known, asked):
    stored = [encode_text(str(one)) for one in known]
    identity = RunIdentity("2016-01-31", "s", "m", "1", "x")
    record = RunRecord(identity, "published", "", "", CLASSES, now())
    score = np.arange(len(known), dtype=np.float32)
    decided = [Decision(0, "[false, true]", True)]
    piece = Piece(record, stored, score, score, np.zeros(len(known), dtype=np.int64), decided)
    nightly = Nightly([(1, piece)])
    book = {str(one): number for number, one in enumerate(known)}
    for one in map(str, [*known, *asked]):
        found = nightly.find(one)
        assert (found and found.score) == book.get(one)
