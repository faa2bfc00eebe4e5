"""Several alerts and several people at one rollout."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capstone_lib.alerts import AlertBook, act
from capstone_lib.store import open_store

HELD = ("pause_rollout", "degrade_route")
ADA = {"who": "Ada", "why": "I say so"}


@pytest.fixture
def book(store):
    return AlertBook(store)


@pytest.fixture
def fire(store, playbook, make_alert):
    """Act on an alert that fires, or has cleared; what was done, in words."""

    def fire(name, *actions, state="firing"):
        done = act([make_alert(*actions, name=name, state=state)], store, playbook=playbook)
        assert {one.state for one in done} <= {"done"}
        return [one.result for one in done]

    return fire


def changes(store):
    return len(store.rollout_history())


def test_it_pauses_and_degrades_and_says_why(store, fire):
    store.change_rollout(canary_share=0.2, shadow=True, **ADA)
    said = fire("drift", *HELD)
    rollout = store.rollout()
    assert (rollout.paused, rollout.route) == (True, "degraded")
    assert (rollout.canary_share, rollout.shadow) == (0.2, True)  # the rest stays
    assert rollout.who == "capstone monitor: drift"
    assert "latency_p99: 180 ms (170 to 190)" in rollout.why
    assert "drift-0123456789ab" in rollout.why
    assert said == [
        f"the rollout is paused (change {rollout.key - 1})",
        f"the degraded route answers (change {rollout.key})",
    ]
    assert fire("drift", *HELD) == []
    assert changes(store) == 3


def test_what_is_so_already_is_not_written_again_and_not_undone(store, fire, book):
    store.change_rollout(paused=True, **ADA)
    (said,) = fire("drift", "pause_rollout")
    assert said.startswith("it was paused already by Ada at")
    assert changes(store) == 1
    undone = book.undo("drift", "pause_rollout", who="Bob")
    assert "the alert had changed nothing" in undone.result
    assert store.rollout().paused
    assert changes(store) == 1


def test_undo_restores_what_was_before_once(store, fire, book):
    fire("drift", *HELD)
    first = book.undo("drift", "pause_rollout", who="Bob", why="the feed is mended")
    assert (first.state, first.undone_by) == ("undone", "Bob")
    assert "undone: the rollout goes on (change 3)" in first.result
    rollout = store.rollout()
    assert (rollout.paused, rollout.route, rollout.who) == (False, "degraded", "Bob")
    assert rollout.why.startswith("the feed is mended; undo pause_rollout of alert drift")
    assert book.undo("drift", "pause_rollout", who="Eve") == first
    assert fire("drift", *HELD) == []  # it holds still, and a person has spoken
    assert not store.rollout().paused


@pytest.mark.parametrize("then", [[False], [False, True]])
def test_what_somebody_changed_since_stays(store, fire, book, then):
    fire("drift", "pause_rollout")
    for paused in then:
        store.change_rollout(paused=paused, **ADA)
    undone = book.undo("drift", "pause_rollout", who="Bob")
    assert "left as it is: it was changed by Ada at" in undone.result
    assert store.rollout().paused == then[-1]
    assert changes(store) == 1 + len(then)


def test_a_change_of_something_else_does_not_count(store, fire, book):
    fire("drift", "pause_rollout")
    store.change_rollout(canary_share=0.5, **ADA)
    book.undo("drift", "pause_rollout", who="Bob")
    assert (store.rollout().paused, store.rollout().canary_share) == (False, 0.5)


def test_what_another_alert_holds_on_to_stays_until_the_last_lets_go(store, fire, book):
    fire("drift", "pause_rollout")
    fire("slow", "pause_rollout")
    assert "slow-0123456789ab holds on to it" in book.undo("drift", "pause_rollout", who="B").result
    assert store.rollout().paused
    assert "the rollout goes on" in book.undo("slow", "pause_rollout", who="B").result
    assert not store.rollout().paused
    assert changes(store) == 2


def test_a_rule_that_gives_back_does_so_when_its_alert_clears(store, fire, book):
    both = ("degrade_route", "recover_route")
    assert len(fire("slow", *both)) == 1
    assert book.actions("slow")[1].state == "waiting"
    assert fire("slow", *both) == []
    assert store.rollout().route == "degraded"
    (said,) = fire("slow", *both, state="cleared")
    assert said == "the stable route answers again (change 2)"
    assert store.rollout().route == "stable"
    assert fire("slow", *both, state="cleared") == []
    assert len(fire("slow", *both)) == 1  # it comes again
    assert store.rollout().route == "degraded"


def test_giving_back_leaves_what_a_person_or_another_alert_wants(store, fire):
    both = ("pause_rollout", "resume_rollout")
    store.change_rollout(paused=True, **ADA)
    fire("drift", *both)
    (said,) = fire("drift", *both, state="cleared")
    assert "had changed nothing" in said
    store.change_rollout(paused=False, **ADA)
    fire("drift", *both)
    fire("slow", *both)
    (said,) = fire("drift", *both, state="cleared")
    assert "slow-0123456789ab holds on to it" in said
    assert store.rollout().paused
    fire("slow", *both, state="cleared")
    assert not store.rollout().paused


def test_giving_back_that_was_undone_is_put_back(store, fire, book):
    both = ("pause_rollout", "resume_rollout")
    fire("drift", *both)
    fire("drift", *both, state="cleared")
    book.undo("drift", "resume_rollout", who="Bob")
    assert store.rollout().paused


def test_a_rule_may_only_give_back_but_not_what_an_alert_holds(store, fire):
    store.change_rollout(paused=True, **ADA)
    assert fire("fine", "resume_rollout") == ["the rollout goes on (change 2)"]
    fire("drift", "pause_rollout")
    (said,) = fire("fine too", "resume_rollout")
    assert "drift-0123456789ab holds on to it" in said
    assert store.rollout().paused


steps = st.lists(
    st.sampled_from(["a fires", "b fires", "a clears", "b clears", "undo a", "undo b", "again"]),
    max_size=12,
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(given_steps=steps)
def test_in_whatever_order_the_pause_stands_while_one_holds_on(
    given_steps, make_alert, playbook, tmp_path_factory
):
    """No person interferes: it is paused if and only if an alert that is open wants it."""
    both = ("pause_rollout", "resume_rollout")
    holding, undone = set(), set()
    with open_store(tmp_path_factory.mktemp("s") / "s.db") as store:
        book = AlertBook(store)
        for step in given_steps:
            name = step[0] if step[1] == " " else step[-1]
            if step.endswith("fires"):
                act([make_alert(*both, name=name)], store, playbook=playbook)
                holding |= {name} - undone
            elif step.endswith("clears"):
                act([make_alert(*both, name=name, state="cleared")], store, playbook=playbook)
                holding -= {name}
                undone -= {name}
            elif step.startswith("undo") and (book.open()["rule"] == name).any():
                book.undo(name, "pause_rollout", who="Bob")
                holding -= {name}
                undone |= {name}
            elif step == "again":
                assert act([], store, playbook=playbook) == []
            assert store.rollout().paused == bool(holding), step
