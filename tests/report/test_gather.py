"""What is gathered is what the store says, counted apart; and what is not there says so."""

import json

import numpy as np
import pytest

import capstone_lib as cap
from capstone_lib.alerts import AlertBook
from capstone_lib.decide import UseCase, advise
from capstone_lib.errors import ReportError
from capstone_lib.report import Report, gather_report
from capstone_lib.report.document import SECTIONS
from capstone_lib.store import open_store


def test_batch_figures_are_those_of_the_runs(report, filled):
    runs = filled.runs()
    done = runs[runs["status"] == "published"]
    batch = report.batch
    assert (batch["succeeded"], batch["failed"]) == (3, 1)
    assert batch["rows"] == done["rows"].sum() == 1797
    assert batch["rejected"] == 3
    assert batch["reject_rate"]["value"] == pytest.approx(3 / 1800)
    assert batch["staleness"]["n"] == len(filled.latest())
    assert [one["status"] for one in batch["runs"]] == list(runs["status"])
    assert all("/" not in one["source"] for one in batch["runs"])


def test_live_figures_are_those_of_the_log(report, filled):
    log = filled.requests()
    routes = {one["route"]: one for one in report.live["routes"]}
    assert {name: one["n"] for name, one in routes.items()} == {"stable": 200, "degraded": 5}
    mine = log[log["route"] == "stable"]["latency_ms"]
    said = {one["percent"]: one["value"] for one in routes["stable"]["percentiles"]}
    assert said == pytest.approx({p: np.percentile(mine, p) for p in (50, 90, 95, 99)})
    assert report.live["hybrid"]["hit_rate"]["value"] == pytest.approx(150 / 200)
    assert report.live["hybrid"]["misses"] == {"stale": 50}
    assert routes["degraded"]["without_a_model"] == 5


def test_a_log_is_counted_the_same_in_parts(artifact, filled, report, monkeypatch):
    monkeypatch.setattr("capstone_lib.report.at_work._AT_ONCE", 7)
    assert gather_report(artifact, filled, now="2016-04-01").live == report.live


def test_what_a_shadow_says_is_no_answer(artifact, empty):
    mine = empty.register_served(name="work", version="2.0", artifact="another", snapshot="s")
    answer = (0.7, 1, 0.88, [0, 1], True, 2.0, None)
    row = (1_457_600_000.0, mine, "shadow", {"age": 40}, *answer)
    empty.write_requests([("a", *row)])
    assert gather_report(artifact, empty).live["missing"]
    empty.write_requests([("a", *row[:2], "canary", *row[3:])])
    live = gather_report(artifact, empty).live
    assert live["n"] == 1
    assert [one["route"] for one in live["routes"]] == ["canary", "shadow"]


def test_drift_names_the_column_that_moved_in_the_month_in_which_it_did(report, filled):
    (part,) = [one for one in report.drift["traffic"] if one["traffic"] == "batch"]
    assert [one["label"] for one in part["windows"]] == ["2016-01", "2016-02", "2016-03"]
    place = part["columns"].index("town")
    assert part["large"][place] == [False, False, True]
    kept = filled.measurements(name="drift_effect", feature="town", traffic="batch")
    assert part["effect"][place] == pytest.approx(list(kept["value"]))
    assert part["newest"]["features"][0]["feature"] == "town"


def test_rates_and_accuracy_speak_of_the_newest_window_that_has_outcomes(report, filled):
    (fair,) = [one for one in report.fairness["traffic"] if one["traffic"] == "batch"]
    assert fair["label"] == "2016-02"  # nobody's outcome of March is known
    for feature in fair["features"]:
        for group in feature["groups"]:
            rate = group["rates"]["false_positive_rate"]
            kept = filled.measurements(
                name="false_positive_rate", group=group["group"], since="2016-02-01",
                until="2016-03-01",
            )  # fmt: skip
            assert (rate["value"], rate["n"]) == (kept["value"].item(), kept["n"].item())
    ages = next(one for one in fair["features"] if one["feature"] == "age")
    said = [group["group"] for group in ages["groups"]]
    assert said == ["age=below 25", "age=25 to below 65", "age=from 65"]
    (part,) = [one for one in report.performance["traffic"] if one["traffic"] == "batch"]
    assert part["realized"]["label"] == "2016-02"
    assert part["estimated"]["label"] == "2016-03"  # which needs no outcomes
    assert "outcome" in part["why_not"]


def test_alerts_come_with_what_was_done_and_what_failed(report, filled):
    history = AlertBook(filled).history()
    assert report.alerts["n"] == len(history)
    assert report.alerts["open"] == history["cleared_at"].isna().sum()
    (town,) = [one for one in report.alerts["alerts"] if one["rule"] == "wrong_town"]
    states = {one["action"]: one["state"] for one in town["actions"]}
    assert states == {"ticket": "done", "pause_rollout": "done", "webhook": "failed"}
    assert town["ticket"]["closed_at"] == ""
    assert town["causes"][0]["name"] == "drift_effect"


def test_reviews_are_counted_by_case_and_hold_no_reviewers_name(report, filled):
    assert report.reviews["verdicts"] == {"accept": 4, "override": 4, "cannot say": 4}
    assert report.reviews["figures"]["override_rate"]["value"] == 0.5
    assert report.reviews["figures"]["override_rate"]["n"] == 8
    cases = cap.ReviewQueue(filled).cases()
    assert report.reviews["waiting"] == cases["closed_at"].isna().sum()
    assert len(report.reviews["notes"]) == 4
    assert "ana" not in json.dumps(report.reviews["notes"])


def test_open_risks_name_what_is_open(report):
    said = " | ".join(f"{one['what']} {one['because']}" for one in report.risks)
    for expected in (
        "the action webhook failed",
        "an alert is open: wrong town of hours, age and town",
        "1 batch run of 4 failed",
        "the rollout is paused",
        "answered without any model",
        "nothing is done about few_right until 2099-01-01",
        "not measured: accuracy",
        "wait for a reviewer",
        "nobody is on call",
    ):
        assert expected in said
    order = [("critical", "warning", "info").index(one["severity"]) for one in report.risks]
    assert order == sorted(order)


def test_five_sentences_say_it_all(report):
    what, health, fired, decided, still_open = report.summary
    assert what.startswith("work 1.0 decides between 0 and 1 from 3 columns")
    assert "1,797 answers in 3 batch runs and 205 answers to live requests" in what
    assert health.startswith("It is not well: 1 critical alert is open")
    assert "wrong town of hours, age and town" in fired
    assert "People decided 12 of" in decided
    assert decided.endswith("the checklist advises hybrid, with review.")
    assert f"{len(report.risks)} risks are open" in still_open


def test_an_old_window_is_called_old_unless_one_says_when(artifact, filled):
    now = gather_report(artifact, filled)
    assert any("says nothing of today" in one["what"] for one in now.risks)
    then = gather_report(artifact, filled, now="2016-04-01")
    assert not any("says nothing of today" in one["what"] for one in then.risks)


def test_a_window_leaves_out_what_lies_outside(artifact, filled):
    said = gather_report(artifact, filled, window=("2016-01-01", "2016-02-01"))
    assert [one["as_of"] for one in said.batch["runs"]] == ["2016-01-28"]
    assert said.live["missing"]
    assert [one["label"] for one in said.drift["traffic"][0]["windows"]] == ["2016-01"]
    assert {one["rule"] for one in said.alerts["alerts"]} == {"few_right"}
    assert said.reviews["missing"]
    assert "window ended before" in said.measured["missing"]


def test_a_document_is_read_back_as_it_was(report):
    text = report.to_json()
    again = Report.from_json(text)
    assert again == report
    assert again.to_json() == text
    assert json.loads(text)["shape"] == 1


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"shape": 99}', '{"shape": 1, "title": "x"}'])
def test_what_is_no_report_is_refused(text):
    with pytest.raises(ReportError):
        Report.from_json(text)


def test_of_an_empty_store_every_section_says_how_to_get_it(artifact, empty):
    said = gather_report(artifact, empty)
    assert said.summary[0].endswith("it has not answered anything yet.")
    assert "nobody can say" in said.summary[1]
    for name in set(SECTIONS) - {"passport", "parity"}:
        assert getattr(said, name)["missing"].count(":") >= 1, name
    assert said.risks[0]["what"] == "nothing has been measured in this window"
    json.loads(said.to_json())


def test_a_store_with_batch_only_has_its_batch(artifact, batch_only):
    said = gather_report(artifact, batch_only, now="2016-02-01")
    assert said.batch["rows"] == 600
    assert not said.measured["missing"]
    assert all(getattr(said, name)["missing"] for name in ("live", "drift", "fairness", "reviews"))


def test_of_a_folder_only_batch_is_told(artifact, batches, tmp_path):
    rows = batches["2016-01"].drop(columns="at_work")
    with open_store(tmp_path / "folder") as store:
        cap.score_batch(artifact, rows, store=store, as_of="2016-01-31", id="row_id",
                        show_progress=False)  # fmt: skip
        said = gather_report(artifact, store)
    assert said.batch["rows"] == 600
    for name in ("live", "drift", "fairness", "performance", "alerts", "reviews", "measured"):
        assert "use a database" in getattr(said, name)["missing"]


def test_a_decision_may_be_an_advice_or_what_it_says_as_json(artifact, empty):
    advice = advise(UseCase("letters", answer_within_s=86_400, staleness_h=720))
    one = gather_report(artifact, empty, decision=advice).decision
    other = gather_report(artifact, empty, decision=json.loads(json.dumps(advice.to_dict())))
    assert one == other.decision
    assert one["architecture"] == "batch"


@pytest.mark.parametrize("decision", [{}, [], "batch", {"architecture": 1}, 3,
                                      {"architecture": "batch", "reasons": ["x"]}])  # fmt: skip
def test_a_decision_that_is_none_is_refused(artifact, empty, decision):
    with pytest.raises(ReportError):
        gather_report(artifact, empty, decision=decision)


@pytest.mark.parametrize(
    "given",
    [
        {"window": "2016"},
        {"window": ("2016-02-01", "2016-01-01")},
        {"window": ("never", None)},
        {"now": "soon"},
        {"measured": {"cells": [{"row": "latency"}]}},
        {"measured": 3},
    ],
)
def test_wrong_arguments_are_refused(artifact, empty, given):
    with pytest.raises(ReportError):
        gather_report(artifact, empty, **given)


def test_nothing_of_the_machine_stands_in_the_document(report, filled):
    text = report.to_json()
    assert str(filled.file.parent) not in text
    assert report.store == "store.db"
