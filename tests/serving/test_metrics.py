"""Counts against brute force, and Prometheus' own reader on what is exposed."""

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from capstone_lib.serving.metrics import (
    LATENCY_BUCKETS_S,
    SCORE_BUCKETS,
    Counts,
    Gauges,
    Latency,
    Metrics,
    Spread,
    bury,
)
from capstone_lib.store import Rollout

ROUTES = ("stable", "canary", "degraded")
PATHS = ("/predict", "/v2/models/{name}/infer", "unknown")


def expected_counts(values, bounds):
    """By NumPy, whose bins are closed below: ours are closed above, as Prometheus' are."""
    edges = [-np.inf, *(np.nextafter(bound, np.inf) for bound in bounds), np.inf]
    return np.histogram(values, edges)[0].tolist()


latencies = st.one_of(st.floats(0, 30), st.sampled_from(LATENCY_BUCKETS_S))
scores = st.one_of(st.floats(0, 1, width=32), st.sampled_from(SCORE_BUCKETS))


@given(st.lists(latencies), st.lists(scores))
def test_a_spread_counts_as_numpy_does(seconds, given_scores):
    for values, bounds in ((seconds, LATENCY_BUCKETS_S), (given_scores, SCORE_BUCKETS)):
        spread = Spread([0] * (len(bounds) + 1))
        spread.add(values[:3], bounds)
        spread.add(values[3:], bounds)
        assert spread.buckets == expected_counts(values, bounds)
        assert spread.total == pytest.approx(sum(values))


batches = st.builds(
    dict,
    route=st.sampled_from(ROUTES),
    version=st.sampled_from(["1", "2\n\"'"]),
    values=st.lists(st.tuples(latencies, scores), min_size=1, max_size=5),
    reviews=st.integers(0, 3),
)
requests = st.tuples(st.sampled_from(PATHS), st.sampled_from([200, 422, 503]))
works = st.lists(batches | requests | st.sampled_from(["in_flight", "log_full"]), max_size=20)


def do(metrics, work):
    for one in work:
        if isinstance(one, dict):
            metrics.answered(
                one["route"],
                "model",
                one["version"],
                seconds=[seconds for seconds, _ in one["values"]],
                scores=[score for _, score in one["values"]],
                reviews=one["reviews"],
            )
        elif isinstance(one, tuple):
            metrics.request(*one)
        else:
            metrics.shed(one)
    return metrics


def as_plain(counts):
    """Counts for comparing: sums are rounded, because addition of floats has an order."""
    data = json.loads(json.dumps(counts.to_dict()))
    for kind in ("latency", "score"):
        for spread in data[kind].values():
            spread["total"] = round(spread["total"], 6)
    return data


@settings(deadline=None)
@given(st.lists(works, min_size=1, max_size=4))
def test_merged_counts_are_those_of_one_process_that_did_it_all(shares):
    merged = Counts()
    for work in shares:
        merged.merge(do(Metrics(), work).counts)
    everything = do(Metrics(), [one for work in shares for one in work]).counts
    assert as_plain(merged) == as_plain(everything)


@given(works)
def test_counts_are_read_back_equal(work):
    counts = do(Metrics(), work).counts
    assert Counts.from_dict(json.loads(json.dumps(counts.to_dict()))) == counts


def exposed(metrics, gauges=None, rollout=None):
    models = [("stable", 'wo"rk\\', "1\n2", "ab12")]
    text = metrics.expose(gauges or Gauges(), models=models, rollout=rollout or Rollout())
    families = list(text_string_to_metric_families(text.decode()))
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


@settings(deadline=None)
@given(works)
def test_prometheus_reads_what_was_counted(work):
    found = exposed(do(Metrics(), work))
    answered = [one for one in work if isinstance(one, dict)]
    for route in {one["route"] for one in answered}:
        mine = [one for one in answered if one["route"] == route]
        values = np.array([pair for one in mine for pair in one["values"]])
        for place, (kind, bounds) in enumerate(
            (("latency_seconds", LATENCY_BUCKETS_S), ("score", SCORE_BUCKETS))
        ):
            name, label = f"capstone_{kind}", ("route", route)
            for bound in bounds:
                seen = found[f"{name}_bucket", ("le", str(bound)), label]
                assert seen == (values[:, place] <= bound).sum()
            assert found[f"{name}_bucket", ("le", "+Inf"), label] == len(values)
            assert found[f"{name}_count", label] == len(values)
            assert found[f"{name}_sum", label] == pytest.approx(values[:, place].sum())
        assert found["capstone_reviews_total", ("route", route)] == sum(
            one["reviews"] for one in mine
        )
        for version in {one["version"] for one in mine}:
            key = (("model", "model"), ("route", route), ("version", version))
            rows = sum(len(one["values"]) for one in mine if one["version"] == version)
            assert found["capstone_answers_total", *key] == rows
    for path, status in {one for one in work if isinstance(one, tuple)}:
        key = (("path", path), ("status", str(status)))
        assert found["capstone_requests_total", *key] == work.count((path, status))
    for reason in {one for one in work if isinstance(one, str)}:
        assert found["capstone_shed_total", ("reason", reason)] == work.count(reason)


def test_gauges_rollout_and_models_are_exposed():
    rollout = Rollout(route="degraded", canary_share=0.25, paused=False)
    found = exposed(Metrics(), Gauges(in_flight=3, log_waiting=4, log_written=5), rollout)
    assert found["capstone_in_flight",] == 3
    assert found["capstone_log_waiting",] == 4
    assert found["capstone_log_written_total",] == 5
    assert found["capstone_rollout_canary_share",] == 0.25
    assert found["capstone_rollout_degraded",] == 1
    info = [key for key in found if key[0] == "capstone_model_info"]
    assert [dict(key[1:])["name"] for key in info] == ['wo"rk\\']
    paused = exposed(Metrics(), rollout=Rollout(canary_share=0.25, paused=True))
    assert paused["capstone_rollout_canary_share",] == 0
    assert paused["capstone_rollout_paused",] == 1


def test_whichever_worker_is_asked_answers_for_all(tmp_path, monkeypatch):
    workers = {pid: Metrics(tmp_path) for pid in (101, 102, 103)}
    for pid, metrics in workers.items():
        monkeypatch.setattr("os.getpid", lambda pid=pid: pid)
        metrics.request("/predict", 200)
        metrics.answered("stable", "m", "1", seconds=[0.1], scores=[0.5], reviews=1)
        metrics.share(Gauges(in_flight=1, log_waiting=2, log_written=3))
    (tmp_path / "104.json").write_text('{"counts": {"requ')  # just being replaced
    for pid, metrics in workers.items():
        monkeypatch.setattr("os.getpid", lambda pid=pid: pid)
        counts, gauges = metrics.together(Gauges(in_flight=1, log_waiting=2, log_written=3))
        assert counts.requests == {("/predict", "200"): 3}
        assert counts.latency["stable"].buckets == expected_counts([0.1] * 3, LATENCY_BUCKETS_S)
        assert gauges == Gauges(3, 6, 9)
    assert metrics.counts.requests["/predict", "200"] == 1  # asking changes nothing


def test_of_a_worker_that_died_the_counts_remain_and_the_gauges_go(tmp_path, monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: 101)
    dead = Metrics(tmp_path)
    dead.request("/predict", 200)
    dead.share(Gauges(in_flight=7, log_waiting=5, log_written=3))
    monkeypatch.setattr("os.getpid", lambda: 102)
    bury(tmp_path, 101)
    bury(tmp_path, 999)
    counts, gauges = Metrics(tmp_path).together(Gauges(in_flight=1))
    assert counts.requests == {("/predict", "200"): 1}
    assert gauges == Gauges(in_flight=1, log_waiting=0, log_written=3)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=200))
def test_latency_is_what_numpy_says(seconds):
    found = Latency.of(seconds)
    values = np.array(seconds) * 1000
    assert found.n == len(seconds)
    assert found.mean_ms == pytest.approx(values.mean())
    assert (found.p50_ms, found.p99_ms) == pytest.approx(tuple(np.percentile(values, [50, 99])))
    assert (found.p90_ms, found.p95_ms) == pytest.approx(tuple(np.percentile(values, [90, 95])))
    assert found.max_ms == values.max()


def test_nothing_in_the_window_has_no_percentiles(monkeypatch):
    metrics = Metrics()
    assert metrics.latency().n == 0
    assert np.isnan(metrics.latency().p99_ms)
    metrics.answered("stable", "m", "1", seconds=[5.0], scores=[0.5], reviews=0)
    now = time.monotonic()
    monkeypatch.setattr("time.monotonic", lambda: now + 30)
    metrics.answered("canary", "m", "1", seconds=[1.0, 2.0], scores=[0.5, 0.5], reviews=0)
    assert metrics.latency(10).n == 2
    assert metrics.latency(10).max_ms == 2000
    assert metrics.latency(60).n == 3
