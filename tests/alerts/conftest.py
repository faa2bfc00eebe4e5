"""Alerts to act on, stores to act in, and an address that hears of it."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from capstone_lib.alerts import Alert, Playbook, Rule
from capstone_lib.store import open_store
from capstone_lib.store.measurement import Measurement


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def store(url):
    with open_store(url) as opened:
        yield opened


def _rule(name, actions, **more):
    return Rule(
        name=name,
        measurement="latency_p99",
        threshold=100.0,
        owner="platform team",
        why="People wait.",
        what_to_do="Look at the load.",
        actions=tuple(actions),
        **{"severity": "critical", **more},
    )


@pytest.fixture
def make_alert():
    """An alert as ``evaluate_alerts`` gives it."""

    def make(*actions, name="slow", state="firing", month=1, feature="", group="", **more):
        cause = Measurement(
            "latency_p99", 180.0, 170.0, 190.0, n=5000, unit="ms", traffic="live", feature=feature,
            group=group, window_start=f"2016-{month:02}-01", window_end=f"2016-{month + 1:02}-01",
            model="work", version="1.0.0",
        )  # fmt: skip
        values = {
            "alert_id": f"{name}-{feature}{group}0123456789ab",
            "rule": _rule(name, actions),
            "state": state,
            "measurements": (cause,),
            "feature": feature,
            "group": group,
            "traffic": "live",
            "model": "work",
            "version": "1.0.0",
            "since": cause.window_start,
            "windows_held": 1,
            "message": f"{name} (critical): {cause}\nWhy: People wait.",
        }
        return Alert(**(values | more))

    return make


@pytest.fixture
def playbook():
    """Without a webhook; its rules are of no account here."""
    return Playbook((_rule("slow", ["ticket"]),), max_replicas=3)


class Listener:
    """A real address. ``answers`` are given one after the other, the last one for ever."""

    def __init__(self):
        self.answers, self.heard, self.headers = [200], [], []
        self.open = threading.Event()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                listener.answer(self)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/services/PATHSECRET?token=QUERYSECRET"

    def answer(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        self.heard.append(json.loads(body))
        self.headers.append(dict(request.headers))
        what = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if what == "hang":
            self.open.wait(30)
            return
        if what == "drip":  # a byte now and then: no read ever takes long
            for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 600:
                if self.open.is_set():
                    return
                try:
                    request.wfile.write(bytes([byte]))
                except OSError:
                    return
                time.sleep(0.05)
            return
        if what == "cut":
            request.connection.close()
            return
        request.send_response(what)
        if 300 <= what < 400:
            request.send_header("Location", f"http://127.0.0.1:{self.port}/elsewhere")
        request.send_header("Content-Length", "0")
        request.end_headers()

    def close(self):
        self.open.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def listener():
    found = Listener()
    yield found
    found.close()
