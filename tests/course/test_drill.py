"""The whole loop on real data, step by step: what a drill says, and what the store says of it."""

import pytest

from capstone_lib.alerts import AlertBook
from capstone_lib.course.drill import WORKERS, run_drill
from capstone_lib.course.workspace import Workspace
from capstone_lib.review import ReviewQueue
from capstone_lib.store import open_store

SAID = []


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("drill") / "work")


@pytest.fixture(scope="module")
def facts(ws):
    SAID.clear()
    return run_drill(ws.path, say=SAID.append)


@pytest.fixture(scope="module")
def store(ws, facts):
    with open_store(ws.store_url) as opened:
        yield opened


def test_two_workers_serve_with_a_canary(facts, store):
    assert len(set(facts.workers)) == WORKERS
    assert [(one["route"], one["paused"], one["canary_share"]) for one in facts.before] == [
        ("stable", False, 0.2)
    ] * WORKERS
    routes = store.requests().groupby("route", observed=True).size()
    assert {"stable", "canary", "degraded"} <= set(routes.index)


def test_a_quiet_month_raises_nothing(facts):
    quiet = facts.months["quiet"]
    assert quiet.n_measurements > 500
    assert (quiet.firing, quiet.done) == ((), ())


def test_the_client_that_fills_in_defaults_is_found(facts):
    broken = facts.months["broken"]
    assert {"parity", "feature_drift"} <= set(broken.firing)
    assert not {"unequal_errors", "accuracy_lost"} & set(broken.firing)
    damaged = set(broken.month.truths[0].columns)
    for one in broken.alerts:
        if one.rule.name in ("parity", "feature_drift"):
            assert {cause.feature for cause in one.measurements} == damaged
            assert one.traffic in ("", "live")
    assert {"pause_rollout", "degrade_route", "ticket"} <= set(broken.actions())


def test_both_workers_pause_and_degrade_within_two_seconds(facts):
    assert [(one["route"], one["paused"]) for one in facts.braked] == [("degraded", True)] * WORKERS
    assert facts.braked_s < 2
    assert [one["route"] for one in facts.degraded_answers] == ["degraded"] * WORKERS
    assert {one["version"] for one in facts.degraded_answers} == {"0.9.0"}


def test_acting_twice_changes_nothing(facts):
    assert facts.acted_twice == 0


def test_a_person_recovers_the_route_and_the_rollout_stays_paused(facts, store):
    assert [(one["route"], one["paused"]) for one in facts.recovered] == [
        ("stable", True)
    ] * WORKERS
    history = AlertBook(store).history().set_index("rule")
    assert history.loc["parity", "acknowledged_by"] == "Ada"
    assert str(history.loc["parity", "cleared_at"])[:10] == "2016-04-01"
    (undone,) = [
        one
        for one in AlertBook(store).actions(history.loc["parity", "alert_id"])
        if one.action == "degrade_route"
    ]
    assert undone.state == "undone"


def test_the_mended_month_clears_parity_and_raises_nothing_new(facts):
    mended, broken = facts.months["mended"], facts.months["broken"]
    assert "parity" not in mended.firing
    assert set(mended.firing) <= set(broken.firing)  # drift wants two windows to clear
    assert mended.done == ()


def test_lost_work_shows_in_the_outcomes_and_not_in_the_features(facts):
    lost = facts.months["lost"]
    assert {"unequal_errors", "accuracy_lost"} <= set(lost.firing)
    assert not {"feature_drift", "parity"} & set(lost.firing)
    (unequal,) = [one for one in lost.alerts if one.rule.name == "unequal_errors"]
    assert (unequal.feature, unequal.group, facts.audited_group) == ("SEX", "SEX=2", "SEX=2")
    assert "human_audit" in lost.actions()


def test_alerts_come_in_their_order(facts, store):
    raised = AlertBook(store).history().set_index("rule")["raised_at"]
    before = raised[["parity", "feature_drift"]]
    assert (before < raised[["unequal_errors"]].iloc[0]).all()


def test_the_audit_fills_the_queue_with_the_group_and_others(facts, store):
    cases = ReviewQueue(store).cases()
    assert facts.cases == len(cases)
    (unequal,) = [one for one in facts.months["lost"].alerts if one.rule.name == "unequal_errors"]
    mine = cases[cases["alert_id"] == unequal.alert_id]
    assert mine["group"].value_counts().to_dict() == {"SEX=2": 50, "not SEX=2": 50}
    sex = facts.months["lost"].month.people.set_index("row_id")["SEX"]
    found = sex.loc[mine["row_id"].astype(int)].to_numpy() == 2
    assert (found == (mine["group"] == "SEX=2").to_numpy()).all()


def test_ten_cases_are_decided(facts, store):
    assert len(facts.decisions) == 10
    assert len({one.case_id for one in facts.decisions}) == 10
    assert facts.overridden
    assert len(ReviewQueue(store).decisions()) == 10


def test_overrides_come_back_in_the_answers_of_both_workers(facts):
    for row_id, label in facts.overridden.items():
        answers = facts.live_answers[row_id]
        assert len(answers) == WORKERS
        for answer in answers:
            assert (answer["label"], answer["review"]) == (label, False)
            assert answer["decided_by"] == "a simulated reviewer"
    assert facts.overridden_s < 2


def test_overrides_come_back_in_the_batch(facts, store):
    whole = store.predictions(as_of=facts.months["lost"].month.as_of).set_index("row_id")
    decided = whole[whole["decided_by"] == "a simulated reviewer"]["label"].to_dict()
    assert decided == facts.overridden
    assert facts.batch_answers == {
        row_id: (label, "a simulated reviewer") for row_id, label in facts.overridden.items()
    }
    as_of = facts.months["lost"].month.as_of
    model = store.predictions(as_of=as_of, overrides=False).set_index("row_id")["label"]
    assert all(model[row_id] != label for row_id, label in decided.items())


def test_it_says_what_happens(facts):
    text = "\n".join(SAID)
    for words in (
        "two workers serve",
        "0 alerts fire",
        "parity (critical)",
        "both workers: paused",
        "Ada undoes degrade_route",
        "unequal_errors (critical)",
        "simulated reviewer",
    ):
        assert words in text
