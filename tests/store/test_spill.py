import json

import pytest

from capstone_lib.errors import StoreError
from capstone_lib.store import open_store
from capstone_lib.store.spill import load_spill, write_spill


def entry(row_id, served_key=1):
    features = {"AGEP": 40}
    return (row_id, 0.5, served_key, "stable", features, 0.25, 0, 0.75, [0, 1], True, 1.5, None)


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store.db") as opened:
        opened.register_served(name="m", version="1", artifact="a", snapshot="b")
        yield opened


def test_a_spill_is_loaded_once_however_often_it_is_tried(store, tmp_path):
    log = [entry(str(k)) for k in range(1300)]
    store.write_requests(log[:7], writer="w", first=0)
    path = write_spill(tmp_path / "spill.jsonl", log[5:], writer="w", first=5)

    assert load_spill(store, path) == 1293
    assert load_spill(store, path) == 0
    assert store.requests()["row_id"].tolist() == list(range(1300))


def test_a_load_that_broke_off_is_finished(store, tmp_path):
    log = [entry(str(k)) for k in range(1300)]
    path = write_spill(tmp_path / "spill.jsonl", log, writer="w", first=0)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:900], b"{broken\n"]))
    with pytest.raises(StoreError, match=r"1 entries .* the first is entry 899"):
        load_spill(store, path)
    path.write_bytes(b"".join(lines))

    assert load_spill(store, path) == 401
    assert store.requests()["row_id"].tolist() == list(range(1300))


def test_an_entry_that_cannot_be_kept_does_not_hold_up_the_others(store, tmp_path):
    log = [entry(str(k), served_key=77 if k == 3 else 1) for k in range(10)]
    log[6] = entry(object())
    path = write_spill(tmp_path / "spill.jsonl", log, writer="w", first=0)
    assert "object object" in json.loads(path.read_text().splitlines()[7])

    with pytest.raises(StoreError, match=r"2 entries .* the first is entry 3: .*FOREIGN KEY"):
        load_spill(store, path)

    assert store.requests()["row_id"].tolist() == [0, 1, 2, 4, 5, 7, 8, 9]


@pytest.mark.parametrize("content", ["", "[]\n", "{}\n", "no JSON\n", '{"kind": "other"}\n'])
def test_another_file_is_refused(store, tmp_path, content):
    (tmp_path / "other").write_text(content)

    with pytest.raises(StoreError, match="is not a spill file"):
        load_spill(store, tmp_path / "other")
    with pytest.raises(StoreError, match=r"cannot be read: No such file.*check the path"):
        load_spill(store, tmp_path / "none")
