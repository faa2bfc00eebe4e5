"""Acting: once, in order, whatever fails, whoever dies."""

import multiprocessing
import os
import signal
from dataclasses import replace
from datetime import timedelta

import pytest

from capstone_lib.alerts import AlertBook, act, actions, replicas_wanted
from capstone_lib.alerts.playbook import Webhook
from capstone_lib.errors import PlaybookError, StoreError
from capstone_lib.store import open_store

ALL = ("webhook", "ticket", "scale_up", "pause_rollout", "degrade_route")


@pytest.fixture
def hooked(playbook, listener):
    return replace(playbook, webhook=Webhook(listener.url, timeout_s=0.5, tries=1))


def tables(store):
    """All that is written, to the byte."""
    from sqlalchemy import select

    from capstone_lib.store.engine import reading
    from capstone_lib.store.tables import metadata

    with reading(store.engine) as connection:
        return {
            name: [tuple(row) for row in connection.execute(select(table))]
            for name, table in metadata.tables.items()
        }


def test_what_endpoints_feel_comes_first_and_messages_last(store, hooked, make_alert, listener):
    one, two = make_alert(*ALL), make_alert(*ALL, name="drift")
    done = act([one, two], store, playbook=hooked, now="2016-02-01")
    order = ["pause_rollout", "degrade_route", "scale_up", "ticket", "webhook"]
    assert [one.action for one in done] == [action for action in order for _ in range(2)]
    assert {(one.state, one.done_by, one.tries) for one in done} == {
        ("done", "capstone monitor", 1)
    }
    assert {one.done_at for one in done} == {"2016-02-01T00:00:00.000+00:00"}
    (heard,) = listener.heard
    assert [one["rule"] for one in heard["alerts"]] == ["slow", "drift"]
    assert sorted(AlertBook(store).actions(), key=str) == sorted(done, key=str)


def test_applied_twice_nothing_changes(store, hooked, make_alert, listener, tmp_path):
    alerts = [make_alert(*ALL)]
    arguments = {"playbook": hooked, "folder": tmp_path / "t", "now": "2016-02-01"}
    assert len(act(alerts, store, **arguments)) == len(ALL)
    before, files = tables(store), list((tmp_path / "t").iterdir())
    assert act(alerts, store, **arguments) == []
    assert act([], store, **arguments) == []
    assert tables(store) == before
    assert list((tmp_path / "t").iterdir()) == files
    assert len(listener.heard) == 1


def test_a_dry_run_says_it_all_and_leaves_nothing(store, hooked, make_alert, listener, tmp_path):
    alerts = [make_alert(*ALL, "human_audit", group="SEX=2"), make_alert("degrade_route", name="b")]
    before = tables(store)
    said = act(alerts, store, playbook=hooked, folder=tmp_path / "t", dry_run=True)
    assert tables(store) == before
    assert not (tmp_path / "t").exists()
    assert not listener.heard
    assert {one.state for one in said} == {"would be done"}
    words = {(one.rule, one.action): one.result for one in said}
    assert words["slow", "pause_rollout"] == "the rollout is paused (change 1)"
    assert words["b", "degrade_route"].startswith("it answered already by capstone monitor: slow")
    assert words["slow", "scale_up"] == "2 replicas are wanted, after 1 (at most 3)"
    assert words["slow", "ticket"] == f"a ticket for platform team, in {tmp_path / 't'}"
    assert (
        words["slow", "human_audit"]
        == "up to 100 cases of SEX=2 and of others for the review queue"
    )
    act(alerts, store, playbook=hooked)
    again = act(alerts, store, playbook=hooked, dry_run=True)
    assert [one.action for one in again] == ["human_audit"]  # which failed: there is no artifact


@pytest.mark.parametrize("answer", [500, 302, 404, "hang", "drip", "cut"])
def test_a_webhook_that_fails_stops_nothing_and_loses_nothing(
    store, hooked, make_alert, listener, answer
):
    listener.answers = [answer]
    done = act([make_alert(*ALL)], store, playbook=hooked)
    states = {one.action: one.state for one in done}
    assert states.pop("webhook") == "failed"
    assert set(states.values()) == {"done"}
    (failed,) = act([], store, playbook=hooked)  # by a run that knows nothing of the alert
    assert (failed.action, failed.state, failed.tries) == ("webhook", "failed", 2)
    assert "SECRET" not in str(tables(store))
    listener.answers = [200]
    listener.heard.clear()
    (told,) = act([make_alert(*ALL)], store, playbook=hooked)
    assert (told.state, told.tries, told.error) == ("done", 3, "")
    assert [one["alert_id"] for one in listener.heard[0]["alerts"]] == ["slow-0123456789ab"]


def test_the_message_says_what_was_found_and_done(store, hooked, make_alert, listener, url):
    act([make_alert(*ALL, feature="größe")], store, playbook=hooked, now="2016-02-01")
    (message,) = listener.heard
    assert (message["version"], message["store"]) == (1, url)
    assert message["text"].startswith("firing: slow (critical): latency_p99 [größe]: 180 ms")
    (one,) = message["alerts"]
    assert (one["state"], one["severity"], one["owner"]) == ("firing", "critical", "platform team")
    assert (one["why"], one["what_to_do"]) == ("People wait.", "Look at the load.")
    assert one["raised_at"] == "2016-02-01T00:00:00.000+00:00"
    (cause,) = one["measurements"]
    assert (cause["value"], cause["low"], cause["threshold"]) == (180.0, 170.0, None)
    assert {(each["action"], bool(each["done_at"])) for each in one["actions"]} == {
        (name, True) for name in ALL if name != "webhook"
    }


def test_whoever_was_told_is_told_that_it_cleared_and_that_it_was_taken_back(
    store, hooked, make_alert, listener
):
    book = AlertBook(store)
    act([make_alert("webhook")], store, playbook=hooked)
    book.undo("slow", "webhook", who="Ada")
    act([make_alert("webhook", state="cleared")], store, playbook=hooked)
    act([make_alert("webhook"), make_alert("ticket", name="b")], store, playbook=hooked)
    act([make_alert("webhook", state="cleared")], store, playbook=hooked)
    assert act([], store, playbook=hooked) == []
    said = [[one["state"] for one in message["alerts"]] for message in listener.heard]
    assert said == [["firing"], ["withdrawn"], ["firing"], ["cleared"]]


def test_a_playbook_without_a_webhook_fails_it_and_says_so(store, playbook, make_alert):
    (failed,) = act([make_alert("webhook")], store, playbook=playbook)
    assert "no [webhook]" in failed.error


def test_what_was_not_done_before_the_alert_cleared_is_not_done_to_the_endpoint(
    store, playbook, make_alert
):
    AlertBook(store).record([make_alert("degrade_route", "scale_up", "ticket")])
    cleared = make_alert("degrade_route", "scale_up", "ticket", state="cleared")
    done = {one.action: one.result for one in act([cleared], store, playbook=playbook)}
    assert (
        done["degrade_route"] == done["scale_up"] == "not needed any more: the alert cleared first"
    )
    assert done["ticket"] == "ticket 1 for platform team"  # somebody should know all the same
    assert store.rollout().key == 0
    assert replicas_wanted(store) == 1


def test_what_is_silenced_waits_for_the_silence_to_end(store, hooked, make_alert, listener):
    """A silence given between the alert and what was still to do about it holds that too."""
    book = AlertBook(store)
    listener.answers = [500]
    act([make_alert("webhook")], store, playbook=hooked, now="2016-02-01T08:00")
    arguments = {"who": "Ada", "why": "known", "now": "2016-02-01T08:00"}
    book.silence("slow", feature="AGEP", for_=timedelta(hours=9), **arguments)  # another feature's
    assert len(act([], store, playbook=hooked, now="2016-02-01T08:01")) == 1
    book.silence("slow", for_=timedelta(hours=1), **arguments)
    assert act([], store, playbook=hooked, now="2016-02-01T08:30") == []
    listener.answers = [200]
    (done,) = act([], store, playbook=hooked, now="2016-02-01T09:00")
    assert done.state == "done"


def test_what_was_called_off_is_not_done(store, hooked, make_alert, listener):
    listener.answers = [500]
    act([make_alert("webhook")], store, playbook=hooked)
    undone = AlertBook(store).undo("slow", "webhook", who="Ada")
    assert (undone.state, undone.result) == ("undone", "undone: called off before it was done")
    assert act([make_alert("webhook")], store, playbook=hooked) == []


def test_an_action_that_a_later_playbook_adds_is_done_too(store, playbook, make_alert):
    act([make_alert("ticket")], store, playbook=playbook)
    (done,) = act([make_alert("ticket", "degrade_route")], store, playbook=playbook)
    assert done.action == "degrade_route"


def test_wrong_places_and_playbooks_are_refused_before_anything_is_done(
    store, tmp_path, make_alert
):
    with open_store(tmp_path / "folder") as folder, pytest.raises(StoreError):
        act([make_alert("ticket")], folder, playbook=None)
    with pytest.raises(PlaybookError):
        act([make_alert("ticket")], store, playbook=tmp_path / "none.toml")
    assert AlertBook(store).history().empty


def test_whoever_is_interrupted_leaves_the_rest_to_the_next_run_of_the_same_process(
    store, playbook, make_alert, monkeypatch
):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    alert = make_alert("ticket", "degrade_route")
    monkeypatch.setattr(actions, "finish", interrupt)
    with pytest.raises(KeyboardInterrupt):
        act([alert], store, playbook=playbook)
    monkeypatch.undo()
    assert store.rollout().key == 0  # the change and its tick are one
    assert [one.state for one in act([], store, playbook=playbook)] == ["done", "done"]


def _act(url, alert, playbook, folder, *, gate=None, die_at=None):
    """Act, and be killed just before the tick after so many actions."""
    ticks, tick = iter(range(100)), actions.finish

    def finish(*given, **more):
        if next(ticks) == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return tick(*given, **more)

    actions.finish = finish
    with open_store(url) as store:
        if gate is not None:
            gate.wait(30)
        act([alert], store, playbook=playbook, folder=folder)


def test_a_process_that_is_killed_anywhere_leaves_the_rest_to_the_next(
    url, store, hooked, make_alert, listener, tmp_path
):
    context, alert = multiprocessing.get_context("spawn"), make_alert(*ALL)
    for die_at in (0, 0, 2, 0, 0):  # twice before the first, then behind two more, ...
        given = (url, alert, hooked, tmp_path / "t")
        killed = context.Process(target=_act, args=given, kwargs={"die_at": die_at})
        killed.start()
        killed.join(60)
        assert killed.exitcode == -signal.SIGKILL
    act([], store, playbook=hooked, folder=tmp_path / "t")
    book = AlertBook(store)
    assert {one.state for one in book.actions()} == {"done"}
    assert len(book.history()) == len(book.tickets()) == 1
    assert len(list((tmp_path / "t").glob("*.md"))) == 1
    assert len(store.rollout_history()) == 2
    assert replicas_wanted(store) == 2
    assert len(listener.heard) >= 1  # it may come twice, under the same key
    assert len({one["Idempotency-Key"] for one in listener.headers}) == 1
    assert act([alert], store, playbook=hooked, folder=tmp_path / "t") == []


def test_monitors_at_the_same_time_do_each_thing_once(
    url, store, hooked, make_alert, listener, tmp_path
):
    context = multiprocessing.get_context("spawn")
    gate, alert = context.Barrier(3), make_alert(*ALL)
    given = (url, alert, hooked, tmp_path / "t")
    some = [context.Process(target=_act, args=given, kwargs={"gate": gate}) for _ in range(3)]
    for one in some:
        one.start()
    for one in some:
        one.join(60)
        assert one.exitcode == 0
    assert len(listener.heard) == 1
    assert len(store.rollout_history()) == 2
    assert replicas_wanted(store) == 2
    assert len(list((tmp_path / "t").iterdir())) == 1
    assert {(one.state, one.tries) for one in AlertBook(store).actions()} == {("done", 1)}
