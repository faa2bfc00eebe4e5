"""Shipped files are found, and a damaged one is refused."""

import shutil
import subprocess
import sys
from hashlib import sha256

import pytest

from capstone_lib.data.census import load_census
from capstone_lib.data.files import data_folder, read_checked
from capstone_lib.errors import DataError


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(data_folder("census"), tmp_path / "census")


def test_every_listed_file_has_its_hash():
    folder = data_folder("census")
    listed = dict(
        reversed(line.split()) for line in (folder / "SHA256SUMS").read_text().splitlines()
    )
    assert set(listed) == {*(f"census_{y}.parquet" for y in range(2015, 2019)), "dictionary.json"}
    for name, digest in listed.items():
        assert sha256((folder / name).read_bytes()).hexdigest() == digest


def test_the_files_are_about_a_megabyte():
    assert sum(path.stat().st_size for path in data_folder("census").glob("*.parquet")) < 1.2e6


def test_a_copy_elsewhere_works_and_the_first_place_wins(copy, tmp_path):
    assert data_folder("census", tmp_path / "nothing", copy) == copy
    assert load_census(folder=str(copy)).table(2016).equals(load_census().table(2016))


def test_no_files_at_all(tmp_path):
    with pytest.raises(DataError, match=r"not there: no SHA256SUMS in .* install capstone-lib"):
        load_census(folder=tmp_path)


@pytest.mark.parametrize("place", [0, 100_000, -1])
def test_one_changed_byte_is_noticed(copy, place):
    path = copy / "census_2016.parquet"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    census = load_census(folder=copy)
    assert len(census.frame(2015)) == 56_093
    with pytest.raises(DataError, match=r"census_2016.parquet is damaged or was changed"):
        census.frame(2016)


def test_a_truncated_file_is_noticed(copy):
    path = copy / "census_2018.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="damaged"):
        load_census(folder=copy).table(2018)


def test_a_missing_file_is_named(copy):
    (copy / "census_2017.parquet").unlink()
    with pytest.raises(DataError, match=r"census_2017.parquet cannot be read .*git checkout"):
        load_census(folder=copy).frame(2017)


def test_a_changed_dictionary_is_noticed(copy):
    path = copy / "dictionary.json"
    path.write_text(path.read_text("utf-8").replace("widowed", "single"), "utf-8")
    with pytest.raises(DataError, match=r"dictionary.json is damaged"):
        load_census(folder=copy)


def test_an_unlisted_file_is_not_read(copy):
    (copy / "more.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"more.parquet is not listed"):
        read_checked(copy, "more.parquet")


@pytest.mark.parametrize("content", [b"one-word\n", b"\xff\xfe\x00"])
def test_an_unreadable_list_of_hashes(copy, content):
    (copy / "SHA256SUMS").write_bytes(content)
    with pytest.raises(DataError, match="SHA256SUMS cannot be read"):
        read_checked(copy, "dictionary.json")


def test_the_script_refuses_another_wheel(tmp_path):
    other = tmp_path / "nannyml-0.13.1-py3-none-any.whl"
    other.write_bytes(b"not it")
    command = [sys.executable, str(data_folder("census") / "make_census.py"), "--check", str(other)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "its SHA-256 differs" in done.stderr
