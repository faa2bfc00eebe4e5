"""Routes at work: a canary, a shadow and a degraded model behind one running endpoint."""

import json
import time
import urllib.request

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

import capstone_lib as cap
from capstone_lib.errors import EndpointError
from capstone_lib.serving.routes import draw

SOON_S = 30
KING = {"age": 40, "hours a/week": 35.0, "class": "king", "married": True}


def wait_until(true):
    end = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


@pytest.fixture
def store(tmp_path):
    with cap.open_store(tmp_path / "s.db") as opened:
        yield opened


@pytest.fixture
def endpoint(artifact, canary, fallback, store):
    with cap.serve(artifact, canary=canary, fallback=fallback, store=store) as found:
        yield found


def change(endpoint, store, **what):
    key = store.change_rollout(who="test", why="to see", **what).key
    wait_until(lambda: endpoint.rollout.key == key)


def many(endpoint, rows, prefix):
    instances = [{"features": row, "id": f"{prefix}{k}"} for k, row in enumerate(rows)]
    return endpoint._client.post("/predict", {"instances": instances})["predictions"]


def test_every_answer_in_the_log_is_the_answer_that_was_given(endpoint, store, rows):
    change(endpoint, store, canary_share=0.4)
    answers = {one["id"]: one for one in many(endpoint, rows, "c")}
    answers["why"] = endpoint.predict(rows[0], id="why", explain=True)
    endpoint.stop()
    log = store.requests().set_index("row_id")
    assert sorted(log.index) == sorted(answers)
    for case, answer in answers.items():
        row = log.loc[case]
        for name in ("label", "review", "route", "model", "version"):
            assert row[name] == answer[name]
        assert row["score"] == np.float32(answer["score"])
        assert row["uncertainty"] == np.float32(answer["uncertainty"])
        assert json.loads(row["prediction_set"]) == answer["prediction_set"]
    assert json.loads(log.loc["why", "explanation"]) == answers["why"]["explanation"]
    assert log["explanation"].notna().sum() == 1
    first = json.loads(log.loc["c0", "features"])
    assert first == rows[0]


def test_a_shadow_is_scored_and_logged_but_never_answers(endpoint, store, canary, people, rows):
    change(endpoint, store, shadow=True)
    answers = many(endpoint, rows, "s")
    assert {one["route"] for one in answers} == {"stable"}
    alone = endpoint.predict(rows[0], id="alone")
    assert alone["version"] == "1.0.0"
    endpoint.stop()
    shadow = store.requests(route="shadow").set_index("row_id")
    assert len(shadow) == len(rows) + 1
    assert set(shadow["version"]) == {"2.0.0"}
    expected = canary.predict(people)
    found = shadow.loc[[f"s{k}" for k in range(len(rows))]]
    assert (found["score"].to_numpy() == expected.score).all()
    assert (found["label"].to_numpy() == expected.label).all()
    assert len(store.requests(route="stable")) == len(rows) + 1


def test_a_shadow_leaves_out_what_its_own_gate_refuses(artifact, canary, store, rows):
    """And the answer of the model in charge is none the worse for it."""
    with cap.serve(canary, canary=artifact, store=store) as endpoint:
        change(endpoint, store, shadow=True)
        assert endpoint.predict(KING, id="king")["version"] == "2.0.0"
        endpoint.predict(rows[0], id="cook")
    shadow = store.requests(route="shadow")["row_id"].tolist()
    warns = artifact.schema["class"].on_unknown == "warn"
    assert shadow == (["king", "cook"] if warns else ["cook"])


def test_degraded_and_back(endpoint, store, artifact, fallback, people, rows):
    change(endpoint, store, canary_share=1.0, route="degraded")
    found = many(endpoint, rows, "d")
    assert {(one["route"], one["model"], one["version"]) for one in found} == {
        ("degraded", "cheap", "0.1.0")
    }
    assert [one["score"] for one in found] == fallback.predict(people).score.tolist()
    change(endpoint, store, route="stable", canary_share=0.0)
    found = many(endpoint, rows, "e")
    assert [one["score"] for one in found] == artifact.predict(people).score.tolist()
    assert store.rollout_history()["why"].tolist() == ["to see"] * 2


def test_the_constant_answer_asks_a_person_and_says_so_in_the_log(artifact, store, rows):
    with cap.serve(artifact, store=store) as endpoint:
        change(endpoint, store, route="degraded")
        answer = endpoint.predict(rows[0], id="a", explain=True)
        with pytest.raises(EndpointError, match="fraction"):  # the gate stays
            endpoint.predict({**rows[0], "age": 1.5})
    assert answer["review"] is True
    assert answer["prediction_set"] == list(artifact.classes)
    assert answer["model"] == "constant"
    (logged,) = store.requests().to_dict("records")
    assert (logged["route"], logged["model"], logged["review"]) == ("degraded", "constant", True)


def tensors(rows, artifact):
    kinds = {"age": "INT64", "hours a/week": "FP64", "class": "BYTES", "married": "BOOL"}
    return [
        {"name": name, "shape": [len(rows)], "datatype": kinds[name],
         "data": [row[name] for row in rows]}
        for name in artifact.schema.names
    ]  # fmt: skip


def test_the_protocol_follows_the_routes_and_says_who_answered(
    endpoint, store, artifact, canary, people, rows
):
    change(endpoint, store, canary_share=0.5)
    whole = [row for row in rows if row["hours a/week"] is not None][:100]
    frame = people[people["hours a/week"].notna()].head(100)
    cases = {"canary" if draw(str(k), "work 2.0.0") < 0.5 else "stable": str(k) for k in range(30)}
    for route, case in cases.items():
        asked = {"id": case, "inputs": tensors(whole, artifact)}
        answer = endpoint._client.post("/v2/models/work/infer", asked)
        model = {"canary": canary, "stable": artifact}[route]
        outputs = {one["name"]: one["data"] for one in answer["outputs"]}
        expected = model.predict(frame)
        assert outputs["score"] == pytest.approx(expected.score.tolist(), abs=0)
        assert outputs["label"] == expected.label.tolist()
        assert answer["id"] == case
        assert answer["model_version"] == model.version
        assert answer["parameters"]["route"] == route
    endpoint.stop()
    log = store.requests()
    assert len(log) == 200
    assert log.groupby("route")["version"].unique().str[0].to_dict() == {
        "canary": "2.0.0",
        "stable": "1.0.0",
    }
    assert log["row_id"].iloc[0] == f"{next(iter(cases.values()))}/0"


def test_metrics_tell_the_routes_apart(endpoint, store, rows):
    change(endpoint, store, canary_share=0.5)
    answers = many(endpoint, rows, "m")
    status = endpoint.status()
    assert status["rollout"]["canary_share"] == 0.5
    with urllib.request.urlopen(f"{endpoint.url}/metrics", timeout=SOON_S) as reply:
        families = list(text_string_to_metric_families(reply.read().decode()))
    counts = {
        (sample.name, sample.labels.get("route"), sample.labels.get("le")): sample.value
        for family in families
        for sample in family.samples
    }
    for route in ("stable", "canary"):
        mine = [one for one in answers if one["route"] == route]
        assert counts["capstone_answers_total", route, None] == len(mine)
        assert counts["capstone_reviews_total", route, None] == sum(one["review"] for one in mine)
        low = sum(one["score"] <= 0.5 for one in mine)
        assert counts["capstone_score_bucket", route, "0.5"] == low
