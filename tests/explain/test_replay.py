"""An audit a year later: explanations done again from the log of a real endpoint."""

import json
import sqlite3

import pytest

import capstone_lib as cap
from capstone_lib.cli import main
from capstone_lib.errors import ArtifactError, StoreError
from capstone_lib.explain.replay import logged_answers, replay

ROWS = [
    {"age": 71, "pay": 12.7, "job": "cook", "flag": False},
    {"age": 30, "pay": None, "job": "king", "flag": True},
    {"age": 120, "pay": 1e-7, "job": "somebody else", "flag": True},
]


@pytest.fixture(scope="module")
def logged(artifact, three, other, folder):
    """A store in which four endpoints have answered."""
    url = f"sqlite:///{folder / 'audit.db'}"
    with cap.serve(artifact, store=url) as endpoint:
        for k, row in enumerate(ROWS):
            endpoint.predict(row, id=f"why-{k}", explain=True)
        endpoint.predict(ROWS[0], id="plain")
        endpoint.predict(ROWS[0], id="twice")
        endpoint.predict(ROWS[1], id="17", explain=True)
    with cap.serve(other, store=url) as endpoint:
        endpoint.predict(ROWS[1], id="twice", explain=True)
    with cap.serve(three, store=url) as endpoint:
        endpoint.predict(ROWS[1], id="three", explain=True)
    with cap.open_store(url) as store:
        store.change_rollout(who="a test", why="no model", route="degraded")
    with cap.serve(artifact, store=url) as endpoint:
        endpoint.predict(ROWS[1], id="constant", explain=True)
    return url


def again(url, case, artifact):
    with cap.open_store(url) as store:
        return replay(logged_answers(store, case)[-1], artifact)


@pytest.mark.parametrize("case", ["why-0", "why-1", "why-2", "17", 17])
def test_every_bit_is_as_it_was_logged(logged, artifact, case):
    done = again(logged, case, cap.load_model(artifact.path))
    assert done.differences == ()
    assert done.status == "identical"
    assert done.to_dict()["explanation"] == done.answer.explanation


def test_three_classes_too(logged, three):
    done = again(logged, "three", three)
    assert done.status == "identical"
    assert done.explanation.label == done.answer.label


def test_what_was_not_asked_then_can_be_explained_now(logged, artifact):
    done = again(logged, "plain", artifact)
    assert done.status == "new"
    assert done.explanation.effects == again(logged, "why-0", artifact).explanation.effects


def test_another_artifact_is_told(logged, other):
    done = again(logged, "why-0", other)
    assert done.status == "differs"
    assert done.differences[0].startswith("artifact: the answer came from work 1.0.0")
    assert any(line.startswith("score: was ") for line in done.differences)
    assert any(line.startswith("background: was ") for line in done.differences)


def test_a_log_that_was_touched_is_told(logged, artifact, tmp_path):
    copy = tmp_path / "copy.db"
    with (
        sqlite3.connect(logged.removeprefix("sqlite:///")) as source,
        sqlite3.connect(copy) as target,
    ):
        source.backup(target)
        text = "SELECT explanation FROM request_rows WHERE row_id = 'why-0'"
        kept = json.loads(target.execute(text).fetchone()[0])
        kept["reasons"][1]["effect"] = float.fromhex((kept["reasons"][1]["effect"]).hex()) * (
            1 + 2**-52
        )
        change = "UPDATE request_rows SET explanation = ? WHERE row_id = 'why-0'"
        target.execute(change, [json.dumps(kept)])
    source.close()
    target.close()
    done = again(f"sqlite:///{copy}", "why-0", artifact)
    assert len(done.differences) == 1
    assert done.differences[0].startswith("reasons[1].effect: was ")


def test_what_cannot_be_done_again_says_why(logged, artifact):
    with pytest.raises(ArtifactError, match="came from no model"):
        again(logged, "constant", artifact)
    with cap.open_store(logged) as store:
        (answer,) = logged_answers(store, "why-0")
    from dataclasses import replace

    later = replace(answer, explanation={**answer.explanation, "version": 2})
    with pytest.raises(ArtifactError, match="version 2; this capstone-lib has"):
        replay(later, artifact)
    with pytest.raises(StoreError, match="no value of age"):
        replay(replace(answer, features={"job": "cook"}), artifact)
    with pytest.raises(ArtifactError, match="does not fit work"):
        replay(replace(answer, features={**answer.features, "age": "old"}), artifact)


def test_a_folder_keeps_no_log(artifact, tmp_path):
    with (
        cap.open_store(tmp_path / "runs/") as store,
        pytest.raises(StoreError, match="a database"),
    ):
        logged_answers(store, "x")


def run(capsys, *arguments):
    status = main(["explain", *map(str, arguments)])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_the_command_says_identical(logged, artifact, capsys):
    given = ["--store", logged, "--model", artifact.path]
    status, out, _ = run(capsys, "why-0", *given)
    assert status == 0
    assert "identical: every bit" in out
    assert "Age 71 " in out
    status, out, _ = run(capsys, "plain", *given)
    assert (status, "new: no explanation was asked for" in out) == (0, True)
    status, out, _ = run(capsys, "why-1", *given, "--json")
    assert status == 0
    told = json.loads(out)
    assert told["status"] == "identical"
    assert told["explanation"] == told["answer"]["explanation"]


def test_the_command_fails_where_something_differs_or_cannot_be_done(
    logged, artifact, other, capsys
):
    status, out, _ = run(capsys, "why-0", "--store", logged, "--model", other.path)
    assert status == 3
    assert "differs:\n  artifact: the answer came from work" in out
    given = ["--store", logged, "--model", artifact.path]
    status, _, err = run(capsys, "nobody", *given)
    assert (status, "none at all" in err) == (1, True)
    status, _, err = run(capsys, "constant", *given)
    assert (status, "came from no model" in err) == (1, True)
    assert run(capsys, *given)[0] == 2
    assert run(capsys, "why-0", *given, "--run", "x")[0] == 2


def test_of_several_answers_one_is_chosen(logged, artifact, other, capsys):
    status, out, _ = run(capsys, "twice", "--store", logged, "--model", other.path)
    assert status == 0
    assert "identical" in out
    assert "other answers for this id (--answer KEY):" in out
    with cap.open_store(logged) as store:
        first = logged_answers(store, "twice")[0].key
    given = ["twice", "--store", logged, "--model", artifact.path]
    assert run(capsys, *given, "--answer", first)[0] == 0
    status, _, err = run(capsys, *given, "--answer", 999)
    assert status == 1
    assert f"answer {first}: " in err
