"""Commands that look into a store: a name with a slip in it is told, and nothing is made of it."""

import pytest

from capstone_lib.cli import main
from capstone_lib.cli.stores import open_existing
from capstone_lib.errors import StoreError
from capstone_lib.store import open_store


@pytest.mark.parametrize("place", ["slip.db", "slip", "sqlite:///slip.db"])
def test_a_store_that_is_not_there_is_told_and_not_made(place, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["alerts", "--store", place, "list"]) == 1
    assert f"there is no store at {place}; check the name" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["s.db", "sqlite:///s.db"])
def test_one_that_is_there_is_opened(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    open_store("s.db").close()
    with open_existing(place) as store:
        assert store.records() == []


@pytest.mark.parametrize("place", ["", "sqlite://", "nonsense://x", "sqlite:///:memory:"])
def test_names_that_are_none_have_the_message_they_always_had(place):
    with pytest.raises(StoreError) as ours:
        open_existing(place)
    with pytest.raises(StoreError) as theirs:
        open_store(place)
    assert str(ours.value) == str(theirs.value)
