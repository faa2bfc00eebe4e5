"""An endpoint from Python: it starts, answers, stops and leaves nothing behind."""

import contextlib
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

import capstone_lib as cap
from capstone_lib.errors import ArtifactError, CapstoneError, EndpointError, StoreError
from capstone_lib.explain import explain_row

MODES = ("thread", "process")
SOON_S = 30


def wait_until(true, timeout_s=SOON_S):
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


def open_places():
    """Threads, children, sockets, database files and temporary folders of this process."""
    me = psutil.Process()
    return {
        "threads": sorted(t.name for t in threading.enumerate() if t.is_alive()),
        "children": sorted(child.pid for child in me.children(recursive=True)),
        "sockets": sorted(str(c.laddr) for c in me.net_connections() if c.status == "LISTEN"),
        "databases": sorted(f.path for f in me.open_files() if "s.db" in Path(f.path).name),
        "folders": sorted(str(p) for p in Path(tempfile.gettempdir()).glob("capstone-endpoint-*")),
    }


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    before = open_places()
    yield
    with contextlib.suppress(AssertionError):
        wait_until(lambda: open_places() == before, 5)
    assert open_places() == before


def is_listening(url):
    host, port = url.removeprefix("http://").rsplit(":", 1)
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@pytest.mark.parametrize("mode", MODES)
def test_it_starts_answers_tells_and_stops(mode, artifact, people, tmp_path):
    expected = artifact.predict(people)
    with cap.serve(artifact, store=str(tmp_path / "s.db"), mode=mode) as endpoint:
        answers = [endpoint.predict(people.iloc[k], id=f"case {k}") for k in range(20)]
        status, latency = endpoint.status(), endpoint.latency(30)
        assert endpoint.rollout.route == "stable"
        assert endpoint.url in repr(endpoint)
        assert endpoint.url in endpoint._repr_html_()
        assert "stopped" not in repr(endpoint) + endpoint._repr_html_()
    assert [one["score"] for one in answers] == [float(one) for one in expected.score[:20]]
    assert [one["label"] for one in answers] == expected.label[:20].tolist()
    assert answers[3]["id"] == "case 3"
    assert (answers[0]["model"], answers[0]["version"]) == ("work", "1.0.0")
    assert status["models"]["stable"] == {"name": "work", "version": "1.0.0"}
    assert latency.n == 20
    assert 0 < latency.p50_ms <= latency.p99_ms <= latency.max_ms
    assert "stopped" in repr(endpoint)
    assert "stopped" in endpoint._repr_html_()
    assert not is_listening(endpoint.url)
    with cap.open_store(tmp_path / "s.db") as store:
        log = store.requests()
    assert log["row_id"].tolist() == [f"case {k}" for k in range(20)]
    assert (log["score"].to_numpy() == expected.score[:20]).all()
    assert (log["latency_ms"] > 0).all()
    written = [json.loads(text) for text in log["features"]]
    assert [one["class"] for one in written] == people["class"][:20].tolist()


@pytest.mark.parametrize("mode", MODES)
def test_stopping_twice_does_nothing_and_a_stopped_endpoint_does_not_answer(mode, model_path, rows):
    endpoint = cap.serve(model_path, mode=mode)
    endpoint.stop()
    endpoint.stop()
    with endpoint:
        pass
    with pytest.raises(EndpointError, match="does not answer"):
        endpoint.predict(rows[0])


@pytest.mark.parametrize(
    "missing", [None, float("nan"), np.nan, np.float32("nan"), pd.NA, pd.NaT], ids=repr
)
def test_whatever_a_missing_value_is_called_it_is_missing(missing, artifact, rows):
    with cap.serve(artifact) as endpoint:
        expected = endpoint.predict({**rows[0], "hours a/week": None})
        found = endpoint.predict({**rows[0], "hours a/week": missing})
    assert found["score"] == expected["score"]


def test_a_row_may_be_a_dict_a_series_or_numpy_values(artifact, people, rows):
    frame = people.astype({"age": "Int64", "class": "category"}).convert_dtypes()
    with cap.serve(artifact) as endpoint:
        told = [
            endpoint.predict(row)["score"]
            for row in (rows[0], people.iloc[0], frame.iloc[0], {**people.iloc[0]})
        ]
        with pytest.raises(TypeError, match="no JSON value"):
            endpoint.predict({**rows[0], "age": {1, 2}})
    assert len(set(told)) == 1


def test_a_refusal_carries_the_problem_document(artifact, rows):
    with cap.serve(artifact) as endpoint, pytest.raises(EndpointError, match="fraction") as caught:
        endpoint.predict({**rows[0], "age": 40.5, "hours a/week": "many"})
    problem = caught.value.problem
    assert problem["status"] == 422
    assert {(one["pointer"], one["code"]) for one in problem["errors"]} == {
        ("/features/age", "fractional"),
        ("/features/hours a~1week", "wrong_type"),
    }


def test_an_infinite_value_is_refused_in_words(artifact, rows):
    with cap.serve(artifact) as endpoint:
        for value in (float("inf"), np.float32("-inf")):
            with pytest.raises(EndpointError, match="Infinity is no JSON value"):
                endpoint.predict({**rows[0], "hours a/week": value})


def test_its_port_is_free_again_once_it_has_stopped(artifact, rows):
    port = 0
    for _ in range(3):
        with cap.serve(artifact, port=port) as endpoint:
            port = int(endpoint.url.rsplit(":", 1)[1])
            assert endpoint.predict(rows[0])["label"]


@pytest.mark.parametrize("mode", MODES)
def test_an_address_that_is_taken_is_one_clear_error(mode, model_path, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EndpointError, match=rf"127\.0\.0\.1:{port} cannot be listened on"):
            cap.serve(model_path, port=port, mode=mode, store=str(tmp_path / "s.db"))


@pytest.mark.parametrize("mode", MODES)
def test_a_store_that_is_a_folder_is_refused(mode, model_path, tmp_path):
    kind = StoreError if mode == "thread" else EndpointError
    with pytest.raises(kind, match="folder"):
        cap.serve(model_path, store=tmp_path / "results", mode=mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_file_that_is_not_there_is_refused(mode, tmp_path):
    with pytest.raises(CapstoneError, match=r"none\.onnx"):
        cap.serve(tmp_path / "none.onnx", mode=mode)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(ArtifactError):
        cap.serve(tmp_path / "bad.onnx")


def test_arguments_that_make_no_sense_are_refused(model_path):
    with pytest.raises(ValueError, match="'thread' or 'process'"):
        cap.serve(model_path, mode="fork")
    with pytest.raises(ValueError, match="2 workers are processes"):
        cap.serve(model_path, workers=2)
    with pytest.raises(EndpointError, match="no key"):
        cap.serve(model_path, host="0.0.0.0")
    with pytest.raises(EndpointError, match="a key is at least"):
        cap.serve(model_path, key="short")
    with pytest.raises(EndpointError, match="cannot be listened on"):
        cap.serve(model_path, port=70_000)
    with pytest.raises(ValueError, match="max_rows must be a positive number"):
        cap.Limits(max_rows=0)


@pytest.mark.parametrize("mode", MODES)
def test_an_exception_in_the_block_stops_it_too(mode, model_path):
    with pytest.raises(KeyError, match="mine"), cap.serve(model_path, mode=mode) as endpoint:
        raise KeyError("mine")
    assert not is_listening(endpoint.url)


@pytest.mark.parametrize("mode", MODES)
def test_a_key_is_wanted_and_sent(mode, model_path, rows):
    key = "correct-horse-battery-staple"
    with cap.serve(model_path, key=key, mode=mode) as endpoint:
        assert endpoint.predict(rows[0])["label"]
        port = int(endpoint.url.rsplit(":", 1)[1])
        for said, status in (({}, 401), ({"Authorization": f"Bearer {key}"}, 200)):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/status", headers=said)
            assert connection.getresponse().status == status
            connection.close()


def test_two_endpoints_serve_side_by_side(model_path, canary_path, rows, tmp_path):
    store = str(tmp_path / "s.db")
    with (
        cap.serve(model_path, store=store) as one,
        cap.serve(canary_path, store=store, mode="process") as other,
    ):
        assert one.url != other.url
        assert one.predict(rows[0], id="a")["version"] == "1.0.0"
        assert other.predict(rows[0], id="b")["version"] == "2.0.0"
    with cap.open_store(store) as opened:
        assert sorted(opened.requests()["version"]) == ["1.0.0", "2.0.0"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["store", "path", "relative path", "url"])
def test_a_store_may_be_named_or_given_and_a_given_one_stays_open(
    mode, kind, model_path, rows, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with cap.open_store(tmp_path / "s.db") as store:
        ways = {"store": store, "path": tmp_path / "s.db", "relative path": "s.db"}
        where = ways.get(kind, "sqlite:///s.db")
        with cap.serve(model_path, store=where, mode=mode) as endpoint:
            endpoint.predict(rows[0], id="17")
        assert store.requests()["row_id"].tolist() == [17]


def test_it_serves_while_an_event_loop_runs(artifact, rows):
    """As in a notebook, whose cells run inside one."""
    import asyncio

    async def cell():
        with cap.serve(artifact) as endpoint:
            return await asyncio.to_thread(endpoint.predict, rows[0])

    assert asyncio.run(cell())["label"] in artifact.classes


PARENT = """
import sys, time
import capstone_lib as cap
endpoint = cap.serve(sys.argv[1], mode=sys.argv[2], store=sys.argv[3])
print(endpoint.url, flush=True)
endpoint.predict({"age": 40, "hours a/week": 35.5, "class": "cook", "married": True}, id="a")
print("asked", flush=True)
time.sleep(120)
"""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_the_process_that_started_it(mode, number, model_path, tmp_path):
    store = tmp_path / "s.db"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, model_path, mode, store],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with parent:
        url = parent.stdout.readline().strip()
        assert parent.stdout.readline() == "asked\n"
        family = [psutil.Process(parent.pid).children(recursive=True), is_listening(url)]
        assert family[1]
        os.kill(parent.pid, number)
        parent.wait(SOON_S)
    wait_until(lambda: not is_listening(url))
    wait_until(lambda: not any(child.is_running() for child in family[0]))
    with cap.open_store(store) as opened:
        n_logged = len(opened.requests())
    assert n_logged == 1 or (mode == "thread" and number != signal.SIGINT)


def ask_until_refused(url, rows, worker, answered):
    """Ask over one connection until the endpoint does not answer any more."""
    port = int(url.rsplit(":", 1)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for k in range(1_000_000):
        case = f"{worker}-{k}"
        content = json.dumps({"features": rows[k % len(rows)], "id": case})
        try:
            connection.request("POST", "/predict", content, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            body = reply.read()
        except (OSError, http.client.HTTPException):
            break
        if reply.status == 200:
            answered.append(json.loads(body)["id"])
    connection.close()


@pytest.mark.parametrize("mode", MODES)
def test_stopping_under_load_loses_nothing(mode, model_path, rows, tmp_path):
    answered = []
    endpoint = cap.serve(model_path, mode=mode, store=str(tmp_path / "s.db"))
    with endpoint:
        clients = [
            threading.Thread(target=ask_until_refused, args=(endpoint.url, rows, k, answered))
            for k in range(4)
        ]
        for client in clients:
            client.start()
        wait_until(lambda: len(answered) > 300)
    for client in clients:
        client.join(SOON_S)
    with cap.open_store(tmp_path / "s.db") as store:
        logged = store.requests()["row_id"].tolist()
    assert len(logged) == len(set(logged))
    assert set(logged) == set(answered)


@pytest.mark.parametrize("mode", MODES)
def test_answers_that_cannot_be_written_are_told_when_it_stops(mode, model_path, rows, tmp_path):
    endpoint = cap.serve(model_path, mode=mode, store=str(tmp_path / "s.db"))
    with contextlib.closing(sqlite3.connect(tmp_path / "s.db")) as raw:
        raw.execute("ALTER TABLE request_rows RENAME TO gone")
    endpoint.predict(rows[0], id="17")
    with pytest.raises(EndpointError, match="did not stop cleanly"):
        endpoint.stop()
    endpoint.stop()
    assert "17" in "".join(path.read_text() for path in tmp_path.glob("*spill*"))


def test_an_explanation_is_what_the_artifact_gives_without_an_endpoint(artifact, people):
    with cap.serve(artifact) as endpoint:
        for k in range(3):
            row = people.iloc[k]
            why = endpoint.predict(row, explain=True)["explanation"]
            assert why == explain_row(artifact, row).to_dict()
            total = why["base"] + sum(one["effect"] for one in why["reasons"]) + why["others"]
            assert total == pytest.approx(score_of(artifact, {**row}), abs=1e-7)


def test_many_are_explained_at_once_each_as_if_alone(artifact, people, rows):
    records = [{"features": rows[k], "explain": k % 3 != 0} for k in range(40)]
    with cap.serve(artifact) as endpoint:
        request = urllib.request.Request(
            f"{endpoint.url}/predict",
            json.dumps({"instances": records}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=SOON_S) as response:
            found = json.load(response)["predictions"]
    for k, answer in enumerate(found):
        expected = explain_row(artifact, people.iloc[k]).to_dict() if k % 3 else None
        assert answer.get("explanation") == expected


def test_the_constant_answer_has_no_reasons_and_says_so(artifact, rows, tmp_path):
    store = str(tmp_path / "s.db")
    with cap.open_store(store) as opened:
        opened.change_rollout(who="a test", why="no fallback", route="degraded")
    with cap.serve(artifact, store=store) as endpoint:
        answer = endpoint.predict(rows[0], explain=True)
    assert "explanation" not in answer
    assert [one["code"] for one in answer["warnings"]] == ["no_reasons"]


def score_of(artifact, row):
    return float(artifact.predict(pd.DataFrame([row])).score[0])
