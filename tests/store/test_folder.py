import pytest

from capstone_lib.errors import StoreError
from capstone_lib.store import open_store


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "songs.txt").write_text("la")

    with pytest.raises(StoreError, match=r"something else.*songs\.txt.*of its own"):
        open_store(tmp_path)


def test_another_version_is_refused(tmp_path):
    open_store(tmp_path / "s").close()
    (tmp_path / "s" / "_capstone_store").write_text("2\n")

    with pytest.raises(StoreError, match=r"version 2.*upgrade capstone-lib"):
        open_store(tmp_path / "s")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")

    with pytest.raises(StoreError, match="cannot be used as a store"):
        open_store(tmp_path / "file" / "store")
