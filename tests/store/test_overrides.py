"""Reviewers' answers in the place of a model's, wherever people read answers."""

import sqlite3
from contextlib import closing

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from capstone_lib.errors import StoreError
from capstone_lib.store import RunIdentity, RunRecord, ScoredBatch, open_store
from capstone_lib.store.decisions import code_decisions
from capstone_lib.store.engine import writing
from capstone_lib.store.overrides import add_override, read_overrides
from capstone_lib.store.review_tables import cases
from capstone_lib.store.run import now


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store.db") as opened:
        yield opened


def publish(store, ids, *, as_of="2016-01-31", model="m", classes=("no", "yes"), labels=None):
    """A run in which everybody is to be reviewed."""
    n = len(ids)
    identity = RunIdentity(as_of, "a", model, "1", f"file of {model}", "row_id")
    record = RunRecord(identity, "running", "people.parquet", "local", classes, now())
    labels = np.array([classes[0]] * n if labels is None else labels)
    everything = np.ones((n, len(classes)), dtype=bool)
    coded = code_decisions(labels, everything, np.ones(n, dtype=bool), classes)
    score = np.linspace(0.1, 0.9, n, dtype=np.float32)
    attempt = store.begin(record)
    attempt.write(ScoredBatch(pa.array(ids), score, score / 2, coded, np.arange(n)))
    attempt.publish(attempt.record.finished("published", rows=n, rejected=0, seconds=1.0))


def override(store, row_id, label, reviewer="Ada", **more):
    with writing(store.engine) as connection:
        return add_override(connection, row_id=row_id, label=label, reviewer=reviewer, **more)


def by_id(frame):
    return frame.set_index("row_id").sort_index()


def open_case(store, case_id, row_id, model):
    known = {column.name: "" for column in cases.c if not column.nullable}
    numbers = {"priority": 1.0, "score": 0.5, "uncertainty": 1.0, "wanted": 1, "label": 0}
    values = known | {name: value for name, value in numbers.items() if name in cases.c}
    with writing(store.engine) as connection:
        values |= {"case_id": case_id, "row_id": row_id, "model": model}
        connection.execute(cases.insert().values(values))


def test_without_overrides_every_answer_is_the_models(store):
    publish(store, [1, 2, 3])
    found = store.predictions()
    assert found["decided_by"].tolist() == ["model"] * 3
    pd.testing.assert_frame_equal(
        found.drop(columns="decided_by"), store.predictions(overrides=False)
    )
    assert store.overrides().empty


@pytest.mark.parametrize("read", ["predictions", "latest"])
def test_a_reviewers_label_stands_in_every_run_of_the_id_and_nobody_need_look_again(store, read):
    publish(store, [1, 2, 3])
    publish(store, [2, 3, 4], as_of="2016-02-29")
    override(store, 2, "yes")
    override(store, "4", "yes", reviewer="Bea")
    said = getattr(store, read)(overrides=False)
    found = getattr(store, read)()
    rows = found["row_id"].isin([2, 4])
    assert found.loc[rows, "label"].eq("yes").all()
    assert not found.loc[rows, "review"].any()
    assert dict(zip(found["row_id"], found["decided_by"], strict=True)) == {
        1: "model", 2: "Ada", 3: "model", 4: "Bea",
    }  # fmt: skip
    untouched = [name for name in said.columns if name not in ("label", "review")]
    pd.testing.assert_frame_equal(found[untouched], said[untouched])
    pd.testing.assert_frame_equal(found.loc[~rows, said.columns], said[~rows])


def test_the_last_decision_counts_and_an_empty_one_gives_the_word_back_to_the_model(store):
    publish(store, [1, 2])
    override(store, 1, "yes")
    override(store, 1, "no", reviewer="Bea")
    override(store, 2, "yes")
    override(store, 2, None)
    found = by_id(store.predictions())
    assert found["label"].tolist() == ["no", "no"]
    assert found["decided_by"].tolist() == ["Bea", "model"]
    assert found["review"].tolist() == [False, True]
    assert store.overrides()["row_id"].tolist() == [1]
    assert store.overrides(history=True)["label"].tolist() == ["yes", "no", "yes", None]


def test_what_the_model_said_stays_in_the_tables_and_the_view(store, tmp_path):
    publish(store, [1])
    override(store, 1, "yes")
    with closing(sqlite3.connect(tmp_path / "store.db")) as raw:
        assert raw.execute("SELECT label, review FROM predictions").fetchall() == [("no", 1)]


def test_true_and_false_and_text_ids_are_told_apart(store):
    publish(store, ["007", "7", "x"], classes=(False, True), labels=[False, True, False])
    override(store, "007", True)
    override(store, 7, False)
    found = by_id(store.predictions())
    assert found["label"].to_dict() == {"007": True, "7": False, "x": False}
    assert found["label"].dtype == bool
    assert found["decided_by"].tolist() == ["Ada", "Ada", "model"]


def test_an_override_speaks_of_its_cases_model_and_of_no_other(store):
    publish(store, [1], model="work")
    publish(store, [1], model="flights")
    publish(store, [1], model="numbers", classes=(0, 1, 2))
    open_case(store, "c", 1, "work")
    override(store, 1, "yes", case_id="c")
    found = store.predictions().set_index("model")["decided_by"].to_dict()
    assert found == {"work": "Ada", "flights": "model", "numbers": "model"}
    override(store, 1, "yes")  # of no case: of every model that knows the label
    found = store.predictions().set_index("model")["decided_by"].to_dict()
    assert found == {"work": "Ada", "flights": "Ada", "numbers": "model"}


def test_overrides_are_read_on_from_a_key(store):
    keys = [override(store, k, "yes", why=f"note {k}") for k in range(3)]
    with writing(store.engine) as connection:
        assert [one.key for one in read_overrides(connection, since=keys[0])] == keys[1:]
        assert [one.row_id for one in read_overrides(connection)] == [0, 1, 2]
    assert store.overrides()["why"].tolist() == ["note 0", "note 1", "note 2"]


@pytest.mark.parametrize("reviewer", ["", " ", "model"])
def test_nobody_and_the_model_are_no_reviewers(store, reviewer):
    with pytest.raises(ValueError, match="reviewer's name"):
        override(store, 1, "yes", reviewer=reviewer)


def test_a_folder_has_no_overrides_and_says_so(tmp_path):
    with open_store(tmp_path / "folder") as folder:
        publish(folder, [1])
        assert folder.predictions()["decided_by"].tolist() == ["model"]
        with pytest.raises(StoreError, match="needs a database"):
            folder.overrides()
