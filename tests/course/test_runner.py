"""The strict runner against notebooks that misbehave; each test is a real papermill run."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import nbformat.v4 as v4
import psutil
import pytest

from capstone_lib.course.catalogue import CatalogueError
from capstone_lib.course.feedback import State
from capstone_lib.course.parameters import ParameterError, ParameterFormError
from capstone_lib.course.results import NotebookResult, RunReport
from capstone_lib.course.runner import NotebookFormError, run_notebooks
from capstone_lib.course.workspace import WorkspaceError

Cell = str | tuple[str, str]
Write = Callable[..., Path]
MARK = "kernel-was-here"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    folder = tmp_path / "notebooks"
    folder.mkdir()

    def write(name: str, *cells: Cell) -> Path:
        tagged = [cell if isinstance(cell, tuple) else (cell, "") for cell in cells]
        made = [
            v4.new_code_cell(source, metadata={"tags": [tag] if tag else []})
            for source, tag in tagged
        ]
        nbformat.write(v4.new_notebook(cells=made), folder / f"{name}.ipynb")
        return folder

    return write


def run(folder: Path, **options: object) -> RunReport:
    space = folder.parent / "work"
    return run_notebooks(workspace=space, folder=folder, **{"timeout_s": 60} | options)  # type: ignore[arg-type]


def run_one(write: Write, *cells: Cell, **options: object) -> NotebookResult:
    return run(write("01_case", *cells), **options).notebooks[0]


def gone(pid: int) -> bool:
    for _ in range(50):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


def test_a_good_notebook_leaves_everything_that_graders_look_for(write: Write) -> None:
    folder = write(
        "00_good",
        ("rows: int = 10  # how many\nname: str = 'ä'", "parameters"),
        "print(rows, name)",
        "from capstone_lib.course import exercises\nexercises.ex_00_harm.check('false negative')",
        "exercises.ex_00_harm.check('false positive')",
        "",
    )
    seen: list[tuple[str, int, int]] = []
    report = run(folder, parameters={"rows": "7"}, on_cell=lambda *cell: seen.append(cell))
    space = folder.parent / "work"
    result = report.notebooks[0]
    assert report.passed
    assert result.error is None
    assert result.parameters == {"rows": 7, "name": "ä"}
    assert result.exercises["00.2"] is State.PASSED, "the last check counts"
    assert result.exercises["00.1"] is State.NOT_ATTEMPTED, "known, but never checked"
    assert 0 < result.seconds < 60
    assert 10 < result.peak_memory_mb < 2000
    assert seen[0] == ("00_good", 1, 6), "one cell more than written: the injected parameters"

    document = json.loads((space / "results.json").read_text("utf-8"))
    assert document["status"] == "passed"
    assert document["libraries"]["python"] == ".".join(map(str, sys.version_info[:3]))
    entry = document["notebooks"][0]
    assert entry["exercises"] == {"00.1": "not attempted", "00.2": "passed"}
    executed = nbformat.read(space / entry["executed"], as_version=4)
    nbformat.validate(executed)
    assert executed.cells[2].outputs[0].text == "7 ä\n"
    assert 'role="status"' in (space / entry["html"]).read_text("utf-8")
    assert list(report.to_frame()["exercises"]) == [2]
    assert "00_good" in report._repr_html_()
    assert not list(space.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("cells", "cell", "error", "message"),
    [
        (["1", "import sys\nsys.exit(0)", "2"], 2, "SystemExit", "did not run"),
        (["1", "raise SystemExit"], 2, "SystemExit", "ends the notebook"),
        (["import os\nos._exit(0)", "1"], 1, "KernelDied", "died while this cell ran"),
        (["while True: print('x' * 1000)", "1"], 1, "OutputFlood", "more than 1 MB"),
        (["1", ("2", "raises-exception")], 2, "DidNotRaise", "raised nothing"),
        (["1", ("2", "skip-execution"), "3"], 2, "NotRun", "skip-execution"),
        (["def f():\n    return 1 / 0", "f()", "3"], 2, "ZeroDivisionError", "division"),
        (["1 +"], 1, "SyntaxError", "invalid syntax"),
        (["import time\ntime.sleep(600)", "1"], 1, "Timeout", "longer than 5 s"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_misbehaving_notebook_fails_at_the_cell_that_did_it(
    write: Write, cells: list[Cell], cell: int, error: str, message: str
) -> None:
    limit = 5 if error == "Timeout" else 60
    result = run_one(write, *cells, output_limit_mb=1, timeout_s=limit)
    assert result.status == "failed"
    assert result.error is not None
    assert (result.error.cell, result.error.error) == (cell, error)
    assert message in result.error.message
    source = cells[cell - 1]
    quoted = (source if isinstance(source, str) else source[0]).splitlines()[0]
    assert quoted in str(result.error), "the message quotes the cell"


def test_the_clock_is_the_notebooks_and_not_each_cells(write: Write) -> None:
    sleep = "import time\ntime.sleep(1.5)"
    result = run_one(write, *[sleep] * 20, timeout_s=6)
    assert result.error is not None
    assert result.error.error == "Timeout"
    assert 1 < result.error.cell < 6


def test_an_error_shown_on_purpose_is_no_failure(write: Write) -> None:
    result = run_one(write, ("1 / 0", "raises-exception"), "print('went on')")
    assert result.status == "passed"


def test_a_failure_is_told_in_the_page_and_the_next_notebook_still_runs(write: Write) -> None:
    write("01_bad", "import os\nos.write(2, b'last words')\nos._exit(3)")
    folder = write("02_good", "6 * 7")
    report = run(folder)
    assert [one.status for one in report.notebooks] == ["failed", "passed"]
    assert not report.passed
    page = (folder.parent / "work" / "executed" / "01_bad.html").read_text("utf-8")
    assert "KernelDied" in page
    assert "last words" in str(report.notebooks[0].error)
    document = json.loads((folder.parent / "work" / "results.json").read_text("utf-8"))
    assert document["status"] == "failed"
    assert document["notebooks"][0]["error"]["error"] == "KernelDied"


def test_another_run_replaces_its_own_entries_only(write: Write) -> None:
    write("01_one", "1")
    folder = write("02_two", "2")
    run(folder)
    results = folder.parent / "work" / "results.json"
    before = json.loads(results.read_text("utf-8"))["notebooks"]
    write("02_two", "1 / 0")
    run(folder, numbers=["2"])
    after = json.loads(results.read_text("utf-8"))
    assert after["notebooks"][0] == before[0]
    assert after["notebooks"][1]["status"] == after["status"] == "failed"


STARTS_CHILDREN = """\
import os, subprocess, sys
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
plain = subprocess.Popen(sleep)
session = subprocess.Popen(sleep, start_new_session=True)
leave = "import subprocess as s, sys; print(s.Popen(sys.argv[1:], stdout=-3, stderr=-3).pid)"
orphan = subprocess.check_output([sys.executable, "-c", leave, *sleep], start_new_session=True)
with open("pids", "w") as file:
    print(plain.pid, session.pid, int(orphan), os.getpid(), file=file)
"""


@pytest.mark.parametrize("end", ["'in peace'", "os._exit(1)", "1 / 0"])
def test_no_process_outlives_its_notebook(write: Write, end: str) -> None:
    folder = write("01_case", STARTS_CHILDREN, end)
    result = run(folder).notebooks[0]
    pids = [int(pid) for pid in (folder.parent / "work" / "pids").read_text().split()]
    assert len(pids) == 4
    assert all(map(gone, pids))
    assert len(result.stopped) >= 2


def test_an_interrupted_run_takes_its_kernel_and_children_along(write: Write) -> None:
    folder = write("01_case", STARTS_CHILDREN, "import time\ntime.sleep(600)")
    space = folder.parent / "work"
    code = "import sys; from capstone_lib.cli import main; sys.exit(main())"
    for stop in ("terminate", "interrupt"):
        process = subprocess.Popen(
            [sys.executable, "-c", code, "run", "--notebooks", folder, "--workspace", space],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        pids = wait_for(space / "pids")
        process.terminate() if stop == "terminate" else process.send_signal(2)
        output = process.communicate(timeout=60)[0].decode()
        assert process.returncode == 1, output
        assert "Traceback" not in output
        assert all(map(gone, pids))
        (space / "pids").unlink()


def wait_for(path: Path) -> list[int]:
    for _ in range(600):
        if path.exists() and path.read_text().endswith("\n"):
            return [int(pid) for pid in path.read_text().split()]
        time.sleep(0.1)
    raise AssertionError(f"{path} never came")


def test_memory_counts_the_children_too(write: Write) -> None:
    child = "import time; block = bytearray(150_000_000); time.sleep(1.5)"
    cell = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])"
    assert run_one(write, cell).peak_memory_mb > 180


def test_the_kernel_is_this_interpreter_and_knows_its_workspace(write: Write) -> None:
    folder = write(
        "01_case",
        f"import os, sys\nassert os.path.samefile(sys.executable, {sys.executable!r})",
        "from capstone_lib.course import Workspace\nassert str(Workspace().path) == os.getcwd()",
        "import warnings; warnings.simplefilter('error')",
    )
    data = folder.parent / "empty"
    data.mkdir()
    code = (
        "from capstone_lib.course import run_notebooks; import sys; "
        f"r = run_notebooks(folder={str(folder)!r}, workspace={str(folder.parent / 'work')!r});"
        "print(r.notebooks[0].error); sys.exit(not r.passed)"
    )
    environment = os.environ | {
        "JUPYTER_PATH": str(data),
        "HOME": str(data),
        "JUPYTER_DATA_DIR": "",
    }
    environment["JUPYTER_PLATFORM_DIRS"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == "", "no warning about an unencrypted connection, nor any other"


def touch(name: str) -> str:
    return f"open({name!r}, 'w').close()"


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"row": 1}, "unknown parameter 'row'"),
        ({"rows": "many"}, "'rows' must be int"),
        ({}, "'name' must be given"),
    ],
)
def test_wrong_parameters_are_refused_before_a_kernel_starts(
    write: Write, given: dict[str, object], part: str
) -> None:
    write("01_first", touch(MARK))
    cell = "rows: int = 1  # how many rows\nname: str = None  # whose"
    folder = write("02_second", (cell, "parameters"), touch(MARK))
    with pytest.raises(ParameterError) as caught:
        run(folder, parameters={"name": "x", **given} if given else {})
    assert part in str(caught.value)
    assert "rows: int (default 1)  how many rows" in str(caught.value)
    assert not (folder.parent / "work" / MARK).exists()


def test_a_parameter_goes_to_the_notebooks_that_take_it(write: Write) -> None:
    write("01_first", ("rows: int = 1", "parameters"), "assert rows == 5")
    folder = write("02_second", ("speed: float = 1.0", "parameters"), "assert speed == 1.0")
    report = run(folder, parameters={"rows": 5})
    assert [one.parameters for one in report.notebooks] == [{"rows": 5}, {"speed": 1.0}]
    assert report.passed


def test_a_notebook_that_cannot_be_run_is_refused_by_name(write: Write) -> None:
    folder = write("01_case", ("rows = 2 * 3", "parameters"))
    with pytest.raises(ParameterFormError, match="01_case: the parameters cell computes"):
        run(folder)
    write("01_case", ("a: int = 1", "parameters"), ("b: int = 1", "parameters"))
    with pytest.raises(NotebookFormError, match="2 cells tagged parameters"):
        run(folder)
    (folder / "01_case.ipynb").write_text("{ not json")
    with pytest.raises(NotebookFormError, match="is not a notebook"):
        run(folder)
    (folder / "01_case.ipynb").write_text("[]")
    with pytest.raises(NotebookFormError, match="is not a notebook"):
        run(folder)


def test_numbers_find_notebooks(write: Write, tmp_path: Path) -> None:
    folder = write("01_one", "1")
    with pytest.raises(CatalogueError, match="no notebook 07; there are: 01_one"):
        run(folder, numbers=["7"])
    write("01_other", "1")
    with pytest.raises(CatalogueError, match="more than one notebook 01"):
        run(folder)
    with pytest.raises(CatalogueError, match="there is no notebook such as"):
        run(tmp_path)


def test_a_workspace_that_is_a_file_stops_the_run_at_once(write: Write) -> None:
    folder = write("01_case", touch(MARK))
    (folder.parent / "work").write_text("a file")
    with pytest.raises(WorkspaceError, match="is a file"):
        run(folder)
