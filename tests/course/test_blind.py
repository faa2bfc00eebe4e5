"""The blind test: one month is broken and says so to nobody; the others are as they were."""

import pytest

import capstone_lib as cap
from capstone_lib.artifact.binning import Binning
from capstone_lib.course.blind import POOL, BlindTest
from capstone_lib.course.exercises import registry

CENSUS = cap.load_census()


def test_one_month_differs_and_the_others_do_not() -> None:
    blind = BlindTest.of(CENSUS, seed=3)
    people = CENSUS.frame(2016).set_index("row_id")
    for name, rows in blind.months.items():
        same = rows.set_index("row_id")[CENSUS.features]
        changed = not same.equals(people.loc[same.index, CENSUS.features])
        assert changed == (name == blind.broken)


def test_it_does_not_give_itself_away() -> None:
    blind = BlindTest.of(CENSUS, seed=3)
    said = repr(blind)
    assert blind.truth.scenario.name not in said
    assert said == "6 months, 2016-01 to 2016-06: one is broken"


def test_seeds_break_all_months_in_all_ways() -> None:
    tests = [BlindTest.of(CENSUS, seed=seed) for seed in range(40)]
    assert {one.truth.scenario.name for one in tests} == {*POOL}
    assert len({one.broken for one in tests}) == 6


@pytest.mark.parametrize("seed", range(1, 9))
def test_the_monitor_leads_to_the_answer(seed: int) -> None:
    blind = BlindTest.of(CENSUS, seed=seed)
    binning = Binning.of(CENSUS.frame(2015), CENSUS.schema)
    reference = cap.Window.of(CENSUS.frame(2015), binning=binning)
    alarms = {name: cap.detect_drift(reference, rows).alarms for name, rows in blind.months.items()}
    (month,) = [name for name, found in alarms.items() if found]
    truth = blind.truth.scenario
    (column,) = [one for one in truth.columns if one in alarms[month][0].name][:1]
    feedback = registry()["ex_05_broken"].check(month, column, truth.kind, blind=blind)
    assert feedback.passed
