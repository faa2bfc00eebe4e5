"""The command line as a person meets it: a process, its streams, its exit status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import nbformat.v4 as v4
import pytest

from capstone_lib import __version__
from capstone_lib.cli import capstone


def call(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "capstone_lib", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
    )


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebooks")
    parameters = v4.new_code_cell(
        "rows: int = 10  # how many rows", metadata={"tags": ["parameters"]}
    )
    good = v4.new_notebook(cells=[parameters, v4.new_code_cell("rows")])
    nbformat.write(good, folder / "01_good.ipynb")
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell("1 / 0")]), folder / "02_bad.ipynb")
    return folder


@pytest.mark.parametrize("arguments", [[], *([name] for name in capstone.commands)])
def test_every_command_has_help(arguments: list[str]) -> None:
    done = call(*arguments, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: capstone")


def test_version_and_entry_point() -> None:
    assert __version__ in call("--version").stdout
    script = Path(sys.executable).parent / "capstone"
    done = subprocess.run([script, "--version"], capture_output=True, text=True)
    assert (done.returncode, __version__ in done.stdout) == (0, True)


def test_help_needs_none_of_the_heavy_packages() -> None:
    code = (
        "import sys; from capstone_lib.cli import main; main(['run', '--help']);"
        "heavy = {'pandas', 'sklearn', 'jupyter_client', 'IPython', 'pyarrow', 'numpy'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["run", "--timeout", "soon"],
        ["run", "-p", "rows"],
        ["run", "-p", "rows", "1", "-p", "rows", "2"],
        ["run", "7"],
        ["run", "abc"],
        ["run", "1", "-p", "row", "1"],
        ["run", "1", "-p", "rows", "many"],
        ["score", "model.onnx", "rows.parquet"],
        ["score", "m", "r", "--store", "s", "--as-of", "yesterday"],
        ["score", "m", "r", "--store", "s", "--as-of", "2016-01-31", "--max-reject-share", "2"],
    ],
)
def test_wrong_arguments_are_status_2_and_change_nothing(
    arguments: list[str], notebooks: Path, tmp_path: Path
) -> None:
    where = ["--notebooks", notebooks] if arguments[0] == "run" else []
    done = call(arguments[0], *where, *arguments[1:], cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_run_tells_a_line_a_notebook_and_where_to_look(notebooks: Path, tmp_path: Path) -> None:
    done = call("run", "1", "--notebooks", notebooks, "-p", "rows", "3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("✓ 01_good  passed")
    assert len(done.stderr.splitlines()) == 1
    for name in ("executed/01_good.html", "results.json"):
        assert f"  work/{name}" in done.stdout.splitlines()
        assert (tmp_path / "work" / name).is_file()


def test_a_failed_notebook_is_status_1_and_quotes_the_cell(notebooks: Path, tmp_path: Path) -> None:
    done = call("run", "--notebooks", notebooks, "--workspace", "größe & ü", "--json", cwd=tmp_path)
    assert done.returncode == 1
    assert "| 1 / 0" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert "Traceback" not in done.stderr
    report = json.loads(done.stdout)
    assert [one["status"] for one in report["notebooks"]] == ["passed", "failed"]
    assert (tmp_path / "größe & ü" / "results.json").is_file()


def test_an_error_is_a_line_and_with_debug_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    plain = call("run", "--notebooks", "empty", cwd=tmp_path)
    assert plain.returncode == 1
    assert plain.stderr.startswith("capstone: there is no notebook such as")
    assert len(plain.stderr.splitlines()) == 1
    debug = call("--debug", "run", "--notebooks", "empty", cwd=tmp_path)
    assert debug.returncode == 1
    assert "Traceback" in debug.stderr


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "capstone_lib", "doctor", "--help"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60)
    os.close(writing)
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
