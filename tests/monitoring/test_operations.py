"""Latencies by order statistics, and what became of requests, from a real endpoint's own counts."""

import urllib.request

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from sklearn.linear_model import LogisticRegression

import capstone_lib as cap
from capstone_lib.errors import EndpointError, MonitoringError
from capstone_lib.monitoring.operations import Traffic, measure_latency, percentile_ranks


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
@settings(deadline=None)
def test_percentiles_are_numpys_and_lie_in_their_intervals(values):
    found = measure_latency(values)
    assert found.n == len(values)
    assert (found.mean_ms, found.max_ms) == (np.mean(values), max(values))
    for one in found.percentiles:
        assert one.value == np.percentile(np.sort(values), one.percent)
        assert not one.low > one.value
        assert not one.high < one.value
        assert np.isnan(one.low) or one.low in [*values, one.value]


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("n", [5, 60, 1000, 20_000])
def test_the_interval_covers_by_the_binomial_law(n, share):
    low, high = percentile_ranks(n, share)
    covered = binom.cdf(high - 1, n, share) - binom.cdf(low - 1, n, share)
    assert covered >= 0.95
    narrower = binom.cdf(high - 2, n, share) - binom.cdf(low, n, share)
    assert narrower < 0.95 or n <= 60


def test_it_covers_a_heavy_tail():
    rng, hits = np.random.default_rng(0), 0
    true = np.exp(2.3263478740408408)
    for _ in range(500):
        one = measure_latency(np.exp(rng.normal(size=1500)))[99.0]
        hits += one.low <= true <= one.high
    assert hits / 500 >= 0.93


def test_the_share_slower_than_promised_is_counted_with_wilsons_interval():
    took = [5.0] * 90 + [20.0] * 8 + [20.1] * 2
    kept = {m.name: m for m in measure_latency(took, sla_ms=20).measurements(traffic="live")}
    slow = kept["slow_share"]
    ends = binomtest(2, 100).proportion_ci(method="wilson")
    assert (slow.value, slow.n, slow.traffic) == (0.02, 100, "live")
    assert (slow.low, slow.high) == pytest.approx((ends.low, ends.high))
    assert slow.note == "slower than 20 ms"


def test_few_answers_leave_the_tail_open():
    one = measure_latency([1.0, 2.0, 3.0])[99.0]
    assert np.isnan(one.high)
    kept = {m.name: m for m in measure_latency([1.0, 2.0, 3.0]).measurements(group="route=stable")}
    assert kept["latency_max"].value == 3.0
    assert kept["latency_p50"].group == "route=stable"
    assert kept["latency_p99"].unit == "ms"
    assert list(measure_latency([1.0]).to_frame()["percent"]) == [50, 90, 95, 99]
    with pytest.raises(KeyError, match="no percentile 75"):
        measure_latency([1.0])[75]


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [([], {}, "no answers"), ([-1.0], {}, "negative"), ([np.nan], {}, "missing"),
     ([1.0], {"percentiles": (100,)}, "between 0 and 100")],
)  # fmt: skip
def test_what_is_no_latency_is_refused(values, options, message):
    with pytest.raises(MonitoringError, match=message):
        measure_latency(values, **options)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("endpoint")
    X = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0] * 5})
    pipeline = LogisticRegression().fit(X, (X["a"] > 1).astype(int))
    artifact = cap.export_model(pipeline, X, folder / "m.onnx", name="work", version="1.0")
    with cap.serve(artifact, store=folder / "store.db") as running:
        yield running


def counted(endpoint):
    with urllib.request.urlopen(f"{endpoint.url}/metrics", timeout=10) as answer:
        return Traffic.of_metrics(answer.read())


def test_a_windows_traffic_is_what_the_endpoint_counted_in_between(endpoint):
    endpoint.predict({"a": 1})
    before = counted(endpoint)
    for k in range(7):
        endpoint.predict({"a": k % 4})
    for _ in range(3):
        with pytest.raises(EndpointError):
            endpoint.predict({"a": "no number"})
    window = counted(endpoint) - before

    assert (window.asked, window.good, window.refused, window.errors) == (10, 7, 3, 0)
    kept = {m.name: m for m in window.measurements()}
    assert kept["refused_rate"].value == 0.3
    assert kept["shed_rate"].value == 0
    assert kept["error_rate"].high > 0
    with pytest.raises(MonitoringError, match="started again in between"):
        before - counted(endpoint)


def test_sheds_are_no_errors_and_connections_turned_away_count():
    text = """# TYPE capstone_requests_total counter
capstone_requests_total{path="/predict",status="200"} 80.0
capstone_requests_total{path="/v2/models/m/infer",status="200"} 5.0
capstone_requests_total{path="/predict",status="503"} 10.0
capstone_requests_total{path="/predict",status="500"} 2.0
capstone_requests_total{path="/predict",status="422"} 3.0
capstone_requests_total{path="/metrics",status="200"} 99.0
# TYPE capstone_shed_total counter
capstone_shed_total{reason="in_flight"} 8.0
capstone_shed_total{reason="timeout"} 1.0
capstone_shed_total{reason="connections"} 4.0
"""
    found = Traffic.of_metrics(text)
    assert (found.asked, found.good, found.refused, found.errors) == (104, 85, 3, 3)
    assert sum(found.shed.values()) == 13
    empty = Traffic.of_metrics("# TYPE capstone_in_flight gauge\ncapstone_in_flight 0.0\n")
    rates = [m.value for m in empty.measurements() if m.unit == "share"]
    assert np.isnan(rates).all()


ENDLESS = '# TYPE capstone_requests_total counter\ncapstone_requests_total{path="/predict"} +Inf\n'


@pytest.mark.parametrize(
    "text", ["", "<html>not found</html>", "# TYPE python_info gauge\n", b"\xe1\xff", ENDLESS]
)
def test_what_is_no_metrics_text_is_refused(text):
    with pytest.raises(MonitoringError, match="no text of GET /metrics"):
        Traffic.of_metrics(text)


def test_a_load_test_tells_too():
    class Result:
        requests, good, shed = 100, 90, 7

    found = Traffic.of_load_test(Result())
    assert (found.asked, found.good, found.errors, dict(found.shed)) == (100, 90, 3, {"seen": 7})
