"""Real Locust against a real server whose behaviour is known."""

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from capstone_lib.errors import LoadTestError, MissingExtraError
from capstone_lib.loadtest import load_test

ROWS = [{"row_id": k, "AGEP": 20 + k % 50, "SEX": 1 + k % 2} for k in range(500)]


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("capstone-*")]


def generators(marker: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("CAPSTONE_TEST") == marker:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def until(condition, seconds=60.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_a_ramp_finds_the_known_delay_and_counts_what_the_server_counted(
    server, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    slow = server("slow", delay_s=0.02)
    place = tmp_path / "kept" / "locust.html"
    result = load_test(
        slow.url, ROWS, users=[1, 4, 4, 2], duration_s=1, id="row_id", bearer="s3cret", report=place
    )
    assert [step.users for step in result.steps] == [1, 4, 4, 2]
    assert result.requests == result.good == slow.seen["good"] - 1  # the first was the probe
    assert (result.shed, result.failures, result.error_rate) == (0, {}, 0)
    for step in result.steps:
        assert 20 <= step.p50_ms <= step.p90_ms <= step.p99_ms <= step.max_ms < 2_000
        assert step.mean_ms < 100
        assert 0 < step.generator_cpu < 1.1
        assert step.requests <= step.users * 50 + step.users
        assert step.histogram.total == step.good
    assert result.sla(p99_ms=2_000, error_rate=0).ok
    assert not result.sla(p99_ms=5)
    assert "Locust" in place.read_text("utf-8")
    assert result.save_report(tmp_path / "again.html").read_bytes() == place.read_bytes()
    assert not leftovers(tmp_path)
    assert not {"locust", "gevent"} & set(sys.modules)
    body = slow.bodies[-1]
    assert body == {
        "id": body["id"],
        "features": {k: v for k, v in ROWS[int(body["id"])].items() if k != "row_id"},
    }
    assert all(b"Authorization: Bearer s3cret\r\n" in head for head in slow.heads)
    again = [one["id"] for one in slow.bodies[:200]]
    assert len(set(again[1:])) == 199  # no row comes twice before all have come


def test_sheds_are_counted_apart_and_do_not_cost_the_connection(server):
    shedding = server("shedding")
    result = load_test(shedding.url, ROWS, users=4, duration_s=2)
    assert result.requests == shedding.seen["all"] - 1
    assert result.shed == shedding.seen["shed"]
    assert result.failures == {}
    assert result.good == shedding.seen["good"] - 1
    assert result.error_rate == pytest.approx(shedding.seen["shed"] / result.requests)
    assert shedding.connections <= 1 + 4
    assert result.limited_by == "server"


def test_every_kind_of_failure_is_told_apart_and_counted(server):
    broken = server("broken")
    result = load_test(broken.url, ROWS, users=3, duration_s=2, id="row_id")
    assert result.good == broken.seen["good"] - 1
    seen = {kind: n for kind, n in broken.seen.items() if kind not in {"all", "good", "lost"}}
    assert result.failures == {**seen, "connection lost": broken.seen["lost"]}
    assert result.requests == broken.seen["all"] - 1
    assert min(result.failures.values()) > 3


def test_an_answer_that_does_not_come_is_a_timeout(server):
    silent = server("silent")
    result = load_test(silent.url, ROWS, users=3, duration_s=1, timeout_s=0.5)
    assert result.failures == {"timeout": silent.seen["all"] - 1}
    assert result.good == 0
    assert np.isnan(result.p99_ms)
    assert not result.sla(p99_ms=1_000)
    assert "–" in str(result)


def test_a_stall_hides_in_a_closed_loop_and_shows_where_requests_are_due(server):
    """Coordinated omission: one user notices a stall once, whatever it did to everybody else."""
    closed = load_test(server("stalling", after=200, stall_s=1).url, ROWS, users=1, duration_s=2)
    due = load_test(
        server("stalling", after=200, stall_s=1).url, ROWS, users=1, rate=200, duration_s=2
    )
    assert closed.max_ms > 900
    assert closed.p99_ms < 500
    assert due.p99_ms > 800
    (step,) = due.steps
    assert (step.rate, step.requests, step.unsent) == (200, 400, 0)
    assert step.histogram.share_within(500) < 0.85


def test_what_was_due_and_could_not_be_sent_in_time_is_an_error(server):
    slow = server("slow", delay_s=0.1)
    result = load_test(slow.url, ROWS, users=2, rate=100, duration_s=1, timeout_s=0.5)
    (step,) = result.steps
    assert step.requests == slow.seen["good"] - 1 <= 2 * 17
    assert step.requests + step.unsent == 100
    assert step.error_rate > 0.6
    assert step.max_ms > 400
    assert step.requests_per_s < 25
    assert result.limited_by == "server"
    assert f"{step.unsent} were due and given up" in str(result)


def test_a_server_that_does_nothing_shows_what_the_generator_can_do(server, capfd):
    result = load_test(
        server("slow", delay_s=0.05).url, ROWS, users=2, duration_s=1, compare_bare=True,
        show_progress=True,
    )  # fmt: skip
    assert result.bare.requests_per_s > 10 * result.requests_per_s
    assert result.limited_by == "server"
    assert "of a server that does nothing it saw p50" in " ".join(result.notes)
    said = capfd.readouterr().err
    assert "load test: " in said
    assert "bare endpoint: " in said
    assert "2 users · " in said


@pytest.mark.slow
def test_a_server_that_dies_on_the_way_is_a_failure_of_requests_not_of_the_test(server):
    dying = server("slow", delay_s=0.01)
    dying._loop.call_soon_threadsafe(dying._loop.call_later, 2.0, dying._over.set)
    result = load_test(dying.url, ROWS, users=2, duration_s=3)
    assert set(result.failures) <= {"connection lost", "connection refused"}
    assert result.failures["connection refused"] > 0
    assert 0 <= dying.seen["good"] - 1 - result.good <= 2  # answers that were on their way
    assert result.failures["connection refused"] <= 62  # a user who finds nobody waits a little


@pytest.mark.slow
def test_hundreds_of_users_begin_and_end_together(server):
    """With gevent's Event some of them never woke, and the test never ended."""
    slow = server("slow", delay_s=0.05)
    result = load_test(slow.url, ROWS, users=[5, 400], duration_s=2)
    assert [step.users for step in result.steps] == [5, 400]
    assert result.steps[1].requests >= 400
    assert result.requests == slow.seen["good"] - 1
    assert result.failures == {}


SCRIPT = """
    import sys
    from capstone_lib.loadtest import load_test
    load_test(sys.argv[1], [{"AGEP": 1}], users=4, duration_s=60)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_stays_behind_when_it_is_stopped(server, how, tmp_path):
    slow, marker = server("slow", delay_s=0.01), f"stop-{how}-{os.getpid()}"
    caller = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), slow.url],
        env={**os.environ, "CAPSTONE_TEST": marker, "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert until(lambda: slow.seen["good"] > 20)
    assert len(generators(marker)) == 2
    assert len(leftovers(tmp_path)) == 1
    caller.send_signal(how)
    said = caller.communicate(timeout=60)[1]
    assert until(lambda: not generators(marker))
    assert ("KeyboardInterrupt" in said) == (how == signal.SIGINT)
    assert not leftovers(tmp_path)


def test_somebody_else_is_not_loaded():
    with pytest.raises(LoadTestError, match="not this machine"):
        load_test("http://192.0.2.1:8000", ROWS)


def test_nothing_starts_when_nobody_listens():
    with pytest.raises(LoadTestError, match="No load was made"):
        load_test("http://127.0.0.1:9", ROWS)


def test_rows_that_do_not_fit_are_told_before_the_load(server):
    refusing = server("refusing", status=422)
    with pytest.raises(LoadTestError, match="AGEP: is missing"):
        load_test(refusing.url, ROWS)
    assert refusing.connections == 1


@pytest.mark.parametrize(
    "options",
    [
        {"users": 0},
        {"users": []},
        {"users": [1, 2.5]},
        {"users": True},
        {"duration_s": 0.5},
        {"duration_s": float("nan")},
        {"rate": 0},
        {"rate": float("inf")},
        {"rate": []},
        {"users": [1, 2], "rate": [1, 2, 3]},
        {"explain_share": 1.5},
        {"timeout_s": 0},
    ],
)
def test_arguments_that_cannot_be_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        load_test("http://127.0.0.1:9", ROWS, **options)


@pytest.mark.parametrize("package", ["locust", "gevent"])
def test_without_locust_the_extra_is_named(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"capstone-lib\[loadtest\]"):
        load_test("http://127.0.0.1:9", ROWS)


def test_locusts_own_file_cannot_be_imported_by_anything_else():
    code = "import capstone_lib.loadtest.locustfile"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "this file is for Locust" in done.stderr


def test_the_package_loads_neither_locust_nor_matplotlib():
    code = "import sys, capstone_lib.loadtest; print(*{n.partition('.')[0] for n in sys.modules})"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    roof = {"locust", "gevent", "matplotlib", "IPython", "starlette", "uvicorn", "pandas"}
    assert not roof & set(seen.stdout.split())
