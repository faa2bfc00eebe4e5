"""Asking for more replicas."""

import pytest

from capstone_lib.alerts import AlertBook, act, replicas_wanted
from capstone_lib.errors import StoreError
from capstone_lib.store import open_store
from capstone_lib.store.alert_tables import scale_requests
from capstone_lib.store.engine import reading


@pytest.fixture
def fire(store, playbook, make_alert):
    def fire(name):
        (done,) = act([make_alert("scale_up", name=name)], store, playbook=playbook)
        return done.result

    return fire


def requests(store):
    with reading(store.engine) as connection:
        return connection.execute(scale_requests.select()).all()


def test_nobody_has_asked_at_first(store):
    assert replicas_wanted(store) == 1


def test_each_alert_asks_for_one_more_up_to_the_most(store, fire):
    assert fire("a") == "2 replicas are wanted, after 1 (at most 3)"
    assert fire("b") == "3 replicas are wanted, after 2 (at most 3)"
    assert fire("c") == "3 replicas are wanted already, and 3 is the most"
    assert replicas_wanted(store) == 3
    assert len(requests(store)) == 2
    last = requests(store)[-1]
    assert last.who == "capstone monitor: b"
    assert "b-0123456789ab" in last.why


def test_undo_wants_as_many_as_before_unless_somebody_asked_since(store, fire):
    book = AlertBook(store)
    fire("a"), fire("b"), fire("c")
    assert "somebody has asked anew since: 3 by" in book.undo("a", "scale_up", who="Bob").result
    assert "had asked for no more" in book.undo("c", "scale_up", who="Bob").result
    assert replicas_wanted(store) == 3
    assert "2 replicas are wanted, as before" in book.undo("b", "scale_up", who="Bob").result
    assert replicas_wanted(store) == 2
    assert requests(store)[-1].who == "Bob"


def test_a_folder_has_nobody_to_ask(tmp_path):
    with open_store(tmp_path / "folder") as folder, pytest.raises(StoreError, match="a database"):
        replicas_wanted(folder)
