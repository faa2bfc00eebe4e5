"""``capstone report``: two files, and what goes wrong."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import capstone_lib as cap
from capstone_lib.cli import main
from capstone_lib.report import Report


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with an artifact and a store in which it has scored one batch."""
    folder = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"age": rng.integers(17, 90, 500), "hours": rng.normal(35, 9, 500)})
    model = LogisticRegression(max_iter=500).fit(rows, rows["age"] < 50)
    artifact = cap.export_model(model, rows, folder / "m.onnx", name="work", version="1.0")
    with cap.open_store(f"sqlite:///{folder}/s.db") as store:
        cap.score_batch(artifact, rows, store=store, as_of="2016-01-31", show_progress=False)
    return folder


@pytest.fixture
def write(place, capsys):
    def write(*words, status=0):
        given = ["--model", f"{place}/m.onnx", "--store", f"sqlite:///{place}/s.db", *words]
        assert main(["report", *map(str, given)]) == status
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return said.err if status else said.out

    return write


def test_a_folder_gets_both_files_under_the_names_of_a_workspace(write, tmp_path):
    said = write("--out", tmp_path / "work")
    assert {path.name for path in (tmp_path / "work").iterdir()} == {"report.html", "report.json"}
    assert "500 answers in 1 batch run" in said
    assert "report.html" in said
    Report.from_json((tmp_path / "work" / "report.json").read_bytes())


def test_a_file_may_be_named_and_the_document_printed(write, tmp_path):
    said = write("--out", tmp_path / "june.html", "--title", "June", "--json")
    assert json.loads(said) == json.loads((tmp_path / "june.json").read_text("utf-8"))
    assert "<h1>June</h1>" in (tmp_path / "june.html").read_text("utf-8")


def test_a_decision_and_a_window_are_taken_over(write, tmp_path):
    file = tmp_path / "decision.json"
    file.write_text(json.dumps({"architecture": "batch", "review": False}))
    write("--out", tmp_path, "--decision", file, "--from", "2016-02-01", "--to", "2016-03-01")
    report = Report.from_json((tmp_path / "report.json").read_bytes())
    assert report.decision["architecture"] == "batch"
    assert report.window == {"start": "2016-02-01T00:00:00", "end": "2016-03-01T00:00:00"}
    assert report.batch["missing"]


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (["--out", "{}/a.json"], 2, "neither a folder nor an .html file"),
        (["--out", "{}", "--decision", "{}/broken.json"], 2, "no JSON"),
        (["--out", "{}", "--decision", "{}/other.json"], 1, "architecture"),
        (["--out", "{}", "--from", "2016-02-01", "--to", "2016-01-01"], 2, "ends"),
        (["--out", "{}", "--now", "soon"], 2, "must be a date"),
        (["--out", "{}/broken.json/x"], 1, "cannot be written"),
        ([], 2, "--out"),
        (["--out", "{}", "--store", "sqlite:///{}/typo.db"], 2, "there is no database"),
    ],
)
def test_what_cannot_be_is_said(write, tmp_path, words, status, expected):
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text("{}")
    said = write(*(word.format(tmp_path) for word in words), status=status)
    assert expected in " ".join(said.split())
    assert not (tmp_path / "report.html").exists()
    assert not (tmp_path / "typo.db").exists()
