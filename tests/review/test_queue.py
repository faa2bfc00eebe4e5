"""The queue: from answers to cases, from cases to reviewers, from their words to what counts."""

import json

import numpy as np
import pandas as pd
import pytest

import capstone_lib as cap
from capstone_lib.errors import ReviewError, StoreError
from capstone_lib.review import ReviewQueue
from capstone_lib.store import open_store
from capstone_lib.store.entries import ENTRY


def other(case):
    return next(name for name in case.classes if name != case.label)


def test_the_uncertain_come_in_with_all_that_a_reviewer_needs(scored, artifact, people, clock):
    queue = ReviewQueue(scored, double_share=0, clock=clock)
    said = scored.predictions(overrides=False)
    asks = said[said["review"]]
    assert queue.fill_uncertain(artifact=artifact, source=people) == len(asks) > 20

    frame = queue.cases()
    assert sorted(frame["row_id"]) == sorted(asks["row_id"])
    by_id = frame.set_index("row_id")
    for row in asks.head(20).itertuples():
        case, person = by_id.loc[row.row_id], people.set_index("row_id").loc[row.row_id]
        assert json.loads(case["features"]) == {
            "age": person["age"], "sex": person["sex"], "hours": person["hours"]
        }  # fmt: skip
        assert (case["score"], case["label"]) == (pytest.approx(row.score), row.label)
        assert json.loads(case["prediction_set"]) == json.loads(row.prediction_set)
    assert frame["source"].unique() == ["uncertainty"]
    assert frame["closed_at"].isna().all()


def test_adding_twice_is_once_and_new_values_are_a_new_case(queue, scored, artifact, people):
    assert queue.fill_uncertain(artifact=artifact, source=people, n=12) == 0
    cap.score_batch(
        artifact, people, store=scored, as_of="2016-02-29", id="row_id", show_progress=False
    )
    assert queue.fill_uncertain(artifact=artifact, source=people, n=12) == 0
    assert queue.fill_uncertain(artifact=artifact, source=people, n=15) == 3


def test_the_least_certain_come_first(queue):
    order = []
    while case := queue.next("ana"):
        order.append(case.uncertainty)
        queue.decide(case.case_id, reviewer="ana", verdict="accept")
    assert len(order) == 12
    assert order == sorted(order, reverse=True)


def log(store, frame, *, score=0.5, label=1, review=True, at=1.0e9):
    key = store.register_served(name="work", version="1.0", artifact="x", snapshot="y")
    rows = []
    for place, row in enumerate(frame.to_dict("records")):
        entry = dict.fromkeys(ENTRY) | {
            "row_id": str(row["row_id"]), "received_at": at + place, "served_key": key,
            "route": "stable", "features": {name: row[name] for name in ("age", "sex", "hours")},
            "score": score, "label": label, "uncertainty": 1.0, "prediction_set": [0, 1],
            "review": review, "latency_ms": 1.0, "explanation": None,
        }  # fmt: skip
        rows.append(tuple(entry[name] for name in ENTRY))
    store.write_requests(rows)


def test_the_log_of_an_endpoint_fills_it_too_and_the_last_answer_counts(store, artifact, people):
    queue = ReviewQueue(store, double_share=0)
    log(store, people.head(5))
    log(store, people.head(2), review=False, at=2.0e9)
    assert queue.fill_uncertain(artifact=artifact) == 3
    assert sorted(queue.cases()["row_id"]) == people["row_id"].iloc[2:5].tolist()


def test_without_features_it_says_what_to_give(scored, artifact):
    with pytest.raises(ReviewError, match="name the source that was scored"):
        ReviewQueue(scored).fill_uncertain(artifact=artifact)
    with pytest.raises(ReviewError, match="was published for this window"):
        ReviewQueue(scored).fill_uncertain(artifact=artifact, window=("2020-01-01", None))


def test_a_folder_is_refused_with_a_cure(tmp_path):
    with pytest.raises(StoreError, match="reviews need a database"):
        ReviewQueue(open_store(f"{tmp_path}/folder/"))


@pytest.mark.parametrize("wrong", [{"double_share": 2}, {"lease_s": 0}])
def test_wrong_options_are_refused(store, wrong):
    with pytest.raises(ReviewError, match=next(iter(wrong))):
        ReviewQueue(store, **wrong)


def test_an_audit_draws_the_group_and_as_many_others(scored, artifact, people, clock):
    queue = ReviewQueue(scored, double_share=0, clock=clock)
    about = {"artifact": artifact, "source": people, "alert_id": "a1", "group": "sex=2"}
    assert queue.fill_audit(**about, n=30) == 60
    frame = queue.cases()
    sex = frame["features"].map(lambda text: json.loads(text)["sex"])
    assert frame["group"].value_counts().to_dict() == {"sex=2": 30, "not sex=2": 30}
    assert ((sex == 2) == (frame["group"] == "sex=2")).all()
    assert set(frame["alert_id"]) == {"a1"}

    assert queue.fill_audit(**about, n=30) == 0
    assert queue.fill_audit(**about | {"alert_id": "a2"}, n=30) == 60


def test_the_same_seed_draws_the_same_people(tmp_path, artifact, people):
    drawn = []
    for place, seed in enumerate((0, 0, 1)):
        with open_store(f"sqlite:///{tmp_path}/{place}.db") as store:
            shuffled = people.sample(frac=1, random_state=place)
            cap.score_batch(
                artifact, shuffled, store=store, as_of="2016-01-31", id="row_id",
                show_progress=False,
            )  # fmt: skip
            queue = ReviewQueue(store)
            queue.fill_audit(artifact=artifact, source=shuffled, alert_id="a", n=20, seed=seed)
            drawn.append(set(queue.cases()["row_id"]))
    assert drawn[0] == drawn[1] != drawn[2]


def test_an_audit_is_topped_up_with_people_not_seen_before(scored, artifact, people, clock):
    queue = ReviewQueue(scored, double_share=0, clock=clock)
    about = {"artifact": artifact, "source": people, "alert_id": "a1", "group": "sex=2"}
    queue.fill_audit(**about, n=5, others=0)
    for _ in range(2):
        case = queue.next("ana")
        queue.decide(case.case_id, reviewer="ana", verdict="accept")
    assert queue.fill_audit(**about, n=5, others=0) == 2
    assert queue.cases()["row_id"].is_unique
    assert len(queue.cases()) == 7


def test_an_audit_keeps_the_group_from_its_reviewers(scored, artifact, people):
    queue = ReviewQueue(scored, double_share=0)
    queue.fill_audit(artifact=artifact, source=people, alert_id="a1", group="sex=2", n=40)
    groups, reasons = [], set()
    by_id = queue.cases().set_index("case_id")["group"]
    while case := queue.next("ana"):
        groups.append(by_id[case.case_id] == "sex=2")
        reasons.add(case.reason)
        queue.decide(case.case_id, reviewer="ana", verdict="cannot say")
    assert reasons == {"some answers are checked by hand, and this is one of them"}
    changes = np.abs(np.diff(groups)).sum()  # 39.5 expected in a random order, deviation 4.4
    assert 20 < changes < 60


def test_an_audit_is_withdrawn_but_for_what_somebody_works_on(queue, artifact, people):
    queue.fill_audit(artifact=artifact, source=people, alert_id="a1", n=10)
    done, held = queue.next("ana"), queue.next("bo")
    queue.decide(done.case_id, reviewer="ana", verdict="accept")
    assert (queue.withdraw("a1"), queue.withdraw("a1"), queue.withdraw("")) == (8, 0, 0)
    left = queue.cases()
    assert set(left[left["alert_id"] == "a1"]["case_id"]) == {done.case_id, held.case_id}
    assert (left["source"] == "uncertainty").sum() == 12


def test_a_group_that_is_nobodys_is_told(scored, artifact, people):
    queue = ReviewQueue(scored)
    for group, said in (("sex=7", "nobody of sex=7"), ("SEX=2", "speaks of no column")):
        with pytest.raises(ReviewError, match=said):
            queue.fill_audit(artifact=artifact, source=people, alert_id="a", group=group)
    with pytest.raises(ReviewError, match="belongs to an alert"):
        queue.fill_audit(artifact=artifact, source=people, alert_id="")


def test_an_appeal_comes_before_everything_else(queue, artifact, people):
    queue.fill_audit(artifact=artifact, source=people, alert_id="a", n=5)
    about = {"artifact": artifact, "source": people}
    appeal = queue.appeal(1007, " I do have a job ", **about)
    assert queue.appeal("1007", "I do have a job", **about) == appeal
    case = queue.next("ana")
    assert (case.case_id, case.row_id, case.reason) == (appeal, "1007", "I do have a job")
    queue.decide(appeal, reviewer="ana", verdict="accept")
    assert queue.next("ana").source == "audit"
    with pytest.raises(ReviewError, match="no answer about '77'"):
        queue.appeal(77, "why?", **about)
    with pytest.raises(ReviewError, match="needs a reason"):
        queue.appeal(1007, " ", **about)


def test_two_reviewers_never_hold_the_same_case(queue):
    held = {name: queue.next(name).case_id for name in "abcdefghijkl"}
    assert len(set(held.values())) == 12
    assert queue.next("m") is None
    assert {name: queue.next(name).case_id for name in held} == held


def test_a_lease_runs_out_and_the_work_is_somebody_elses(queue, clock):
    first = queue.see(queue.next("ana"))
    clock.now += 599
    assert queue.next("ana").seen_at == first.seen_at  # her kernel died: she has it again at once
    clock.now += 601
    second = queue.next("bo")
    assert (second.case_id, second.seen_at) == (first.case_id, None)
    with pytest.raises(ReviewError, match="is bo's and not ana's"):
        queue.decide(first.case_id, reviewer="ana", verdict="accept")


def test_who_comes_late_still_decides_what_nobody_else_was_given(queue, clock):
    case = queue.see(queue.next("ana"))
    clock.now += 5_000
    said = queue.decide(case.case_id, reviewer="ana", verdict="accept")
    assert said.seconds == 5_000


def test_seconds_count_from_the_first_sight(queue, clock):
    case = queue.next("ana")
    clock.now += 10
    seen = queue.see(case)
    clock.now += 30
    queue.see(seen)
    clock.now += 12
    assert queue.decide(case.case_id, reviewer="ana", verdict="accept").seconds == 42
    case = queue.next("ana")
    assert queue.decide(case.case_id, reviewer="ana", verdict="accept").seconds is None


def test_what_is_wrong_with_a_decision_is_told(queue):
    case = queue.next("ana")
    right = {"case_id": case.case_id, "reviewer": "ana", "verdict": "override"}
    for change, said in (
        ({"verdict": "maybe"}, "a verdict is one of accept, override, cannot say"),
        ({}, "an override names a label"),
        ({"label": 7}, "7 is no label of work 1.0; there are 0, 1"),
        ({"label": case.label}, "the model said . itself"),
        ({"verdict": "accept", "label": other(case)}, "to accept is to agree"),
        ({"verdict": "cannot say", "label": 1}, "names no label"),
        ({"label": other(case), "note": "x" * 5000}, "the note has 5,000 characters"),
        ({"reviewer": "bo", "label": other(case)}, "is ana's and not bo's"),
        ({"reviewer": " ", "label": other(case)}, "a reviewer has a name"),
        ({"reviewer": "model", "label": other(case)}, "a reviewer has a name"),
        ({"case_id": "none", "label": other(case)}, "there is no case 'none'"),
    ):
        with pytest.raises(ReviewError, match=said):
            queue.decide(**right | change)
    assert len(queue.decisions()) == 0
    queue.decide(**right, label=other(case))
    with pytest.raises(ReviewError, match="you have decided the case"):
        queue.decide(**right, label=other(case))
    with pytest.raises(ReviewError, match="was decided at"):
        queue.decide(**right | {"reviewer": "bo"}, label=other(case))
    with pytest.raises(ReviewError, match="nobody gave ana"):
        queue.decide(queue.cases()["case_id"][queue.cases()["closed_at"].isna()].iloc[0],
                     reviewer="ana", verdict="accept")  # fmt: skip


def test_an_override_counts_at_once_and_is_an_outcome_of_its_own_kind(queue, scored):
    case = queue.next("ana")
    queue.decide(
        case.case_id, reviewer="ana", verdict="override", label=other(case), note=" seen papers "
    )
    row_id = int(case.row_id)
    counts = scored.predictions(ids=[row_id]).iloc[0]
    assert (counts["label"], counts["decided_by"], counts["review"]) == (other(case), "ana", False)
    assert scored.predictions(ids=[row_id], overrides=False)["label"].iloc[0] == case.label
    came = scored.outcomes()
    assert came[["row_id", "outcome", "source"]].values.tolist() == [
        [row_id, other(case), "review"]
    ]
    assert queue.decisions()["note"].tolist() == ["seen papers"]


def test_agreeing_is_an_outcome_too_and_doubt_is_none(queue, scored):
    for verdict in ("accept", "cannot say"):
        case = queue.next("ana")
        queue.decide(case.case_id, reviewer="ana", verdict=verdict)
    assert [type(one) for one in queue.decisions()["label"]] == [int, type(None)]
    assert len(scored.outcomes()) == 1
    assert (scored.predictions()["decided_by"] == "model").all()


def test_who_accepts_the_models_answer_later_takes_an_override_back(
    queue, scored, artifact, people
):
    case = queue.next("ana")
    queue.decide(case.case_id, reviewer="ana", verdict="override", label=other(case))
    appeal = queue.appeal(case.row_id, "that is not so", artifact=artifact, source=people)
    again = queue.next("bo")
    assert (again.case_id, again.label) == (appeal, case.label)  # the model's, not ana's
    queue.decide(appeal, reviewer="bo", verdict="accept")
    assert (scored.predictions()["decided_by"] == "model").all()


def test_of_two_reviewers_the_first_who_can_say_counts(scored, artifact, people, clock):
    queue = ReviewQueue(scored, double_share=1, clock=clock)
    queue.fill_uncertain(artifact=artifact, source=people, n=2)
    case = queue.next("ana")
    assert queue.decide(case.case_id, reviewer="ana", verdict="cannot say").counts
    assert queue.next("ana").case_id != case.case_id
    assert queue.waiting("ana") == 1
    assert queue.next("bo").case_id == case.case_id
    said = queue.decide(case.case_id, reviewer="bo", verdict="override", label=other(case))
    assert said.counts
    assert queue.cases().set_index("case_id").loc[case.case_id, "closed_at"] is not pd.NaT

    case = queue.next("ana")
    queue.decide(case.case_id, reviewer="ana", verdict="accept")
    queue.next("bo")
    said = queue.decide(case.case_id, reviewer="bo", verdict="override", label=other(case))
    assert not said.counts
    assert scored.predictions(ids=[case.row_id])["decided_by"].tolist() == ["model"]
    assert len(scored.outcomes()) == 2


def test_about_the_asked_share_goes_to_two(scored, artifact, people):
    queue = ReviewQueue(scored, double_share=0.3)
    queue.fill_audit(artifact=artifact, source=people, alert_id="a", n=400)
    wanted = queue.cases()["wanted"]
    assert set(wanted) == {1, 2}
    assert 0.2 < (wanted == 2).mean() < 0.4  # 0.3 in 400, deviation 0.023
    twice = queue.cases().groupby("wanted")["priority"].mean()
    assert abs(twice[2] - twice[1]) < 0.12  # they are anywhere in the queue; deviation 0.03


def test_a_case_can_be_put_back(queue):
    case = queue.next("ana")
    queue.put_back(case.case_id, reviewer="ana")
    assert queue.next("bo").case_id == case.case_id
    with pytest.raises(ReviewError, match="is bo's"):
        queue.put_back(case.case_id, reviewer="ana")


def test_reasons_are_kept_once(queue):
    case = queue.next("ana")
    assert case.reasons is None
    queue.keep_reasons(case.case_id, '{"reasons": []}')
    queue.keep_reasons(case.case_id, '{"reasons": [1]}')
    assert queue.next("ana").reasons == {"reasons": []}


def test_decisions_say_whether_the_answer_was_hidden(scored, artifact, people):
    for blind in (True, False):
        queue = ReviewQueue(scored, blind=blind, double_share=0)
        queue.fill_uncertain(artifact=artifact, source=people, n=12)
        case = queue.next("ana")
        queue.decide(case.case_id, reviewer="ana", verdict="accept")
    assert queue.decisions()["blind"].tolist() == [True, False]
