"""Tickets: a row and a file that says all there is to know."""

import multiprocessing
from dataclasses import replace

import pytest

from capstone_lib.alerts import AlertBook, act
from capstone_lib.errors import AlertError
from capstone_lib.store import open_store


@pytest.fixture
def fire(store, playbook, make_alert):
    def fire(folder=None, *actions, **more):
        alert = make_alert(*(actions or ("ticket",)), **more)
        return act([alert], store, playbook=playbook, folder=folder)

    return fire


def test_the_file_names_all_that_its_owner_needs(store, fire, tmp_path, url):
    actions = ("ticket", "pause_rollout", "resume_rollout", "webhook")
    done = fire(tmp_path / "new" / "tickets", *actions, feature="AGEP", group="SEX=1")
    (path,) = (tmp_path / "new" / "tickets").iterdir()  # and no draft is left
    (said,) = [one for one in done if one.action == "ticket"]
    assert said.result == f"ticket 1 for platform team: {path}"
    text = path.read_text(encoding="utf-8")
    (row,) = AlertBook(store).tickets().to_dict("records")
    assert (row["body"], row["file"], row["owner"]) == (text, str(path), "platform team")
    for expected in (
        "# slow (critical): latency_p99",
        "- Model: `work 1.0.0`",
        "`latency_p99` of `AGEP`, `SEX=1`: **180 ms (170 to 190), n = 5,000**; "
        "window 2016-01-01 to 2016-02-01, live traffic",
        "Threshold: the value of `latency_p99` >= 100.",
        "## Why it matters\n\nPeople wait.",
        "## What to do\n\nLook at the load.",
        f"capstone alerts --store {url} ack slow-AGEPSEX=10123456789ab --who YOU",
        f"capstone alerts --store {url} silence slow --for 1d --who YOU --why REASON",
        "undo slow-AGEPSEX=10123456789ab pause_rollout --who YOU",
        "undo slow-AGEPSEX=10123456789ab ticket --who YOU",
    ):
        assert expected in text, expected


def test_names_of_columns_cannot_change_the_page(store, fire, tmp_path):
    fire(tmp_path / "t", feature="../`rm`\n# big", group="a|b]: *x*", alert_id="slow-1")
    (path,) = (tmp_path / "t").iterdir()
    assert path.parent == tmp_path / "t"
    text = path.read_text()
    assert "\n# big" not in text
    assert "`../'rm' # big`, `a|b]: *x*`: **180 ms" in text


def test_without_a_folder_it_stands_in_the_store(store, fire):
    (done,) = fire()
    assert done.result == "ticket 1 for platform team"
    assert AlertBook(store).tickets()["file"].tolist() == [""]


def test_a_file_that_is_not_ours_is_left_alone(store, fire, tmp_path):
    other = tmp_path / "t" / "ticket-0001-slow-0123456789ab.md"
    other.parent.mkdir()
    other.write_text("of another store")
    fire(tmp_path / "t")
    assert other.read_text() == "of another store"
    assert "slow" in (tmp_path / "t" / "ticket-0001-slow-0123456789ab-2.md").read_text()


def test_a_folder_that_cannot_be_fails_the_file_and_not_the_ticket(store, fire, tmp_path):
    (tmp_path / "t").write_text("a file")
    (failed,) = fire(tmp_path / "t")
    assert (failed.state, failed.tries) == ("failed", 1)
    assert "t" in failed.error
    assert len(AlertBook(store).tickets()) == 1
    (tmp_path / "t").unlink()
    (done,) = fire(tmp_path / "t")
    assert (done.state, done.tries, done.error) == ("done", 2, "")
    assert len(AlertBook(store).tickets()) == len(list((tmp_path / "t").iterdir())) == 1


def test_it_is_closed_once_and_its_file_says_so(store, fire, tmp_path):
    book = AlertBook(store)
    fire(tmp_path / "t")
    (path,) = (tmp_path / "t").iterdir()
    path.write_text(path.read_text() + "\nI am at it. Ada\n")
    book.close_ticket(1, who="Ada", now="2016-02-01T10:00")
    book.close_ticket(1, who="Bob")
    row = book.tickets().iloc[0]
    assert (row["closed_by"], str(row["closed_at"])) == ("Ada", "2016-02-01 10:00:00")
    end = "\nI am at it. Ada\n\nClosed by Ada at 2016-02-01T10:00:00 UTC.\n"
    assert path.read_text().endswith(end)
    with pytest.raises(AlertError, match="no ticket 7"):
        book.close_ticket(7, who="Ada")


def test_undoing_it_closes_it_even_if_the_file_is_gone(store, fire, tmp_path):
    book = AlertBook(store)
    fire(tmp_path / "t")
    (path,) = (tmp_path / "t").iterdir()
    path.unlink()
    assert book.undo("slow", "ticket", who="Ada").state == "undone"
    assert book.tickets()["closed_by"].tolist() == ["Ada"]
    assert not path.exists()
    assert fire(tmp_path / "t") == []


def test_an_alert_that_comes_again_has_a_ticket_of_its_own(store, fire, tmp_path):
    fire(tmp_path / "t")
    fire(tmp_path / "t", state="cleared")
    fire(tmp_path / "t")
    assert AlertBook(store).tickets()["ticket"].tolist() == [1, 2]
    assert len(list((tmp_path / "t").iterdir())) == 2


def _open_many(url, folder, alert, playbook, names, gate):
    with open_store(url) as store:
        gate.wait(30)
        for name in names:
            one = replace(alert, alert_id=name, rule=replace(alert.rule, name=name))
            act([one], store, playbook=playbook, folder=folder)


def test_monitors_at_the_same_time_open_one_ticket(url, store, make_alert, playbook, tmp_path):
    context = multiprocessing.get_context("spawn")
    gate, names = context.Barrier(3), [f"n{k}" for k in range(8)]
    given = (url, tmp_path / "t", make_alert("ticket"), playbook, names, gate)
    some = [context.Process(target=_open_many, args=given) for _ in range(3)]
    for one in some:
        one.start()
    for one in some:
        one.join(60)
        assert one.exitcode == 0
    assert len(AlertBook(store).tickets()) == len(list((tmp_path / "t").iterdir())) == len(names)
    done = AlertBook(store).actions()
    assert {(one.state, one.tries) for one in done} == {("done", 1)}
