"""What set the limit, where the knee is, and whether a promise was kept: on made-up steps."""

import math

import numpy as np
import pytest

from capstone_lib.loadtest import LoadStep, LoadTest
from capstone_lib.loadtest.limits import find_limit, knee
from capstone_lib.loadtest.records import RECORD
from capstone_lib.loadtest.sla import judge


def step(users=8, ms=10.0, per_s=800, seconds=2.0, rate=None, cpu=0.3, queue=0.0, codes=()):
    """A step of answers that all took as long, evenly spread; then those of other codes."""
    n = int(per_s * seconds)
    records = np.zeros(n + len(codes), dtype=RECORD)
    records["ms"] = ms
    records["at_s"] = np.linspace(0, seconds, len(records))
    records["code"][n:] = codes
    plan = {"users": users, "duration_s": seconds, "rate": rate}
    busy = {"generator_cpu": cpu, "generator_queue": queue, "late_ms": [0.1, 0.2, 5.0]}
    return LoadStep.of(records, plan, busy)


def test_a_step_counts_sheds_apart_and_both_in_the_error_rate():
    found = step(per_s=45, seconds=2, codes=[503, 503, 429, 500, 500, 1, 5, 599, 302, 302])
    assert (found.requests, found.good, found.shed, found.failed) == (100, 90, 3, 7)
    assert found.failures == {
        "timeout": 1,
        "wrong content": 1,
        "302 Found": 2,
        "500 Internal Server Error": 2,
        "599": 1,
    }
    assert found.error_rate == 0.1
    assert found.histogram.total == 90
    assert found.failed_histogram.total == 10


def test_answers_after_the_end_count_as_requests_but_not_as_throughput():
    records = np.zeros(4, dtype=RECORD)
    records["at_s"] = [0.5, 1.0, 1.9, 2.5]
    found = LoadStep.of(records, {"users": 1, "duration_s": 2.0, "rate": None}, {})
    assert (found.requests, found.requests_per_s) == (4, 1.5)


def test_requests_that_were_due_and_never_sent_are_errors():
    found = step(rate=100, per_s=40, seconds=2.0)
    assert (found.requests, found.unsent) == (80, 120)
    assert found.error_rate == 0.6


def test_a_step_without_answers_has_no_percentiles_but_an_error_rate():
    nothing = step(per_s=0, codes=[2, 2])
    assert math.isnan(nothing.p99_ms)
    assert nothing.error_rate == 1
    assert nothing.to_dict()["p99_ms"] is None
    never = step(per_s=0)
    assert never.to_dict()["error_rate"] is None


@pytest.mark.parametrize(
    ("steps", "bare", "limit", "words"),
    [
        ([step(cpu=0.95)], None, "load generator", "95% of a core: the server may"),
        ([step(cpu=0.7, queue=0.25)], None, "load generator", "waited for it for 25%"),
        ([step(per_s=800)], step(per_s=900), "load generator", "got 900 requests/s"),
        ([step(per_s=800)], step(per_s=6000), "server", "6,000 requests/s from a server that"),
        ([step()], None, "server", "waited for its answers"),
        ([step(codes=[503])], None, "server", "refused requests"),
        ([step(rate=800)], None, "neither", "all of the 800 requests/s"),
        ([step(rate=1000, per_s=800)], None, "server", "left them waiting"),
        ([step(1, 10, 100), step(8, 10, 800)], None, "neither", "still grew"),
        ([step(1, 1, 1000), step(8, 8, 1000)], None, "server", "waited for its answers"),
    ],
)
def test_what_set_the_limit(steps, bare, limit, words):
    found, reason = find_limit(steps, bare)
    assert found == limit
    assert words in reason


def test_the_knee_is_where_throughput_over_latency_is_greatest():
    ramp = [step(1, 10, 100), step(8, 10.5, 760), step(32, 40, 790), step(64, 80, 800)]
    assert knee(ramp) is ramp[1]
    assert knee(ramp[::-1]) is ramp[1]
    assert knee(ramp[:2]) is None
    assert knee(ramp[:1]) is None
    assert knee([ramp[0], step(8, per_s=0, codes=[1])]) is None


def test_a_promise_that_is_kept_is_true():
    verdict = judge([step(1, 10), step(8, 49.9)], p99_ms=50, error_rate=0.0)
    assert verdict
    assert (verdict.ok, verdict.reasons, verdict.holds_up_to) == (True, (), 8)
    assert str(verdict) == "p99 within 50 ms and errors at most 0.00%: met"


def test_a_broken_promise_says_where_and_up_to_where_it_held():
    ramp = [step(32, 80), step(1, 10), step(8, 20, codes=[503] * 400)]
    verdict = judge(ramp, p99_ms=50, error_rate=0.01)
    assert not verdict
    assert verdict.holds_up_to == 1
    assert verdict.reasons == (
        "32 users: p99 80 ms, more than 50 ms",
        "8 users: 20.00% of requests without a good answer, more than 1.00%",
    )
    assert "<li>32 users" in verdict._repr_html_()
    assert judge(ramp[:1], p99_ms=50, error_rate=None).holds_up_to is None


def test_a_verdict_says_when_the_load_generator_was_the_limit():
    busy = LoadTest("http://x/predict", (step(ms=1_500, cpu=0.99),), seed=0, duration_s=2.0)
    verdict = busy.sla(p99_ms=50)
    assert verdict.reasons == ("8 users: p99 1,500 ms, more than 50 ms",)
    assert "the load generator was the limit" in str(verdict)
    assert not busy.sla(p99_ms=2_000).caveat


def test_no_good_answer_breaks_a_promise_about_latency():
    verdict = judge([step(per_s=0, codes=[1])], p99_ms=50, error_rate=None)
    assert verdict.reasons == ("8 users: no good answer at all",)
    assert not judge([step(per_s=0)], p99_ms=None, error_rate=0.5)


@pytest.mark.parametrize(
    "promise", [{}, {"p99_ms": 0}, {"p99_ms": -1}, {"error_rate": 1.1}, {"error_rate": -0.1}]
)
def test_a_promise_that_cannot_be_is_an_error(promise):
    with pytest.raises(ValueError, match=r"promised|p99_ms|error_rate"):
        judge([step()], **{"p99_ms": None, "error_rate": None, **promise})


@pytest.fixture
def ramp():
    steps = (step(1, 10, 100), step(8, 10.5, 760, codes=[503, 1]), step(32, 40, 790, queue=0.2))
    return LoadTest("http://127.0.0.1:1/predict", steps, seed=0, duration_s=2.0)


def test_the_whole_test_adds_up_its_steps(ramp):
    assert ramp.requests == sum(s.requests for s in ramp.steps)
    assert ramp.good == ramp.requests - 2
    assert (ramp.shed, ramp.failures) == (1, {"timeout": 1})
    assert ramp.p99_ms == 40
    times = np.repeat([10, 10.5, 40], [200, 1520, 1580])
    assert ramp.p50_ms == np.percentile(times, 50, method="inverted_cdf")
    assert ramp.mean_ms == pytest.approx(times.mean(), rel=1e-5)
    assert ramp.requests_per_s == pytest.approx(ramp.requests / 6)


def test_the_frame_has_a_row_a_step(ramp):
    frame = ramp.to_frame()
    assert frame["users"].tolist() == [1, 8, 32]
    assert frame["p99_ms"].tolist() == pytest.approx([10, 10.5, 40])
    assert frame["error_rate"].iloc[1] == pytest.approx(2 / 1522)


def test_what_people_read_tells_the_limit_the_knee_and_the_small_numbers(ramp):
    for said in (ramp._repr_html_(), str(ramp)):
        assert "Limited by: server" in said
        assert "The knee is at 8 users" in said
        assert "rests on its 2 slowest" in said
        assert "had no core for 20% of the time" in said
        assert "1 failed: timeout" in said
        assert "one core" in said.lower()


def test_a_ramp_is_drawn_with_its_knee(ramp):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    axes = ramp.plot()
    assert axes.get_yscale() == "log"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "p99",
        "p95",
        "p50",
        "knee",
        "good answers a second",
    ]
    assert list(axes.lines[0].get_ydata()) == pytest.approx([10, 10.5, 40])
    assert list(axes.lines[-1].get_xdata()) == [8, 8]
    pyplot.close(axes.figure)


def test_one_step_is_drawn_as_its_distribution_on_the_axes_given():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure, axes = pyplot.subplots()
    single = LoadTest("http://x/predict", (step(),), seed=0, duration_s=2.0)
    assert single.plot(axes) is axes
    assert axes.get_xlabel() == "time to a good answer (ms)"
    pyplot.close(figure)
