"""Several workers behind one port: real processes, really killed."""

import contextlib
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from scipy.stats import binom

import capstone_lib as cap
from capstone_lib.serving.routes import draw
from capstone_lib.store.alert_tables import scale_requests
from capstone_lib.store.engine import writing
from capstone_lib.store.overrides import add_override

SOON_S = 40


def wait_until(true, timeout_s=SOON_S):
    end = time.monotonic() + timeout_s
    while not (found := true()):
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)
    return found


def _command(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it is just ending
        return ""


class Served:
    """``capstone serve --workers 2``, as a person starts it."""

    def __init__(self, *arguments, folder):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "capstone_lib", "serve", *map(str, arguments),
             "--port", "0", "--workers", "2", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(folder)},
        )  # fmt: skip
        said = self.process.stdout.readline()
        assert said, self.process.communicate()[1]
        self.port = json.loads(said)["port"]

    def workers(self):
        """The processes that serve; beside them multiprocessing keeps a tracker."""
        found = psutil.Process(self.process.pid).children()
        return {one.pid for one in found if "spawn_main" in _command(one)}

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, path, document=None, connection=None):
        with contextlib.ExitStack() as stack:
            if connection is None:
                connection = stack.enter_context(contextlib.closing(self.connect()))
            if document is None:
                connection.request("GET", path)
            else:
                said = {"Content-Type": "application/json"}
                connection.request("POST", path, json.dumps(document), said)
            reply = connection.getresponse()
            content = reply.read()
            assert reply.status == 200, content
            return content

    def predict(self, row, case, connection=None):
        return json.loads(self.ask("/predict", {"features": row, "id": case}, connection))

    def connections_to_both(self, stack):
        """Open connections until each worker holds one; they stay with their worker."""
        found = {}
        deadline = time.monotonic() + SOON_S
        while len(found) < 2:
            assert time.monotonic() < deadline, "one worker takes all connections"
            connection = stack.enter_context(contextlib.closing(self.connect()))
            self.ask("/v2/health/live", connection=connection)
            found.setdefault(self._worker_of(connection), connection)
        return list(found.values())

    def _worker_of(self, connection):
        mine = connection.sock.getsockname()
        for pid in self.workers():
            if any(c.raddr == mine for c in psutil.Process(pid).net_connections() if c.raddr):
                return pid
        raise AssertionError("no worker holds the connection")

    def counts(self, connection=None):
        families = text_string_to_metric_families(self.ask("/metrics", None, connection).decode())
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in families
            for sample in family.samples
        }

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=SOON_S)
        return self.process.returncode, errors


@pytest.fixture
def store_url(tmp_path):
    return f"sqlite:///{tmp_path}/s.db"


@pytest.fixture
def served(model_path, canary_path, store_url, tmp_path):
    found = Served(model_path, "--canary", canary_path, "--store", store_url, folder=tmp_path)
    family = psutil.Process(found.process.pid).children(recursive=True)
    yield found
    with found.process:
        if found.process.poll() is None:
            found.process.kill()
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_both_answer_and_whichever_is_asked_counts_for_both(served, rows, store_url):
    with contextlib.ExitStack() as stack:
        both = served.connections_to_both(stack)
        for k, row in enumerate(rows[:60]):
            served.predict(row, f"case {k}", both[k % 2])
        key = ("capstone_answers_total", "1.0.0", "stable", "work")
        for one in both:
            wait_until(lambda one=one: served.counts(one).get(key) == 60)
    status, errors = served.stop()
    assert (status, errors) == (0, "")
    assert not is_listening(served.port)
    with cap.open_store(store_url) as store:
        assert sorted(store.requests()["row_id"]) == sorted(f"case {k}" for k in range(60))


def test_a_change_of_the_rollout_reaches_both_and_cases_stay_with_their_model(
    served, rows, store_url
):
    names = [f"case {k}" for k in range(400)]
    canaries = {name for name in names if draw(name, "work 2.0.0") < 0.3}
    low, high = binom.interval(1 - 1e-6, len(names), 0.3)
    assert low <= len(canaries) <= high
    with contextlib.ExitStack() as stack, cap.open_store(store_url) as store:
        both = served.connections_to_both(stack)

        def follows(name, route):
            return all(served.predict(rows[0], name, one)["route"] == route for one in both)

        store.change_rollout(who="test", why="a trial", canary_share=0.3)
        wait_until(lambda: follows(min(canaries), "canary"))
        for one in both:
            routed = {
                name for name in names if served.predict(rows[0], name, one)["route"] != "stable"
            }
            assert routed == canaries  # in both workers, and as the hash says
        took = []
        for paused, route in ((True, "stable"), (False, "canary")) * 3:
            store.change_rollout(who="test", why="to and fro", paused=paused)
            begun = time.monotonic()
            wait_until(lambda route=route: follows(min(canaries), route))
            took.append(time.monotonic() - begun)
        print("seconds until both follow:", [round(one, 2) for one in took])
        assert max(took) < 10  # a second is promised; a busy machine is not
        store.change_rollout(who="alert", why="too slow", route="degraded")
        wait_until(lambda: follows("x", "degraded"))


def test_a_pause_a_degraded_route_and_an_override_reach_both(served, rows, store_url):
    """As an alert and a reviewer do it: both workers follow within two seconds."""
    with contextlib.ExitStack() as stack, cap.open_store(store_url) as store:
        both = served.connections_to_both(stack)

        def follow(**what):
            begun = time.monotonic()
            wait_until(
                lambda: all(
                    what.items() <= served.predict(rows[0], "17", one).items() for one in both
                )
            )
            return time.monotonic() - begun

        took = []
        for _ in range(3):
            store.change_rollout(who="test", why="a trial", canary_share=1.0, route="stable")
            store.change_rollout(who="test", why="on with it", paused=False)
            follow(route="canary")
            store.change_rollout(who="alert", why="drift", paused=True)
            took.append(follow(route="stable"))
            store.change_rollout(who="alert", why="too many false positives", route="degraded")
            took.append(follow(route="degraded"))
        model = served.predict(rows[0], "17", both[0])
        for label, reviewer in (("yes", "Ada"), ("no", "Bea")):
            with writing(store.engine) as connection:
                add_override(connection, row_id="17", label=label, reviewer=reviewer)
            took.append(follow(label=label, decided_by=reviewer, review=False))
        with writing(store.engine) as connection:
            add_override(connection, row_id="17", label=None, reviewer="Ada")
        took.append(follow(**model))
        for one in both:
            assert served.predict(rows[0], "17", one) == model
        print("seconds until both follow:", [round(one, 2) for one in took])
        assert sorted(took)[len(took) // 2] < 2  # of a busy machine not every one is asked


def test_the_replicas_that_are_wanted_are_told_by_both(served, store_url):
    def ask(replicas):
        with writing(store.engine) as connection:
            connection.execute(
                scale_requests.insert().values(
                    asked_at="2026-01-01T00:00:00", replicas=replicas, who="alert", why="p99"
                )
            )

    with contextlib.ExitStack() as stack, cap.open_store(store_url) as store:
        both = served.connections_to_both(stack)
        key = ("capstone_replicas_wanted",)
        assert all(key not in served.counts(one) for one in both)
        for wanted in (3, 1):
            ask(wanted)
            for one in both:
                wait_until(lambda one=one, n=wanted: served.counts(one).get(key) == n)


def test_both_pass_nightly_scores_on_and_count_them_together(
    model_path, artifact, people, store_url, rows, tmp_path
):
    nightly = people[:50].assign(row_id=range(50))
    day = datetime.now(UTC).date()
    cap.score_batch(artifact, nightly, store=store_url, as_of=day, id="row_id")
    found = Served(model_path, "--store", store_url, "--hybrid", "2d", folder=tmp_path)
    with found.process, contextlib.ExitStack() as stack:
        both = found.connections_to_both(stack)
        answers = [found.predict(rows[k], str(k), both[k % 2]) for k in range(80)]
        assert [one["route"] for one in answers] == ["batch"] * 50 + ["stable"] * 30
        for one in both:
            wait_until(lambda one=one: found.counts(one).get(("capstone_hybrid_hits_total",)) == 50)
            assert found.counts(one)["capstone_hybrid_misses_total", "unknown"] == 30
            assert found.counts(one)["capstone_hybrid_ids",] == 50
        assert found.stop() == (0, "")
    with cap.open_store(store_url) as store:
        assert (store.requests()["route"] == "batch").sum() == 50


def test_a_worker_that_dies_is_replaced(served, rows):
    before = served.workers()
    assert len(before) == 2
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    after = wait_until(lambda: len(now := served.workers()) == 2 and victim not in now and now)
    assert len(after & before) == 1
    with contextlib.ExitStack() as stack:
        for one in served.connections_to_both(stack):
            assert served.predict(rows[0], "a", one)["label"]
    assert served.stop(signal.SIGINT) == (0, "")


@pytest.mark.slow
def test_workers_that_die_again_and_again_are_given_up(served):
    killed = set()
    while served.process.poll() is None and len(killed) < 8:
        for pid in served.workers() - killed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        time.sleep(0.2)
    _, errors = served.process.communicate(timeout=SOON_S)
    assert served.process.returncode == 1
    assert "times within a minute" in errors
    assert not is_listening(served.port)


def test_workers_end_with_their_parent_and_leave_no_folder(served, tmp_path):
    assert list(tmp_path.glob("capstone-metrics-*"))
    workers = served.workers()
    served.process.kill()
    served.process.communicate()
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in workers))
    assert not list(tmp_path.glob("capstone-metrics-*"))
    assert not is_listening(served.port)


def test_answers_in_flight_are_given_before_the_end(served, rows, store_url):
    """What was sent before SIGTERM is answered, or its connection is refused; never half."""
    many = {"instances": [{"features": row, "id": f"{k}"} for k, row in enumerate(rows)]}
    with contextlib.ExitStack() as stack:
        both = served.connections_to_both(stack)
        for one in both:
            one.request("POST", "/predict", json.dumps(many), {"Content-Type": "application/json"})
        time.sleep(0.05)
        served.process.send_signal(signal.SIGTERM)
        answers = [json.loads(one.getresponse().read())["predictions"] for one in both]
    assert [len(one) for one in answers] == [len(rows)] * 2
    assert served.process.wait(SOON_S) == 0
    with cap.open_store(store_url) as store:
        assert len(store.requests()) == 2 * len(rows)


def test_answers_that_cannot_be_written_are_told_and_spilled(served, rows, tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "s.db")) as raw:
        raw.execute("ALTER TABLE request_rows RENAME TO gone")
    served.predict(rows[0], "17")
    status, errors = served.stop()
    assert status == 1
    assert errors.startswith("capstone: ")
    assert "Traceback" not in errors
    assert "17" in "".join(path.read_text() for path in tmp_path.glob("*spill*"))


def test_what_is_wrong_is_told_once_and_nothing_is_left(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "capstone_lib", "serve", tmp_path / "none.onnx", "--port", "0",
         "--workers", "2"],
        capture_output=True,
        text=True,
        timeout=SOON_S,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("none.onnx") == 1
    assert "Traceback" not in done.stderr
