"""A doctor that cannot fail is none: each check is shown a broken world, for real."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from capstone_lib.course.doctor import check_data, check_memory, check_port, check_workspace
from capstone_lib.course.packages import requirements
from capstone_lib.data.files import data_folder


def doctor(*arguments: str, **environment: str) -> tuple[int, dict[str, dict[str, str]]]:
    done = subprocess.run(
        [sys.executable, "-m", "capstone_lib", "doctor", "--json", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    document = json.loads(done.stdout)
    assert document["healthy"] == (done.returncode == 0)
    return done.returncode, {check["name"]: check for check in document["checks"]}


def test_a_sound_installation_passes_every_check(tmp_path: Path) -> None:
    status, checks = doctor("--workspace", str(tmp_path / "work"))
    assert status == 0, [check for check in checks.values() if not check["ok"]]
    assert set(checks) == {"Python", "Packages", "Kernel", "Memory", "Port", "Workspace", "Data"}


def test_a_broken_installation_is_told_thing_by_thing_with_a_cure(tmp_path: Path) -> None:
    shadow = tmp_path / "shadow"
    old = shadow / "tqdm-4.1.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: tqdm\nVersion: 4.1\n")
    (shadow / "shap.py").write_text("import os; os._exit(7)")
    (shadow / "fairlearn.py").write_text("raise RuntimeError('half an upgrade')")
    (shadow / "ipykernel_launcher.py").write_text("raise SystemExit('no kernel today')")
    (tmp_path / "file").write_text("in the way")
    status, checks = doctor("--workspace", str(tmp_path / "file" / "work"), PYTHONPATH=str(shadow))
    assert status == 1
    failed = {name: check for name, check in checks.items() if not check["ok"]}
    assert set(failed) == {
        "Package tqdm", "Package shap", "Package fairlearn", "Kernel", "Workspace",
    }  # fmt: skip
    assert "is version 4.1; >=" in failed["Package tqdm"]["detail"]
    assert "status 7" in failed["Package shap"]["detail"]
    assert "half an upgrade" in failed["Package fairlearn"]["detail"]
    assert "no kernel starts" in failed["Kernel"]["detail"]
    assert all(check["cure"] for check in failed.values())


def test_too_little_memory_or_disk_fails(tmp_path: Path) -> None:
    assert not check_memory(need_mb=1e12).ok
    assert check_memory(need_mb=1).ok
    full = check_workspace(tmp_path, need_mb=1e12)
    assert not full.ok
    assert "make room" in full.cure


@pytest.mark.skipif(sys.platform == "win32", reason="limits of this kind are POSIX")
def test_a_memory_limit_of_the_shell_counts() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (600_000_000, -1));"
        "from capstone_lib.course.doctor import check_memory; check = check_memory();"
        "print(check.detail); raise SystemExit(not check.ok)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "MB needed" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="limits of this kind are POSIX")
def test_a_machine_without_a_free_port_fails() -> None:
    code = (
        "from capstone_lib.course.doctor import check_port; import resource, socket;"
        "assert check_port().ok;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3)); check = check_port();"
        "print(check.detail); raise SystemExit(not check.ok)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "127.0.0.1" in done.stdout


@pytest.mark.parametrize(
    ("data", "file"), [("census", "census_2017.parquet"), ("flights", "flights_2013.parquet")]
)
def test_changed_or_missing_data_fails(tmp_path: Path, data: str, file: str) -> None:
    assert data in check_data().detail
    assert check_data().ok
    copy = tmp_path / data
    shutil.copytree(data_folder(data), copy)
    assert check_data(copy).ok
    year = copy / file
    year.write_bytes(year.read_bytes()[:-1] + b"?")
    damaged = check_data(copy)
    assert not damaged.ok
    assert file in damaged.detail
    assert damaged.cure
    year.unlink()
    assert not check_data(copy).ok
    assert not check_data(tmp_path).ok


def test_what_is_needed_is_read_from_the_metadata_with_the_extras_inside_extras() -> None:
    wanted = requirements()
    assert wanted["scikit-learn"].startswith(">=")
    assert {"papermill", "ipykernel", "locust", "shap", "starlette", "uvicorn"} <= set(wanted)
    assert "pytest" not in wanted
    assert "capstone-lib" not in wanted
    assert check_port().ok
