"""Where load may go, and what is said when nobody there understands."""

import socket

import pytest

from capstone_lib.errors import LoadTestError
from capstone_lib.loadtest.target import probe, read_target

BODY = b'{"features":{}}'


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/predict"),
        ("http://127.0.0.1:8000/predict", "http://127.0.0.1:8000/predict"),
        ("http://localhost:8000/a/b/", "http://localhost:8000/a/b/predict"),
        ("https://127.9.9.9", "https://127.9.9.9:443/predict"),
        ("http://[::1]:81", "http://[::1]:81/predict"),
    ],
)
def test_addresses_of_this_machine_are_taken(url, expected):
    assert read_target(url).url == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1:8000",
        "http://0.0.0.0:8000",
        "http://example.org",
        "http://localhost.example.org",
        "http://127.0.0.1.example.org",
        "http://2130706433",
        "http://[2001:db8::1]",
    ],
)
def test_other_machines_are_refused_unless_allowed(url):
    with pytest.raises(LoadTestError, match=r"is not this machine.*allow_remote=True"):
        read_target(url)
    assert read_target(url, allow_remote=True).url.startswith(url)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://127.0.0.1:x", "http://["]
)
def test_what_is_no_address_is_said(url):
    with pytest.raises(LoadTestError, match=r"not (an|the) address"):
        read_target(url)


@pytest.mark.parametrize("url", ["http://me:pw@127.0.0.1", "http://127.0.0.1/?a=b"])
def test_keys_do_not_belong_into_an_address(url):
    with pytest.raises(LoadTestError, match="bearer="):
        read_target(url)


def test_a_port_where_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(LoadTestError, match=r"no answer from .*Connection refused.*running"):
            probe(read_target(url), BODY, {}, timeout_s=5)


def test_somebody_who_never_answers():
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(LoadTestError, match="it took too long"):
            probe(read_target(url), BODY, {}, timeout_s=0.2)


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "bearer="), (404, "look at the address"), (422, "AGEP: is missing"), (500, "own log")],
)
def test_an_answer_that_is_an_error_names_the_cure(server, status, words):
    refusing = server("refusing", status=status)
    with pytest.raises(LoadTestError, match=f"answers {status} to the first request.*{words}"):
        probe(read_target(refusing.url), BODY, {}, timeout_s=5)


@pytest.mark.parametrize("status", [200, 429, 503])
def test_a_server_that_answers_or_sheds_may_be_loaded(server, status):
    probe(read_target(server("refusing", status=status).url), BODY, {}, timeout_s=5)


def test_something_else_than_http(server):
    with pytest.raises(LoadTestError, match="does not speak HTTP"):
        probe(read_target(server("gibberish").url), BODY, {}, timeout_s=5)


def test_a_header_that_cannot_be_sent(server):
    target = read_target(server("slow").url)
    with pytest.raises(LoadTestError, match="cannot be sent"):
        probe(target, BODY, {"Authorization": "Bearer a\r\nb"}, timeout_s=5)
