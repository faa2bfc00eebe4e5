"""Every bound of an endpoint, reached over a real socket; and who is heard at all."""

import contextlib
import http.client
import json
import re
import socket
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import psutil
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import capstone_lib as cap
from capstone_lib.errors import EndpointError
from capstone_lib.serving.guard import Guard
from capstone_lib.serving.problems import ProblemError

KEY = "a-key-that-is-long-enough"
GOOD = {"a": 0.5, "b": -0.5}
RECORD = json.dumps({"features": GOOD}).encode()
HEAD = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 2)).round(3), columns=["a", "b"])
    pipeline = LogisticRegression().fit(X, (X["a"] > X["b"]).astype(int))
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    return cap.export_model(pipeline, X, path, name="work", version="1.0")


@pytest.fixture(scope="module")
def endpoint(artifact):
    with serve(artifact) as running:
        yield running


def serve(artifact, *, key=None, store=None, host="127.0.0.1", allowed_hosts=(), **limits):
    return cap.serve(
        artifact,
        key=key,
        store=store,
        host=host,
        allowed_hosts=allowed_hosts,
        limits=cap.Limits(**limits),
    )


def port_of(endpoint):
    return int(endpoint.url.rsplit(":", 1)[1])


def connect(endpoint):
    found = socket.create_connection(("127.0.0.1", port_of(endpoint)), timeout=15)
    return contextlib.closing(found)


def read_until_closed(connection):
    found = b""
    with contextlib.suppress(ConnectionError):
        while data := connection.recv(65_536):
            found += data
    return found


def ask(endpoint, method="POST", path="/predict", body=RECORD, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port_of(endpoint), timeout=15)
    with contextlib.closing(connection):
        if body is not None:
            headers = {"Content-Type": "application/json", **headers}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        problem = answer.getheader("Content-Type", "").startswith("application/problem+json")
        assert problem == (answer.status >= 400)
        return answer.status, answer.headers, json.loads(content) if problem else content


def answer_to(endpoint, sent):
    """The status and head of the first answer to what was sent, and whether it was the end."""
    with connect(endpoint) as connection:
        connection.sendall(sent)
        found = read_until_closed(connection)
    return int(found.split(b" ", 2)[1]), found


def is_hung_up_on(connection, piece, times, pause_s=0.0):
    try:
        for _ in range(times):
            connection.sendall(piece)
            time.sleep(pause_s)
    except ConnectionError:
        return True
    return False


# ---------------------------------------------------------------- how much, how long, how many


def test_a_body_over_the_limit_is_refused_from_its_length_alone(artifact):
    with serve(artifact, max_body_bytes=1000) as endpoint:
        status, _ = answer_to(endpoint, HEAD + b"Content-Length: 1001\r\n\r\n")
        assert status == 413
        assert ask(endpoint, body=RECORD.ljust(1000))[0] == 200
        status, _, problem = ask(endpoint, body=RECORD.ljust(1001))
        assert (status, problem["status"]) == (413, 413)
        assert "1,000 bytes" in problem["detail"]


@pytest.mark.parametrize("path", [b"/predict", b"/v2/models/work/infer"])
def test_a_body_in_chunks_over_the_limit_is_refused_as_it_arrives(artifact, path):
    head = HEAD.replace(b"/predict", path) + b"Transfer-Encoding: chunked\r\n\r\n"
    with serve(artifact, max_body_bytes=1000) as endpoint:
        status, found = answer_to(endpoint, head + b"3e9\r\n" + b" " * 1001 + b"\r\n")
        assert status == 413
        assert b"problem+json" in found


def test_a_body_in_many_small_chunks_is_read_as_one(endpoint):
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in RECORD) + b"0\r\n\r\n"
    head = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert answer_to(endpoint, head + pieces)[0] == 200


def test_a_body_that_does_not_arrive_in_time_is_given_up(artifact):
    with serve(artifact, timeout_s=0.5) as endpoint, connect(endpoint) as connection:
        connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
        found = read_until_closed(connection)
        assert found.startswith(b"HTTP/1.1 408 ")
        assert ask(endpoint)[0] == 200


def test_a_body_that_trickles_in_is_given_up_too(artifact):
    with serve(artifact, timeout_s=0.5) as endpoint, connect(endpoint) as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        found = b""
        connection.settimeout(0.05)
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                with contextlib.suppress(TimeoutError):
                    connection.sendall(b" ")
                    found += connection.recv(1000)
                    if found:
                        break
        assert found.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("sent", [b"", b"GET /met", HEAD, HEAD + b"X-Slow: "])
def test_who_sends_no_whole_head_is_hung_up_on(artifact, sent):
    with serve(artifact, timeout_s=0.5) as endpoint, connect(endpoint) as connection:
        connection.sendall(sent)
        assert read_until_closed(connection) == b""
        assert ask(endpoint)[0] == 200


def test_who_sends_a_head_byte_by_byte_is_hung_up_on(artifact):
    with serve(artifact, timeout_s=0.5) as endpoint, connect(endpoint) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        assert is_hung_up_on(connection, b"x", 100, pause_s=0.1)


def test_who_does_not_read_the_answer_is_hung_up_on(artifact):
    many = json.dumps({"instances": [{"features": GOOD}] * 4000}).encode()
    asked = HEAD + b"Content-Length: %d\r\n\r\n" % len(many) + many
    with serve(artifact, timeout_s=1.0) as endpoint:
        with contextlib.closing(socket.socket()) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", port_of(endpoint)))
            connection.settimeout(15)
            threading.Thread(target=_send_quietly, args=(connection, asked * 20)).start()
            time.sleep(4)
            found = read_until_closed(connection)
        assert found.count(b"HTTP/1.1 200") < 20  # the rest was not kept for it
        assert ask(endpoint)[0] == 200


def _send_quietly(connection, content):
    with contextlib.suppress(OSError):
        connection.sendall(content)


def test_a_connection_at_rest_between_requests_is_left_open(artifact):
    with serve(artifact, timeout_s=0.3) as endpoint:
        connection = http.client.HTTPConnection("127.0.0.1", port_of(endpoint), timeout=15)
        with contextlib.closing(connection):
            connection.connect()
            line = connection.sock
            for _ in range(2):
                connection.request("GET", "/v2")
                assert connection.getresponse().read()
                time.sleep(1.5)
            assert connection.sock is line


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000,
        b"GET /" + b"x" * 70_000,
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"a: b\r\n" * 12_000,
    ],
)
def test_a_head_without_end_is_refused(endpoint, sent):
    with connect(endpoint) as connection:
        connection.sendall(sent)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "endless",
    [b"1;" + b"e" * 1000, b"0\r\n" + b"T: " + b"t" * 1000, b"0\r\n" + b"a: b\r\n" * 100],
)
def test_a_body_of_framing_without_end_is_hung_up_on(artifact, endless):
    with serve(artifact, max_body_bytes=1000, timeout_s=60) as endpoint, connect(endpoint) as line:
        line.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + endless)
        assert is_hung_up_on(line, endless[-500:], 20_000)


def test_requests_sent_far_ahead_are_all_answered_in_order(endpoint):
    body = [json.dumps({"features": GOOD, "id": str(k)}).encode() for k in range(300)]
    sent = b"".join(HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(one), one) for one in body)
    with connect(endpoint) as connection:
        threading.Thread(target=_send_quietly, args=(connection, sent)).start()
        found = b""
        while found.count(b'"route"') < 300:
            found += connection.recv(65_536)
        assert [int(name) for name in re.findall(rb'"id":"(\d+)"', found)] == list(range(300))


def test_a_body_whose_chunks_are_malformed_is_told_so(endpoint):
    status, found = answer_to(endpoint, HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
    assert status == 400
    assert b"problem+json" in found


@pytest.mark.parametrize("rubbish", [b"\x00\x01\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
@pytest.mark.parametrize("path", [b"/predict", b"/v2/models/work/infer"])
def test_rubbish_is_never_taken_for_the_answer_to_what_went_before(endpoint, rubbish, path):
    length = b"Content-Length: %d\r\n\r\n" % len(RECORD)
    with connect(endpoint) as connection:
        connection.sendall(HEAD.replace(b"/predict", path) + length + RECORD + rubbish)
        found = read_until_closed(connection)
    assert b"RFC 9112" not in found  # hung up on, with or without the first answer


def test_what_is_sent_without_end_and_without_reading_is_not_collected(artifact):
    one = b"GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with serve(artifact, timeout_s=1.0) as endpoint, connect(endpoint) as connection:
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 100_000_000:
                sent += connection.send(one * 20_000)
        assert sent < 100_000_000
        assert ask(endpoint)[0] == 200


@pytest.mark.parametrize("nested", ["[" * 900 + "]" * 900, '{"a":' * 900 + "1" + "}" * 900])
def test_a_value_of_many_storeys_is_refused_without_being_taken_apart(endpoint, nested):
    record = f'{{"features": {{"a": {nested}, "b": 1}}}}'
    ask(endpoint, body='{"features": {"a": [], "b": 1}}')
    before = psutil.Process().memory_info().rss
    for body in (record, f'{{"instances": [{record}]}}'):
        status, _, problem = ask(endpoint, body=body)
        assert (status, problem["errors"][0]["code"]) == (422, "wrong_type")
    assert psutil.Process().memory_info().rss - before < 30_000_000


def test_of_very_many_strange_columns_a_hundred_are_told(endpoint):
    strange = {**GOOD, **{f"strange {k}": k for k in range(20_000)}}
    status, _, answer = ask(endpoint, body=json.dumps({"features": strange}))
    assert status == 200
    assert len(json.loads(answer)["warnings"]) == 100


@pytest.mark.parametrize("code", [1e308, -1e308, 10**300, 2**70])
def test_a_code_beyond_all_categories_is_one_never_seen(tmp_path, code):
    X = pd.DataFrame({"c": [1, 2, 3, 4] * 10})
    encode = OneHotEncoder(handle_unknown="ignore")
    pipeline = make_pipeline(encode, LogisticRegression()).fit(X, [0, 1, 0, 1] * 10)
    model = cap.export_model(pipeline, X, tmp_path / "model.onnx", name="codes", version="1")
    unseen = model.predict(pd.DataFrame({"c": [77]})).score[0]
    with serve(model) as endpoint:
        answer = endpoint.predict({"c": code})
        assert answer["warnings"][0]["code"] == "unknown_category"
        assert np.float32(answer["score"]) == unseen
        tensor = {"name": "c", "shape": [1], "datatype": "FP64", "data": [float(code)]}
        asked = json.dumps({"inputs": [tensor]})
        status, _, content = ask(endpoint, path="/v2/models/codes/infer", body=asked)
        assert status == 200
        assert np.float32(json.loads(content)["outputs"][0]["data"][0]) == unseen


def test_odd_rows_do_not_hold_up_others(artifact):
    odd = json.dumps({"instances": [{"features": {"a": 50.0, "b": 0.0}}] * 4000}).encode()
    with serve(artifact, timeout_s=30) as endpoint, ThreadPoolExecutor(1) as pool:
        large = pool.submit(ask, endpoint, body=odd)
        answered = 0
        while not large.done():
            assert ask(endpoint)[0] == 200
            answered += 1
        assert large.result()[0] == 200
        assert answered > 3


def test_a_connection_too_many_is_told_so_and_room_is_made_again(artifact):
    with serve(artifact, max_connections=4, timeout_s=1.0) as endpoint:
        with contextlib.ExitStack() as opened:
            for _ in range(4):
                opened.enter_context(connect(endpoint))
            time.sleep(0.2)
            status, headers, problem = ask(endpoint)
            assert (status, headers["Retry-After"]) == (503, "1")
            assert "4 connections" in problem["detail"]
        deadline = time.monotonic() + 5
        while ask(endpoint)[0] == 503 and time.monotonic() < deadline:
            time.sleep(0.1)
        status, _, text = ask(endpoint, "GET", "/metrics", None)
        assert status == 200
        assert b'capstone_shed_total{reason="connections"}' in text


def test_crowds_that_only_connect_do_not_use_up_the_endpoint(artifact):
    with serve(artifact, max_connections=4, timeout_s=1.0) as endpoint:
        crowd = [socket.create_connection(("127.0.0.1", port_of(endpoint))) for _ in range(200)]
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline:
            with contextlib.suppress(ConnectionError):
                if ask(endpoint)[0] == 200:
                    break
            time.sleep(0.1)
        assert ask(endpoint)[0] == 200
        for one in crowd:
            one.close()


def test_more_in_flight_than_allowed_is_turned_away_at_once(artifact):
    body = json.dumps({"instances": [{"features": GOOD, "explain": True}] * 300}).encode()
    with serve(artifact, max_in_flight=2) as endpoint, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: ask(endpoint, body=body), range(8)))
        assert sorted({status for status, *_ in found}) == [200, 503]
        assert all(headers["Retry-After"] for status, headers, _ in found if status == 503)
        assert ask(endpoint)[0] == 200


def test_an_answer_that_takes_too_long_is_a_503_and_the_next_is_right(artifact):
    n_rows = 20_000  # seconds of work, on any machine
    body = json.dumps({"instances": [{"features": GOOD, "explain": True}] * n_rows}).encode()
    with serve(artifact, timeout_s=0.3, max_rows=n_rows, max_body_bytes=len(body)) as endpoint:
        status, headers, problem = ask(endpoint, body=body)
        assert (status, headers["Retry-After"]) == (503, "1")
        assert "0.3 seconds" in problem["detail"]
        score = json.loads(ask(endpoint)[2])["score"]
        assert score == pytest.approx(float(artifact.predict(pd.DataFrame([GOOD])).score[0]), 1e-6)


def test_no_more_connections_are_kept_than_files_may_be_open(artifact, tmp_path):
    path = tmp_path / "copy.onnx"
    artifact.save(path)
    script = """
        import resource, socket, sys, time
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        import capstone_lib as cap
        with cap.serve(sys.argv[1], limits=cap.Limits(timeout_s=1)) as endpoint:
            port = int(endpoint.url.rsplit(":", 1)[1])
            print(port, flush=True)
            sys.stdin.readline()
            files = [open(sys.argv[1], "rb") for _ in range(50)]
            print(len(files))
    """
    command = [sys.executable, "-c", textwrap.dedent(script), path]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
    port = int(process.stdout.readline())
    crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(400)]
    time.sleep(0.5)
    found, complaints = process.communicate(b"now\n", timeout=30)
    for one in crowd:
        one.close()
    assert (process.returncode, found.strip(), complaints.decode()) == (0, b"50", "")


@pytest.mark.parametrize("value", [0, -1, True, "10", None])
def test_bounds_that_bound_nothing_are_refused(value):
    with pytest.raises(ValueError, match="max_connections must be a positive number"):
        cap.Limits(max_connections=value)


# ---------------------------------------------------------------- who is heard


def test_without_the_key_nothing_but_health_and_the_page_is_answered(artifact):
    with serve(artifact, key=KEY) as endpoint:
        closed = ["POST /predict", "GET /metrics", "GET /status", "GET /v2", "GET /openapi.json",
                  "POST /v2/models/work/infer", "GET /nowhere", "GET /v2/health/../models/work",
                  "GET /v2/health/live/x"]  # fmt: skip
        wrong = ["", "Bearer ", KEY, f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", f"Bearer  {KEY}"]
        for method, path in (line.split() for line in closed):
            for said in wrong:
                header = {"Authorization": said} if said else {}
                status, headers, problem = ask(endpoint, method, path, **header)
                assert (status, headers["WWW-Authenticate"]) == (401, "Bearer"), path
                assert KEY not in str(problem)
        for path in ("/", "/v2/health/live", "/v2/health/ready"):
            assert ask(endpoint, "GET", path, None)[0] == 200
        assert ask(endpoint, Authorization=f"Bearer {KEY}")[0] == 200
        assert endpoint.predict(GOOD)["model"] == "work"


def test_the_key_is_never_shown(artifact):
    with serve(artifact, key=KEY) as endpoint:
        pages = [ask(endpoint, "GET", path, None, Authorization=f"Bearer {KEY}")[2]
                 for path in ("/", "/openapi.json", "/status", "/metrics")]  # fmt: skip
        shown = b"".join(pages).decode() + repr(endpoint) + endpoint._repr_html_()
        assert KEY not in shown


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_beyond_this_machine_only_with_a_key(artifact, host):
    with pytest.raises(EndpointError, match="there is no key"):
        cap.serve(artifact, host=host)


@pytest.mark.parametrize(
    "key", ["", "short", "with a space in it", "größer-als-sechzehn", "x" * 15]
)
def test_a_key_that_is_none_is_refused(artifact, key):
    with pytest.raises(EndpointError, match="a key is at least 16"):
        cap.serve(artifact, key=key)


def test_with_a_key_every_interface_may_be_listened_on_under_any_name(artifact):
    with serve(artifact, key=KEY, host="0.0.0.0") as endpoint:
        headers = {"Authorization": f"Bearer {KEY}", "Host": "models.example:80"}
        assert ask(endpoint, **headers)[0] == 200
        assert ask(endpoint, "GET", "/nowhere/", None, **{**headers, "Host": "[::1"})[0] == 404


good_hosts = ["127.0.0.1", "127.0.0.1:80", "localhost", "LOCALHOST:65535", "[::1]", "[::1]:8000"]
# fmt: off
bad_hosts = ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil", "",
             "localhost@evil.example", "127.0.0.1:80:80", "[::1", "::1]", "127.0.0.1:x", "[::2]",
             "evil.example#localhost", "localhost, evil.example", "127.0.0.1:" + "1" * 60]
# fmt: on


@pytest.mark.parametrize("name", good_hosts)
def test_it_is_asked_by_its_own_names(endpoint, name):
    assert ask(endpoint, Host=name)[0] == 200


def test_another_name_is_refused_so_that_no_web_page_can_rebind_one(endpoint):
    for name in bad_hosts:
        for method, path in (("POST", "/predict"), ("GET", "/"), ("GET", "/v2/health/live")):
            status, _, problem = ask(endpoint, method, path, Host=name)
            assert (status, "Host" in problem["detail"]) == (400, True), name
    status, _ = answer_to(endpoint, b"GET / HTTP/1.0\r\n\r\n")
    assert status == 400


def test_a_further_name_can_be_allowed(artifact):
    with serve(artifact, allowed_hosts=["models.example"]) as endpoint:
        assert ask(endpoint, Host="models.example:443")[0] == 200
        assert ask(endpoint, Host="localhost")[0] == 200
        assert ask(endpoint, Host="example")[0] == 400


def test_what_is_known_of_hosts_does_not_grow_with_what_is_sent():
    guard = Guard(key=None, hosts=["localhost"])
    for port in range(5000):
        guard.check([(b"host", b"localhost:%d" % port)])
    with pytest.raises(ProblemError):
        guard.check([(b"host", b"localhost:" + b"1" * 60_000)])
    assert len(guard._known) <= 1000


def test_it_listens_on_ipv6(artifact):
    try:
        endpoint = serve(artifact, host="::1")
    except EndpointError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with endpoint:
        assert endpoint.url.startswith("http://[::1]:")
        assert endpoint.predict(GOOD)["model"] == "work"


@pytest.mark.parametrize("name", ["Host", "Authorization", "Content-Type", "Content-Encoding"])
def test_a_header_that_stands_twice_is_refused(endpoint, name):
    twice = b"%b: application/json\r\n%b: localhost\r\n" % (name.encode(), name.lower().encode())
    head = HEAD + twice + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}"
    status, found = answer_to(endpoint, head)
    assert status == 400
    assert b"problem+json" in found


def test_pages_of_other_origins_get_no_permission_and_cannot_post(endpoint):
    foreign = {"Origin": "http://evil.example"}
    for method, path in (("POST", "/predict"), ("OPTIONS", "/predict"), ("GET", "/v2")):
        _, headers, _ = ask(endpoint, method, path, None if method == "GET" else RECORD, **foreign)
        assert not [name for name in headers if name.lower().startswith("access-control")]
    simple = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
    for kind in simple:  # what a browser sends without asking first
        for path in ("/predict", "/v2/models/work/infer"):
            assert ask(endpoint, path=path, **{**foreign, "Content-Type": kind})[0] == 415
    nameless = HEAD.replace(b"Content-Type: application/json", b"Origin: http://evil.example")
    nameless = nameless.replace(b"/predict", b"/v2/models/work/infer")
    sent = nameless + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}"
    assert answer_to(endpoint, sent)[0] == 415


def test_a_client_that_waits_to_be_told_to_go_on_is_told(endpoint):
    with connect(endpoint) as connection:
        length = b"Connection: close\r\nContent-Length: %d\r\n" % len(RECORD)
        connection.sendall(HEAD + length + b"Expect: 100-continue\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(RECORD)
        assert read_until_closed(connection).startswith(b"HTTP/1.1 200 ")


def test_one_that_would_be_refused_is_not_told_to_go_on(endpoint):
    head = HEAD + b"Content-Length: 9999999\r\nExpect: 100-continue\r\n\r\n"
    assert answer_to(endpoint, head)[0] == 413


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD"])
def test_other_methods_are_told_which_one_is_meant(endpoint, method):
    connection = http.client.HTTPConnection("127.0.0.1", port_of(endpoint), timeout=15)
    with contextlib.closing(connection):
        connection.request(method, "/predict")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
