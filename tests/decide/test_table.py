"""The table of architectures: real runs, requests and reviews; every figure counted again apart."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression

import capstone_lib as cap
from capstone_lib.decide import Prices, Promise, Volume, monthly_costs
from capstone_lib.errors import MonitoringError, StoreError, TooManyRejectsError
from capstone_lib.loadtest import LoadStep, LoadTest
from capstone_lib.loadtest.records import RECORD
from capstone_lib.store import open_store

FEATURES = ["age", "sex"]
DAY = datetime.now(UTC).date()
VOLUME = Volume(people=1_000, questions_per_day=100_000)


def people(n, *, seed, first=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "row_id": np.arange(first, first + n),
            "age": rng.integers(18, 80, n),
            "sex": rng.integers(1, 3, n),
        }
    )
    chance = 1 / (1 + np.exp((frame["age"] - 50) / 8))
    return frame.assign(employed=(rng.random(n) < chance).astype(int))


def load(*steps, hour=0):
    """A load test of made-up answers: (users, ms, a second, how many failed)."""
    made = []
    for users, ms, per_s, failed in steps:
        records = np.zeros(2 * per_s + failed, dtype=RECORD)
        records["ms"] = np.linspace(ms / 2, ms, len(records))
        records["at_s"] = np.linspace(0, 2, len(records))
        records["code"][2 * per_s :] = 500
        plan = {"users": users, "duration_s": 2.0, "rate": None}
        made.append(LoadStep.of(records, plan, {"late_ms": [0.1]}))
    times = [f"2026-01-01T{hour:02}:00:{s:02}" for s in (0, 30)]
    return LoadTest("http://x/predict", tuple(made), 0, 2.0, began_at=times[0], ended_at=times[1])


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    train, held = people(2000, seed=1), people(2000, seed=2)
    return cap.export_model(
        LogisticRegression(max_iter=500).fit(train[FEATURES], train["employed"]),
        train[FEATURES],
        tmp_path_factory.mktemp("model") / "m.onnx",
        name="work",
        version="1.0",
        X_calibration=held[FEATURES],
        y_calibration=held["employed"],
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory, artifact):
    """A store with eight runs and one that failed, live and hybrid answers, tests and reviews."""
    place = tmp_path_factory.mktemp("store") / "store.db"
    with open_store(place) as store:
        batches(store, artifact)
        live(store, artifact)
        about = {"model": artifact.name, "version": artifact.version}
        ramp = load((1, 10, 200, 0), (8, 40, 900, 0), (64, 400, 1_500, 0), (32, 50, 950, 500))
        store.write_measurements(ramp.measurements(**about))
        fast = load((8, 20, 2_000, 0))  # the same time and load, of another endpoint
        store.write_measurements(fast.measurements(**about, feature="hybrid"))
        other = load((8, 1, 9_000, 0), hour=2)
        store.write_measurements(other.measurements(model=artifact.name, version="2.0"))
        review(store, artifact)
    return place


def batches(store, artifact):
    for k in range(8):
        frame = people(200 + k, seed=10 + k, first=1_000 * k)
        frame["age"] = frame["age"].astype(float)
        frame.loc[:k, "age"] = np.nan
        day = DAY - timedelta(days=2 * (7 - k))
        how = {"id": "row_id", "max_reject_share": 0.5, "show_progress": False}
        cap.score_batch(artifact, frame, store=store, as_of=day, **how)
    frame = people(50, seed=9).assign(age=np.nan)
    with pytest.raises(TooManyRejectsError, match="reject"):
        cap.score_batch(artifact, frame, store=store, as_of=DAY, id="row_id", show_progress=False)


def live(store, artifact):
    asked = people(60, seed=5, first=500_000)[["row_id", *FEATURES]].to_dict("records")
    with cap.serve(artifact, store=store) as endpoint:
        for row in asked:
            endpoint.predict({name: row[name] for name in FEATURES}, id=str(row["row_id"]))
    store.change_rollout(who="test", why="a bad day", route="degraded")
    with cap.serve(artifact, store=store) as endpoint:
        for row in asked[:5]:
            said = endpoint.predict({name: row[name] for name in FEATURES})
            assert (said["route"], said["review"]) == ("degraded", True)  # there is no other model
    store.change_rollout(who="test", why="over", route="stable")
    newest, older = (people(207 - 2 * k, seed=17 - 2 * k, first=7_000 - 2_000 * k) for k in (0, 1))
    ids = [*newest["row_id"][20:60], *older["row_id"][20:35]]
    with cap.serve(artifact, store=store, hybrid="36h") as endpoint:
        for case, row in zip(ids, asked, strict=False):
            endpoint.predict({name: row[name] for name in FEATURES}, id=str(case))
        for row in asked[:25]:
            endpoint.predict({name: row[name] for name in FEATURES})


def review(store, artifact):
    queue = cap.ReviewQueue(store, double_share=0)
    queue.fill_uncertain(artifact=artifact, n=12, traffic="live")
    for k in range(9):
        queue.see(queue.next("ana"))
        case = queue.next("ana")
        verdict = ("accept", "override", "cannot say")[k % 3]
        label = 1 - int(case.label) if verdict == "override" else None
        queue.decide(case.case_id, reviewer="ana", verdict=verdict, label=label)


@pytest.fixture(scope="module")
def store(path):
    with open_store(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def table(store, artifact):
    return cap.compare_architectures(store, artifact, volume=VOLUME)


@pytest.fixture(scope="module")
def figures(table):
    found = table.figures()
    assert not found.duplicated(["row", "column", "name"]).any()
    return {(f.row, f.column, f.name): f for f in found.itertuples(index=False)}


@pytest.fixture(scope="module")
def log(store):
    return store.requests()


def done(store):
    runs = store.runs()
    return runs[runs["status"] == "published"]


def same(figure, value, n):
    assert figure.value == pytest.approx(value, rel=1e-9)
    assert figure.n == n


def same_share(figure, part, whole):
    same(figure, part / whole, whole)
    ends = binomtest(part, whole).proportion_ci(method="wilson")
    assert [figure.low, figure.high] == pytest.approx(list(ends), abs=1e-12)


def test_every_cell_that_can_be_measured_is(table):
    for (row, column), cell in table.cells.items():
        assert all(one.is_known for one in cell.figures), (row, column)
        assert bool(cell.figures) == (row not in ("complexity", "use cases"))
        assert cell.words.endswith(".")


def test_batch_figures_are_those_of_the_runs(store, figures):
    runs = done(store)
    assert len(runs) == 8
    time_s, rate = runs["seconds"], (runs["rows"] + runs["rejected"]) / runs["seconds"]
    same(figures["latency", "batch", "a run takes"], time_s.median(), 8)
    assert figures["latency", "batch", "a run takes"].low == time_s.min()
    assert figures["latency", "batch", "a run takes"].high == time_s.max()
    same(figures["latency", "batch", "days between two runs"], 2, 7)
    same(figures["throughput", "batch", "read, scored and written"], rate.median(), 8)
    same_share(figures["monitoring needs", "batch", "runs that succeeded"], 8, 9)
    rejected = len(store.rejects()) - 50
    assert rejected == sum(k + 1 for k in range(8))
    said = store.predictions(overrides=False)
    same_share(
        figures["monitoring needs", "batch", "rows rejected"], rejected, rejected + len(said)
    )
    reviewed = figures["human in the loop", "batch", "handed to a person"]
    same_share(reviewed, int(said["review"].sum()), len(said))


def test_live_figures_are_those_of_the_log(log, figures):
    live = log[log["miss"].isna() & (log["route"] == "stable")]
    assert len(live) == 60
    for name, share in (("half within", 0.5), ("99 of 100 within", 0.99)):
        same(figures["latency", "real time", name], np.quantile(live["latency_ms"], share), 60)
    assert np.isnan(figures["latency", "real time", "99 of 100 within"].high)  # of 60 answers
    reviewed = figures["human in the loop", "real time", "handed to a person"]
    same_share(reviewed, int(live["review"].sum()), 60)


def test_hybrid_figures_are_those_of_the_log(log, figures):
    mixed = log[log["miss"].notna() | (log["route"] == "batch")]
    hits = mixed[mixed["route"] == "batch"]
    assert (len(mixed), len(hits)) == (80, 40)
    same_share(figures["throughput", "hybrid", "answered by a nightly score"], 40, 80)
    same_share(figures["monitoring needs", "hybrid", "too old to be passed on"], 15, 80)
    passed_on, computed = hits["latency_ms"], mixed["latency_ms"].drop(hits.index)
    same(figures["latency", "hybrid", "passed on, half within"], passed_on.median(), 40)
    same(figures["latency", "hybrid", "computed, half within"], computed.median(), 40)
    age = (hits["received_at"] - hits["as_of"]) / pd.Timedelta(hours=1)
    same(figures["monitoring needs", "hybrid", "age of those, half within"], age.median(), 40)


def test_of_a_load_test_the_fastest_step_that_keeps_the_promise_counts(figures, store):
    rate = figures["throughput", "real time", "answers within the promise"]
    same(rate, 900, 1800)
    assert "8 users" in rate.source
    p99 = figures["latency", "real time", "under load, 99 of 100 within"]
    kept = store.measurements(name="load_test_p99", group="8 users", version="1.0", feature="")
    same(p99, kept["value"].item(), 1800)
    assert p99.low <= p99.value <= p99.high
    same_share(figures["monitoring needs", "real time", "under load, without an answer"], 0, 1800)
    same(figures["throughput", "hybrid", "answers within the promise"], 2000, 4000)


def test_a_promise_that_no_load_kept_is_told(store, artifact):
    found = cap.compare_architectures(store, artifact, promise=Promise(p99_ms=1))
    (rate,) = found["throughput", "real time"].figures
    assert str(rate).endswith("not measured (no load kept the promise of 1 ms: try a smaller one)")
    with pytest.raises(MonitoringError, match="no load kept the promise"):
        found.speed()


def test_people_are_those_of_the_desk(figures, store):
    said = cap.ReviewQueue(store).decisions()
    for column in ("batch", "real time", "hybrid"):
        same(figures["human in the loop", column, "a case takes"], said["seconds"].median(), 9)
        same_share(figures["human in the loop", column, "overridden"], 3, 9)


def test_costs_follow_from_the_speed(table, figures, store, artifact):
    speed = table.speed()
    assert (
        speed.batch_rows_per_s == figures["throughput", "batch", "read, scored and written"].value
    )
    assert (speed.live_per_core_s, speed.hit_rate) == (900, 0.5)
    costs = monthly_costs(speed, VOLUME).to_dict()
    for column, cost in costs.items():
        assert figures["cost model", column, "machines, a month"].value == cost
    two = {"promise": Promise(cores=2), "prices": Prices(core_hour=5), "volume": VOLUME}
    dear = cap.compare_architectures(store, artifact, **two)
    assert dear.speed().live_per_core_s == 450
    assert dear["cost model", "batch"].figures[0].value == pytest.approx(100 * costs["batch"])


def test_every_source_finds_exactly_the_rows_that_the_figure_rests_on(path, table, log):
    """The SQL is asked of the database by SQLite itself, and what it gives is in the store."""
    database = sqlite3.connect(path)
    runs = pd.read_sql("SELECT * FROM runs", database)
    checked = 0
    for one in table.figures().itertuples():
        if one.kind == "computed":
            assert one.sql == ""
            continue
        rows = pd.read_sql(one.sql, database)
        assert len(rows), one
        checked += 1
        if one.kind == "requests":
            assert set(rows["request_key"]) <= set(log["request_key"])
            assert f"{len(rows):,} requests" in one.source
            assert one.n in (len(rows), (rows["route"] == "batch").sum())
        elif one.kind == "runs":
            assert set(rows["run_id"]) <= set(runs["run_id"])
            assert rows["run_id"].iloc[0] in one.source
        elif one.kind == "load test":
            assert one.value in set(rows["value"])
            assert len(rows) == 4
        else:
            assert one.kind == "reviews"
            assert one.n in (len(rows), rows["seconds"].notna().sum())
    database.close()
    assert checked > 20


def test_costs_name_the_sources_that_they_follow_from(table):
    (cost,) = table["cost model", "hybrid"].figures
    assert [one.kind for one in cost.source.parts] == ["runs", "load test", "requests"]
    assert all(one.sql for one in cost.source.parts)


def test_later_rows_change_no_source(store, artifact, table, tmp_path_factory, path):
    """A copy of the store goes on; the old sources find what they found."""
    later = tmp_path_factory.mktemp("later") / "store.db"
    with sqlite3.connect(path) as one, sqlite3.connect(later) as two:
        one.backup(two)
    before = table.figures().query("sql != ''")
    with sqlite3.connect(path) as database:
        old = {sql: len(pd.read_sql(sql, database)) for sql in before["sql"]}
    with open_store(later) as more:
        frame = people(100, seed=77, first=900_000)
        cap.score_batch(artifact, frame, store=more, as_of=DAY, id="row_id", show_progress=False)
        with cap.serve(artifact, store=more) as endpoint:
            endpoint.predict({"age": 30, "sex": 1})
    with sqlite3.connect(later) as database:
        assert {sql: len(pd.read_sql(sql, database)) for sql in old} == old


def test_an_empty_store_invents_nothing(tmp_path, artifact):
    with open_store(tmp_path / "new.db") as empty:
        found = cap.compare_architectures(empty, artifact)
    assert len(found.figures()) == 0
    told = [one for cell in found.cells.values() for one in cell.figures]
    assert len(told) > 20
    assert not any(one.is_known for one in told)
    assert all(one.note for one in told)
    with pytest.raises(MonitoringError, match=r"batch: score a batch .* real time: keep a load"):
        found.speed()
    assert "not measured" in found._repr_html_()
    json.dumps(found.to_dict(), allow_nan=False)


def test_what_was_before_does_not_count_if_asked_so(store, artifact):
    found = cap.compare_architectures(store, artifact, since=datetime.now(UTC) + timedelta(days=1))
    assert len(found.figures()) == 0
    yesterday = datetime.now(UTC) - timedelta(days=1)
    some = cap.compare_architectures(store, artifact, since=yesterday)
    assert {"runs", "requests", "reviews"} == set(some.figures()["kind"])  # load tests are older


def test_another_version_has_nothing_here(store, artifact):
    class Later:
        name, version = artifact.name, "3.0"

    assert len(cap.compare_architectures(store, Later()).figures()) == 0


def test_load_tests_may_be_handed_over(tmp_path, artifact):
    test = load((4, 10, 300, 0))
    with open_store(tmp_path / "new.db") as empty:
        found = cap.compare_architectures(empty, artifact, load_tests=test)
        both = cap.compare_architectures(empty, artifact, load_tests={"hybrid": test})
        with pytest.raises(ValueError, match="'real time' and 'hybrid'; seen \\['live'\\]"):
            cap.compare_architectures(empty, artifact, load_tests={"live": test})
    (rate,) = found["throughput", "real time"].figures
    assert (rate.value, rate.n) == (300, 600)
    assert rate.source.words == "load test of 2026-01-01 00:00 UTC, 4 users, which no store keeps"
    assert both["throughput", "hybrid"].figures[0].value == 300


def test_a_folder_is_no_place_to_ask(tmp_path, artifact):
    with open_store(tmp_path / "folder") as folder, pytest.raises(StoreError):
        cap.compare_architectures(folder, artifact)


def test_the_frame_has_the_rows_and_columns_of_the_course(table):
    frame = table.to_frame()
    assert list(frame.columns) == ["batch", "real time", "hybrid"]
    assert list(frame.index) == [
        "latency", "throughput", "complexity", "cost model", "use cases", "monitoring needs",
        "human in the loop",
    ]  # fmt: skip
    assert "rows/s" in frame.loc["throughput", "batch"]


def test_the_page_links_each_figure_to_its_source(table):
    import re

    page = table._repr_html_()
    links = re.findall(r"href='#([^']+)' title='([^']+)'", page)
    ids = re.findall(r"<li id='([^']+)'", page)
    assert len(links) == len(table.figures())
    assert {one for one, _ in links} == set(ids)
    assert len(ids) == len(set(ids))
    assert "work 1.0" in page
    assert "machine that they were measured on" in page


def test_json_has_all_of_it(table):
    said = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    assert len(said["cells"]) == 21
    known = [one for cell in said["cells"] for one in cell["figures"] if one["source"]]
    assert len(known) == len(table.figures())
