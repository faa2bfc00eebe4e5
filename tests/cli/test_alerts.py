"""`capstone alerts`: what a person sees of alerts, and answers."""

import json
from pathlib import Path

import pytest

from capstone_lib.alerts import AlertBook, act, evaluate_alerts, load_playbook
from capstone_lib.alerts.playbook import DEFAULT
from capstone_lib.cli import main
from capstone_lib.store import Store, open_store
from capstone_lib.store.measurement import Measurement

RULES = """
[[rule]]
name = "slow"
measurement = "latency_p99"
threshold = 100
severity = "critical"
actions = ["ticket", "pause_rollout"]
owner = "platform team"
why = "People wait."
what_to_do = "Look at the load."
"""


@pytest.fixture
def playbook(tmp_path: Path) -> Path:
    path = tmp_path / "playbook.toml"
    path.write_text(RULES)
    return path


@pytest.fixture
def store(tmp_path: Path, playbook: Path) -> Store:
    """One alert, which was acted on."""
    slow = Measurement(
        "latency_p99", 180, 170, 190, n=5000, unit="ms", traffic="live", model="work",
        version="1.0.0", window_start="2016-01-01", window_end="2016-02-01",
    )  # fmt: skip
    opened = open_store(tmp_path / "s.db")
    found = evaluate_alerts(playbook, [slow])
    act(found, opened, playbook=playbook, folder=tmp_path / "t", now="2016-02-01")
    return opened


@pytest.fixture
def say(store: Store, capsys: pytest.CaptureFixture[str]):
    def say(*words: str, status: int = 0) -> str:
        assert main(["alerts", "--store", store.url, *words]) == status
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return said.err if status else said.out

    yield say
    store.close()


def test_open_alerts_are_listed_and_those_that_are_over_on_demand(store, say):
    said = say("list")
    assert said.startswith("slow-")
    assert "critical, for platform team\n  slow (critical): latency_p99: 180 ms" in said
    assert "raised 2016-02-01 00:00 UTC" in said
    say("ack", "slow", "--who", "Ada")
    assert "Ada is at it" in say("list")
    say("clear", "slow", "--who", "Ada")
    assert say("list") == "no alert is open\n"
    assert "cleared" in say("list", "--all")
    (row,) = json.loads(say("list", "--all", "--json"))
    assert (row["rule"], row["cleared_by"], row["measurements"][0]["value"]) == ("slow", "Ada", 180)


def test_one_alert_is_shown_with_what_was_done(say):
    said = say("show", "slow")
    assert "Why: People wait." in said
    assert "pause_rollout: done: the rollout is paused (change 1)" in said
    row = json.loads(say("show", "slow", "--json"))
    assert [one["action"] for one in row["actions"]] == ["pause_rollout", "ticket"]
    assert "no alert is called 'fast'" in say("show", "fast", status=1)


def test_undo_says_what_it_did(store, say):
    said = say("undo", "slow", "pause_rollout", "--who", "Ada", "--why", "mended")
    assert said.startswith("slow: pause_rollout: undone: the rollout is paused (change 1); undone:")
    assert not store.rollout().paused
    assert store.rollout().why.startswith("mended; undo pause_rollout of alert slow-")
    assert "it has pause_rollout, ticket" in say("undo", "slow", "webhook", "--who", "A", status=1)


def test_silences_are_made_shown_and_ended(store, say):
    made = ("silence", "slow", "--who", "Ada", "--why", "load test")
    assert "slow is silenced until" in say(*made, "--for", "90m")
    say(*made, "--until", "2100-01-01", "--feature", "AGEP")
    said = say("list")
    assert "silenced: slow [AGEP] until 2100-01-01T00:00:00 by Ada: load test" in said
    assert len(AlertBook(store).silences()) == 2
    assert say("silence", "slow", "--end", "--who", "Ada") == "2 silences of slow ended\n"
    assert AlertBook(store).silences() == []


def test_tickets_are_listed_shown_and_closed(say, tmp_path):
    assert "   1  slow (critical)" in say("tickets")
    assert say("tickets", "--show", "1") == next((tmp_path / "t").iterdir()).read_text()
    say("tickets", "--close", "1", "--who", "Ada")
    assert say("tickets") == "no ticket is open\n"
    assert "closed by Ada" in say("tickets", "--all")
    assert json.loads(say("tickets", "--all", "--json"))[0]["closed_by"] == "Ada"
    assert "no ticket 9" in say("tickets", "--show", "9", status=1)


def test_the_commands_of_a_ticket_work_as_they_stand(store, say, capsys):
    import shlex

    body = AlertBook(store).tickets()["body"].iloc[0]
    lines = [line for line in body.splitlines() if line.startswith("capstone alerts")]
    assert len(lines) == 4
    for line in lines:
        assert main(shlex.split(line)[1:]) == 0, line
    capsys.readouterr()
    assert say("tickets") == "no ticket is open\n"
    assert not store.rollout().paused
    assert AlertBook(store).silences()[0].rule == "slow"


def test_rules_need_no_store(playbook, capsys):
    assert main(["alerts", "rules"]) == 0
    assert capsys.readouterr().out == DEFAULT.read_text()
    assert main(["alerts", "rules", "--check", str(playbook)]) == 0
    assert "nothing is wrong with it; rules: 1\n  slow " in capsys.readouterr().out
    assert main(["alerts", "rules", "--json"]) == 0
    names = [one["rule"] for one in json.loads(capsys.readouterr().out)]
    assert names == [rule.name for rule in load_playbook()]


def test_rules_are_exported_for_prometheus(playbook, tmp_path, capsys):
    wide = playbook.with_name("wide.toml")
    other = RULES.replace("slow", "drift").replace("latency_p99", "drift_alarms")
    wide.write_text(RULES + other)
    given = ["alerts", "rules", "--check", str(wide), "--prometheus", str(tmp_path / "prom")]
    assert main(given) == 0
    rules, tests, left_out = capsys.readouterr().out.splitlines()
    assert "alert: slow" in Path(rules).read_text()
    assert Path(tests).parent == tmp_path / "prom"
    assert left_out.startswith("left out: drift: ")


def test_a_wrong_playbook_is_refused_with_its_line(tmp_path, capsys):
    path = tmp_path / "p.toml"
    path.write_text(RULES.replace("latency_p99", "latency_p98"))
    assert main(["alerts", "rules", "--check", str(path)]) == 1
    said = capsys.readouterr().err
    assert "p.toml:4" in said
    assert "latency_p99" in said
    assert main(["alerts", "rules", "--check", str(tmp_path / "none.toml")]) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("silence", "slow", "--who", "Ada", "--why", "x"), "one of --for and --until"),
        (("silence", "slow", "--who", "Ada", "--for", "1d"), "--why"),
        (("silence", "slow", "--who", "Ada", "--why", "x", "--for", "soon"), "seen 'soon'"),
        (("ack", "slow"), "--who"),
        (("tickets", "--close", "1"), "--who"),
        (("tickets", "--close", "9" * 30, "--who", "Ada"), "not in the range"),
        (("silence", "slow", "--for", f"{10**11}w", "--who", "A", "--why", "x"), "longer than any"),
    ],
)
def test_wrong_arguments_are_status_2(say, wrong, said, monkeypatch):
    monkeypatch.delenv("CAPSTONE_WHO", raising=False)
    assert said in say(*wrong, status=2)


def test_without_a_store_or_in_a_folder_nothing_can_be_shown(tmp_path, capsys):
    assert main(["alerts", "list"]) == 2
    assert "needs a store" in capsys.readouterr().err
    (tmp_path / "folder").mkdir()
    assert main(["alerts", "--store", str(tmp_path / "folder"), "list"]) == 1
    assert "alerts need a database" in capsys.readouterr().err


def test_who_may_come_from_the_environment(store, say, monkeypatch):
    monkeypatch.setenv("CAPSTONE_WHO", "Eve")
    say("ack", "slow")
    assert AlertBook(store).open()["acknowledged_by"].tolist() == ["Eve"]
