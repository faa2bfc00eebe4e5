import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from capstone_lib.serving.compare import compare_routes


def log(a, b, *, measure="review", names=("stable", "canary")):
    return pd.DataFrame(
        {"route": [names[0]] * len(a) + [names[1]] * len(b), measure: [*a, *b]},
    )


def hits(k, n):
    return [True] * k + [False] * (n - k)


@pytest.mark.parametrize(
    ("b", "a", "lower", "upper"),
    [  # Newcombe 1998, table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((0, 10), (0, 20), -0.1611, 0.2775),
    ],
)
def test_a_difference_of_shares_has_the_published_interval(b, a, lower, upper):
    found = compare_routes(log(hits(*a), hits(*b)))

    assert found.lower == pytest.approx(lower, abs=5e-5)
    assert found.upper == pytest.approx(upper, abs=5e-5)
    assert (found.a.n, found.b.n) == (a[1], b[1])
    assert found.excludes_zero == (lower > 0)


counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, counts, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_shares_agree_with_scipy_bound_by_bound(a, b, level):
    found = compare_routes(log(hits(*a), hits(*b)), level=level)

    for result, (k, n) in ((found.a, a), (found.b, b)):
        theirs = stats.binomtest(k, n).proportion_ci(level, method="wilson")
        assert result.value == pytest.approx(k / n)
        assert (result.lower, result.upper) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert found.lower <= found.difference <= found.upper
    assert found.lower >= -1 - 1e-9
    assert found.upper <= 1 + 1e-9
    back = compare_routes(log(hits(*b), hits(*a)), level=level)
    assert (back.lower, back.upper) == pytest.approx((-found.upper, -found.lower), abs=1e-12)


numbers = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30).filter(lambda x: np.ptp(x) > 1e-3)


@given(numbers, numbers, st.sampled_from([0.9, 0.95]))
def test_means_agree_with_scipys_welch_test(a, b, level):
    found = compare_routes(log(a, b, measure="uncertainty"), measure="uncertainty", level=level)

    theirs = stats.ttest_ind(b, a, equal_var=False).confidence_interval(level)
    assert (found.lower, found.upper) == pytest.approx((theirs.low, theirs.high), rel=1e-6)
    alone = stats.ttest_1samp(a, 0).confidence_interval(level)
    assert (found.a.lower, found.a.upper) == pytest.approx((alone.low, alone.high), rel=1e-6)


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(600):
        a, b = rng.random(60) < 0.2, rng.random(40) < 0.35
        found = compare_routes(log(a, b))
        covered += found.lower <= 0.15 <= found.upper
    assert stats.binomtest(covered, 600, 0.95).pvalue > 0.001


def test_labels_of_any_kind_are_counted_and_missing_ones_left_out():
    whole = log([0, 1, 1, None], [1, 0, 0, 0], measure="label")
    whole["label"] = whole["label"].astype("Int64")
    found = compare_routes(whole, measure="label")
    assert (found.a.n, found.b.n) == (3, 4)
    assert (found.a.value, found.b.value) == (pytest.approx(2 / 3), 0.25)
    assert "label 1" in found.measure

    words = log(["no", "yes"], ["no", "no"], measure="label")
    assert compare_routes(words, measure="label").a.value == 0.5
    assert compare_routes(words, measure="label", label="no").b.value == 1.0


def test_other_routes_can_be_compared_and_others_do_not_count():
    frame = pd.concat([log(hits(1, 4), hits(3, 4)), log(hits(4, 4), hits(0, 4), names=("x", "y"))])

    found = compare_routes(frame, a="x", b="y")

    assert (found.a.route, found.b.route, found.difference) == ("x", "y", -1.0)


def test_answers_that_are_all_alike_have_a_difference_without_width():
    found = compare_routes(log([1.0] * 3, [2.0] * 3, measure="score"), measure="score")

    assert (found.difference, found.lower, found.upper) == (1.0, 1.0, 1.0)


def test_the_result_is_a_table():
    found = compare_routes(log(hits(48, 80), hits(56, 70)))

    frame = found.to_frame()
    assert frame["route"].tolist() == ["stable", "canary", "canary - stable"]
    assert frame["n"].tolist()[:2] == [80, 70]
    assert frame["value"].tolist() == pytest.approx([0.6, 0.8, 0.2])
    html = found._repr_html_()
    assert "share handed to a person" in html
    assert "+0.05243 to +0.3339" in html
    assert "Zero is outside the interval" in html
    assert "within" in compare_routes(log(hits(1, 4), hits(2, 4)))._repr_html_()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"b": "degraded"}, "'degraded' has 0 answers.*stable 4, canary 4|canary 4, stable 4"),
        ({"b": "stable"}, "compare two different ones"),
        ({"level": 95}, "level is 95"),
        ({"measure": "mood"}, "measure is 'mood'"),
        ({"measure": "score"}, "no column 'score'"),
    ],
)
def test_what_cannot_be_compared_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        compare_routes(log(hits(1, 4), hits(2, 4)), **options)


def test_too_few_answers_and_unknown_labels_are_refused():
    with pytest.raises(ValueError, match="1 answers to measure, and 2 are needed"):
        compare_routes(log([0.5], [0.1, 0.2], measure="score"), measure="score")
    with pytest.raises(ValueError, match="no answer has the label 7; there are 0, 1"):
        compare_routes(log([0, 1], [1, 0], measure="label"), measure="label", label=7)
    with pytest.raises(ValueError, match="no rows"):
        compare_routes(log([], []))
