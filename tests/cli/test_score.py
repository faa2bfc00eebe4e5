"""`capstone score` and `capstone inspect`, with the reference model and real rows."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from capstone_lib.course.workspace import Workspace
from capstone_lib.store import open_store


def call(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "capstone_lib", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    space = Workspace(tmp_path_factory.mktemp("score") / "work")
    space.provide("artifact", "inbox")
    return space


def test_a_batch_is_scored_once_and_the_figures_are_those_of_the_store(ws: Workspace) -> None:
    source = ws.inbox / "2016-01.parquet"
    given = ["score", ws.model, source, "--store", ws.store_url, "--as-of", "2016-01-31", "--json"]
    first, second = (json.loads(call(*given).stdout) for _ in range(2))
    assert (first["status"], second["status"]) == ("published", "reused")
    assert first["run_id"] == second["run_id"]
    assert first["rows"] == pq.read_metadata(source).num_rows
    with open_store(ws.store_url) as store:
        assert list(store.runs()["run_id"]) == [first["run_id"]]
    said = call(*[word for word in given if word != "--json"])
    assert said.returncode == 0
    assert "nothing changed" in said.stdout
    assert f"{first['rows']:,} rows, 0 rejected" in said.stdout


def test_too_many_rejects_are_status_3_and_nothing_is_published(
    ws: Workspace, tmp_path: Path
) -> None:
    people = pq.read_table(ws.inbox / "2016-02.parquet")
    ages = pa.nulls(people.num_rows, people["AGEP"].type)
    broken = people.set_column(people.schema.get_field_index("AGEP"), "AGEP", ages)
    pq.write_table(broken, tmp_path / "bad.parquet")
    url = f"sqlite:///{tmp_path}/other.db"
    done = call(
        "score", ws.model, tmp_path / "bad.parquet", "--store", url, "--as-of", "2016-02-29"
    )
    assert done.returncode == 3
    assert done.stdout == ""
    assert "rejected" in done.stderr
    assert "Traceback" not in done.stderr
    with open_store(url) as store:
        assert len(store.latest("2016-12-31")) == 0


def test_a_source_or_model_that_is_not_there_is_status_1(ws: Workspace, tmp_path: Path) -> None:
    options = ["--store", f"sqlite:///{tmp_path}/other.db", "--as-of", "2016-02-29"]
    for model, source in [
        (ws.model, tmp_path / "missing.parquet"),
        (tmp_path / "missing.onnx", ws.inbox / "2016-01.parquet"),
        (ws.inbox / "2016-01.parquet", ws.inbox / "2016-01.parquet"),
    ]:
        done = call("score", model, source, *options)
        assert done.returncode == 1
        assert done.stderr.startswith("capstone: ")
        assert "Traceback" not in done.stderr


def test_inspect_prints_the_passport(ws: Workspace) -> None:
    passport = json.loads(call("inspect", ws.model, "--json").stdout)
    assert (passport["name"], passport["version"]) == ("employment", "1.0.0")
    plain = call("inspect", ws.model)
    assert plain.returncode == 0
    assert "employment" in plain.stdout
    assert "1.0.0" in plain.stdout
    assert call("inspect", ws.inbox / "2016-01.parquet").returncode == 1


def test_an_engine_that_there_is_not_is_status_2(ws: Workspace, tmp_path: Path) -> None:
    given = ["score", ws.model, ws.inbox / "2016-01.parquet", "--as-of", "2016-01-31"]
    url = f"sqlite:///{tmp_path}/other.db"
    done = call(*given, "--store", url, "--engine", "airflow")
    assert done.returncode == 2
    assert "'airflow' is not 'local'" in done.stderr
    assert call(*given, "--store", url, "--engine", "local").returncode == 0
