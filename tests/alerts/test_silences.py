"""A silence, from a person's word to what is not done."""

from datetime import timedelta

import pytest

from capstone_lib.alerts import AlertBook, act, evaluate_alerts, load_playbook
from capstone_lib.store.measurement import Measurement

AT = "2016-02-01T08:00"
LATER = "2016-02-01T11:00"
GAP = Measurement(
    "false_positive_rate_lower_bound", 0.39, n=3000, feature="DIS", model="m", version="1",
    traffic="batch", window_start="2016-01-01", window_end="2016-02-01",
    note="false_positive_rate: DIS=2 over DIS=1",
)  # fmt: skip


@pytest.fixture
def look(store):
    """Evaluate and act, as ``capstone monitor`` does; the alert's state and what was tried."""

    def look(now):
        silences = AlertBook(store).silences(now=now)
        found = evaluate_alerts(None, [GAP], silences=silences, now=now)
        done = act(found, store, playbook=load_playbook(), now=now)
        (state,) = [one.state for one in found if one.rule.name == "unequal_errors"]
        return state, [one.action for one in done]

    return look


@pytest.mark.parametrize("about", [{}, {"feature": "DIS"}, {"group": "DIS=2"}])
def test_what_it_names_is_written_down_and_not_acted_on_until_it_ends(store, look, about):
    book = AlertBook(store)
    book.silence("unequal_errors", for_=timedelta(hours=2), who="Ada", why="known", now=AT, **about)
    assert look(AT) == ("silenced", [])
    assert len(book.open()) == 1
    assert look(LATER) == ("firing", ["human_audit"])
    assert len(book.open()) == 1


@pytest.mark.parametrize("about", [{"feature": "SEX"}, {"group": "DIS=1"}])
def test_what_it_does_not_name_is_acted_on(store, look, about):
    silence = {"for_": timedelta(hours=2), "who": "Ada", "why": "known", "now": AT}
    AlertBook(store).silence("unequal_errors", **silence, **about)
    AlertBook(store).silence("late_batch", **silence)
    assert look(AT) == ("firing", ["human_audit"])


def test_it_holds_what_was_still_to_do(store, look):
    """The audit has failed, for want of an artifact; a silence keeps it from being tried again."""
    assert look(AT) == ("firing", ["human_audit"])
    silence = {"for_": timedelta(hours=2), "who": "Ada", "why": "known", "now": AT}
    AlertBook(store).silence("unequal_errors", group="DIS=2", **silence)
    assert act([], store, playbook=None, now=AT) == []
    assert look(AT) == ("silenced", [])
    assert [one.action for one in act([], store, playbook=None, now=LATER)] == ["human_audit"]
