"""A human audit: real people of the group concerned, in the real queue."""

import dataclasses

import pandas as pd
import pytest

import capstone_lib as cap
from capstone_lib.alerts import AlertBook, act
from capstone_lib.course.workspace import Workspace
from capstone_lib.review import ReviewQueue
from capstone_lib.store import open_store


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    space = Workspace(tmp_path_factory.mktemp("audit") / "work")
    space.provide("artifact", "inbox")
    return space


@pytest.fixture(scope="module")
def artifact(ws):
    return cap.load_model(ws.model)


@pytest.fixture
def source(ws):
    return ws.inbox / "2016-01.parquet"


@pytest.fixture
def scored(store, artifact, source):
    cap.score_batch(
        artifact, pd.read_parquet(source), store=store, as_of="2016-01-31", id="row_id",
        show_progress=False,
    )  # fmt: skip
    return store


@pytest.fixture
def unfair(make_alert, artifact):
    found = make_alert("human_audit", name="unfair", group="SEX=2", traffic="batch")
    return dataclasses.replace(found, model=artifact.name, version=artifact.version)


def test_the_queue_fills_once_with_people_of_the_group_and_others(
    scored, artifact, source, unfair, playbook
):
    arguments = {"playbook": playbook, "artifact": artifact, "source": source}
    (done,) = act([unfair], scored, **arguments)
    assert (done.state, done.error) == ("done", "")
    assert done.result == "100 cases of SEX=2 and of others are in the review queue"
    cases = ReviewQueue(scored).cases()
    sex = pd.read_parquet(source).astype({"row_id": str}).set_index("row_id")["SEX"]
    assert (sex.loc[cases["row_id"].astype(str)] == 2).sum() == 50
    assert len(cases) == 100
    assert set(cases["alert_id"]) == {unfair.alert_id}
    assert act([unfair], scored, **arguments) == []
    assert len(ReviewQueue(scored).cases()) == 100


def test_without_the_right_artifact_it_waits_for_one(scored, artifact, source, unfair, playbook):
    (failed,) = act([unfair], scored, playbook=playbook)
    assert (failed.state, failed.tries) == ("failed", 1)
    assert f"needs the artifact of {artifact.name} {artifact.version}" in failed.error
    (done,) = act([], scored, playbook=playbook, artifact=artifact, source=source)
    assert (done.state, done.tries) == ("done", 2)
    other = dataclasses.replace(unfair, version="0.0.1", alert_id="unfair-other")
    (failed,) = act([other], scored, playbook=playbook, artifact=artifact, source=source)
    assert "0.0.1" in failed.error
    assert act([], scored, playbook=playbook, artifact=artifact, source=source) == []
    assert AlertBook(scored).actions("unfair-other")[0].tries == 1  # it waits for its own monitor


def test_undo_takes_out_whom_nobody_has_judged(scored, artifact, source, unfair, playbook):
    act([unfair], scored, playbook=playbook, artifact=artifact, source=source)
    queue = ReviewQueue(scored, double_share=0.0)
    judged, held = queue.next("Ada"), queue.next("Bob")
    queue.decide(judged.case_id, reviewer="Ada", verdict="cannot say")
    undone = AlertBook(scored).undo("unfair", "human_audit", who="Eve")
    assert "98 cases that nobody had looked at are out" in undone.result
    assert set(queue.cases()["case_id"]) == {judged.case_id, held.case_id}
    again = {"playbook": playbook, "artifact": artifact, "source": source}
    assert act([unfair], scored, **again) == []


def test_no_answer_to_look_at_is_said(url, artifact, unfair, playbook):
    with open_store(url) as empty:
        (failed,) = act([unfair], empty, playbook=playbook, artifact=artifact)
    assert failed.state == "failed"
    assert "no answer" in failed.error
