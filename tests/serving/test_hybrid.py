"""Nightly scores while they are fresh, live ones when they are not; counted and logged alike."""

import json
import time
import urllib.request
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

import capstone_lib as cap
from capstone_lib.errors import EndpointError
from capstone_lib.monitoring import measure_hybrid
from capstone_lib.serving.hybrid import parse_age
from capstone_lib.store.engine import writing
from capstone_lib.store.overrides import add_override

SOON_S = 30
HOUR = 3600


def wait_until(true):
    end = time.monotonic() + SOON_S
    while not (found := true()):
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)
    return found


def today(days=0):
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


def score(artifact, people, store, first=0, as_of=None):
    """A nightly run over these people, whose ids count from ``first``."""
    frame = people.assign(row_id=np.arange(first, first + len(people)))
    return cap.score_batch(artifact, frame, store=store, as_of=as_of or today(), id="row_id")


@pytest.fixture
def store(tmp_path):
    with cap.open_store(tmp_path / "s.db") as opened:
        yield opened


class Clock:
    """The time of an endpoint in this process, which can be set forward."""

    def __init__(self, endpoint):
        self._hybrid = endpoint._runner._app.service.hybrid
        self.ahead_s = 0.0
        self._hybrid._clock = lambda: time.time() + self.ahead_s


@pytest.fixture
def endpoint(artifact, people, store):
    """The first 100 people were scored for today."""
    score(artifact, people[:100], store)
    with cap.serve(artifact, store=store, hybrid="36h") as found:
        yield found


def refusal(endpoint, *arguments, **named):
    with pytest.raises(EndpointError) as caught:
        endpoint.predict(*arguments, **named)
    return caught.value.problem


def shared(answer):
    return {k: v for k, v in answer.items() if k not in ("route", "as_of", "age_s")}


def test_a_fresh_score_is_passed_on_and_equals_the_batch_and_the_live_one(
    endpoint, artifact, people, store, rows
):
    said = store.latest().set_index("row_id")
    live = artifact.predict(people)
    for k in range(120):
        answer = endpoint.predict(rows[k], id=str(k))
        assert answer["route"] == ("batch" if k < 100 else "stable")
        assert (answer["model"], answer["version"]) == ("work", "1.0.0")
        assert np.float32(answer["score"]) == live.score[k]
        assert answer["uncertainty"] == pytest.approx(live.uncertainty[k], rel=1e-6)
        assert (answer["label"], answer["review"]) == (live.label[k], live.review[k])
        if k < 100:
            row = said.loc[k]
            for name in ("score", "uncertainty"):
                assert np.float32(answer[name]) == row[name]
            assert (answer["label"], answer["review"]) == (row["label"], row["review"])
            assert json.dumps(answer["prediction_set"], ensure_ascii=False) == row["prediction_set"]
            assert answer["as_of"] == f"{row['as_of']:%Y-%m-%d}" == today()
            assert 0 <= answer["age_s"] < 24 * HOUR
        else:
            assert "as_of" not in answer
            assert "age_s" not in answer


def test_a_case_is_asked_about_by_its_id_alone_while_its_score_is_fresh(endpoint, rows):
    assert endpoint.predict(id="7") | {"age_s": 0} == endpoint.predict(rows[7], id="7") | {
        "age_s": 0
    }
    problem = refusal(endpoint, id="nobody")
    assert problem["status"] == 404
    assert problem["errors"][0]["code"] == "score_unknown"
    assert "send its features" in problem["errors"][0]["message"]
    problem = refusal(endpoint, id="7", explain=True)
    assert (problem["status"], problem["errors"][0]["code"]) == (404, "score_explained")


def test_across_the_staleness_edge_batch_becomes_live(endpoint, people, artifact, rows):
    clock = Clock(endpoint)
    fresh = endpoint.predict(rows[3], id="3")
    clock.ahead_s = 36 * HOUR - fresh["age_s"] - 60
    still = endpoint.predict(rows[3], id="3")
    assert still["route"] == "batch"
    assert 36 * HOUR - 60 <= still["age_s"] < 36 * HOUR
    clock.ahead_s += 60
    stale = endpoint.predict(rows[3], id="3")
    assert stale["route"] == "stable"
    assert shared(stale) == shared(fresh) == shared(still)
    problem = refusal(endpoint, id="3")
    assert (problem["status"], problem["errors"][0]["code"]) == (404, "score_stale")
    changed = endpoint.predict({**rows[3], "age": 89}, id="3")  # computed, and not remembered
    assert np.float32(changed["score"]) == artifact.predict(people[3:4].assign(age=89)).score[0]


def test_in_real_time_a_score_that_becomes_too_old_is_computed(artifact, people, store, rows):
    score(artifact, people[:5], store)
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    age = datetime.now(UTC) - midnight + timedelta(seconds=3)
    with cap.serve(artifact, store=store, hybrid=age) as endpoint:
        first = endpoint.predict(rows[0], id="0")
        assert first["route"] == "batch"
        wait_until(lambda: endpoint.predict(rows[0], id="0")["route"] == "stable")
        assert shared(endpoint.predict(rows[0], id="0")) == shared(first)
        hits = endpoint.status()["hybrid"]["hits"]
        assert hits >= 1
    assert (store.requests()["route"] == "batch").sum() == hits


def test_a_run_that_is_published_meanwhile_is_passed_on(endpoint, artifact, people, store, rows):
    assert endpoint.predict(rows[150], id="150")["route"] == "stable"
    before = endpoint.predict(id="50")
    assert before["as_of"] == today()
    score(artifact, people[40:200], store, first=40, as_of=today(-1))
    answer = wait_until(
        lambda: (a := endpoint.predict(rows[150], id="150"))["route"] == "batch" and a
    )
    assert answer["as_of"] == today(-1)
    assert endpoint.predict(id="50")["as_of"] == today()  # the newer one
    assert endpoint.status()["hybrid"]["ids"] == 200


def test_a_run_of_tomorrow_and_one_of_another_version_are_not_passed_on(
    endpoint, artifact, canary, people, store, rows
):
    score(artifact, people[300:310], store, first=300, as_of=today(2))
    score(canary, people[310:320], store, first=310)
    score(artifact, people[320:330], store, first=320)
    wait_until(lambda: endpoint.predict(rows[325], id="325")["route"] == "batch")
    assert endpoint.predict(rows[305], id="305")["route"] == "stable"
    assert endpoint.predict(rows[315], id="315")["route"] == "stable"
    codes = [refusal(endpoint, id=case)["errors"][0]["code"] for case in ("305", "315")]
    assert codes == ["score_unknown", "score_other_version"]


def test_the_rollout_comes_before_nightly_scores(artifact, canary, people, store, rows):
    score(artifact, people[:100], store)
    with cap.serve(artifact, canary=canary, store=store, hybrid="36h") as endpoint:

        def change(**what):
            key = store.change_rollout(who="test", why="to see", **what).key
            wait_until(lambda: endpoint.rollout.key == key)

        assert endpoint.predict(rows[0], id="0")["route"] == "batch"
        change(canary_share=1.0)
        assert endpoint.predict(rows[0], id="0")["route"] == "canary"
        assert refusal(endpoint, id="0")["errors"][0]["code"] == "score_route"
        change(paused=True)
        assert endpoint.predict(rows[0], id="0")["route"] == "batch"
        change(route="degraded")
        assert endpoint.predict(rows[0], id="0")["route"] == "degraded"


def test_a_shadow_is_neither_a_hit_nor_a_miss(artifact, canary, people, store, rows):
    score(artifact, people[:3], store)
    store.change_rollout(who="test", why="to see", shadow=True)
    with cap.serve(artifact, canary=canary, store=store, hybrid="36h") as endpoint:
        for k in range(6):
            endpoint.predict(rows[k], id=str(k))
        wait_until(lambda: endpoint._runner._app.service.metrics.counts.answers.total() == 9)
        status = endpoint.status()["hybrid"]
    log = store.requests()
    assert log["route"].value_counts().to_dict() == {"batch": 3, "stable": 3, "shadow": 3}
    assert (status["hits"], status["misses"]) == (3, {"unknown": 3})
    assert measure_hybrid(log).misses == {"unknown": 3}


def test_many_rows_are_looked_up_each_for_itself(endpoint, rows):
    instances = [{"features": row, "id": str(k)} for k, row in enumerate(rows[:150])]
    for k in range(50):
        del instances[k]["features"]
    for some in (instances, instances[45:55]):
        found = endpoint._client.post("/predict", {"instances": some})["predictions"]
        assert [one["id"] for one in found] == [one["id"] for one in some]
        assert [one["route"] for one in found] == [
            "batch" if int(one["id"]) < 100 else "stable" for one in some
        ]
    lacking = [{"id": "1"}, {"id": "nobody"}, {"id": "2"}, {"id": "none"}]
    with pytest.raises(EndpointError) as caught:
        endpoint._client.post("/predict", {"instances": lacking})
    problem = caught.value.problem
    assert problem["status"] == 404
    assert "2 of 4" in problem["detail"]
    pointers = [one["pointer"] for one in problem["errors"]]
    assert pointers == ["/instances/1/features", "/instances/3/features"]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"id": None},
        {"id": ""},
        {"id": "7", "features": None},
        {"id": "7", "features": {}},
        {"id": "7", "explain": 1},
        {"id": "7", "feature": {}},
        {"id": 7},
        {"instances": [{}]},
        {"instances": [{"id": "7"}, {"explain": False}]},
    ],
)
def test_what_is_no_record_is_refused_as_ever(endpoint, document):
    with pytest.raises(EndpointError) as caught:
        endpoint._client.post("/predict", document)
    assert caught.value.problem["status"] == 422


def test_without_hybrid_features_must_be_sent(artifact, store):
    with cap.serve(artifact, store=store) as endpoint:
        assert refusal(endpoint, id="7")["status"] == 422
        assert endpoint.status()["hybrid"] is None


def test_hits_and_misses_are_the_same_in_the_counts_and_in_the_log(
    endpoint, artifact, canary, people, store, rows
):
    clock = Clock(endpoint)
    score(canary, people[200:210], store, first=200)
    score(artifact, people[210:211], store, first=210)
    wait_until(lambda: endpoint.predict(rows[210], id="210")["route"] == "batch")
    for k in range(100):
        endpoint.predict(None if k % 2 else rows[k], id=str(k))
    for k in range(200, 205):
        endpoint.predict(rows[k], id=str(k))
    endpoint.predict(rows[0], id="0", explain=True)
    endpoint.predict(rows[0])
    with pytest.raises(EndpointError):
        endpoint.predict(id="nobody")  # not answered, so neither a hit nor a miss
    clock.ahead_s = 40 * HOUR
    for k in range(10):
        endpoint.predict(rows[k], id=str(k))
    status = endpoint.status()["hybrid"]
    with urllib.request.urlopen(f"{endpoint.url}/metrics", timeout=SOON_S) as reply:
        families = {f.name: f for f in text_string_to_metric_families(reply.read().decode())}
    endpoint.stop()
    log = store.requests()
    hits = int((log["route"] == "batch").sum())
    misses = log["miss"].dropna().astype(str).value_counts().to_dict()
    assert misses.pop("unknown") == len(log) - hits - 16  # the last run was waited for
    assert misses == {"other_version": 5, "explained": 1, "stale": 10}
    assert status["hits"] == hits > 100
    assert status["misses"] == log["miss"].dropna().astype(str).value_counts().to_dict()
    assert status["hit_rate"] == hits / len(log)
    assert families["capstone_hybrid_hits"].samples[0].value == hits
    counted = {s.labels["reason"]: s.value for s in families["capstone_hybrid_misses"].samples}
    assert counted == status["misses"]
    ages = {s.labels.get("le"): s.value for s in families["capstone_hybrid_age_seconds"].samples
            if s.name.endswith("_bucket")}  # fmt: skip
    assert ages["+Inf"] == ages["86400"] == hits
    assert families["capstone_hybrid_ids"].samples[0].value == 101
    batch = log[log["route"] == "batch"]
    assert (batch["as_of"] == np.datetime64(today())).all()
    assert log.loc[log["route"] != "batch", "as_of"].isna().all()
    assert {"{}"} < set(batch["features"])  # asked by id alone, and with features


def test_a_reviewers_label_stands_in_nightly_scores_too(endpoint, store, rows):
    before = endpoint.predict(id="7")
    label = {"yes": "no", "no": "yes"}[before["label"]]
    with writing(store.engine) as connection:
        add_override(connection, row_id=7, label=label, reviewer="Ada")
    wait_until(lambda: endpoint.status()["overrides"] == 1)
    after = endpoint.predict(id="7")
    decided = {"label": label, "review": False, "decided_by": "Ada"}
    assert after | {"age_s": 0} == {**before, **decided, "age_s": 0}
    assert (store.latest(ids=[7])["label"] == label).all()


def tensors(rows, artifact):
    kinds = {"age": "INT64", "hours a/week": "FP64", "class": "BYTES", "married": "BOOL"}
    return [
        {"name": name, "shape": [len(rows)], "datatype": kinds[name],
         "data": [row[name] for row in rows]}
        for name in artifact.schema.names
    ]  # fmt: skip


def test_the_protocol_passes_a_single_score_on(endpoint, artifact, rows, store):
    k = next(k for k, row in enumerate(rows) if row["hours a/week"] is not None)
    asked = {"id": str(k), "inputs": tensors([rows[k]], artifact)}
    answer = endpoint._client.post("/v2/models/work/infer", asked)
    assert answer["parameters"]["route"] == "batch"
    assert answer["parameters"]["as_of"] == today()
    values = {one["name"]: one["data"][0] for one in answer["outputs"]}
    expected = endpoint.predict(id=str(k))
    assert np.float32(values["score"]) == np.float32(expected["score"])
    assert (values["label"], values["review"]) == (expected["label"], expected["review"])
    many = {"id": str(k), "inputs": tensors([rows[k]] * 3, artifact)}
    assert endpoint._client.post("/v2/models/work/infer", many)["parameters"]["route"] == "stable"
    endpoint.stop()
    log = store.requests()
    assert log["route"].value_counts().to_dict() == {"batch": 2, "stable": 3}
    assert log["miss"].dropna().tolist() == ["unknown"] * 3


def test_hybrid_needs_a_database_and_an_age(artifact, tmp_path):
    with pytest.raises(EndpointError, match="nightly scores are passed on from a store"):
        cap.serve(artifact, hybrid="36h")
    with pytest.raises(ValueError, match="'36h', '2d'"):
        cap.serve(artifact, store=tmp_path / "s.db", hybrid="long")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("36h", 129_600), ("2d", 172_800), ("1d 12h", 129_600), ("90min", 5400), ("90m", 5400),
     ("1.5h", 5400), ("30s", 30), ("0.5s", 0.5), ("1d2h3m4s", 93_784)],
)  # fmt: skip
def test_ages_are_read(text, seconds):
    assert parse_age(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "36", "h", "-1h", "0h", "36h!", "1y", "1e9h", "9" * 400 + "d"]
)
def test_what_is_no_age_is_refused(text):
    with pytest.raises(ValueError, match="is no age of a score"):
        parse_age(text)


def test_a_process_of_its_own_passes_scores_on(model_path, artifact, people, store, rows):
    score(artifact, people[:10], store)
    with cap.serve(model_path, store=store, hybrid=timedelta(hours=36), mode="process") as endpoint:
        assert endpoint.predict(id="3")["route"] == "batch"
        assert endpoint.predict(rows[20], id="20")["route"] == "stable"
        assert endpoint.status()["hybrid"]["max_age_s"] == 36 * HOUR
