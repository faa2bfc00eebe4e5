"""A good workspace, made as notebook 08 makes it, by a student who has answered everything."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import capstone_lib as cap
from capstone_lib.course.project import Project, claims, open_project
from capstone_lib.course.project.price import price_of
from capstone_lib.course.project.rules import playbook_text
from capstone_lib.course.workspace import Workspace
from capstone_lib.decide import UseCase, advise
from capstone_lib.serving.definition import EndpointDefinition

OWN_RULE = """
[[rule]]
name = "outcomes_changed"
measurement = "accuracy_change"
comparison = "<"
use = "high"
threshold = -0.05
owner = "model owner"
why = "The model is wrong more often than when it was admitted."
what_to_do = "If no column drifts, the world has changed: train again."
"""
BECAUSE = (
    "Four of five cases are known ahead, and a nightly score of 25 hours is fresh enough for all "
    "of them."
)
SMALL: dict[str, dict[str, Any]] = {
    "census": {"rows": 4_000, "n_windows": 2},
    "flights": {"rows": 4_000, "n_windows": 2},
    "wine": {},
}


def make_workspace(project: Project, folder: Path, *, model: str) -> Any:
    """Everything that the notebook leaves; returns the pipeline."""
    ws = Workspace(folder)
    pipeline = project.fit(model)
    mistakes = project.mistakes(pipeline)
    harm = dict(zip(mistakes.columns, (2.0, 1.0), strict=True))
    threshold = price_of(mistakes, harm, 0.5).best
    claims.write_claim(ws.path / "threshold.json", claims.threshold_claim(harm, threshold))
    artifact = project.export(pipeline, ws.model, threshold=threshold)
    store = ws.store()
    for file, one in zip(project.write_inbox(ws.inbox), project.windows, strict=True):
        cap.score_batch(artifact, file, store=store, as_of=one.as_of, show_progress=False)
    definition = EndpointDefinition(ws.path, model="model.onnx", store="store.db")
    (ws.path / "endpoint.toml").write_text(definition.to_toml(), encoding="utf-8")
    audit = claims.audit_project(project, artifact)
    claims.write_claim(ws.path / "fairness.json", claims.fairness_claim(artifact, audit))
    reports = claims.drift_of(project, artifact)
    claims.write_claim(ws.path / "drift.json", claims.drift_claim(artifact, reports))
    ws.playbook.write_text(playbook_text(project, OWN_RULE), encoding="utf-8")
    scored = pd.concat([store.predictions(as_of=one.as_of) for one in project.windows])
    case = UseCase("x", 60, 48, known_ahead=0.8, review_share=float(scored["review"].mean()))
    advice = advise(case)
    own = claims.decision_claim(advice, advice.architecture, BECAUSE, "staleness_h")
    claims.write_claim(ws.path / "decision.json", own)
    pages = {"html": ws.report_html, "json": ws.report_json}
    cap.write_report(artifact, store, decision=advice, **pages)
    store.close()
    return pipeline


@pytest.fixture(scope="session")
def wine() -> Project:
    return open_project("wine")


@pytest.fixture(scope="session")
def census() -> Project:
    return open_project("census", **SMALL["census"])


@pytest.fixture(scope="session")
def good_census(
    census: Project, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Project, Any]:
    folder = tmp_path_factory.mktemp("census")
    return folder, census, make_workspace(census, folder, model="linear")


@pytest.fixture
def spoiled(
    good_census: tuple[Path, Project, Any], tmp_path: Path
) -> Callable[..., tuple[Path, Project]]:
    """A copy of the good workspace, to be spoiled; JSON files by a function of their content."""

    def spoil(**changes: Any) -> tuple[Path, Project]:
        folder, project, _ = good_census
        copy = tmp_path / "copy"
        shutil.copytree(folder, copy)
        for name, change in changes.items():
            path = copy / f"{name}.json"
            document = json.loads(path.read_text("utf-8"))
            change(document)
            path.write_text(json.dumps(document), encoding="utf-8")
        return copy, project

    return spoil


@pytest.fixture
def make() -> Callable[..., Any]:
    return make_workspace
