"""What a database and a folder promise alike."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capstone_lib.errors import RunError, StoreError
from capstone_lib.store import Reject, RunIdentity, RunRecord, ScoredBatch, open_store
from capstone_lib.store.decisions import code_decisions
from capstone_lib.store.run import now

KINDS = ["store.db", "folder"]
CLASSES = ("no", "yes")


@pytest.fixture(params=KINDS)
def store(request, tmp_path):
    with open_store(tmp_path / request.param) as opened:
        yield opened


def record(as_of="2016-01-31", *, snapshot="a", version="1", artifact="x", model="m"):
    identity = RunIdentity(as_of, snapshot, model, version, artifact, "row_id")
    return RunRecord(identity, "running", "people.parquet", "local", CLASSES, now())


def batch(ids, scores=None, *, first=0, rejects=()):
    n = len(ids)
    scores = np.linspace(0.1, 0.9, n) if scores is None else scores
    score = np.asarray(scores, dtype=np.float32)
    chosen = np.stack([score < 0.7, score > 0.3], axis=1)
    coded = code_decisions(
        np.where(score > 0.5, "yes", "no"), chosen, chosen.sum(axis=1) != 1, CLASSES
    )
    return ScoredBatch(pa.array(ids), score, score / 2, coded, np.arange(first, first + n), rejects)


def run(store, started, *batches):
    attempt = store.begin(started)
    for one in batches:
        attempt.write(one)
    return attempt.publish(done(attempt))


def done(attempt, status="published", **counts):
    counts = {"rows": 3, "rejected": 0, "seconds": 1.0} | counts
    return attempt.record.finished(status, **counts)


def shown(store, **selection):
    return store.predictions(**selection).sort_values(["as_of", "row_id"]).reset_index(drop=True)


def test_nobody_sees_a_run_before_it_is_published(store):
    attempt = store.begin(record())
    attempt.write(batch([1, 2, 3], rejects=(Reject(3, 9, "AGE: null"),)))

    assert shown(store).empty
    assert store.rejects().empty
    assert store.latest().empty
    assert store.runs()["status"].tolist() == ["running"]

    attempt.publish(done(attempt))

    assert shown(store)["row_id"].tolist() == [1, 2, 3]
    assert store.rejects()[["row_id", "position", "reason"]].values.tolist() == [
        [9, 3, "AGE: null"]
    ]
    assert store.runs()["status"].tolist() == ["published"]


def test_a_prediction_carries_all_that_is_known_of_it(store):
    started = record()
    run(store, started, batch([1, 2, 3], [0.2, 0.6, 0.9]))

    frame = shown(store)

    assert frame["score"].tolist() == np.float32([0.2, 0.6, 0.9]).tolist()
    assert frame["uncertainty"].tolist() == (np.float32([0.2, 0.6, 0.9]) / 2).tolist()
    assert frame["label"].tolist() == ["no", "yes", "yes"]
    assert frame["prediction_set"].tolist() == ['["no"]', '["no", "yes"]', '["yes"]']
    assert frame["review"].tolist() == [False, True, False]
    assert (frame["as_of"] == "2016-01-31").all()
    assert (frame["scored_at"] == datetime.fromisoformat(started.scored_at[:-6])).all()
    for name, value in {"model": "m", "version": "1", "snapshot": "a"}.items():
        assert set(frame[name]) == {value}
    assert set(frame["run_id"]) == {started.run_id}


def test_a_published_run_is_not_begun_again(store):
    published = run(store, record(), batch([1, 2, 3]))

    assert store.begin(record()) == published
    assert store.published(record().identity) == published
    assert store.published(record(version="2").identity) is None


def test_versions_dates_and_models_stand_side_by_side_and_can_be_chosen(store):
    run(store, record(), batch([1, 2], [0.1, 0.2]))
    run(store, record(version="2"), batch([1, 2], [0.3, 0.4]))
    run(store, record("2016-02-29", model="n"), batch([1, 2], [0.5, 0.6]))

    assert len(shown(store)) == 6
    assert shown(store, version="2")["score"].tolist() == np.float32([0.3, 0.4]).tolist()
    assert shown(store, as_of=date(2016, 2, 29))["model"].tolist() == ["n", "n"]
    assert len(shown(store, as_of="2016-01-31", version="1", model="m", ids=["2", 2, 77])) == 1
    assert len(shown(store, run_id=record().run_id)) == 2


def test_another_artifact_of_the_same_version_takes_the_place_of_the_first(store):
    run(store, record(), batch([1, 2], [0.1, 0.2]))
    run(store, record(artifact="y"), batch([1, 2], [0.3, 0.4]))

    assert shown(store)["score"].tolist() == np.float32([0.3, 0.4]).tolist()
    assert store.published(record().identity) is None

    run(store, record(), batch([1, 2], [0.1, 0.2]))

    assert shown(store)["score"].tolist() == np.float32([0.1, 0.2]).tolist()


def test_a_failed_attempt_leaves_its_record_and_rejects_only(store):
    for reason in ("first try", "second try"):
        attempt = store.begin(record())
        attempt.write(batch([1, 2], rejects=(Reject(5, 9, reason),)))
        attempt.fail(done(attempt, "failed", error="RunError: too many"))

    assert shown(store).empty
    assert store.rejects(run_id=record().run_id)["reason"].tolist() == ["second try"]
    assert set(store.rejects()["status"]) == {"failed"}
    assert store.runs()["error"].iloc[-1] == "RunError: too many"

    run(store, record(), batch([1, 2]))

    assert len(shown(store)) == 2
    assert store.rejects().empty


def test_the_slower_of_two_attempts_at_a_run_gives_way(store):
    first, second = store.begin(record()), store.begin(record())
    for attempt in (first, second):
        attempt.write(batch([1, 2, 3]))

    winner = second.publish(done(second))
    assert winner.status == "published"
    assert first.publish(done(first)) == winner

    assert shown(store)["row_id"].tolist() == [1, 2, 3]
    assert len(store.runs()) == 1


def test_a_repeated_id_is_rejected_and_the_first_row_kept(store):
    attempt = store.begin(record())
    rejected = [
        attempt.write(batch([1, 2, 3], [0.1, 0.2, 0.3])),
        attempt.write(batch([4, 2, 5, 1], [0.4] * 4, first=3)),
        attempt.write(batch([0, 5], [0.5] * 2, first=7)),
        attempt.flush(),
    ]
    assert sum(rejected) == 3
    attempt.publish(done(attempt))

    assert shown(store)["row_id"].tolist() == [0, 1, 2, 3, 4, 5]
    assert shown(store, ids=[2])["score"].tolist() == [np.float32(0.2)]
    rejects = store.rejects()
    assert rejects[["row_id", "position"]].values.tolist() == [[2, 4], [1, 6], [5, 8]]
    assert rejects["reason"].str.contains("duplicate_id").all()


def test_ids_of_any_kind_are_kept_apart(store):
    run(store, record(), batch(["7", "007", "Zoë ☃", "", "-7", "99999999999999999999"]))

    frame = store.predictions()
    assert set(frame["row_id"]) == {"7", "007", "Zoë ☃", "", "-7", "99999999999999999999"}
    for written in (["7", "007", "-7"], [7, "007", -7]):
        assert set(store.latest(ids=written)["row_id"]) == {"7", "007", "-7"}


def test_a_run_without_rows_is_a_run(store):
    run(store, record(), batch([], rejects=(Reject(None, None, "line 2: 1 fields"),)))

    assert store.predictions().empty
    assert store.rejects()["position"].isna().all()
    assert store.begin(record()).status == "published"


def test_runs_tell_steps_and_problems(store):
    attempt = store.begin(record())
    attempt.publish(replace(done(attempt), problems=({"column": "AGE", "count": 2},)))

    row = store.runs().iloc[0]
    assert row["problems"] == [{"column": "AGE", "count": 2}]
    assert row["rows"] == 3


def test_many_threads_run_on_one_store(store):
    def work(day):
        for version in ("1", "2"):
            started = record(f"2016-01-{day:02d}", version=version)
            run(store, started, *(batch(range(k, k + 50)) for k in range(0, 500, 50)))

    threads = [threading.Thread(target=work, args=(day,)) for day in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    frame = store.predictions()
    counts = frame.groupby(["as_of", "version"], observed=True)["row_id"].agg(["count", "nunique"])
    assert counts.shape == (10, 2)
    assert (counts == 500).all(axis=None)


def test_a_reader_sees_whole_runs_only(store):
    stop, wrong, looks = threading.Event(), [], []

    def look():
        while not stop.is_set():
            sizes = store.predictions()["run_id"].value_counts()
            wrong.extend(sizes[~sizes.isin([0, 300])].tolist())
            looks.append(len(sizes))

    reader = threading.Thread(target=look)
    reader.start()
    for day in range(1, 9):
        started = record(f"2016-01-{day:02d}")
        run(store, started, *(batch(range(k, k + 30)) for k in range(0, 300, 30)))
    stop.set()
    reader.join()

    assert wrong == []
    assert looks


@st.composite
def histories(draw):
    """Runs of several days and versions, each with some of the ids 0..5."""
    runs = draw(
        st.lists(
            st.tuples(
                st.integers(1, 4),
                st.sampled_from(["1", "2"]),
                st.sets(st.integers(0, 5), min_size=1),
            ),
            max_size=5,
            unique_by=lambda r: r[:2],
        )
    )
    return [(f"2016-01-{day:02d}", version, sorted(ids)) for day, version, ids in runs]


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    histories(),
    st.integers(1, 5),
    st.sampled_from([None, "1"]),
    st.one_of(st.none(), st.lists(st.integers(0, 7), unique=True)),
)
def test_latest_and_staleness_agree_with_a_search_by_hand(
    tmp_path_factory, kind, history, day, version, ids
):
    with open_store(tmp_path_factory.mktemp("s") / kind) as store:
        rows = []
        for order, (as_of, v, members) in enumerate(history):
            started = replace(
                record(as_of, version=v), scored_at=f"2020-01-01T00:00:{order:02d}+00:00"
            )
            scores = [(order * 10 + member) / 100 for member in members]
            run(store, started, batch(members, scores))
            rows += [
                (m, as_of, order, np.float32(s), v) for m, s in zip(members, scores, strict=True)
            ]
        limit = f"2016-01-{day:02d}"
        expected = {}
        for row in sorted(rows, key=lambda r: (r[1], r[2])):
            known = row[1] <= limit and version in (None, row[4])
            if known and (ids is None or row[0] in ids):
                expected[row[0]] = row

        latest = store.latest(limit, version=version, ids=ids)
        stale = store.staleness(f"{limit}T12:00", version=version, ids=ids)

    assert dict(zip(latest["row_id"], latest["score"], strict=True)) == {
        member: row[3] for member, row in expected.items()
    }
    ages = stale.to_frame().set_index("row_id")["age_days"]
    asked = list(expected) if ids is None else ids
    assert stale.n == len(asked) == len(ages)
    assert stale.missing == len(asked) - len(expected)
    for member in asked:
        if member in expected:
            since = date.fromisoformat(limit) - date.fromisoformat(expected[member][1])
            assert ages[member] == since.days + 0.5
        else:
            assert np.isnan(ages[member])


def test_staleness_is_shown_in_words(store):
    run(store, record(), batch([1, 2]))

    html = store.staleness(date(2016, 2, 10), ids=[1, 2, 3])._repr_html_()

    assert "without a score" in html
    assert "10.0" in html
    plain = repr(store.staleness(date(2016, 2, 10), ids=[1, 2, 3]))
    assert plain == (
        "Staleness(now=2016-02-10T00:00, n=3, missing=1, median_days=10.0, p95_days=10.0, "
        "max_days=10.0)"
    )
    with pytest.raises(ValueError, match="now must be a date"):
        store.staleness("tomorrow")
    with pytest.raises(ValueError, match=r"now must be a date.*seen 7"):
        store.staleness(7)


def test_outcomes_arrive_late_and_are_replaced(store):
    first = pd.DataFrame(
        {"row_id": [1, 2], "outcome": [0, 1], "observed_at": ["2016-02-01", "2016-02-02"]}
    )
    assert store.record_outcomes(first) == 2
    assert store.record_outcomes(first.assign(outcome=[1, 1])) == 2
    late = pd.DataFrame({"person": ["3"], "worked": [True]})
    store.record_outcomes(late, id="person", outcome="worked", observed_at="2016-03-01T10:00")

    outcomes = store.outcomes()

    assert outcomes[["row_id", "outcome"]].values.tolist() == [[1, 1], [2, 1], [3, 1]]
    assert outcomes["observed_at"].iloc[2] == pd.Timestamp("2016-03-01 10:00")
    assert store.record_outcomes(first.iloc[:0]) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outcome": [0, None]}, "1 outcomes have no value"),
        ({"row_id": [1.5, 2]}, "cannot be used"),
        ({"outcome": [0.5, 1]}, "an outcome is a label"),
        ({"observed_at": ["soon", "later"]}, "observed_at must be"),
        ({"observed_at": [None, "2016-02-01"]}, "without a time"),
    ],
)
def test_wrong_outcomes_are_refused(store, change, message):
    good = {"row_id": [1, 2], "outcome": [0, 1], "observed_at": ["2016-02-01", "2016-02-02"]}

    with pytest.raises(StoreError, match=message):
        store.record_outcomes(pd.DataFrame(good | change))
    with pytest.raises(StoreError, match="no column 'outcome'"):
        store.record_outcomes(pd.DataFrame({"row_id": [1]}))


def test_a_date_that_is_none_is_refused(store):
    with pytest.raises(ValueError, match="as_of must be a date"):
        store.latest("31.1.2016")


@pytest.mark.parametrize("name", ["my store", "größe ☃", "50 % & ?x=1#y"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_store_lives_under_any_path(tmp_path, kind, name):
    place = tmp_path / name / kind
    with open_store(place) as store:
        run(store, record(model="a/b=c ☃", version="1 %"), batch([1]))
    with open_store(str(place)) as store:
        assert store.predictions()["model"].tolist() == ["a/b=c ☃"]
        assert store.begin(record(model="a/b=c ☃", version="1 %")).status == "published"
    assert place.exists()


def test_the_view_says_in_sql_what_the_store_says(tmp_path):
    with open_store(tmp_path / "store.db") as store:
        for version in ("1", "2"):
            run(store, record(version=version), batch([1, 2, 3], rejects=(Reject(3, 9, "why"),)))
        unseen = store.begin(record(version="3"))
        unseen.write(batch([1, 2, 3]))
        with closing(sqlite3.connect(tmp_path / "store.db")) as raw:
            view = pd.read_sql("SELECT * FROM predictions ORDER BY version, row_id", raw)
            few = raw.execute("SELECT row_id FROM predictions WHERE row_id = 2").fetchall()
            plan = raw.execute("EXPLAIN QUERY PLAN SELECT * FROM predictions WHERE row_id = 2")
            uses_key = any("run_key=? AND row_id=?" in row[-1] for row in plan)
            rejects = raw.execute("SELECT row_id, position, reason FROM rejects").fetchall()
        frame = store.predictions(overrides=False)
        frame = frame.sort_values(["version", "row_id"]).reset_index(drop=True)

    assert view.columns.tolist() == frame.columns.tolist()
    assert view["score"].astype(np.float32).tolist() == frame["score"].tolist()
    for name in ("row_id", "label", "prediction_set", "model", "version", "run_id"):
        assert view[name].tolist() == frame[name].tolist()
    assert view["review"].astype(bool).tolist() == frame["review"].tolist()
    assert few == [(2,), (2,)]
    assert uses_key
    assert rejects == [(9, 3, "why")] * 2


def test_other_programs_read_published_runs_of_a_folder(tmp_path):
    with open_store(tmp_path / "s") as store:
        run(store, record(), batch([1, 2], rejects=(Reject(3, 9, "why"),)))
        failed = store.begin(record(version="2"))
        failed.write(batch([1, 2], rejects=(Reject(3, 9, "why"),)))
        failed.fail(done(failed, "failed"))
        unseen = store.begin(record(version="3"))
        unseen.write(batch([1, 2, 3]))

        table = ds.dataset(tmp_path / "s", format="parquet", partitioning="hive").to_table()
        unseen.fail(done(unseen, "failed"))

    assert table["row_id"].to_pylist() == [1, 2]
    assert set(table["as_of"].to_pylist()) == {"2016-01-31"}
    assert {"model", "version", "run_id", "snapshot", "scored_at"} < set(table.column_names)


def test_a_given_up_attempt_says_so_when_it_wakes(store):
    attempt = store.begin(record())
    attempt.write(batch([1]))
    _give_up(store)

    with pytest.raises(RunError, match="given up by another process"):
        attempt.write(batch([2], first=1))
    with pytest.raises(RunError, match="given up by another process"):
        attempt.fail(done(attempt, "failed"))
    run(store, record(), batch([1, 2]))
    assert len(shown(store)) == 2


def _give_up(store):
    """What another process does that takes this one for dead."""
    import shutil

    if hasattr(store, "engine"):
        from sqlalchemy import text

        with store.engine.begin() as connection:
            connection.execute(text("UPDATE runs SET owner_pid = 4194400, owner_host = owner_host"))
        store.sweep()
    else:
        for folder in (store.path / "_staging").iterdir():
            shutil.rmtree(folder)


def test_ids_in_any_order_are_kept_whole_and_the_first_of_each_wins(store):
    rng = np.random.default_rng(0)
    ids = rng.permutation(700_000)
    ids[[200_000, 650_000, 699_999]] = ids[[5, 630_000, 10]]
    attempt = store.begin(record())
    late = 0
    for start in range(0, len(ids), 70_000):
        some = ids[start : start + 70_000]
        late += attempt.write(batch(some, (some % 97) / 97, first=start))
    late += attempt.flush()
    attempt.publish(done(attempt))

    frame = store.predictions()
    assert late == 3
    assert store.rejects()["position"].tolist() == [200_000, 650_000, 699_999]
    assert np.array_equal(np.sort(frame["row_id"]), np.unique(ids))
    assert (frame["score"] == np.float32((frame["row_id"] % 97) / 97)).all()
