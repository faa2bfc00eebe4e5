"""A reviewer's label in the answers of a running endpoint, and in its log beside the model's."""

import json
import subprocess
import sys
import textwrap
import time

import pytest

import capstone_lib as cap
from capstone_lib.store.engine import writing
from capstone_lib.store.overrides import add_override

SOON_S = 30


def wait_until(true):
    end = time.monotonic() + SOON_S
    while not (found := true()):
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)
    return found


@pytest.fixture
def store(tmp_path):
    with cap.open_store(tmp_path / "s.db") as opened:
        yield opened


@pytest.fixture
def endpoint(artifact, store):
    with cap.serve(artifact, store=store) as found:
        yield found


def override(store, row_id, label, reviewer="Ada"):
    with writing(store.engine) as connection:
        return add_override(connection, row_id=row_id, label=label, reviewer=reviewer)


def other(label):
    return {"yes": "no", "no": "yes"}[label]


def followed(endpoint, n):
    wait_until(lambda: endpoint.status()["overrides"] == n)


def reviewed(answer, reviewer="Ada"):
    """The same answer, decided by a reviewer."""
    changed = {"label": other(answer["label"]), "review": False, "decided_by": reviewer}
    return {**answer, **changed}


def test_an_override_replaces_the_label_and_nothing_else(endpoint, store, rows):
    before = [endpoint.predict(row, id=str(k)) for k, row in enumerate(rows[:20])]
    assert not any("decided_by" in one for one in before)
    override(store, "7", other(before[7]["label"]))
    followed(endpoint, 1)
    after = [endpoint.predict(row, id=str(k)) for k, row in enumerate(rows[:20])]
    assert after == [reviewed(one) if one["id"] == "7" else one for one in before]


def test_of_many_rows_each_has_its_own_decider(endpoint, store, rows):
    instances = [{"features": row, "id": f"p{k}"} for k, row in enumerate(rows[:90])]
    before = endpoint._client.post("/predict", {"instances": instances})["predictions"]
    for k, reviewer in ((3, "Ada"), (70, "Bea")):
        override(store, f"p{k}", other(before[k]["label"]), reviewer)
    followed(endpoint, 2)
    after = endpoint._client.post("/predict", {"instances": instances})["predictions"]
    expected = list(before)
    expected[3], expected[70] = reviewed(before[3]), reviewed(before[70], "Bea")
    assert after == expected
    few = endpoint._client.post("/predict", {"instances": instances[:5]})["predictions"]
    assert few == expected[:5]


def test_an_override_that_is_taken_back_gives_the_word_to_the_model(endpoint, store, rows):
    before = endpoint.predict(rows[0], id="x")
    override(store, "x", other(before["label"]))
    followed(endpoint, 1)
    assert endpoint.predict(rows[0], id="x") == reviewed(before)
    override(store, "x", None, "Bea")
    followed(endpoint, 0)
    assert endpoint.predict(rows[0], id="x") == before


def test_an_override_of_before_the_start_counts_from_the_first_answer(artifact, store, rows):
    for label, reviewer in (("yes", "Ada"), ("no", "Bea")):
        override(store, f"says {label}", label, reviewer)
    override(store, "strange", "perhaps")
    with cap.serve(artifact, store=store) as endpoint:
        for label, reviewer in (("yes", "Ada"), ("no", "Bea")):
            answer = endpoint.predict(rows[0], id=f"says {label}")
            assert (answer["label"], answer["decided_by"]) == (label, reviewer)
            assert answer["review"] is False
        assert "decided_by" not in endpoint.predict(rows[0], id="strange")  # no class of the model


def test_the_log_keeps_what_the_model_said_beside_what_was_given(endpoint, store, rows):
    before = endpoint.predict(rows[0], id="x")
    key = override(store, "x", other(before["label"]))
    followed(endpoint, 1)
    given = endpoint.predict(rows[0], id="x", explain=True)
    assert given["decided_by"] == "Ada"
    assert given["explanation"]
    endpoint.stop()
    log = store.requests()
    assert log["label"].tolist() == [before["label"]] * 2
    assert log["review"].tolist() == [before["review"]] * 2
    assert log["answered"].tolist() == [before["label"], given["label"]]
    assert log["decided_by"].tolist() == ["model", "Ada"]
    assert store.overrides().set_index("override_key")["row_id"].to_dict() == {key: "x"}


def test_who_is_no_longer_handed_to_a_person_is_counted_so(endpoint, store, rows):
    store.change_rollout(who="test", why="all are reviewed", route="degraded")
    wait_until(lambda: endpoint.rollout.route == "degraded")
    override(store, "x", "no")
    followed(endpoint, 1)
    assert endpoint.predict(rows[0], id="x")["label"] == "no"  # also without a model
    assert endpoint.predict(rows[0], id="y")["review"] is True
    counts = endpoint._runner._app.service.metrics.counts
    assert (counts.answers.total(), counts.reviews.total()) == (2, 1)


def tensors(rows, artifact):
    kinds = {"age": "INT64", "hours a/week": "FP64", "class": "BYTES", "married": "BOOL"}
    return [
        {"name": name, "shape": [len(rows)], "datatype": kinds[name],
         "data": [row[name] for row in rows]}
        for name in artifact.schema.names
    ]  # fmt: skip


@pytest.mark.parametrize("n_rows", [1, 3])
def test_the_protocol_gives_the_reviewers_label_too(endpoint, store, artifact, rows, n_rows):
    whole = [row for row in rows if row["hours a/week"] is not None][:n_rows]
    asked = {"id": "x", "inputs": tensors(whole, artifact)}
    before = endpoint._client.post("/v2/models/work/infer", asked)
    values = {one["name"]: one["data"] for one in before["outputs"]}
    last = n_rows - 1
    override(store, f"x/{last}" if n_rows > 1 else "x", other(values["label"][last]))
    followed(endpoint, 1)
    after = endpoint._client.post("/v2/models/work/infer", asked)
    found = {one["name"]: one["data"] for one in after["outputs"]}
    values["label"][last], values["review"][last] = other(values["label"][last]), False
    assert found == values
    assert after["parameters"] == {
        **before["parameters"], "decided_by": "Ada", "decided_rows": str(last),
    }  # fmt: skip
    endpoint.stop()
    assert store.requests()["decided_by"].tolist()[-1] == "Ada"


def test_a_case_of_another_model_changes_nothing_here(endpoint, store, rows):
    from capstone_lib.store.review_tables import cases

    known = {column.name: "" for column in cases.c if not column.nullable}
    numbers = {"priority": 1.0, "score": 0.5, "uncertainty": 1.0, "wanted": 1}
    values = known | {name: value for name, value in numbers.items() if name in cases.c}
    values |= {"case_id": "c", "row_id": "x", "model": "flights"}
    before = endpoint.predict(rows[0], id="x")
    with writing(store.engine) as connection:
        connection.execute(cases.insert().values(values))
        add_override(
            connection, row_id="x", label=other(before["label"]), reviewer="Ada", case_id="c"
        )
    override(store, "y", "no")
    followed(endpoint, 1)
    assert endpoint.predict(rows[0], id="x") == before


def test_an_override_of_another_process_counts_soon(endpoint, store, rows):
    before = endpoint.predict(rows[0], id="x")
    program = """
        import sys
        from capstone_lib import open_store
        from capstone_lib.store.engine import writing
        from capstone_lib.store.overrides import add_override

        with open_store(sys.argv[1]) as store, writing(store.engine) as connection:
            add_override(connection, row_id="x", label=sys.argv[2], reviewer="Ada")
    """
    asked = [sys.executable, "-c", textwrap.dedent(program), store.url, other(before["label"])]
    subprocess.run(asked, check=True)
    expected = json.loads(json.dumps(reviewed(before)))
    wait_until(lambda: endpoint.predict(rows[0], id="x") == expected)
