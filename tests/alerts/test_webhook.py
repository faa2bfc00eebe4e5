"""Telling an address, with addresses that behave in every way."""

import asyncio
import logging

import pytest

from capstone_lib.alerts.playbook import Webhook
from capstone_lib.alerts.webhook import send
from capstone_lib.errors import AlertError

MESSAGE = {"text": "größer", "alerts": [{"state": "firing", "alert_id": "a", "raised_at": "t"}]}
SECRETS = ("PATHSECRET", "QUERYSECRET", "KEYSECRET", "USERSECRET")


def to(listener, **more):
    return Webhook(listener.url, **{"timeout_s": 5.0, "tries": 3} | more)


def test_it_arrives_once_whole_and_says_what_it_is(listener):
    assert send(to(listener), MESSAGE) == 1
    assert listener.heard == [MESSAGE]
    (headers,) = listener.headers
    assert headers["Content-Type"] == "application/json"
    assert "Authorization" not in headers


@pytest.mark.parametrize("first", [500, 503, 429, "cut"])
def test_what_may_go_well_next_time_is_tried_again(listener, first):
    listener.answers = [first, 200]
    assert send(to(listener), MESSAGE) == 2
    assert listener.heard == [MESSAGE] * 2
    assert len({one["Idempotency-Key"] for one in listener.headers}) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [(500, "answered 500, after 3 tries"), ("cut", "broke the connection off")],
)
def test_it_gives_up_after_so_many_tries(listener, answer, said):
    listener.answers = [answer]
    with pytest.raises(AlertError, match=said):
        send(to(listener), MESSAGE)
    assert len(listener.heard) == 3


@pytest.mark.parametrize("answer", ["hang", "drip"])
def test_an_answer_that_does_not_come_is_not_waited_for(listener, answer):
    listener.answers = [answer]
    with pytest.raises(AlertError, match=r"did not answer within 0\.3 s, after 2 tries"):
        send(to(listener, timeout_s=0.3, tries=2), MESSAGE)


@pytest.mark.parametrize(("answer", "said"), [(404, "look at the address"), (401, "the key")])
def test_what_will_not_go_well_next_time_is_not_tried_again(listener, answer, said):
    listener.answers = [answer]
    with pytest.raises(AlertError, match=said):
        send(to(listener), MESSAGE)
    assert len(listener.heard) == 1


@pytest.mark.parametrize("answer", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(listener, answer):
    listener.answers = [answer, 200]
    with pytest.raises(AlertError, match="is not followed"):
        send(to(listener), MESSAGE)
    assert len(listener.heard) == 1


def test_nobody_there(listener):
    listener.close()
    with pytest.raises(AlertError, match=r"127\.0\.0\.1:\d+ cannot be reached, after 2 tries"):
        send(to(listener, tries=2), MESSAGE)


def test_the_key_comes_from_the_environment(listener, monkeypatch):
    monkeypatch.setenv("HOOK_KEY", "KEYSECRET\n")
    send(to(listener, token_env="HOOK_KEY"), MESSAGE)
    assert listener.headers[0]["Authorization"] == "Bearer KEYSECRET"


@pytest.mark.parametrize("value", [None, "", "two\nlines", "schlüssel"])
def test_a_key_that_is_none_is_named_by_its_variable_only(listener, monkeypatch, value):
    monkeypatch.delenv("HOOK_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("HOOK_KEY", value)
    with pytest.raises(AlertError, match="HOOK_KEY") as caught:
        send(to(listener, token_env="HOOK_KEY"), MESSAGE)
    assert not value or value not in str(caught.value)
    assert not listener.heard


@pytest.mark.parametrize("answer", [200, 500, 302, 401, "hang", "cut"])
def test_no_secret_is_logged_or_said(listener, monkeypatch, caplog, answer):
    listener.answers = [answer]
    monkeypatch.setenv("HOOK_KEY", "KEYSECRET")
    webhook = Webhook(
        listener.url.replace("http://", "http://me:USERSECRET@"),
        timeout_s=0.3,
        tries=2,
        token_env="HOOK_KEY",
    )
    said = ""
    with caplog.at_level(logging.DEBUG):
        try:
            send(webhook, MESSAGE)
        except AlertError as error:
            said = str(error)
    for secret in SECRETS:
        assert secret not in caplog.text
        assert secret not in said
    assert bool(said) == (answer != 200)


def test_it_can_be_sent_from_where_an_event_loop_runs(listener):
    async def notebook():
        return send(to(listener), MESSAGE)

    assert asyncio.run(notebook()) == 1
    assert listener.heard == [MESSAGE]


def test_others_may_go_on_logging(listener, caplog):
    with caplog.at_level(logging.INFO):
        send(to(listener), MESSAGE)
        logging.getLogger("httpx").info("of somebody else")
    assert "of somebody else" in caplog.text
