"""The capstone through papermill: each data set, and a student who has answered everything."""

import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest

from capstone_lib.course import exercises
from capstone_lib.course.catalogue import list_notebooks, notebooks_folder, select
from capstone_lib.course.exercise import Exercise
from capstone_lib.course.project import check_capstone, open_project
from capstone_lib.course.runner import run_notebooks

NOTEBOOK = select(list_notebooks(notebooks_folder()), ["08"])[0]
LEFT = {
    "decision.json", "drift.json", "endpoint.toml", "fairness.json", "inbox", "model.onnx",
    "playbook.toml", "project.json", "report.html", "report.json", "store.db", "threshold.json",
}  # fmt: skip


def answered(folder: Path) -> Path:
    """The notebook with the solution in the place of each starter."""
    folder.mkdir(parents=True)
    node = nbformat.read(NOTEBOOK.path, as_version=4)
    for exercise in exercises.for_notebook("08").values():
        cell = next(one for one in node.cells if f".{name_of(exercise)}.check(" in one.source)
        lines = cell.source.splitlines()
        kept = [line for line in lines if not line.partition("  #")[0].endswith("= ...")]
        cell.source = "\n".join([exercise.answer, *kept])
    nbformat.write(node, folder / NOTEBOOK.path.name)
    return folder


def name_of(exercise: Exercise) -> str:
    return next(name for name, one in exercises.registry().items() if one is exercise)


def run(workspace: Path, folder: Path | None = None, **parameters: Any) -> Any:
    report = run_notebooks(["08"], parameters=parameters, workspace=workspace, folder=folder)
    (result,) = report.notebooks
    assert result.status == "passed", result.error
    assert {one.name for one in (workspace / "capstone").iterdir()} == LEFT
    settings = json.loads((workspace / "capstone" / "project.json").read_text("utf-8"))
    return check_capstone(workspace / "capstone", open_project(**settings))


@pytest.mark.parametrize(
    ("dataset", "model"),
    [
        ("wine", "linear"),
        pytest.param("census", "boosting", marks=pytest.mark.slow),
        pytest.param("flights", "forest", marks=pytest.mark.slow),
    ],
)
def test_untouched_it_runs_and_what_is_not_answered_is_not_attempted(
    tmp_path: Path, dataset: str, model: str
) -> None:
    found = run(tmp_path / "work", dataset=dataset, model=model)
    states = {one.item: one.state for one in found}
    open_ = {name for name, state in states.items() if state != "ok"}
    assert open_ == {"threshold", "playbook_outcomes", "decision"}, str(found)
    assert found.points == 70


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["wine", "census", "flights"])
def test_answered_it_has_all_points_and_a_second_run_changes_nothing(
    tmp_path: Path, dataset: str
) -> None:
    folder = answered(tmp_path / "notebooks")
    small = {"rows": 6_000, "model": "linear", "dataset": dataset}
    found = run(tmp_path / "work", folder, **small)
    assert found.points == 100, str(found)
    again = run(tmp_path / "work", folder, **small)
    assert [one.points for one in again] == [one.points for one in found]


@pytest.mark.slow
def test_a_file_of_ones_own(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    n = 3_000
    day = np.datetime64("2025-01-01") + np.sort(draw.integers(0, 300, n)).astype("timedelta64[D]")
    income = draw.normal(30, 8, n).round(1)
    frame = pd.DataFrame(
        {
            "asked": day.astype(str),
            "income": income,
            "town": draw.choice(["north", "south"], n),
            "paid": np.where(draw.random(n) < 1 / (1 + np.exp(-(income - 30) / 4)), "yes", "no"),
        }
    )
    frame.to_csv(tmp_path / "loans.csv", index=False)
    parameters = {"target": "paid", "time_column": "asked", "sensitive": "town"}
    found = run(tmp_path / "a", dataset=str(tmp_path / "loans.csv"), **parameters)
    assert found.points >= 65, str(found)
    shutil.rmtree(tmp_path / "a")
    bare = frame[["income", "paid"]]
    bare.to_parquet(tmp_path / "bare.parquet")
    found = run(
        tmp_path / "a", dataset=str(tmp_path / "bare.parquet"), target="paid", model="linear"
    )
    assert found["fairness"].state == "ok"
    assert "nobody to compare" in found["fairness"].seen


def test_a_file_that_cannot_be_used_stops_it_with_the_columns_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n" + "1,2\n2,1\n" * 100, encoding="utf-8")
    parameters = {"dataset": str(tmp_path / "a.csv"), "target": "z"}
    report = run_notebooks(["08"], parameters=parameters, workspace=tmp_path / "work")
    (result,) = report.notebooks
    assert result.status == "failed"
    assert "no column 'z', named as target" in str(result.error)
