"""A load test as measurements: equal to its own figures, found again in a store."""

import numpy as np
import pytest
from scipy.stats import binomtest

from capstone_lib.loadtest import LoadStep, LoadTest
from capstone_lib.loadtest.records import RECORD
from capstone_lib.store import open_store

NAMES = ["load_test_p50", "load_test_p99", "load_test_rate", "load_test_error_rate"]
SAMPLES = np.round(np.random.default_rng(0).gamma(2, 5, 1_000), 1)


def step(users, ms, failed=0):
    records = np.zeros(len(ms) + failed, dtype=RECORD)
    records["ms"][: len(ms)] = ms
    records["code"][len(ms) :] = 500
    plan = {"users": users, "duration_s": 2.0, "rate": None}
    return LoadStep.of(records, plan, {"late_ms": [0.2]})


@pytest.fixture
def load():
    steps = (step(1, SAMPLES), step(8, SAMPLES * 2, failed=250), step(8, [], failed=10))
    times = {"began_at": "2026-01-01T10:00:00", "ended_at": "2026-01-01T10:00:07"}
    return LoadTest("http://x/predict", steps, seed=0, duration_s=2.0, **times)


def test_each_step_has_four_with_its_load_in_words(load):
    found = load.measurements(model="work", version="1")
    assert [one.name for one in found] == NAMES * 3
    assert [one.group for one in found[::4]] == ["1 user", "8 users, step 2", "8 users, step 3"]
    assert {(one.model, one.version, one.traffic) for one in found} == {("work", "1", "live")}
    windows = {(one.window_start, one.window_end) for one in found}
    assert windows == {("2026-01-01T10:00:00", "2026-01-01T10:00:07")}
    assert all("from this machine" in one.note for one in found)


def test_values_and_intervals_are_those_of_the_samples(load):
    p50, p99, rate, errors = load.measurements()[:4]
    ordered = np.sort(SAMPLES)
    assert p50.value == np.quantile(ordered, 0.5, method="inverted_cdf")
    assert p99.value == np.quantile(ordered, 0.99, method="inverted_cdf")
    below = tuple((end >= SAMPLES).mean() for end in (p50.low, p50.high))
    assert below == pytest.approx((0.469, 0.532), abs=0.01)  # ranks 469 and 532 of 1,000
    assert p99.low < p99.value < p99.high
    assert (rate.value, rate.n, errors.value, errors.n) == (500, 1_000, 0, 1_000)
    broken = load.measurements()[7]
    ends = binomtest(250, 1_250).proportion_ci(method="wilson")
    assert (broken.value, broken.n) == (0.2, 1_250)
    assert [broken.low, broken.high] == pytest.approx(list(ends))


def test_without_a_good_answer_there_is_no_percentile(load):
    p50, p99, rate, errors = load.measurements()[8:]
    assert not p50.is_known
    assert not p99.is_known
    assert (rate.value, errors.value) == (0, 1)


def test_they_are_found_again_in_a_store(load, tmp_path):
    with open_store(tmp_path / "store.db") as store:
        assert store.write_measurements(load.measurements(model="work", version="1")) == 12
        kept = store.measurements(name="load_test_rate", model="work")
    assert kept["value"].tolist() == [500, 500, 0]
