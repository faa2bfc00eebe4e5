"""Real processes at one queue: none gets what another has, and a killed one takes nothing along."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager

import pytest

from capstone_lib.review import ReviewQueue
from capstone_lib.store import open_store

ROUNDS, WORKERS, CASES = 20, 3, 9


def review(place, barrier, urls, found):
    """One reviewer's process: round after round, take what there is."""
    for url in urls:
        with open_store(url) as store:
            queue = ReviewQueue(store)
            barrier.wait()
            while case := queue.next(f"reviewer {place}"):
                found.put((url, place, case.case_id))
                queue.decide(case.case_id, reviewer=f"reviewer {place}", verdict="accept")


def make_store(folder, artifact, people, *, n=CASES, **options):
    import capstone_lib as cap

    store = open_store(f"sqlite:///{folder}/store.db")
    cap.score_batch(
        artifact, people, store=store, as_of="2016-01-31", id="row_id", show_progress=False
    )
    queue = ReviewQueue(store, **options)
    assert queue.fill_audit(artifact=artifact, source=people, alert_id="all", n=n) == n
    return store


def test_processes_never_get_the_same_case(tmp_path, artifact, people):
    urls = []
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        with make_store(folder, artifact, people.head(60), double_share=0) as store:
            urls.append(store.url)
    context = multiprocessing.get_context("spawn")
    barrier, found = context.Barrier(WORKERS), context.Queue()
    workers = [
        context.Process(target=review, args=(place, barrier, urls, found))
        for place in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    taken = [found.get(timeout=240) for _ in range(ROUNDS * CASES)]
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * WORKERS
    assert found.empty()
    by_case = Counter((url, case) for url, _, case in taken)
    assert len(by_case) == ROUNDS * CASES
    assert set(by_case.values()) == {1}
    shared = [{place for where, place, _ in taken if where == url} for url in urls]
    assert max(map(len, shared)) > 1, "they never worked at the same time"
    for url in urls:
        with open_store(url) as store:
            assert len(ReviewQueue(store).decisions()) == CASES


def test_threads_never_get_the_same_case(tmp_path, artifact, people):
    with make_store(tmp_path, artifact, people, n=60, double_share=0) as store:
        queue = ReviewQueue(store)
        taken, start = [], threading.Barrier(6)

        def work(name):
            start.wait()
            while case := queue.next(name):
                taken.append(case.case_id)
                queue.decide(case.case_id, reviewer=name, verdict="cannot say")

        threads = [threading.Thread(target=work, args=(f"r{k}",)) for k in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(taken) == len(set(taken)) == 60


def test_the_same_audit_at_once_is_added_once(tmp_path, artifact, people):
    with make_store(tmp_path, artifact, people, n=1) as store:
        added, start = [], threading.Barrier(4)

        def fill():
            queue = ReviewQueue(store)
            start.wait()
            added.append(
                queue.fill_audit(
                    artifact=artifact, source=people, alert_id="a", group="sex=2", n=20
                )
            )

        threads = [threading.Thread(target=fill) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(added) == [0, 0, 0, 40]


SEES = """
import sys, time
from capstone_lib.review import ReviewQueue
from capstone_lib.store import open_store
queue = ReviewQueue(open_store(sys.argv[1]), lease_s=float(sys.argv[2]))
print(queue.see(queue.next("ana")).case_id, flush=True)
time.sleep(600)
"""
DECIDES = """
import itertools, sys
from capstone_lib.review import ReviewQueue
from capstone_lib.store import open_store
queue = ReviewQueue(open_store(sys.argv[1]))
for n in itertools.count():
    case = queue.next("ana")
    if case is None:
        break
    label = 1 - case.label
    queue.decide(case.case_id, reviewer="ana", verdict="override", label=label)
    print(n, flush=True)
"""


@contextmanager
def running(code, *words):
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.stdout.close()
        process.wait(30)


def test_what_a_killed_reviewer_had_is_theirs_at_once_and_others_after_the_lease(
    tmp_path, artifact, people
):
    clock = time.time
    with make_store(tmp_path, artifact, people, n=2, double_share=0) as store:
        with running(SEES, store.url, "30") as child:
            held = child.stdout.readline().strip()
            os.kill(child.pid, signal.SIGKILL)
            child.wait(30)
        queue = ReviewQueue(store, lease_s=30, clock=lambda: clock())
        assert queue.next("bo").case_id != held
        again = queue.next("ana")
        assert again.case_id == held
        assert again.seen_at is not None
        later = ReviewQueue(store, clock=lambda: clock() + 31)
        assert held in {later.next("cy").case_id, later.next("di").case_id}


@pytest.mark.parametrize("seed", range(5))
def test_a_process_killed_while_it_decides_leaves_all_of_a_decision_or_nothing(
    tmp_path, artifact, people, seed
):
    with make_store(tmp_path, artifact, people, n=100, double_share=0) as store:
        with running(DECIDES, store.url) as child:
            child.stdout.readline()
            time.sleep(random.Random(seed).random() * 0.3)
            os.kill(child.pid, signal.SIGKILL)
            told = 1 + len(child.stdout.readlines())
            child.wait(30)
        queue = ReviewQueue(store)
        made = queue.decisions()
        assert told <= len(made) <= told + 1
        ids = sorted(made["row_id"])
        assert sorted(store.outcomes()["row_id"]) == ids
        assert sorted(store.overrides()["row_id"]) == ids
        assert sorted(store.predictions().query("decided_by == 'ana'")["row_id"]) == ids
        closed = queue.cases().query("closed_at.notna()")
        assert sorted(closed["row_id"]) == ids
        left = 0
        while case := queue.next("ana"):
            queue.decide(case.case_id, reviewer="ana", verdict="cannot say")
            left += 1
        assert left + len(made) == 100
