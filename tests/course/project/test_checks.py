"""The capstone's checks: a good workspace has all points; a spoiled file has its own message."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import capstone_lib as cap
from capstone_lib.course.project import RUBRIC, Project, check_capstone, open_project, rubric_frame
from capstone_lib.course.workspace import Workspace

Spoil = Callable[..., tuple[Path, Project]]
NAMES = [item.name for item in RUBRIC]


def contents(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def only(folder: Path, project: Project, *names: str) -> Any:
    found = check_capstone(folder, project, only=names)
    return found[names[0]] if len(names) == 1 else found


def test_the_rubric_has_a_hundred_points() -> None:
    frame = rubric_frame()
    assert frame["points"].sum() == 100
    assert frame.index.is_unique


def test_a_good_workspace_has_all_points_and_is_left_as_it_was(good_census: Any) -> None:
    folder, project, pipeline = good_census
    before = contents(folder)
    found = check_capstone(folder, project, pipeline=pipeline)
    assert {one.item: one.state for one in found} == dict.fromkeys(NAMES, "ok"), str(found)
    assert found.points == found.of == 100
    assert not any(one.do_next for one in found)
    assert contents(folder) == before
    assert found.to_frame()["points"].sum() == 100
    assert ">report</td>" in found._repr_html_()


@pytest.mark.parametrize("dataset", ["wine", pytest.param("flights", marks=pytest.mark.slow)])
def test_other_data_sets_have_all_points_too(
    dataset: str, make: Callable[..., Any], tmp_path: Path
) -> None:
    small = {} if dataset == "wine" else {"rows": 4_000, "n_windows": 2}
    project = open_project(dataset, **small)
    pipeline = make(project, tmp_path, model="linear")
    found = check_capstone(tmp_path, project, pipeline=pipeline)
    assert found.points == 100, str(found)


def test_an_empty_folder_is_not_attempted(census: Project, tmp_path: Path) -> None:
    found = check_capstone(tmp_path, census)
    assert {one.state for one in found} == {"not attempted"}
    assert found.points == 0
    assert "model.onnx is not there" in str(found["artifact"])


@pytest.mark.parametrize("item", RUBRIC, ids=NAMES)
def test_each_missing_file_is_named(item: Any, good_census: Any, tmp_path: Path) -> None:
    folder, project, _ = good_census
    for name in item.files:
        copy = tmp_path / name
        shutil.copytree(folder, copy)
        (copy / name).unlink()
        found = only(copy, project, item.name)
        assert (found.state, found.points) == ("not attempted", 0)
        assert f"{name} is not there" in found.seen
        assert name in found.do_next


@pytest.mark.parametrize("item", RUBRIC, ids=NAMES)
@pytest.mark.parametrize("kind", ["garbage", "empty", "folder", "link", "deep"])
def test_whatever_lies_there_costs_points_and_raises_nothing(
    item: Any, kind: str, good_census: Any, tmp_path: Path
) -> None:
    folder, project, _ = good_census
    name = item.files[-1]
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / name).unlink()
    if kind == "folder":
        (copy / name).mkdir()
    elif kind == "link":
        os.symlink(folder / name, copy / name)
    else:
        content = {"garbage": b"\x00\xff{", "empty": b"", "deep": b"[" * 100_000}[kind]
        (copy / name).write_bytes(content)
    found = only(copy, project, item.name)
    if kind == "link" and name == "endpoint.toml":
        return
    assert found.state == "not ok", (name, found)
    assert found.points < item.points
    assert found.do_next


def test_an_altered_artifact_is_no_artifact(spoiled: Spoil) -> None:
    folder, project = spoiled()
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(bytes(content))
    found = only(folder, project, "artifact")
    assert (found.state, found.points) == ("not ok", 0)


def test_another_model_is_found_out_wherever_it_was_not_used(
    spoiled: Spoil, census: Project
) -> None:
    folder, project = spoiled()
    census.export(census.fit("boosting"), folder / "model.onnx")
    found = check_capstone(folder, project)
    states = {one.item: one.state for one in found}
    assert states["artifact"] == "ok"
    for name in ("threshold", "predictions", "fairness", "drift", "report"):
        assert states[name] == "not ok", found[name]
    assert "are not the artifact's" in found["predictions"].seen
    assert "another artifact" in found["report"].seen


def test_a_model_that_learned_nothing_is_worth_half(tmp_path: Path, census: Project) -> None:
    train = census.parts.train
    y = train[census.target].sample(frac=1, random_state=0).to_numpy()
    pipeline = census.fit("linear").fit(train[census.features], y)
    census.export(pipeline, tmp_path / "model.onnx")
    found = only(tmp_path, census, "artifact")
    assert found.state == "not ok"
    assert "nobody needs it" in found.do_next


def test_a_bare_artifact_lacks_what_later_is_needed(tmp_path: Path, census: Project) -> None:
    train = census.parts.train[census.features]
    cap.export_model(census.fit("linear"), train, tmp_path / "model.onnx", name="m", version="1")
    found = only(tmp_path, census, "artifact")
    assert found.points == 5
    assert "X_calibration" in found.seen


def change_store(folder: Path, sql: str) -> None:
    with sqlite3.connect(folder / "store.db") as store:
        assert store.execute(sql).rowcount > 0
    store.close()


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE prediction_rows SET score = score * 0.5", "predictions are not the artifact's"),
        (
            "UPDATE prediction_rows SET decision = "
            "(SELECT max(decision) - prediction_rows.decision FROM prediction_rows)",
            "predictions are not the artifact's",
        ),
        ("DELETE FROM prediction_rows WHERE row_id % 7 = 0", "have no prediction"),
        ("UPDATE prediction_rows SET row_id = row_id + 5000000", "have no prediction"),
    ],
)
def test_predictions_that_somebody_touched(spoiled: Spoil, sql: str, said: str) -> None:
    folder, project = spoiled()
    change_store(folder, sql)
    found = only(folder, project, "predictions")
    assert found.state == "not ok"
    assert said in found.seen


def test_one_window_of_two_is_worth_half(spoiled: Spoil) -> None:
    folder, project = spoiled()
    (folder / "store.db").unlink()
    one, file = project.windows[0], project.write_inbox(folder / "inbox")[0]
    cap.score_batch(
        folder / "model.onnx", file, store=f"sqlite:///{folder}/store.db", as_of=one.as_of,
        show_progress=False,
    )  # fmt: skip
    found = only(folder, project, "predictions", "idempotent")
    assert (found["predictions"].state, found["predictions"].points) == ("not ok", 5)
    assert "nothing is scored as of" in found["idempotent"].seen


def test_part_of_a_window_is_not_idempotent(spoiled: Spoil) -> None:
    folder, project = spoiled()
    (folder / "store.db").unlink()
    for one in project.windows:
        rows = one.rows.head(100)
        cap.score_batch(
            folder / "model.onnx", rows, store=f"sqlite:///{folder}/store.db", as_of=one.as_of,
            show_progress=False,
        )  # fmt: skip
    found = only(folder, project, "idempotent")
    assert "leaves other predictions" in found.seen


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[endpoint]\nmodel = "other.onnx"', "other.onnx"),
        ('[endpoint]\nmodel = "/etc/passwd"', "in the folder of endpoint.toml"),
        ('[endpoint]\nmodel = "model.onnx"\nport = 1', "port means nothing"),
        ("[endpoint]\n", "no model is named"),
        ("serve it", "no TOML"),
    ],
)
def test_endpoints_that_do_not_start(spoiled: Spoil, text: str, said: str) -> None:
    folder, project = spoiled()
    (folder / "endpoint.toml").write_text(text, encoding="utf-8")
    found = only(folder, project, "endpoint")
    assert (found.state, found.points) == ("not ok", 0)
    assert said in found.seen


def test_an_endpoint_of_another_model_is_worth_half(spoiled: Spoil, census: Project) -> None:
    folder, project = spoiled()
    census.export(census.fit("boosting"), folder / "second.onnx")
    (folder / "endpoint.toml").write_text('[endpoint]\nmodel = "second.onnx"\n', encoding="utf-8")
    found = only(folder, project, "endpoint")
    assert found.points == 5
    assert "not those of model.onnx" in found.seen


def test_an_endpoint_whose_rollout_is_degraded_says_so(spoiled: Spoil) -> None:
    folder, project = spoiled()
    store = Workspace(folder).store()
    store.change_rollout(who="me", why="test", route="degraded")
    store.close()
    found = only(folder, project, "endpoint")
    assert found.state == "not ok"
    assert "rollout" in found.do_next


def nudge(document: Any) -> None:
    document["groups"][0]["accuracy"] += 0.01


def forget(document: Any) -> None:
    del document["gaps"][-1]


def drown(document: Any) -> None:
    document["windows"][0]["columns"]["AGEP"]["psi"] = 0.5


def other_model(document: Any) -> None:
    document["model"]["sha256"] = "0" * 64


@pytest.mark.parametrize(
    ("item", "file", "change", "said"),
    [
        ("fairness", "fairness", nudge, "accuracy"),
        ("fairness", "fairness", forget, "entries, computed again"),
        ("fairness", "fairness", other_model, "sha256"),
        ("fairness", "fairness", lambda d: d.pop("groups"), "lacks groups"),
        ("drift", "drift", drown, "AGEP: psi: 0.5"),
        ("drift", "drift", lambda d: d["windows"].pop(), "1 entries, computed again 2"),
        ("advice", "decision", lambda d: d.update(architecture="batch"), "leads to 'hybrid'"),
        ("advice", "decision", lambda d: d["case"].update(review_share=0.9), "the store says"),
        ("advice", "decision", lambda d: d["case"].update(staleness_h=-1), "0 or more"),
        ("decision", "decision", lambda d: d["own"].update(architecture="cloud"), "none of batch"),
        ("decision", "decision", lambda d: d["own"].update(because="it is good"), "3 words"),
        ("decision", "decision", lambda d: d["own"].pop("because"), "own lacks"),
        ("threshold", "threshold", lambda d: d["own"].update(threshold=0.9), "artifact decides at"),
        ("threshold", "threshold", lambda d: d["own"]["harm"].update(wrongly_no=50), "does harm"),
        ("threshold", "threshold", lambda d: d["own"]["harm"].update(wrongly_no=0), "above 0"),
        ("report", "report", other_model, "another artifact"),
        ("report", "report", lambda d: d.update(shape=99), "no report of shape"),
    ],
)
def test_claims_are_computed_again(
    spoiled: Spoil, item: str, file: str, change: Callable[[Any], None], said: str
) -> None:
    folder, project = spoiled(**{file: change})
    found = only(folder, project, item)
    assert found.state == "not ok"
    assert said in found.seen
    assert found.do_next


def test_what_is_null_was_not_attempted(spoiled: Spoil) -> None:
    folder, project = spoiled(
        decision=lambda d: d.update(own=None), threshold=lambda d: d.update(own=None)
    )
    found = only(folder, project, "decision", "threshold")
    assert {one.state for one in found} == {"not attempted"}


RULE = """
[[rule]]
name = "{name}"
measurement = "{measurement}"
feature = "{feature}"
comparison = "{comparison}"
threshold = {threshold}
owner = "me"
why = "It matters."
what_to_do = "Look."
"""


@pytest.mark.parametrize(
    ("rule", "states", "said"),
    [
        (
            {"measurement": "drift_alarms", "comparison": ">", "threshold": 1_000},
            ("not ok", "not ok", "not ok"),
            "it never fires",
        ),
        (
            {"measurement": "accuracy", "comparison": ">", "threshold": 0},
            ("not ok", "not ok", "not ok"),
            "never fires",
        ),
        (
            {"measurement": "psi", "feature": "*", "comparison": ">", "threshold": 0},
            ("not ok", "not ok", "not ok"),
            "never fires",
        ),
        (
            {"measurement": "accuracy_change", "comparison": "<", "threshold": -0.1},
            ("not ok", "ok", "ok"),
            "no false alarm",
        ),
    ],
)
def test_playbooks_are_tried(
    spoiled: Spoil, rule: dict[str, Any], states: tuple[str, ...], said: str
) -> None:
    folder, project = spoiled()
    text = RULE.format(**({"name": "mine", "feature": ""} | rule))
    (folder / "playbook.toml").write_text(text, encoding="utf-8")
    names = ("playbook_finds", "playbook_outcomes", "playbook_quiet")
    found = only(folder, project, *names)
    assert tuple(one.state for one in found) == states, str(found)
    assert said in found["playbook_quiet"].seen


def test_a_playbook_that_cries_wolf_is_told_by_its_rule(spoiled: Spoil) -> None:
    folder, project = spoiled()
    text = (folder / "playbook.toml").read_text("utf-8")
    wolf = RULE.format(
        name="wolf", measurement="psi", feature="SEX", comparison=">=", threshold=0.0001
    )
    (folder / "playbook.toml").write_text(text + wolf, encoding="utf-8")
    found = only(folder, project, "playbook_quiet")
    assert "wolf fires though nothing has happened" in found.seen


def test_a_page_that_reaches_for_the_network_is_worth_half(spoiled: Spoil) -> None:
    folder, project = spoiled()
    page = (folder / "report.html").read_text("utf-8")
    page = page.replace("</body>", '<img src="https://example.org/a.png"></body>')
    (folder / "report.html").write_text(page, encoding="utf-8")
    found = only(folder, project, "report")
    assert "network" in found.seen
    assert 0 < found.points < found.of


def test_an_unknown_item_is_refused(census: Project, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no item 'beauty'"):
        check_capstone(tmp_path, census, only=["beauty"])


def test_results_are_json(good_census: Any) -> None:
    folder, project, _ = good_census
    found = check_capstone(folder, project, only=["artifact", "decision"])
    rows = json.loads(json.dumps([vars(one) for one in found]))
    assert [row["item"] for row in rows] == ["artifact", "decision"]
