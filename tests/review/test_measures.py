"""What reviews are worth: against scikit-learn, against chance drawn again, and by hand."""

import math
import random
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from capstone_lib.errors import ReviewError, StoreError
from capstone_lib.review import ReviewQueue, measure_reviews
from capstone_lib.review.kappa import cohen_kappa
from capstone_lib.store import open_store

WORDS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40)


@given(WORDS)
def test_kappa_is_scikit_learns(pairs):
    first, second = zip(*pairs, strict=True)
    kappa, low, high = cohen_kappa(first, second)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it divides by zero where everybody says the same
        theirs = cohen_kappa_score(first, second)
    assert kappa == pytest.approx(theirs, nan_ok=True)
    if not math.isnan(kappa):
        assert -1 <= low <= kappa + 1e-9
        assert kappa <= high + 1e-9 <= 1 + 1e-6


def test_kappas_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    shares = np.array([[0.35, 0.08, 0.02], [0.05, 0.25, 0.05], [0.02, 0.03, 0.15]])
    expected = shares.sum(1) @ shares.sum(0)
    true = (np.trace(shares) - expected) / (1 - expected)
    held, rounds = 0, 1000
    for _ in range(rounds):
        cells = rng.choice(9, size=200, p=shares.ravel())
        _, low, high = cohen_kappa((cells // 3).tolist(), (cells % 3).tolist())
        held += low <= true <= high
    assert 0.92 < held / rounds < 0.975


def test_two_who_always_agree_may_yet_differ():
    few, many = (cohen_kappa([0, 1] * n, [0, 1] * n) for n in (2, 200))
    assert few[0] == many[0] == few[2] == many[2] == 1
    assert few[1] < 0.5 < 0.95 < many[1] < 1


def test_kappa_needs_two_words_on_each_case():
    for first, second in (([], []), ([1], [1, 2])):
        with pytest.raises(ReviewError, match="two words on each case"):
            cohen_kappa(first, second)


def by_name(found, name, group=""):
    (one,) = [m for m in found if m.name == name and m.group == group]
    return one


@pytest.fixture
def reviewed(scored, artifact, people, clock):
    """Sixty cases that two decided, a quarter of an hour of work."""
    queue = ReviewQueue(scored, double_share=1, clock=clock)
    queue.fill_audit(artifact=artifact, source=people, alert_id="a", group="sex=2", n=30)
    chance = random.Random(1)
    for reviewer in ("ana", "bo"):
        while case := queue.next(reviewer):
            queue.see(case)
            clock.now += 10 + chance.random() * 150
            verdict = chance.choices(["accept", "override", "cannot say"], [6, 3, 1])[0]
            label = 1 - case.label if verdict == "override" else None
            queue.decide(case.case_id, reviewer=reviewer, verdict=verdict, label=label)
    return scored


def test_agreement_is_of_the_first_two_words(reviewed):
    said = ReviewQueue(reviewed).decisions()
    said["word"] = said["label"].map({0: "0", 1: "1"}).fillna("cannot say")
    both = said.pivot(index="case_id", columns="reviewer", values="word")
    found = measure_reviews(reviewed)
    kappa, agreed = by_name(found, "review_kappa"), by_name(found, "review_agreement")
    assert kappa.value == pytest.approx(cohen_kappa_score(both["ana"], both["bo"]))
    assert kappa.low < kappa.value < kappa.high
    assert agreed.value == pytest.approx((both["ana"] == both["bo"]).mean())
    assert (kappa.n, agreed.n) == (60, 60)


def test_overrides_are_counted_by_group_once_a_case(reviewed, people):
    said = ReviewQueue(reviewed).decisions()
    words = said[said["verdict"] != "cannot say"].drop_duplicates("case_id")
    words = words.merge(people[["row_id", "sex", "age"]], on="row_id")
    found = measure_reviews(reviewed, sensitive={"sex": None, "age": (40,)})
    for group, some in (
        ("", words),
        ("sex=1", words[words["sex"] == 1]),
        ("sex=2", words[words["sex"] == 2]),
        ("age=below 40", words[words["age"] < 40]),
        ("age=from 40", words[words["age"] >= 40]),
    ):
        one = by_name(found, "override_rate", group)
        assert one.value == pytest.approx((some["verdict"] == "override").mean())
        assert one.n == len(some)
        assert 0 <= one.low < one.value < one.high <= 1
    unsure = by_name(found, "cannot_say_rate")
    assert unsure.value == pytest.approx((said["verdict"] == "cannot say").mean())
    assert unsure.n == 120


def test_time_is_held_against_the_aim(reviewed):
    seconds = ReviewQueue(reviewed).decisions()["seconds"]
    found = measure_reviews(reviewed)
    median, share = by_name(found, "review_seconds"), by_name(found, "review_in_time")
    assert median.value == pytest.approx(seconds.median())
    assert median.low < median.value < median.high
    assert (median.threshold, median.unit, median.n) == (120, "s", 120)
    assert share.value == pytest.approx((seconds <= 120).mean())
    assert by_name(measure_reviews(reviewed, aim_s=1000), "review_in_time").value == 1


def test_the_medians_interval_holds_it_as_often_as_it_says():
    from capstone_lib.review.measures import _median_interval

    rng, held = np.random.default_rng(0), 0
    for _ in range(1000):
        low, high = _median_interval(np.sort(rng.exponential(size=25)), 0.95)
        held += low <= math.log(2) <= high
    assert held >= 940
    assert np.isnan(_median_interval(np.array([1.0, 2.0]), 0.95)).all()


def test_help_is_the_error_before_and_after_where_the_truth_was_observed(reviewed, people):
    said = ReviewQueue(reviewed).decisions()
    words = said[said["verdict"] != "cannot say"].drop_duplicates("case_id")
    unknown = by_name(measure_reviews(reviewed), "review_help")
    assert math.isnan(unknown.value)
    assert "of nobody" in unknown.note  # reviewers' own words are no truth

    known = people.head(300)
    reviewed.record_outcomes(known, outcome="at_work", observed_at="2016-06-01")
    words = words.merge(known[["row_id", "at_work"]], on="row_id")
    before = (words["model_label"] != words["at_work"]).mean()
    after = (words["label"] != words["at_work"]).mean()
    found = measure_reviews(reviewed)
    assert by_name(found, "review_error_before").value == pytest.approx(before)
    assert by_name(found, "review_error_after").value == pytest.approx(after)
    helped = by_name(found, "review_help")
    assert helped.value == pytest.approx(before - after)
    assert helped.n == len(words)
    assert -1 <= helped.low < helped.value < helped.high <= 1


def test_the_monitor_leaves_reviewers_words_aside_unless_asked(reviewed, artifact, people):
    from capstone_lib.monitoring import measure

    n_said = len(ReviewQueue(reviewed).decisions().dropna(subset="label")["case_id"].unique())
    for reviews, known in ((False, 0), (True, n_said)):
        found = measure(artifact, reviewed, source=people, reviews=reviews)
        (missing,) = [m for m in found if m.name == "outcomes_missing"]
        assert missing.value == pytest.approx(1 - known / len(people))
    reviewed.record_outcomes(people, outcome="at_work", observed_at="2016-06-01")
    both = [
        [m for m in measure(artifact, reviewed, source=people, reviews=reviews) if m.name == "auc"]
        for reviews in (False, True)
    ]
    assert both[0][0].value == both[1][0].value


def test_the_paired_interval_holds_the_truth():
    from capstone_lib.review.measures import _paired_interval

    rng, held = np.random.default_rng(0), 0
    for _ in range(2000):
        mended, spoilt, _ = rng.multinomial(60, [0.2, 0.08, 0.72])
        low, high = _paired_interval(int(mended), int(spoilt), 60, 0.95)
        held += low <= 0.12 <= high
    assert 0.93 < held / 2000 < 0.98


def test_the_queue_is_a_number_of_cases_and_an_age(queue, scored, clock):
    for _ in range(2):
        queue.decide(queue.next("ana").case_id, reviewer="ana", verdict="accept")
    now = pd.Timestamp(clock.now, unit="s") + pd.Timedelta(days=3)
    found = measure_reviews(scored, now=now.to_pydatetime())
    assert by_name(found, "review_backlog").value == 10
    assert by_name(found, "review_oldest").value == pytest.approx(3)


def test_where_nothing_was_decided_it_says_so(scored):
    found = measure_reviews(scored)
    known = {one.name: one.value for one in found if one.is_known}
    assert known == {"review_backlog": 0, "review_oldest": 0}
    assert all(one.note for one in found if not one.is_known)


def test_they_are_kept_as_any_measurement_and_a_window_is_a_window(reviewed, artifact):
    window = ("2016-02-01", "2016-02-02")
    found = measure_reviews(reviewed, artifact=artifact, window=window, sensitive=["sex"])
    assert reviewed.write_measurements(found) == len(found)
    kept = reviewed.measurements(name="override_rate", group="sex=2", version="1.0")
    assert kept["window_start"].tolist() == [pd.Timestamp("2016-02-01")]
    other = measure_reviews(reviewed, window=("2017-01-01", None))
    assert by_name(other, "override_rate").n == 0


def test_blind_and_open_reviews_are_told_apart(scored, artifact, people):
    for blind in (True, False):
        queue = ReviewQueue(scored, blind=blind, double_share=0)
        queue.fill_audit(artifact=artifact, source=people, alert_id=f"a{blind}", n=5)
        for _ in range(5):
            case = queue.next("ana")
            label = 1 - case.label if blind else None
            verdict = "override" if blind else "accept"
            queue.decide(case.case_id, reviewer="ana", verdict=verdict, label=label)
    found = measure_reviews(scored)
    rates = {one.group: one.value for one in found if one.feature == "blind"}
    assert rates == {"blind=False": 0, "blind=True": 1}


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(StoreError, match="reviews need a database"):
        measure_reviews(open_store(f"{tmp_path}/folder/"))
