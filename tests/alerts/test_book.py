"""The book: raised once, seen again, cleared; acknowledged and silenced."""

import multiprocessing
from datetime import timedelta

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from capstone_lib.alerts import AlertBook, evaluate_alerts
from capstone_lib.errors import AlertError, StoreError
from capstone_lib.store import open_store
from capstone_lib.store.alert_tables import alerts as table
from capstone_lib.store.engine import writing
from capstone_lib.store.measurement import Measurement


@pytest.fixture
def book(store):
    return AlertBook(store)


def test_an_alert_is_raised_once_seen_again_and_cleared(book, make_alert):
    def say(**more):
        return [one.what for one in book.record([make_alert("ticket", **more)], now=now)]

    now = "2016-02-01"
    assert say() == ["raised"]
    assert say() == ["seen again"]
    now = "2016-03-01"
    assert say(month=2) == ["seen again"]
    (row,) = book.open().to_dict("records")
    assert (row["raised_at"].month, row["seen_at"].month) == (2, 3)
    assert row["window_end"] == "2016-03-01T00:00:00"
    assert row["measurements"][0]["window_end"] == "2016-02-01T00:00:00"  # as it was raised
    assert row["definition"]["threshold"] == 100.0
    now = "2016-04-01"
    assert say(state="cleared") == ["cleared"]
    assert say(state="cleared") == []
    assert book.open().empty
    assert say() == ["raised"]
    history = book.history()
    assert history["alert_id"].nunique() == 1
    assert history["cleared_at"].isna().tolist() == [False, True]
    assert history["cleared_by"].iloc[0] == "capstone monitor"


@pytest.mark.parametrize("state", ["pending", "unknown", "cleared"])
def test_what_does_not_hold_leaves_no_trace(book, make_alert, state):
    assert book.record([make_alert("ticket", state=state)]) == []
    assert book.history().empty
    assert book.history()["raised_at"].dtype.kind == "M"


def test_what_is_silenced_is_written_down_and_not_acted_on(book, make_alert):
    book.record([make_alert("ticket", state="silenced")])
    assert len(book.open()) == 1
    assert book.actions() == []


def test_what_the_real_evaluation_finds_can_be_kept_and_read(book):
    drift = [
        Measurement("drift_is_large", 1.0, n=5000, feature="AGEP", model="m", version="1",
                    traffic="live", window_start="2016-01-01", window_end="2016-02-01"),
        Measurement("drift_effect", 0.4, float("nan"), n=5000, feature="AGEP", model="m",
                    version="1", traffic="live", window_start="2016-01-01",
                    window_end="2016-02-01", note="real: größer"),
    ]  # fmt: skip
    found = [one for one in evaluate_alerts(None, drift) if one.state == "firing"]
    assert found
    book.record(found)
    row = book.open().set_index("alert_id").loc[found[0].alert_id]
    assert row["message"] == found[0].message
    kept = [Measurement(**one) for one in row["measurements"]]
    assert [str(one) for one in kept] == [str(one) for one in found[0].measurements]


def test_two_open_lines_of_one_alert_cannot_be(book, store, make_alert):
    book.record([make_alert("ticket")])
    row = book.open().iloc[0]
    values = {name: "" for name, column in table.c.items() if column.nullable is False}
    values |= {"alert_id": row["alert_id"], "measurements": [], "definition": {}}
    del values["alert_key"]
    with pytest.raises(IntegrityError), writing(store.engine) as connection:
        connection.execute(insert(table).values(values))


def _record_often(url, alert, gate, times):
    with open_store(url) as store:
        book = AlertBook(store)
        gate.wait(30)
        for _ in range(times):
            book.record([alert])


def test_monitors_at_the_same_time_record_an_alert_once(url, store, make_alert):
    context = multiprocessing.get_context("spawn")
    gate, some = context.Barrier(3), []
    for _ in range(3):
        given = (url, make_alert("ticket"), gate, 20)
        some.append(context.Process(target=_record_often, args=given))
        some[-1].start()
    for one in some:
        one.join(60)
        assert one.exitcode == 0
    assert len(AlertBook(store).history()) == 1


def test_it_is_acknowledged_by_the_first_who_does(book, make_alert):
    book.record([make_alert("ticket")])
    book.acknowledge("slow", who=" Ada ", now="2016-02-01")
    book.acknowledge("slow-0", who="Bob", now="2016-02-02")
    row = book.open().iloc[0]
    assert (row["acknowledged_by"], row["acknowledged_at"].day) == ("Ada", 1)


def test_an_alert_is_found_by_what_it_is_called(book, make_alert):
    with pytest.raises(AlertError, match="there is none in this store"):
        book.acknowledge("slow", who="Ada")
    book.record([make_alert("ticket"), make_alert("ticket", name="slower")])
    with pytest.raises(AlertError, match=r"may be any of slow-.*, slower-.*write more"):
        book.acknowledge("slow", who="Ada")
    with pytest.raises(AlertError, match=r"no alert is called 'sl_w'; there are slow"):
        book.acknowledge("sl_w", who="Ada")  # _ is no wildcard
    with pytest.raises(AlertError, match="named by its alert_id"):
        book.acknowledge("", who="Ada")
    with pytest.raises(AlertError, match="say who it is"):
        book.acknowledge("slow-", who=" ")
    book.acknowledge("slow-", who="Ada")


def test_an_alert_can_be_closed_by_hand_and_comes_again(book, make_alert):
    book.record([make_alert("ticket")])
    book.clear("slow", who="Ada")
    book.clear("slow", who="Bob")
    assert book.history()["cleared_by"].tolist() == ["Ada"]
    assert [one.what for one in book.record([make_alert("ticket")])] == ["raised"]


def test_a_silence_holds_for_its_time_and_about_what_it_says(book):
    at = "2016-02-01T08:00"
    book.silence("slow", for_=timedelta(hours=2), who="Ada", why="load test", now=at)
    book.silence("slow", until="2016-03-01", feature="AGEP", who="Bob", why="known", now=at)
    of_all, of_one = book.silences(now=at)
    assert (of_all.until, of_all.feature, of_all.who) == ("2016-02-01T10:00:00", "", "Ada")
    assert (of_one.feature, of_one.why) == ("AGEP", "known")
    age, hours = (Measurement("latency_p99", 1.0, feature=one) for one in ("AGEP", "WKHP"))
    moment = "2016-02-01T09:00:00"
    assert of_all.hides("slow", hours, now=moment)
    assert of_one.hides("slow", age, now=moment)
    assert not of_one.hides("slow", hours, now=moment)
    assert book.silences(now="2016-02-01T10:00") == [of_one]
    assert book.end_silences("slow", now="2016-02-02") == 1
    assert book.silences(now="2016-02-02") == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "a silence has an end"),
        ({"until": "2016-03-01", "for_": timedelta(1)}, "one of until"),
        ({"until": "2016-01-01"}, "before it begins"),
        ({"for_": timedelta(0)}, "before it begins"),
        ({"until": "soon"}, "until must be a date"),
        ({"for_": timedelta(1), "why": " "}, "needs a reason"),
        ({"for_": timedelta(1), "who": ""}, "say who it is"),
    ],
)
def test_a_silence_without_end_or_reason_is_refused(book, wrong, said):
    with pytest.raises(AlertError, match=said):
        book.silence("slow", **{"who": "Ada", "why": "known", "now": "2016-02-01"} | wrong)
    assert book.silences(now="2015-01-01") == []


def test_a_folder_keeps_no_alerts(tmp_path):
    with open_store(tmp_path / "folder") as folder, pytest.raises(StoreError, match="a database"):
        AlertBook(folder)
