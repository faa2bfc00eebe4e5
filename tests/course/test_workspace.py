import errno
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from capstone_lib.course.workspace import VARIABLE, Workspace, WorkspaceError, write_atomic


def test_the_names_are_those_that_graders_look_for(tmp_path: Path) -> None:
    ws = Workspace(tmp_path / "work")
    found = [
        ws.model, ws.store_path, ws.executed, ws.results, ws.report_html, ws.report_json,
        ws.playbook, ws.inbox, ws.decision,
    ]  # fmt: skip
    assert [path.relative_to(tmp_path / "work").as_posix() for path in found] == [
        "model.onnx", "store.db", "executed", "results.json", "report.html", "report.json",
        "playbook.toml", "inbox", "decision.json",
    ]  # fmt: skip
    assert ws.path.is_dir()
    assert list(ws.path.iterdir()) == []


def test_the_store_is_a_url_that_opens_under_any_name(tmp_path: Path) -> None:
    ws = Workspace(tmp_path / "größe & 100% ü#")
    with ws.store() as store:
        assert len(store.runs()) == 0
    assert ws.store_path.is_file()


@pytest.mark.parametrize(
    ("folder", "variable", "expected"),
    [
        ("project", None, "project/work"),
        ("project/notebooks", None, "project/work"),
        ("project/notebooks", "elsewhere", "elsewhere"),
    ],
)
def test_without_a_path_it_is_beside_the_notebooks_or_what_the_runner_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    folder: str,
    variable: str | None,
    expected: str,
) -> None:
    (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / folder)
    monkeypatch.delenv(VARIABLE, raising=False)
    if variable:
        monkeypatch.setenv(VARIABLE, str(tmp_path / variable))
    assert Workspace().path == tmp_path / expected


def test_a_passing_store_is_empty_each_time_and_never_the_main_one(tmp_path: Path) -> None:
    ws = Workspace(tmp_path / "work")
    for _ in range(2):
        with ws.new_store("watch.db") as store:
            assert store.rollout().key == 0
            store.change_rollout(who="me", why="to see", canary_share=0.5)
    assert (ws.path / "watch.db").exists()
    for name in ("store.db", "../watch.db", "watch.txt"):
        with pytest.raises(WorkspaceError, match="no name for a passing store"):
            ws.new_store(name)


def test_a_file_in_the_way_is_one_sentence_with_a_cure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="is a file, not a folder; rename it"):
        Workspace(tmp_path / "file")
    with pytest.raises(WorkspaceError, match=r"cannot be used as a workspace .*; choose a folder"):
        Workspace(tmp_path / "file" / "below")
    with pytest.raises(WorkspaceError, match="question mark"):
        Workspace(tmp_path / "why?")


def test_a_folder_that_cannot_be_written_to_is_refused() -> None:
    with pytest.raises(WorkspaceError, match="cannot be used as a workspace"):
        Workspace("/proc/self" if sys.platform == "linux" else "/dev/null")


def test_a_full_disk_is_told_before_the_work_starts(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="MB left, 1,000,000,000,000 MB are needed; make room"):
        Workspace(tmp_path).check_space(need_mb=1e12)
    Workspace(tmp_path).check_space(need_mb=0)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of this kind are POSIX")
def test_a_write_that_fails_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path;"
        "from capstone_lib.course.workspace import write_atomic;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "write_atomic(Path(sys.argv[1]), b'x' * 10_000)"
    )
    target = tmp_path / "results.json"
    target.write_text("old")
    done = subprocess.run([sys.executable, "-c", code, target], capture_output=True, text=True)
    assert "WorkspaceError" in done.stderr
    assert os.strerror(errno.EFBIG) in done.stderr
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def _write_often(path: Path, letter: str) -> None:
    for _ in range(100):
        write_atomic(path, letter * 100_000)


def test_two_writers_never_show_a_reader_a_mixture(tmp_path: Path) -> None:
    target = tmp_path / "results.json"
    write_atomic(target, "a" * 100_000)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_often, args=(target, letter)) for letter in "bc"]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        text = target.read_text()
        assert len(text) == 100_000
        assert len(set(text)) == 1
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_asking_for_what_cannot_be_provided_says_what_can(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ask for artifact, inbox, predictions"):
        Workspace(tmp_path).provide("model")
