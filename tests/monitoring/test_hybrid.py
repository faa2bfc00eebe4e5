"""Hits, misses and ages counted beside the log; neither nights nor reviewers blur the model."""

from datetime import UTC

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression

import capstone_lib as cap
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring import measure, measure_hybrid
from capstone_lib.store import open_store
from capstone_lib.store.engine import writing
from capstone_lib.store.overrides import add_override

START, END = "2016-01-01", "2016-02-15"
DAY = "2016-01-31"


def people(n, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"row_id": np.arange(n), "age": rng.integers(18, 80, n)})
    return frame.assign(employed=(rng.random(n) < 1 / (1 + np.exp(frame["age"] / 9 - 5))) * 1)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    train, held = people(800, 1), people(800, 2)
    return cap.export_model(
        LogisticRegression().fit(train[["age"]], train["employed"]),
        train[["age"]],
        tmp_path_factory.mktemp("model") / "m.onnx",
        name="work",
        version="1.0",
        X_calibration=held[["age"]],
        y_calibration=held["employed"],
    )


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store.db") as opened:
        yield opened


@pytest.fixture
def frame(artifact, store):
    found = people(300, 3)
    cap.score_batch(artifact, found, store=store, as_of=DAY, id="row_id", show_progress=False)
    store.record_outcomes(found, outcome="employed", observed_at="2016-03-01")
    return found


def log(store, artifact, frame, *, at, route="stable", run_key=None, miss=None):
    """Log what an endpoint would have answered to these people."""
    said = artifact.predict(frame[["age"]])
    key = store.register_served(name="work", version="1.0", artifact="x", snapshot="y")
    received = pd.Timestamp(at, tz=UTC).timestamp()
    store.write_requests(
        [
            (str(row_id), received, key, route, {} if route == "batch" else {"age": age},
             float(said.score[k]), int(said.label[k]), float(said.uncertainty[k]), [0, 1],
             bool(said.review[k]), 1.0 if route == "batch" else 3.0, None, run_key, miss, None)
            for k, (row_id, age) in enumerate(frame[["row_id", "age"]].to_numpy().tolist())
        ]
    )  # fmt: skip


def by_name(measurements, traffic="live"):
    return {(m.name, m.group): m for m in measurements if m.traffic == traffic}


def test_hits_misses_and_ages_are_those_of_the_log(store, artifact, frame):
    log(store, artifact, frame[:60], at="2016-01-31 12:00", route="batch", run_key=1)
    log(store, artifact, frame[:40], at="2016-02-01 06:00", route="batch", run_key=1)
    log(store, artifact, frame[60:90], at="2016-02-01 06:00", miss="stale")
    log(store, artifact, frame[90:100], at="2016-02-01 06:00", miss="unknown")
    log(store, artifact, frame[:7], at="2016-02-01 06:00", route="shadow")
    use = measure_hybrid(store.requests())
    assert (use.hits, use.misses, use.n) == (100, {"stale": 30, "unknown": 10}, 140)
    assert (use.median_days, use.max_days) == (0.5, 1.25)

    found = by_name(measure(artifact, store, window=(START, END), source=frame))
    rate = found["hybrid_hit_rate", ""]
    interval = binomtest(100, 140).proportion_ci(method="wilson")
    assert rate.value == 100 / 140
    assert (rate.low, rate.high) == pytest.approx(tuple(interval))
    assert found["hybrid_miss_share", "miss=stale"].value == 30 / 140
    assert found["served_staleness_max", ""].value == 1.25
    assert found["request_share", "route=batch"].value == 100 / 140
    assert found["latency_p50", "route=batch"].value == 1.0
    assert found["latency_max", ""].n == 140
    assert found["rows", ""].value == 40  # a batch has made the others, and is measured there


def test_where_no_nightly_score_is_passed_on_nothing_is_said_of_it(store, artifact, frame):
    log(store, artifact, frame[:40], at="2016-02-01")
    found = by_name(measure(artifact, store, window=(START, END)))
    assert not [name for name, _ in found if name.startswith(("hybrid", "served"))]
    use = measure_hybrid(store.requests())
    assert use.n == 0
    assert np.isnan(use.hit_rate)


def test_when_everybody_is_given_a_nightly_score_the_live_rows_are_none(store, artifact, frame):
    log(store, artifact, frame, at="2016-01-31 12:00", route="batch", run_key=1)
    found = by_name(measure(artifact, store, window=(START, END)))
    assert found["hybrid_hit_rate", ""].value == 1
    assert found["rows", ""].value == 0
    assert "passed nightly scores on" in found["rows", ""].note
    assert found["latency_p99", ""].value == 1.0


def test_what_reviewers_decide_does_not_change_what_is_measured_of_the_model(
    store, artifact, frame
):
    log(store, artifact, frame[:200], at="2016-02-01")
    wanted = {"window": (START, END), "source": frame, "now": END}
    before = measure(artifact, store, **wanted)
    with writing(store.engine) as connection:
        for row_id, label in zip(range(150), 1 - store.predictions()["label"][:150], strict=True):
            add_override(connection, row_id=row_id, label=int(label), reviewer="Ada")
    assert (store.predictions()["decided_by"] == "Ada").sum() == 150
    after = measure(artifact, store, **wanted)
    for one, two in zip(before, after, strict=True):
        assert repr(one) == repr(two)


def test_what_is_no_log_is_refused():
    with pytest.raises(MonitoringError, match="lacks as_of, miss"):
        measure_hybrid(pd.DataFrame({"received_at": []}))
