"""Months and weeks of people for notebook 06; what an endpoint does with them is in test_drill."""

import numpy as np
import pytest

from capstone_lib.batch import score_batch
from capstone_lib.course.lines import wait_for
from capstone_lib.course.reference import export_reference
from capstone_lib.course.reviewer import SimulatedReviewer
from capstone_lib.course.stream import month_of
from capstone_lib.course.weeks import draw_weeks, gap_rule
from capstone_lib.data import load_census
from capstone_lib.errors import EndpointError
from capstone_lib.store import open_store


@pytest.fixture(scope="module")
def census():
    return load_census()


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    return export_reference(tmp_path_factory.mktemp("weeks") / "model.onnx")


@pytest.fixture(scope="module")
def weeks(artifact, census):
    return draw_weeks(artifact, census, n=30)


def test_a_month_is_a_seeded_draw_of_those_who_came_in_it(census):
    one, same, other = (month_of(census, "2016-02", rows=200, seed=s) for s in (3, 3, 4))
    assert one.people.equals(same.people)
    assert not one.people["row_id"].equals(other.people["row_id"])
    assert set(one.people["arrived_at"].dt.strftime("%Y-%m")) == {"2016-02"}
    assert one.people["arrived_at"].is_monotonic_increasing
    assert (one.window, one.as_of) == (("2016-02-01", "2016-03-01"), "2016-02-29")
    assert one.asked.equals(one.people)
    assert month_of(census, "2016-12", rows=10).window == ("2016-12-01", "2017-01-01")


def test_what_the_client_does_befalls_only_what_it_sends(census):
    month = month_of(census, "2016-02", rows=500, client="live_defaults")
    differing = [c for c in census.features if not month.asked[c].equals(month.people[c])]
    assert differing == [name for name in census.features if name in ("SCHL", "MAR", "MIG")]
    assert month.asked["row_id"].equals(month.people["row_id"])
    assert "live_defaults" in repr(month)


def test_what_happens_in_the_world_befalls_both(census):
    quiet = month_of(census, "2016-04", rows=500)
    month = month_of(census, "2016-04", rows=500, world="job_losses_women")
    lost = (quiet.people["employed"] - month.people["employed"]).to_numpy()
    assert set(np.unique(lost)) == {0, 1}
    assert set(month.people["SEX"][lost == 1]) == {2}
    assert month.asked[census.features].equals(quiet.asked[census.features])


def test_who_waits_in_vain_is_told_for_what():
    with pytest.raises(EndpointError, match=r"waited 0\.05 s for a miracle in vain"):
        wait_for(lambda: False, what="a miracle", patience_s=0.05)
    assert wait_for(lambda: True, what="nothing") >= 0


def test_broken_weeks_have_the_larger_gap(weeks):
    quiet, broken = (
        np.array([[one.value for one in some] for some in kind])
        for kind in (weeks.quiet, weeks.broken)
    )
    assert quiet.shape == broken.shape == (30, 12)
    assert broken.mean() - quiet.mean() > 0.1
    assert repr(weeks) == "30 quiet and 30 broken stretches of 12 weeks"


def test_a_rule_that_neither_cries_wolf_nor_sleeps_is_there_to_be_found(weeks):
    good = weeks.try_rule(threshold=0.18, for_windows=2)
    assert good.false_alarms <= 0.1
    assert good.heard(4) >= 0.9
    assert weeks.try_rule(threshold=0.1, for_windows=1).false_alarms > 0.5
    assert weeks.try_rule(threshold=0.4, for_windows=2).heard(4) < 0.1


def test_the_rule_is_about_women_and_men():
    rule = gap_rule(threshold=0.2, for_windows=3)
    assert (rule.feature, rule.for_windows, rule.actions) == ("SEX", 3, ("human_audit",))


def test_a_reviewer_goes_on_until_somebody_is_overridden(tmp_path, artifact, census):
    people = month_of(census, "2016-01", rows=300).people
    with open_store(tmp_path / "s.db") as store:
        score_batch(
            artifact, people[["row_id", *census.features]], store=store, as_of="2016-01-31",
            id="row_id", show_progress=False,
        )  # fmt: skip
        one = SimulatedReviewer(people.set_index("row_id")[census.target].to_dict(), error=0.0)
        desk = one.desk(store, double_share=0.0)
        n_cases = desk.fill_uncertain(artifact=artifact, n=40, source=people)
        made = one.work(desk, n=1, overrides=1)
        assert [said.verdict for said in made] == ["accept"] * (len(made) - 1) + ["override"]
        assert len(store.overrides()) == 1
        assert len(one.work(desk, n=100)) == n_cases - len(made)  # no more wait
        seconds = desk.decisions()["seconds"]
        assert seconds.between(20, 180).all()
        truth = people.set_index("row_id")[census.target]
        said = desk.decisions().set_index("row_id")["label"].astype(int)
        assert said.equals(truth.loc[said.index].rename("label").astype(int))
