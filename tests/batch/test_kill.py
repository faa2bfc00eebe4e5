"""A run killed at any moment: nothing half is ever seen, and a rerun leaves no trace of it."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import numpy as np
import pandas as pd
import pytest

import capstone_lib as cap

DAY = "2016-01-31"
PROCESS = """
import sys
import capstone_lib as cap
model, source, store = sys.argv[1:]
artifact = cap.load_model(model)
import capstone_lib.batch.score, capstone_lib.store.database, capstone_lib.store.folder
print("go", flush=True)
cap.score_batch(artifact, source, store=store, as_of="2016-01-31")
print("done", flush=True)
"""
ROWS = 250_000
REJECTED = 300  # 250 without hours, 50 with an id that was there


@pytest.fixture(scope="module")
def source(tmp_path_factory, many_people):
    """Rows with some that will be rejected, the last of them for ids that were there."""
    people = pd.concat([many_people, many_people.assign(row_id=many_people["row_id"] + 10**6)])
    people = people[:ROWS].reset_index(drop=True)
    people.iloc[::1000, people.columns.get_loc("hours")] = np.nan
    people.loc[ROWS - 50 :, "row_id"] = np.arange(2001, 2051)
    path = tmp_path_factory.mktemp("source") / "people.parquet"
    people.to_parquet(path, row_group_size=50_000)
    return path


def start(model_path, source, place):
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, model_path, source, place],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"go\n"
    return process


def end(process, number):
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=60)
    return errors.decode()


def content(place):
    """All there is in a store, but for keys of attempts and times."""
    with cap.open_store(place) as store:
        rows = store.predictions().sort_values("row_id", key=lambda ids: ids.astype(int))
        rejects = store.rejects().sort_values("position")
        records = store.runs()
    records = records[records["status"] == "published"]
    kept = records[["run_id", "rows", "rejected", "snapshot", "artifact"]]
    frames = rows.drop(columns="scored_at"), rejects, kept
    return [frame.reset_index(drop=True) for frame in frames] + [_raw(place)]


def _raw(place):
    """The tables under the views; in a folder, the files that hold data."""
    if place.is_dir():
        return pd.DataFrame(
            sorted(file.name for file in place.rglob("*.parquet")), columns=["file"]
        )
    with closing(sqlite3.connect(place)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        queries = (
            "SELECT row_id, score, uncertainty, decision FROM prediction_rows ORDER BY row_id",
            "SELECT decision, label, prediction_set, review FROM decisions ORDER BY decision",
            "SELECT position, row_id, reason FROM reject_rows ORDER BY position",
        )
        return pd.concat([pd.read_sql(query, raw) for query in queries], axis=1)


def kill_and_run_again(model_path, source, place, *, after_s):
    """Kill one run at that moment, look at what can be seen, and run again."""
    process = start(model_path, source, place)
    time.sleep(after_s)
    end(process, signal.SIGKILL)
    killed = process.returncode == -signal.SIGKILL
    with cap.open_store(place) as store:
        seen = len(store.predictions())
    assert seen in (0, ROWS - REJECTED)
    run = cap.score_batch(model_path, source, store=place, as_of=DAY)
    assert (run.status == "reused") == (seen > 0)
    return killed


def check_kills(model_path, source, tmp_path, name, kills):
    rng = random.Random(kills)
    undisturbed = tmp_path / f"undisturbed-{name}"
    process = start(model_path, source, undisturbed)
    began = time.perf_counter()
    assert process.stdout.readline() == b"done\n"
    took_s = time.perf_counter() - began
    process.communicate(timeout=60)
    expected = content(undisturbed)
    assert len(expected[0]) == ROWS - REJECTED

    killed = tries = 0
    while killed < kills:
        tries += 1
        assert tries <= 10 * kills, "most runs ended before they could be killed"
        place = tmp_path / f"{tries}-{name}"
        killed += kill_and_run_again(model_path, source, place, after_s=rng.uniform(0, took_s))
        for found, wanted in zip(content(place), expected, strict=True):
            pd.testing.assert_frame_equal(found, wanted, check_exact=True)


@pytest.mark.parametrize("name", ["store.db", "folder"])
def test_a_killed_run_leaves_no_trace_after_a_rerun(model_path, source, tmp_path, name):
    check_kills(model_path, source, tmp_path, name, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["store.db", "folder"])
def test_twenty_killed_runs_leave_no_trace_after_a_rerun(model_path, source, tmp_path, name):
    check_kills(model_path, source, tmp_path, name, 20)


@pytest.mark.parametrize("name", ["store.db", "folder"])
def test_an_interrupt_ends_a_run_cleanly(model_path, source, tmp_path, name):
    place = tmp_path / name
    process = start(model_path, source, place)
    time.sleep(0.2)
    errors = end(process, signal.SIGINT)

    with cap.open_store(place) as store:
        status = store.runs()["status"].tolist()
        said = store.runs()["error"].tolist()
        seen = len(store.predictions())
    if status == ["published"]:
        assert seen == ROWS - REJECTED
        return
    assert "KeyboardInterrupt" in errors
    assert seen == 0
    assert status in ([], ["failed"])
    assert said in ([], ["KeyboardInterrupt: "])
    assert cap.score_batch(model_path, source, store=place, as_of=DAY).status == "published"
