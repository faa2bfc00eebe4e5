"""The audit log against real files, real locks and real processes."""

import json
import multiprocessing
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import closing

import msgspec
import numpy as np
import pytest

from capstone_lib.errors import AuditError, StoreError
from capstone_lib.serving.audit import AuditLog
from capstone_lib.store import open_store
from capstone_lib.store.database import DatabaseStore
from capstone_lib.store.spill import load_spill

PATIENCE_S = 60.0


class Features(msgspec.Struct):
    AGEP: int
    SCHL: str


def entry(number, name="a"):
    return (
        f"{name}{number}",
        1e9 + number,
        1,
        "stable",
        Features(number % 90, "21"),
        float(np.float32(number % 997) / np.float32(997)),
        number % 2,
        0.5,
        [0, 1],
        False,
        0.25,
        None,
    )


def entries(start, stop, name="a"):
    return [entry(number, name) for number in range(start, stop)]


def ids(store, name="a"):
    found = store.requests()["row_id"].astype(str)
    return found[found.str.startswith(name)].tolist()


def until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "here" / "store.db") as opened:
        opened.register_served(name="m", version="1", artifact="a", snapshot="b")
        yield opened


@pytest.fixture
def file(store):
    return store.file


@pytest.fixture
def log(store):
    made = AuditLog(store, every_s=0.05)
    yield made
    made.stop()


def test_all_that_was_put_is_in_the_store_once_and_in_order(store, log):
    log.start()
    start = 0
    for size in [1, 0, 7, 499, 1, 1000, 501, 2000, 3]:
        log.put(entries(start, start + size))
        start += size
    log.stop()

    assert ids(store) == [f"a{k}" for k in range(start)]
    assert (log.written, log.waiting, log.refused, log.failing) == (start, 0, 0, "")
    scores = store.requests()["score"].to_numpy()
    expected = (np.arange(start) % 997).astype(np.float32) / np.float32(997)
    assert scores.tobytes() == expected.tobytes()


def test_it_writes_while_it_runs_without_being_asked(store, log):
    log.start()
    log.put(entries(0, 10))
    until(lambda: log.waiting == 0)

    assert log.written == 10
    assert len(store.requests()) == 10


def test_many_threads_may_put(store, log):
    log.start()

    def work(name):
        for start in range(0, 600, 3):
            log.put(entries(start, start + 3, name))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.stop()

    for name in "abcd":
        assert ids(store, name) == [f"{name}{k}" for k in range(600)]


def test_a_log_that_was_never_started_writes_when_it_is_stopped(store):
    log = AuditLog(store)
    log.put(entries(0, 1200))
    log.stop()
    log.stop()

    assert len(ids(store)) == 1200
    with pytest.raises(AuditError, match="was stopped"):
        log.put(entries(0, 1))


def test_no_thread_is_left(store):
    before = threading.active_count()
    for start in (False, True):
        log = AuditLog(store)
        if start:
            log.start()
            log.start()
        log.stop()
    assert threading.active_count() == before


def test_a_full_queue_says_so_and_drops_nothing(store):
    log = AuditLog(store, capacity=100)
    log.put(entries(0, 99))
    assert not log.is_full
    log.put(entries(99, 150))
    assert log.is_full
    assert log.waiting == 150

    log.start()
    until(lambda: not log.is_full)
    log.stop()
    assert len(ids(store)) == 150


def test_a_locked_store_delays_the_log_and_costs_nothing(store, file, log):
    log.start()
    with closing(sqlite3.connect(file, isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        stop = time.monotonic() + 3
        number = 0
        while time.monotonic() < stop:
            log.put(entries(number, number + 20))
            number += 20
            time.sleep(0.01)
        assert "locked" in log.failing
        assert log.written == 0
        raw.execute("COMMIT")
    until(lambda: log.waiting == 0 and not log.failing)
    log.stop()

    assert ids(store) == [f"a{k}" for k in range(number)]


def test_a_store_that_goes_away_and_comes_back_gets_everything(store, file, log):
    log.start()
    log.put(entries(0, 10))
    until(lambda: log.waiting == 0)
    file.parent.rename(file.parent.with_name("there"))
    log.put(entries(10, 700))
    until(lambda: "its file is gone" in log.failing)
    assert log.waiting == 690

    file.parent.with_name("there").rename(file.parent)
    until(lambda: log.waiting == 0 and not log.failing)
    log.stop()

    assert ids(store) == [f"a{k}" for k in range(700)]


class Forgetful(DatabaseStore):
    """Writes, and now and then says that it did not: as when a connection breaks at the commit."""

    calls = 0

    def write_requests(self, entries, **options):
        new = super().write_requests(entries, **options)
        self.calls += 1
        if self.calls % 3:
            raise StoreError("the connection broke")
        return new


def test_an_outcome_that_is_not_known_repeats_nothing(store, file):
    log = AuditLog(Forgetful(store.engine.url), every_s=0.01)
    log.start()
    log.put(entries(0, 2300))
    until(lambda: log.written == 2300)
    log.stop()

    assert ids(store) == [f"a{k}" for k in range(2300)]


def test_what_a_locked_store_does_not_take_in_time_is_spilled_and_loaded_once(store, file):
    log = AuditLog(store, every_s=0.05)
    log.start()
    log.put(entries(0, 10))
    until(lambda: log.waiting == 0)
    with closing(sqlite3.connect(file, isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        log.put(entries(10, 1300))
        until(lambda: "locked" in log.failing)
        with pytest.raises(AuditError, match=r"1,290 answers .*locked.*load_spill\(store") as told:
            log.stop(timeout_s=0.2)
        raw.execute("COMMIT")

    path = told.value.path
    assert path.parent == file.parent
    assert load_spill(store, path) == 1290
    assert load_spill(store, path) == 0
    assert ids(store) == [f"a{k}" for k in range(1300)]


def test_without_a_place_beside_the_store_the_spill_goes_elsewhere(
    store, file, tmp_path, monkeypatch
):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    log = AuditLog(store, every_s=0.05)
    file.parent.rename(tmp_path / "there")
    log.put(entries(0, 5))
    with pytest.raises(AuditError, match="its file is gone") as told:
        log.stop(timeout_s=0.2)
    (tmp_path / "there").rename(file.parent)

    assert told.value.path.parent == tmp_path / "temporary"
    assert load_spill(store, told.value.path) == 5


def test_without_any_place_the_loss_is_told(store, file, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    log = AuditLog(store, every_s=0.05)
    file.parent.rename(tmp_path / "there")
    log.put(entries(0, 5))
    with pytest.raises(AuditError, match=r"5 answers are lost.*make room") as told:
        log.stop(timeout_s=0.2)
    assert told.value.path is None


def test_answers_that_no_store_can_keep_do_not_hold_up_the_others(store, file):
    log = AuditLog(store, every_s=0.05)
    log.start()
    wrong = {7: (*entry(7)[:4], {"AGEP": object()}, *entry(7)[5:]), 600: ("a600", 1.0, 99)}
    log.put([wrong.get(k, entry(k)) for k in range(1100)])
    with pytest.raises(AuditError, match=r"2 answers cannot be kept .*read why in") as told:
        log.stop()

    assert ids(store) == [f"a{k}" for k in range(1100) if k not in wrong]
    assert (log.written, log.refused) == (1098, 2)
    lines = [json.loads(line) for line in told.value.path.read_text().splitlines()]
    assert "cannot be written as JSON" in lines[0]["why"]
    assert "a7" in lines[0]["entry"]
    assert "there must be row_id" in lines[1]["why"]
    assert lines[1]["entry"] == ["a600", 1.0, 99]


@pytest.mark.parametrize("options", [{"capacity": 0}, {"every_s": 0}])
def test_a_log_without_room_or_rest_is_refused(store, options):
    with pytest.raises(ValueError, match="an audit log needs room"):
        AuditLog(store, **options)


def test_a_folder_is_refused_at_once(tmp_path):
    with open_store(tmp_path / "folder") as store, pytest.raises(StoreError, match="database"):
        AuditLog(store)


def _hammer(path, name, n):
    with open_store(path) as store:
        log = AuditLog(store, every_s=0.01)
        log.start()
        for start in range(0, n, 10):
            log.put(entries(start, start + 10, name))
            time.sleep(0.001)
            if start % 100 == 0:
                store.change_rollout(who=name, why=str(start), shadow=start % 200 == 0)
        log.stop(timeout_s=60)


def test_processes_on_one_database_lose_nothing_and_repeat_nothing(store, file):
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=_hammer, args=(file, name, 1000)) for name in "bc"]
    for process in others:
        process.start()
    _hammer(file, "a", 1000)
    for process in others:
        process.join(120)
        assert process.exitcode == 0

    for name in "abc":
        assert ids(store, name) == [f"{name}{k}" for k in range(1000)]
    assert len(store.rollout_history()) == 30


LOGGER = """
    import sys
    import time
    from capstone_lib.serving.audit import AuditLog
    from capstone_lib.store import open_store

    store = open_store(sys.argv[1])
    log = AuditLog(store, every_s=0.02)
    log.start()
    number = 0
    while True:
        log.put([
            (f"a{k}", 1e9 + k, 1, "stable", {"AGEP": k % 90}, 0.5, k % 2, 0.5, [0, 1], False, 0.25,
             None)
            for k in range(number, number + 20)
        ])
        number += 20
        print(number, log.written, flush=True)
        while log.waiting > 2000:
            time.sleep(0.001)
"""


@pytest.mark.parametrize("delay_s", [0.0, 0.011, 0.037, 0.12])
def test_kill_leaves_an_openable_store_with_whole_rows_only(store, file, delay_s):
    command = [sys.executable, "-c", textwrap.dedent(LOGGER), str(file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    written = 0
    while written < 1000:
        written = int(process.stdout.readline().split()[1])
    time.sleep(delay_s)
    process.kill()
    rest = process.stdout.read().split("\n")[:-1]
    process.stdout.close()
    process.wait()
    put, written = map(int, rest[-1].split()) if rest else (written, written)

    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with open_store(file) as again:
        frame = again.requests()
    assert frame["row_id"].tolist() == [f"a{k}" for k in range(len(frame))]
    assert written <= len(frame) <= put + 20
    assert frame["features"].tolist() == [f'{{"AGEP":{k % 90}}}' for k in range(len(frame))]
    assert frame["label"].tolist() == [k % 2 for k in range(len(frame))]


def test_an_interpreter_that_ends_without_stop_writes_what_waits(store, file):
    program = """
        import sys
        from capstone_lib.serving.audit import AuditLog
        from capstone_lib.store import open_store

        log = AuditLog(open_store(sys.argv[1]), every_s=60)
        log.start()
        log.put([("a", 1.0, 1, "stable", {}, 0.5, 1, 0.5, [0, 1], False, 0.25, None)] * 700)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(file)], check=True)

    assert len(store.requests()) == 700


def test_what_fails_at_a_turn_is_called_again_and_the_log_goes_on(store):
    calls = []

    def look():
        calls.append(1)
        if len(calls) < 3:
            raise KeyError("not yet")

    log = AuditLog(store, every_s=0.05, on_turn=look)
    log.start()
    until(lambda: "KeyError" in log.failing)
    log.put(entries(0, 10))
    until(lambda: log.written == 10)
    until(lambda: not log.failing)
    log.stop()

    assert len(calls) >= 3
