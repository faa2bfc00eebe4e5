import multiprocessing
import sqlite3
from contextlib import closing

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capstone_lib.errors import StoreError
from capstone_lib.store import Rollout, open_store
from capstone_lib.store.rollout import changed

WHO = {"who": "Ada", "why": "a trial"}

changes = st.fixed_dictionaries(
    {},
    optional={
        "route": st.sampled_from(["stable", "degraded"]),
        "canary_share": st.floats(0, 1),
        "paused": st.booleans(),
        "shadow": st.booleans(),
    },
).filter(len)


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store.db") as opened:
        yield opened


def test_nobody_has_changed_anything_at_first(store):
    assert store.rollout() == Rollout()
    assert store.rollout().key == 0
    assert store.rollout_history().empty
    assert store.rollout_history()["changed_at"].dtype.kind == "M"


def test_a_change_leaves_the_rest_and_is_recorded(store):
    store.change_rollout(canary_share=0.25, shadow=True, **WHO)
    now = store.change_rollout(paused=True, who=" rule drift ", why="PSI 0.3 ")

    assert store.rollout() == now
    assert (now.route, now.canary_share, now.paused, now.shadow) == ("stable", 0.25, True, True)
    assert now.effective_share == 0.0
    history = store.rollout_history()
    assert history["who"].tolist() == ["Ada", "rule drift"]
    assert history["why"].tolist() == ["a trial", "PSI 0.3"]
    assert history["paused"].tolist() == [False, True]
    assert history["rollout_key"].tolist() == [now.key - 1, now.key]
    assert history["changed_at"].iloc[-1] == pd.Timestamp(now.changed_at).tz_localize(None)


@given(st.lists(changes, max_size=6))
def test_changes_add_up_as_a_dictionary_would(asked):
    rollout, by_hand = Rollout(), dict(vars(Rollout()))
    for change in asked:
        rollout = changed(rollout, **change, **WHO)
        by_hand |= {**change, **WHO}

    assert vars(rollout) == by_hand
    assert rollout.effective_share == (0 if rollout.paused else rollout.canary_share)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"canary_share": 1.01}, "canary_share is 1.01; it must be a number from 0"),
        ({"canary_share": -0.1}, "from 0"),
        ({"canary_share": float("nan")}, "canary_share is nan"),
        ({"canary_share": True}, "canary_share is True"),
        ({"canary_share": "0.1"}, "canary_share is '0.1'"),
        ({"route": "canary"}, "must be 'stable' or 'degraded'"),
        ({"route": ""}, "route is ''"),
        ({"paused": 1}, "paused is 1; it must be True or False"),
        ({"shadow": "yes"}, "shadow is 'yes'"),
        ({"paused": True, "who": " "}, "who is ' '; every change .* a person or a rule"),
        ({"paused": True, "why": ""}, "why is ''; .* the reason"),
        ({"paused": True, "why": None}, "why is None"),
        ({}, "nothing is to be changed; give one of route"),
    ],
)
def test_a_wrong_change_is_refused_and_changes_nothing(store, change, message):
    before = store.change_rollout(canary_share=0.5, **WHO)

    with pytest.raises(ValueError, match=message):
        store.change_rollout(**(WHO | change))

    assert store.rollout() == before
    assert len(store.rollout_history()) == 1


def _add(path, name, times):
    """Change one thing each time; whoever starts from a stale row takes the others' back."""
    with open_store(path) as store:
        for k in range(times):
            store.change_rollout(who=name, why=str(k), **{name: k % 2 == 0})


def test_two_processes_at_once_lose_no_change(store, tmp_path):
    context = multiprocessing.get_context("spawn")
    others = [
        context.Process(target=_add, args=(tmp_path / "store.db", name, 41))
        for name in ("paused", "shadow")
    ]
    for process in others:
        process.start()
    for process in others:
        process.join(120)

    history = store.rollout_history()
    assert len(history) == 82
    assert (store.rollout().paused, store.rollout().shadow) == (True, True)
    for mine, theirs in (("paused", "shadow"), ("shadow", "paused")):
        kept = history[theirs].eq(history[theirs].shift(fill_value=False))
        assert kept[history["who"] == mine].all()
        own = history[history["who"] == mine]
        assert own["why"].tolist() == [str(k) for k in range(41)]
        assert own[mine].tolist() == [k % 2 == 0 for k in range(41)]


def test_a_person_may_change_it_with_sql(store, tmp_path):
    with closing(sqlite3.connect(tmp_path / "store.db")) as raw:
        raw.execute(
            "INSERT INTO rollout (changed_at, who, why, route, canary_share, paused, shadow) "
            "VALUES ('2026-01-01T00:00:00+00:00', 'Bo', 'by hand', 'degraded', 0, 0, 0)"
        )
        raw.commit()

    assert (store.rollout().route, store.rollout().who) == ("degraded", "Bo")


def test_it_is_shown_in_words(store):
    assert "as begun" in store.rollout()._repr_html_()
    store.change_rollout(canary_share=0.125, paused=True, who="<Ada>", why="a trial")

    html = store.rollout()._repr_html_()

    assert "12.5% (paused)" in html
    assert "&lt;Ada&gt;" in html


def test_a_folder_refuses(tmp_path):
    with open_store(tmp_path / "folder") as store:
        for work in (store.rollout, store.rollout_history, store.requests):
            with pytest.raises(StoreError, match="a folder and keeps batch results only"):
                work()
        with pytest.raises(StoreError, match="needs a database, such as 'sqlite:///"):
            store.change_rollout(paused=True, **WHO)
        with pytest.raises(StoreError, match="keeps batch results only"):
            store.write_requests([])
        with pytest.raises(StoreError, match="keeps batch results only"):
            store.register_served(name="m", version="1", artifact="a", snapshot="b")
        assert store.file is None
