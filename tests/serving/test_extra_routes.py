"""Routes of others behind the endpoint's key, its host check and its bounds."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

import capstone_lib as cap
from capstone_lib.errors import EndpointError
from capstone_lib.review.queue import ReviewQueue

SOON_S = 60
KEY = "a-key-that-is-long-enough"
MODULE = """
from starlette.responses import JSONResponse
from starlette.routing import Route

def routes(store, artifact):
    async def tell(request):
        return JSONResponse({"model": artifact.name, "share": store.rollout().canary_share})
    return [Route("/desk", tell)]
"""


def wait_until(true):
    end = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


async def greet(_: Request):
    return PlainTextResponse("hello")


async def shell(_: Request):
    return PlainTextResponse("a page without a secret")


shell.needs_key = False


async def measure(request: Request):
    return JSONResponse({"bytes": len(await request.body())})


async def fail(_: Request):
    raise RuntimeError("a secret of the house")


def routes(store, artifact):
    async def tell(_: Request):
        return JSONResponse({"model": artifact.name, "share": store.rollout().canary_share})

    return [
        Route("/desk", tell),
        Route("/desk/page", shell),
        Route("/desk/bytes", measure, methods=["POST"]),
        Route("/desk/fails", fail),
        Route("/status", greet),
    ]


@pytest.fixture
def endpoint(artifact, tmp_path):
    limits = cap.Limits(max_body_bytes=1000)
    store = tmp_path / "s.db"
    with cap.serve(artifact, store=store, key=KEY, limits=limits, extra_routes=routes) as found:
        yield found


def ask(url, path, *, key=KEY, body=None, headers=None):
    parts = urlsplit(url)
    said = {"Authorization": f"Bearer {key}"} if key else {}
    with closing(http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)) as wire:
        wire.request("GET" if body is None else "POST", path, body, {**said, **(headers or {})})
        reply = wire.getresponse()
        return reply.status, reply.read()


def test_they_know_the_store_and_the_artifact(endpoint):
    status, content = ask(endpoint.url, "/desk")
    assert (status, json.loads(content)) == (200, {"model": "work", "share": 0.0})


def test_they_are_behind_the_key_and_the_host_check(endpoint):
    assert ask(endpoint.url, "/desk", key=None)[0] == 401
    assert ask(endpoint.url, "/desk", key="another-key-of-some-length")[0] == 401
    assert ask(endpoint.url, "/desk", headers={"Host": "example.org"})[0] == 400
    assert ask(endpoint.url, "/desk/page", headers={"Host": "example.org"})[0] == 400


def test_a_page_may_say_that_it_is_open(endpoint):
    assert ask(endpoint.url, "/desk/page", key=None) == (200, b"a page without a secret")


def test_they_do_not_take_the_place_of_the_endpoints_own(endpoint):
    status, content = ask(endpoint.url, "/status")
    assert status == 200
    assert "rollout" in json.loads(content)


def test_their_bodies_are_bounded_too(endpoint):
    assert ask(endpoint.url, "/desk/bytes", body=b"x" * 1000) == (200, b'{"bytes":1000}')
    status, content = ask(endpoint.url, "/desk/bytes", body=b"x" * 1001)
    assert (status, json.loads(content)["status"]) == (413, 413)
    chunked = (b"x" * 100 for _ in range(11))
    assert ask(endpoint.url, "/desk/bytes", body=chunked)[0] == 413


def test_one_that_fails_tells_nothing_and_the_others_go_on(endpoint, rows):
    status, content = ask(endpoint.url, "/desk/fails")
    assert (status, json.loads(content)["status"]) == (500, 500)
    assert b"secret" not in content
    assert endpoint.predict(rows[0])["route"] == "stable"


def test_who_hangs_up_in_the_middle_of_a_body_is_no_failure(endpoint, caplog):
    parts = urlsplit(endpoint.url)
    with socket.create_connection((parts.hostname, parts.port)) as wire:
        head = (
            f"POST /desk/bytes HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {KEY}\r\n"
        )
        wire.sendall(f"{head}Content-Length: 500\r\n\r\nx".encode())
        time.sleep(0.1)
    told = b'capstone_requests_total{path="/desk/bytes",status="499"} 1.0'
    wait_until(lambda: told in ask(endpoint.url, "/metrics")[1])
    assert caplog.text == ""


def test_they_are_counted_by_their_own_path(endpoint):
    for path in ("/desk", "/desk", "/desk/none"):
        ask(endpoint.url, path)
    _, content = ask(endpoint.url, "/metrics")
    assert b'capstone_requests_total{path="/desk",status="200"} 2.0' in content
    assert b'capstone_requests_total{path="unknown",status="404"} 1.0' in content


def test_a_list_of_routes_will_do_without_a_store(artifact):
    with cap.serve(artifact, extra_routes=[Route("/hello", greet)]) as endpoint:
        assert ask(endpoint.url, "/hello", key=None) == (200, b"hello")


def test_a_process_takes_a_function_of_a_module_and_nothing_else(model_path, tmp_path):
    for what in ([Route("/hello", greet)], lambda *_: []):
        with pytest.raises(EndpointError, match="stands in a module"):
            cap.serve(model_path, mode="process", extra_routes=what)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    (tmp_path / "desk_of_a_test.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_process_of_its_own_serves_them(model_path, tmp_path, elsewhere):
    import desk_of_a_test

    store = f"sqlite:///{tmp_path}/s.db"
    with cap.serve(
        model_path, store=store, mode="process", extra_routes=desk_of_a_test.routes
    ) as endpoint:
        assert ask(endpoint.url, "/desk", key=None)[0] == 200


def test_workers_serve_them(model_path, tmp_path, elsewhere):
    store = f"sqlite:///{tmp_path}/s.db"
    with subprocess.Popen(
        [sys.executable, "-m", "capstone_lib", "serve", model_path, "--store", store, "--port", "0",
         "--workers", "2", "--json", "--mount", "desk_of_a_test:routes", "--until-stdin-ends"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ,
    ) as served:  # fmt: skip
        port = json.loads(served.stdout.readline())["port"]
        for _ in range(20):
            status, content = ask(f"http://127.0.0.1:{port}", "/desk", key=None)
            assert (status, json.loads(content)["model"]) == (200, "work")
        served.stdin.close()
        assert served.wait(60) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--mount", "no.such.module:routes"], "names no function of a module"),
        (["--mount", "json"], "names no function of a module"),
        (["--mount", ".json:loads"], "names no function of a module"),
        (["--mount", "os:sep"], "is no function but a str"),
        (["--review"], "--review needs --store"),
        (["--review", "--mount", "a:b"], "exclude each other"),
        (["--hybrid", "36h"], "--hybrid needs --store"),
        (["--hybrid", "long", "--store", "s.db"], "is no age of a score"),
    ],
)
def test_what_cannot_be_is_told_as_wrong_use(model_path, options, said, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "capstone_lib", "serve", model_path, "--port", "0", *options],
        capture_output=True, text=True, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert said in done.stderr


def post(url, path, document):
    said = {"Content-Type": "application/json"}
    status, content = ask(url, path, key=None, body=json.dumps(document).encode(), headers=said)
    assert status == 200, content
    return json.loads(content)


def test_at_the_review_desk_of_two_workers_a_decision_comes_back_in_answers(
    model_path, artifact, tmp_path, rows
):
    with subprocess.Popen(
        [sys.executable, "-m", "capstone_lib", "serve", model_path, "--port", "0", "--workers", "2",
         "--store", f"sqlite:///{tmp_path}/s.db", "--review", "--json", "--until-stdin-ends"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as served:  # fmt: skip
        url = f"http://127.0.0.1:{json.loads(served.stdout.readline())['port']}"
        assert b"<html" in ask(url, "/review", key=None)[1]
        asked = {"features": rows[0], "id": "17"}
        before = post(url, "/predict", asked)
        with cap.open_store(tmp_path / "s.db") as store:
            wait_until(lambda: len(store.requests()) == 1)
            ReviewQueue(store).appeal("17", "I do work", artifact=artifact)
            case = post(url, "/review/next", {"reviewer": "ana"})["case"]
            label = {"yes": "no", "no": "yes"}[before["label"]]
            decision = {"reviewer": "ana", "verdict": "override", "label": label}
            post(url, f"/review/{case['case_id']}", decision)
            decided = {**before, "label": label, "review": False, "decided_by": "ana"}
            wait_until(lambda: [post(url, "/predict", asked) for _ in range(9)] == [decided] * 9)
        served.stdin.close()
        assert served.wait(60) == 0
