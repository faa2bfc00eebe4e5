"""The short way and the long way give the same answers, whatever the request looks like."""

import json
import re
import socket
from contextlib import closing

import pytest

import capstone_lib as cap
from capstone_lib.serving import shortcut

ENOUGH_S = 10


@pytest.fixture(scope="module")
def endpoint(model_path):
    with cap.serve(model_path) as running:
        yield running


@pytest.fixture
def body(people):
    row = json.loads(people.iloc[0].to_json())
    return json.dumps({"features": row, "id": "7"}).encode()


@pytest.fixture
def short_ways(monkeypatch):
    """How often a request was answered on the short way."""
    found = []
    answer = shortcut._Ticket.set_result
    monkeypatch.setattr(
        shortcut._Ticket, "set_result", lambda ticket, body: (found.append(1), answer(ticket, body))
    )
    return found


def request(body, *headers, line="POST /predict HTTP/1.1"):
    lines = [line, "Host: 127.0.0.1", "Content-Type: application/json", *headers]
    lines += [] if any("Transfer" in one for one in headers) else [f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def converse(endpoint, pieces, n_answers=1):
    """The answers to what is sent piece by piece, without their dates."""
    port = int(endpoint.url.rsplit(":", 1)[1])
    with closing(socket.create_connection(("127.0.0.1", port), ENOUGH_S)) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = wire.makefile("rb")
        for piece in pieces:
            wire.sendall(piece)
        return [one_answer(stream) for _ in range(n_answers)]


def one_answer(stream):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        assert line, f"the connection was closed after {head!r}"
        head += line
    lines = {one for one in head.split(b"\r\n") if not one.startswith(b"date")}
    length = int(re.search(rb"content-length: (\d+)", head)[1])
    return lines, b"" if b" 100 " in head else stream.read(length)


def test_the_usual_request_goes_the_short_way(endpoint, body, short_ways):
    ((head, text),) = converse(endpoint, [request(body)])
    assert b"HTTP/1.1 200 OK" in head
    assert json.loads(text)["id"] == "7"
    assert len(short_ways) == 1


@pytest.mark.parametrize("place", [1, 14, 40, 100, -100, -1])
def test_a_request_in_two_pieces_goes_the_long_way_to_the_same_answer(
    endpoint, body, short_ways, place
):
    whole = converse(endpoint, [request(body)])
    assert len(short_ways) == 1
    port = int(endpoint.url.rsplit(":", 1)[1])
    with closing(socket.create_connection(("127.0.0.1", port), ENOUGH_S)) as wire:
        wire.sendall(request(body)[:place])
        wire.settimeout(0.2)
        with pytest.raises(TimeoutError):
            wire.recv(1)
        wire.settimeout(ENOUGH_S)
        wire.sendall(request(body)[place:])
        assert [one_answer(wire.makefile("rb"))] == whole


def test_requests_sent_ahead_are_answered_in_order(endpoint, people):
    asked = [
        request(
            json.dumps({"features": json.loads(people.iloc[k].to_json()), "id": str(k)}).encode()
        )
        for k in range(20)
    ]
    asked.insert(5, request(b"{}"))
    asked.insert(9, request(b"", line="GET /v2/health/live HTTP/1.1"))
    answers = [json.loads(text) for _, text in converse(endpoint, [b"".join(asked)], 22)]
    assert answers.pop(9) == {"live": True}
    assert answers.pop(5)["status"] == 422
    assert [answer["id"] for answer in answers] == [str(k) for k in range(20)]


def test_one_connection_can_go_both_ways_in_turn(endpoint, body, short_ways):
    port = int(endpoint.url.rsplit(":", 1)[1])
    with closing(socket.create_connection(("127.0.0.1", port), ENOUGH_S)) as wire:
        stream = wire.makefile("rb")
        for k in range(9):
            wire.sendall(request(body) if k % 3 else request(b"no JSON"))
            head, _ = one_answer(stream)
            assert (b"HTTP/1.1 200 OK" in head) == bool(k % 3)
    assert len(short_ways) == 6


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"headers": ["Connection: close"]}, 200),
        ({"line": "POST /predict HTTP/1.0"}, 200),
        ({"line": "POST /predict?x=1 HTTP/1.1"}, 200),
        ({"line": "POST /%70redict HTTP/1.1"}, 200),
        ({"line": "PUT /predict HTTP/1.1"}, 405),
        ({"headers": ["Content-Encoding: gzip"]}, 415),
        ({"headers": ["Content-Type: text/plain"]}, 400),
        ({"headers": ["Host: example.org"]}, 400),
    ],
)
def test_whatever_is_unusual_goes_the_long_way(endpoint, body, short_ways, change, status):
    headers = change.pop("headers", [])
    ((head, _),) = converse(endpoint, [request(body, *headers, **change)])
    assert any(one.startswith(b"HTTP/1.1 %d" % status) for one in head)
    assert not short_ways


def test_a_body_in_chunks_that_comes_at_once_goes_the_short_way(endpoint, body, short_ways):
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:9], body[9:]))
    sent = request(chunks + b"0\r\n\r\n", "Transfer-Encoding: chunked")
    assert converse(endpoint, [sent]) == converse(endpoint, [request(body)])
    assert len(short_ways) == 2


def test_who_hangs_up_is_not_waited_for(endpoint, body):
    port = int(endpoint.url.rsplit(":", 1)[1])
    for _ in range(50):
        with closing(socket.create_connection(("127.0.0.1", port), ENOUGH_S)) as wire:
            wire.sendall(request(body))
    converse(endpoint, [request(body)])
    assert endpoint.status()["gauges"]["in_flight"] == 0


def test_a_model_that_fails_is_one_honest_500(model_path, body, monkeypatch):
    with cap.serve(model_path) as endpoint:
        lane = endpoint._runner._server.config.app.service._lanes["stable"]
        monkeypatch.setattr(lane, "_settle", lambda *_: 1 / 0)
        ((head, text),) = converse(endpoint, [request(body)])
    assert b"HTTP/1.1 500 Internal Server Error" in head
    assert json.loads(text)["status"] == 500
