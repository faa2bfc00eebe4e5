import sqlite3
from contextlib import closing

import pytest

from capstone_lib.errors import MissingExtraError, StoreError
from capstone_lib.store import open_store


def tables(path):
    with closing(sqlite3.connect(path)) as raw:
        return {name for (name,) in raw.execute("SELECT name FROM sqlite_master")}


def test_a_url_a_path_and_a_store_name_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_store("sqlite:///deep/down/store.db") as store:
        assert open_store(store) is store
    assert (tmp_path / "deep" / "down" / "store.db").exists()
    with open_store("deep/down/store.db") as again:
        assert again.url == store.url
        assert repr(again) == f"DatabaseStore({store.url!r})"


def test_room_is_there_and_wal_in_force(tmp_path):
    path = tmp_path / "store.db"
    open_store(path).close()

    assert {"requests", "cases", "alerts", "outcomes", "predictions", "rejects"} <= tables(path)
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE songs (title)")
    before = path.read_bytes()

    with pytest.raises(StoreError, match=r"something else.*songs.*of its own"):
        open_store(path)

    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("version", "way_out"),
    [("5", "upgrade capstone-lib"), ("x", "upgrade capstone-lib"), ("2", "name a new store")],
)
def test_another_version_is_refused_with_a_way_out(tmp_path, version, way_out):
    path = tmp_path / "store.db"
    open_store(path).close()
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE meta SET value = ?", (version,))
        raw.commit()

    with pytest.raises(StoreError, match=f"schema version {version};.*version 4: {way_out}"):
        open_store(path)


@pytest.mark.parametrize("content", [b"not a database at all, but long enough" * 50, b"PAR1"])
def test_a_file_that_is_no_database_is_refused(tmp_path, content):
    path = tmp_path / "store.db"
    path.write_bytes(content)

    with pytest.raises(StoreError, match=r"cannot be used.*not a database"):
        open_store(path)

    assert path.read_bytes() == content


def test_a_place_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")

    with pytest.raises(StoreError, match="cannot be made"):
        open_store(tmp_path / "file" / "store.db")


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("sqlite://", "outlive the process"),
        ("sqlite:///:memory:", "outlive the process"),
        ("nothing://x", "no database is called 'nothing'"),
        ("://", "is not a store"),
        (7, "not by a int"),
    ],
)
def test_what_names_no_store_is_refused(where, message):
    with pytest.raises(StoreError, match=message):
        open_store(where)


def test_a_missing_driver_names_the_extra():
    with pytest.raises(MissingExtraError, match=r"capstone-lib\[postgres\]"):
        open_store("postgresql+asyncpg://localhost/x")
