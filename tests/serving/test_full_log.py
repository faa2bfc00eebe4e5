"""A store that cannot be written to: load is shed, and nothing that was answered is dropped."""

import contextlib
import http.client
import json
import sqlite3
import threading
import time

import capstone_lib as cap

SOON_S = 60
CAPACITY, CLIENTS = 50, 4


class Crowd:
    """Clients that ask as fast as they are answered or turned away, until they are stopped."""

    def __init__(self, url, rows):
        self.answered, self.refused = [], []
        self._port, self._rows = int(url.rsplit(":", 1)[1]), rows
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(k,)) for k in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _ask(self, client):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=SOON_S)
        with contextlib.closing(connection):
            for k, row in enumerate(self._rows * 1000):
                if self._stop.is_set():
                    return
                case = f"{client}-{k}"
                body = json.dumps({"features": row, "id": case})
                connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
                reply = connection.getresponse()
                reply.read()
                if reply.status == 200:
                    self.answered.append(case)
                else:
                    self.refused.append((reply.status, reply.headers["Retry-After"]))
                    self._stop.wait(0.01)

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(SOON_S)


def wait_until(true):
    end = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


def test_with_a_full_log_it_sheds_and_drops_nothing(artifact, rows, tmp_path):
    store = tmp_path / "s.db"
    limits = cap.Limits(log_capacity=CAPACITY)
    with cap.serve(artifact, store=str(store), limits=limits) as endpoint:
        with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            crowd = Crowd(endpoint.url, rows)
            wait_until(lambda: len(crowd.refused) >= 20)
            crowd.stop()
            other.execute("ROLLBACK")
        assert set(crowd.refused) == {(503, "1")}
        assert CAPACITY <= len(crowd.answered) <= CAPACITY + CLIENTS  # and who was in flight
        wait_until(lambda: endpoint.status()["gauges"]["log_waiting"] == 0)
        assert endpoint.predict(rows[0], id="after")["label"]
    with cap.open_store(store) as opened:
        assert sorted(opened.requests()["row_id"]) == sorted([*crowd.answered, "after"])
