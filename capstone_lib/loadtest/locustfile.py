"""What Locust runs: users that ask, step by step, and a note of what became of each request.

For Locust only. Importing Locust patches the interpreter, so this file refuses to be imported by
anything else. It reads its plan from the folder named in ``CAPSTONE_LOAD_PLAN`` and writes there:
``records.bin``, one record a request (see :mod:`capstone_lib.loadtest.records`), and
``steps.jsonl``, a line at the beginning and one at the end of each step.
"""

import sys

if "locust" not in sys.modules:
    raise ImportError("this file is for Locust, which patches the interpreter; use load_test")

import gc
import itertools
import json
import os
import shutil
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
import locust.stats
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError
from locust import FastHttpUser, LoadTestShape, events, task

FOLDER = Path(os.environ["CAPSTONE_LOAD_PLAN"])
PLAN: dict[str, Any] = json.loads((FOLDER / "plan.json").read_text("utf-8"))
CODES: dict[str, int] = PLAN["codes"]
RECORD = struct.Struct("<HHff")  # step, code, when the answer came (s), how long it took (ms)
PARKED_S = max(0.05, PLAN["most_users"] / 10_000)
"""Between steps users look this often whether the next one begins. Not a gevent Event: it forgets
to wake some of hundreds of waiters that wait with a timeout (gevent 26.9)."""
SCHEDULER = Path("/proc/self/schedstat")
REFUSED_S = 0.1
"""Nobody is there: a user who asked again at once would fail as fast as the machine can."""
TIMER_S = 0.002
"""The event loop's timer is no finer: a request sent within this of its due time was on time."""


def fine(ms: float) -> float:
    """Three significant digits below a millisecond too, where Locust rounds to whole ones."""
    return round(ms, 3 if ms < 1 else 2 if ms < 10 else 1 if ms < 100 else 0)


locust.stats.bucket_response_time = fine  # type: ignore[assignment]  # whole numbers are too coarse
locust.stats.HISTORY_STATS_INTERVAL_SEC = 1


class Stage:
    """The step that runs, the requests it has sent, and what they came to."""

    def __init__(self) -> None:
        bodies = (FOLDER / "requests.jsonl").read_bytes().splitlines()
        self.requests: Iterator[tuple[bytes, str | None]] = itertools.cycle(
            [(body, json.loads(body).get("id")) for body in bodies]
        )
        self.index = -1
        self.begin = self.end = 0.0
        self.rate: float | None = None
        self.turns = itertools.count()
        self.flying = self.sent = 0
        self.running = False
        self.records = bytearray()
        self.file = (FOLDER / "records.bin").open("ab", buffering=0)
        self.late_ms: list[float] = []

    def start(self) -> None:
        """Begin the next step in a moment, when all its users have seen that it begins."""
        if self.running or self.index + 1 >= len(PLAN["steps"]):
            return
        self.index += 1
        step = PLAN["steps"][self.index]
        self.rate, self.turns, self.sent = step["rate"], itertools.count(), 0
        self.begin = time.perf_counter() + 2 * PARKED_S
        self.end = self.begin + step["duration_s"]
        self._tell(event="begin", index=self.index, at=self.begin)
        self.running = True

    def due(self) -> float | None:
        """When the next request of the running step is due; ``None`` when the step is over.

        One that has waited for longer than an answer may take is given up and not sent.
        """
        now = time.perf_counter()
        if now < self.begin:
            gevent.sleep(self.begin - now)
        if self.rate is None:
            now = time.perf_counter()
            return now if now < self.end else None
        while (moment := self.begin + next(self.turns) / self.rate) < self.end:
            wait_s = moment - time.perf_counter()
            if wait_s > 0:
                gevent.sleep(wait_s)
            if wait_s > -PLAN["timeout_s"]:
                return moment
        return None

    def run_out(self) -> None:
        """Wait until the step is over and its last answer is there, and sum it up."""
        while not self.running:
            gevent.sleep(0.01)
        gevent.sleep(max(0.0, self.begin - time.perf_counter()))
        began, cpu, queue = time.perf_counter(), time.process_time(), self._queue()
        self.late_ms.clear()
        gevent.sleep(max(0.0, self.end - time.perf_counter()))
        took_s = time.perf_counter() - began
        cpu, queue = time.process_time() - cpu, self._queue() - queue
        last = self.end + 2 * PLAN["timeout_s"] + 1.0
        while self.flying and time.perf_counter() < last:
            gevent.sleep(0.005)
        self.running = False
        self.flush()
        self._tell(
            event="end",
            index=self.index,
            sent=self.sent,
            flying=self.flying,
            generator_cpu=cpu / took_s,
            generator_queue=queue / took_s,
            late_ms=self.late_ms,
        )

    def flush(self) -> None:
        """Hand on what was noted."""
        self.file.write(self.records)
        self.records.clear()

    def look(self) -> None:
        """Hand on what was noted, often enough to watch; and see how late this loop comes."""
        turn = 0
        while True:
            asked = time.perf_counter()
            gevent.sleep(0.025)
            self.late_ms.append((time.perf_counter() - asked) * 1000 - 25)
            turn += 1
            if turn % 10 == 0:
                self.flush()

    def _queue(self) -> float:
        """Seconds that this process was ready to run and had no core (Linux tells)."""
        if not SCHEDULER.exists():
            return 0.0
        return int(SCHEDULER.read_text().split()[1]) / 1e9

    def _tell(self, **words: Any) -> None:
        with (FOLDER / "steps.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(words) + "\n")


stage = Stage()


class Steps(LoadTestShape):
    """One step after the other; each begins when all its users are there."""

    def tick(self) -> tuple[int, float] | None:
        """Sit out the running step, and say how many users the next one has."""
        if stage.index >= 0:
            stage.run_out()
        following = stage.index + 1
        if following >= len(PLAN["steps"]):
            return None
        users = PLAN["steps"][following]["users"]
        return users, PLAN["most_users"] + 1 + following  # all at once; and no two steps look alike


class Client(FastHttpUser):
    """A user who asks again as soon as the answer is there, or when the next request is due."""

    connection_timeout = network_timeout = PLAN["timeout_s"]
    insecure = False

    def on_start(self) -> None:
        """Take every status as an answer, follow nobody elsewhere, and keep no cookies."""
        agent: Any = self.client.client
        agent.valid_response_codes = frozenset(range(1000))
        agent.redirect_response_codes = frozenset()
        agent.cookiejar = None

    @task
    def take_part(self) -> None:
        """Ask until the step is over."""
        if not stage.running:
            gevent.sleep(PARKED_S)
            return
        while (due := stage.due()) is not None:
            self.ask(due)
        gevent.sleep(0.005)

    def ask(self, due: float) -> None:
        """Send one request, judge the answer, note both."""
        body, row_id = next(stage.requests)
        index, begin = stage.index, stage.begin
        stage.flying += 1
        stage.sent += 1
        late_s = time.perf_counter() - due
        late_ms = late_s * 1000 if late_s > TIMER_S else 0.0
        try:
            client: Any = self.client  # its annotations do not know of bodies in bytes
            with client.post(
                PLAN["path"], data=body, headers=PLAN["headers"], catch_response=True
            ) as response:
                code = judge(response, row_id)
                response.request_meta["response_time"] += late_ms
                ms = response.request_meta["response_time"]
                stage.records += RECORD.pack(index, code, time.perf_counter() - begin, ms)
                if code:
                    response.failure(PLAN["words"].get(str(code), str(code)))
        except gevent.GreenletExit:
            now = time.perf_counter()
            stage.records += RECORD.pack(index, CODES["no answer"], now - begin, (now - due) * 1000)
            raise
        finally:
            stage.flying -= 1
        if code == CODES["connection refused"] and stage.rate is None:
            gevent.sleep(REFUSED_S)


def judge(response: Any, row_id: str | None) -> int:
    """0 for a prediction of the row that was sent; else the code of what is wrong."""
    error = response.request_meta["exception"] or getattr(response, "error", None)
    if error is not None:
        return broken(error)
    status = int(response.status_code)
    if not 200 <= status < 300:
        return status or CODES["other error"]
    try:
        answer = json.loads(response.content)
    except ValueError:
        return CODES["wrong content"]
    if not isinstance(answer, dict) or not ("label" in answer or "score" in answer):
        return CODES["wrong content"]
    if PLAN["check_ids"] and row_id is not None and answer.get("id", row_id) != row_id:
        return CODES["wrong id"]
    return 0


def broken(error: BaseException) -> int:
    """The code of a request that got no proper answer."""
    error = getattr(error, "original", None) or error
    if isinstance(error, socket.timeout | gevent.Timeout):
        return CODES["timeout"]
    if isinstance(error, ConnectionRefusedError):
        return CODES["connection refused"]
    if isinstance(error, ConnectionError | HTTPConnectionClosed):
        return CODES["connection lost"]
    if isinstance(error, HTTPParseError):
        cut = any(word in str(error) for word in ("Incomplete", "closed"))
        return CODES["connection lost" if cut else "not HTTP"]
    return CODES["other error"]


def follow_parent() -> None:
    """End and tidy up when the process that started this one is gone: the pipe between closes."""
    gevent.socket.wait_read(sys.stdin.fileno())
    shutil.rmtree(PLAN["clean"], ignore_errors=True)
    os._exit(1)


def begin(**_: Any) -> None:
    """Start what runs beside the users; keep the collector from stopping the clock."""
    gevent.spawn(follow_parent)
    gevent.spawn(stage.look)
    gc.collect()
    gc.freeze()


def all_there(**_: Any) -> None:
    """Begin the step."""
    stage.start()


def hand_on(**_: Any) -> None:
    """Hand on what is left, such as users that had to be stopped while they waited."""
    stage.flush()


def give_up(exception: BaseException, **_: Any) -> None:
    """End at once on what should not happen, instead of failing as fast as the machine can."""
    text = f"{type(exception).__name__}: {exception}"
    (FOLDER / "error.txt").write_text(text, encoding="utf-8")
    os._exit(3)


hooks: Any = events  # its annotations stop here
hooks.init.add_listener(begin)
hooks.spawning_complete.add_listener(all_there)
hooks.quitting.add_listener(hand_on)
hooks.user_error.add_listener(give_up)
