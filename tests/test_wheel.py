"""The wheel holds all that a student needs without the repository: data, settings, notebooks."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOOK = """
import json
import capstone_lib as cap
from capstone_lib.course.catalogue import list_notebooks, notebooks_folder
from capstone_lib.course.lab import settings_folder
print(json.dumps({
    "package": cap.__file__,
    "people": {year: len(cap.load_census().frame(year)) for year in cap.load_census().years},
    "notebooks": [one.name for one in list_notebooks(notebooks_folder())],
    "settings": str(settings_folder()),
}))
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "site")
    return folder / "site"


def shipped(folder: Path) -> set[str]:
    """What git keeps below a folder, without the text from which notebooks are made."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", folder], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return {name for name in listed.stdout.split("\0") if name}


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("capstone_lib", "capstone_lib"),
        ("data/census", "capstone_lib/data/census"),
        ("data/flights", "capstone_lib/data/flights"),
        ("nbconfig", "capstone_lib/course/nbconfig"),
        ("notebooks", "capstone_lib/course/notebooks"),
    ],
)
def test_everything_that_git_keeps_is_inside(unpacked: Path, here: str, there: str) -> None:
    names = shipped(Path(here))
    assert names
    for name in names:
        inside = unpacked / there / Path(name).relative_to(here)
        assert inside.read_bytes() == (ROOT / name).read_bytes()


def test_nothing_else_is_inside(unpacked: Path) -> None:
    assert {path.name for path in unpacked.iterdir()} == {
        "capstone_lib",
        next(unpacked.glob("capstone_lib-*.dist-info")).name,
    }
    assert not [path for path in unpacked.rglob("*") if path.suffix in (".pyc", ".onnx", ".db")]


def test_the_course_works_from_the_wheel_alone(unpacked: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert Path(found["package"]).is_relative_to(unpacked)
    assert Path(found["settings"]).is_relative_to(unpacked)
    assert sum(found["people"].values()) == 226_891
    assert len(found["notebooks"]) == len(list((ROOT / "notebooks").glob("*.ipynb")))
