"""`capstone monitor`, with the reference model, real rows and a real endpoint's own counts."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import capstone_lib as cap
from capstone_lib.cli import main
from capstone_lib.course.workspace import Workspace
from capstone_lib.store import open_store
from capstone_lib.store.alert_tables import alert_actions, alerts, tickets
from capstone_lib.store.engine import reading, writing
from capstone_lib.store.review_tables import cases
from capstone_lib.store.tables import measurements, rollout_rows

WINDOW = ("--from", "2016-01-01", "--to", "2016-02-01")


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    space = Workspace(tmp_path_factory.mktemp("monitor") / "work")
    space.provide("artifact", "inbox")
    people = pd.read_parquet(space.inbox / "2016-01.parquet")
    truth = cap.load_census().frame(2016).set_index("row_id")["employed"]
    with open_store(space.store_url) as store:
        cap.score_batch(
            cap.load_model(space.model), people, store=store, as_of="2016-01-31", id="row_id",
            show_progress=False,
        )  # fmt: skip
        known = people.assign(employed=truth.loc[people["row_id"]].to_numpy())
        store.record_outcomes(known[:3000], outcome="employed", observed_at="2016-03-01")
    return space


def ask(ws: Workspace, *more: object) -> list[str]:
    return ["monitor", str(ws.model), "--store", ws.store_url, *WINDOW, *map(str, more)]


def test_a_month_is_measured_printed_and_kept(ws: Workspace) -> None:
    source = ws.inbox / "2016-01.parquet"
    given = ask(ws, "--source", source, "--sensitive", "SEX", "--sensitive", "AGEP:25,45,65")
    done = subprocess.run(
        [sys.executable, "-m", "capstone_lib", *given], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (3, "")
    assert "from 2016-01-01T00:00:00 to 2016-02-01T00:00:00" in done.stdout
    expected = ("auc", "review_share", "equalized_odds_lower_bound [AGEP]", "staleness_max")
    alerts = ("firing, new     unequal_errors (critical)", "cases of AGEP=")
    for said in (*expected, "drift_alarms", "estimated_accuracy", "answered no request", *alerts):
        assert said in done.stdout, said
    with open_store(ws.store_url) as store:
        kept = store.measurements(model="employment")
    assert f"{len(kept):,} measurements kept" in done.stdout
    auc = kept[kept["name"] == "auc"].iloc[0]
    assert 0.82 < auc["low"] < auc["value"] < auc["high"] < 0.88
    assert auc["n"] == 3000
    assert set(kept[kept["feature"] == "AGEP"]["group"]) >= {"AGEP=below 25", "AGEP=from 65"}


def test_json_holds_every_measurement_and_no_nan(
    ws: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(ask(ws, "--source", ws.inbox / "2016-01.parquet", "--json")) == 3
    text = capsys.readouterr().out
    said = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    found = said["measurements"]
    assert (said["model"], said["window"][1]) == ("employment", "2016-02-01T00:00:00")
    assert (said["kept"], said["dry_run"]) == (len(found), False)
    states = {(one["rule"]["name"], one["state"]) for one in said["alerts"]}
    assert {("unequal_errors", "firing"), ("slow_answers", "unknown")} <= states
    with open_store(ws.store_url) as store:
        assert len(store.measurements(since="2016-01-01", until="2016-02-01")) == len(found)
    missing = [one for one in found if one["value"] is None and one["name"] == "latency_p99"]
    assert "no request in this window" in missing[0]["note"]
    effects = [one["feature"] for one in found if one["name"] == "drift_effect"]
    assert {"AGEP", "ANC", "score", "label"} <= set(effects)
    changes = {one["group"] for one in found if one["name"] == "false_positive_rate_change"}
    assert changes >= {"SEX=1", "SEX=2", "DIS=1", "AGEP=below 25", "AGEP=25 to below 35"}


def test_live_requests_with_what_the_endpoint_counted(
    ws: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = cap.load_model(ws.model)
    people = pd.read_parquet(ws.inbox / "2016-01.parquet")[:40]

    def save(name: str) -> Path:
        with urllib.request.urlopen(f"{endpoint.url}/metrics", timeout=10) as answer:
            (tmp_path / name).write_bytes(answer.read())
        return tmp_path / name

    with cap.serve(artifact, store=ws.store_url) as endpoint:
        endpoint.predict({"AGEP": 40, **_features(people.iloc[0], artifact)}, id="first")
        before = save("before.txt")
        for _, row in people.iterrows():
            endpoint.predict(_features(row, artifact), id=str(row["row_id"]))
        after = save("after.txt")
    arguments = ["monitor", str(ws.model), "--store", ws.store_url, "--metrics", str(after)]
    arguments += ["--source", str(ws.inbox / "2016-01.parquet"), "--replayed", "--json"]
    assert main([*arguments, "--metrics-before", str(before), "--no-alerts"]) == 0
    live = {
        (one["name"], one["group"]): one
        for one in json.loads(capsys.readouterr().out)["measurements"]
        if one["traffic"] == "live"
    }
    assert live["rows", ""]["value"] == 41
    assert live["requests_asked", ""]["value"] == 40
    assert live["shed_rate", ""]["value"] == 0
    assert live["accuracy", ""]["n"] == 40
    assert live["latency_p50", ""]["value"] > 0


def _features(row: "pd.Series", artifact: cap.Artifact) -> dict[str, int]:
    return {name: int(row[name]) for name in artifact.schema.names if not np.isnan(row[name])}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--from", "2016-02-01", "--to", "2016-01-01"], "before it begins"),
        (["--from", "soon"], "must be a date or a time"),
        (["--sensitive", "AGEP:young"], "a column with cuts, such as AGEP:25,45,65"),
        (["--sensitive", "AGEP:25,nan"], "a column with cuts, such as AGEP:25,45,65"),
        (["--metrics-before", "README"], "--metrics-before"),
        (["--source", "missing.parquet"], "does not exist"),
        (["--no-alerts", "--playbook", "README"], "--no-alerts leaves nothing"),
    ],
)
def test_wrong_arguments_are_status_2(
    ws: Workspace,
    wrong: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    (tmp_path / "README").write_text("?")
    wrong = [str(tmp_path / "README") if word == "README" else word for word in wrong]
    given = ["monitor", str(ws.model), "--store", ws.store_url, *wrong]
    assert main(given) == 2
    assert message in capsys.readouterr().err


def test_what_cannot_be_done_is_status_1_in_one_line(
    ws: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = ws.inbox / "2016-01.parquet"
    (tmp_path / "no.txt").write_text("<html>")
    (tmp_path / "wrong.toml").write_text("[[rule]]\nname = 7\n")
    for given in (
        ["monitor", str(tmp_path / "missing.onnx"), "--store", ws.store_url],
        ["monitor", str(ws.model), "--store", f"{tmp_path}/folder"],
        ask(ws, "--source", people, "--sensitive", "RACE"),
        ask(ws, "--metrics", tmp_path / "no.txt"),
        ask(ws, "--playbook", tmp_path / "wrong.toml"),
    ):
        assert main(given) == 1
        said = capsys.readouterr().err
        assert said.startswith("capstone: ")
        assert "Traceback" not in said


RULE = """
[[rule]]
name = "{name}"
measurement = "review_share"
threshold = {threshold}
actions = {actions}
owner = "review team"
why = "A test."
what_to_do = "Nothing."
"""


@pytest.fixture
def own(ws: Workspace, tmp_path: Path) -> Workspace:
    """A copy, in which no alert was raised yet."""
    space = Workspace(tmp_path / "own")
    with open_store(ws.store_url) as store, open_store(space.store_url) as copy:
        raw, new = store.engine.raw_connection(), copy.engine.raw_connection()
        raw.driver_connection.backup(new.driver_connection)
        raw.close(), new.close()
    with open_store(space.store_url) as store, writing(store.engine) as connection:
        for table in (alert_actions, tickets, alerts, cases, measurements):
            connection.execute(table.delete())
    shutil.copy(ws.model, space.model)
    space.inbox.mkdir(exist_ok=True)
    shutil.copy(ws.inbox / "2016-01.parquet", space.inbox)
    return space


def _playbook(path: Path, *, head: str = "", threshold: float = 0.01, **rules: list[str]) -> Path:
    text = [RULE.format(name=name, threshold=threshold, actions=rules[name]) for name in rules]
    path.write_text(head + "".join(text))
    return path


def _rows(ws: Workspace) -> list[int]:
    watched = (alerts, alert_actions, tickets, cases, measurements, rollout_rows)
    with open_store(ws.store_url) as store, reading(store.engine) as connection:
        return [len(connection.execute(table.select()).all()) for table in watched]


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(
    own: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ask(own, "--source", own.inbox / "2016-01.parquet", "--tickets", tmp_path / "t")
    rules = _playbook(tmp_path / "p.toml", much=["ticket", "pause_rollout", "human_audit"])
    assert _rows(own) == [0] * 6
    assert main([*given, "--playbook", str(rules), "--dry-run"]) == 3
    said = capsys.readouterr().out
    assert _rows(own) == [0] * 6
    assert not (tmp_path / "t").exists()
    assert "measurements, none kept" in said
    assert "what would be done\n  pause_rollout   much: the rollout is paused (change 1)" in said
    assert "up to 50 cases for the review queue" in said
    assert main([*given, "--playbook", str(rules)]) == 3
    assert capsys.readouterr().out.partition("\nalerts")[2].startswith("\n  firing, new     much")
    after = _rows(own)
    assert after == [1, 3, 1, 50, after[4], 1]
    assert len(list((tmp_path / "t").iterdir())) == 1
    assert main([*given, "--playbook", str(rules)]) == 3
    assert "what was done\n  nothing new" in capsys.readouterr().out
    again = _rows(own)
    assert [*again[:4], again[5]] == [*after[:4], after[5]]


def test_what_reviewers_do_is_measured_once_there_are_cases(own: Workspace) -> None:
    def names() -> set[str]:
        assert main(ask(own, "--no-alerts")) == 0
        with open_store(own.store_url) as store:
            return {name for name in store.measurements()["name"] if name.startswith("review_")}

    assert "review_backlog" not in names()
    with open_store(own.store_url) as store:
        queue = cap.ReviewQueue(store)
        people = pd.read_parquet(own.inbox / "2016-01.parquet")
        queue.fill_uncertain(artifact=cap.load_model(own.model), source=people, n=5)
    assert {"review_backlog", "review_oldest", "review_kappa"} <= names()


def test_no_alerts_measures_and_leaves_it_at_that(
    own: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(ask(own, "--no-alerts")) == 0
    assert _rows(own)[:3] == [0] * 3
    assert "what was done" not in capsys.readouterr().out


def test_a_running_endpoint_follows(own: Workspace, tmp_path: Path) -> None:
    artifact = cap.load_model(own.model)
    people = pd.read_parquet(own.inbox / "2016-01.parquet")
    rules = _playbook(tmp_path / "p.toml", much=["degrade_route"])
    with cap.serve(artifact, store=own.store_url, fallback=artifact) as endpoint:
        row = _features(people.iloc[0], artifact)
        assert endpoint.predict(row)["route"] == "stable"
        assert main(ask(own, "--playbook", rules)) == 3
        deadline = time.monotonic() + 30
        while endpoint.predict(row)["route"] != "degraded":
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_an_action_that_fails_is_told_and_is_status_1_if_nothing_fires(
    own: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as nobody:  # bound, and nobody listens
        nobody.bind(("127.0.0.1", 0))
        head = f'[webhook]\nurl = "http://127.0.0.1:{nobody.getsockname()[1]}/SECRET"\ntries = 1\n'
        rules = _playbook(tmp_path / "p.toml", head=head, much=["webhook"])
        assert main(ask(own, "--playbook", rules)) == 3
        first = capsys.readouterr()
        assert "capstone: webhook for much failed, and the next run tries again" in first.err
        assert "SECRET" not in first.err + first.out
        rules = _playbook(tmp_path / "p.toml", head=head, threshold=0.9, much=["webhook"])
        assert main(ask(own, "--playbook", rules)) == 1
