"""The dial of notebook 05: floors fall as windows grow, measures rise as a change is turned up."""

import numpy as np
import pytest

import capstone_lib as cap
from capstone_lib.artifact.binning import Binning
from capstone_lib.course.dial import draw_floors, draw_sweep, psi_floors, sweep

PEOPLE = cap.load_census().frame(2016)
REFERENCE = cap.Window.of(
    cap.load_census().frame(2015), binning=Binning.guess(PEOPLE, ["AGEP", "SEX", "RELP"])
)


def test_a_floor_is_what_chance_exceeds_once_in_twenty() -> None:
    floor = psi_floors(REFERENCE, [500], columns=["SEX"]).loc[500, "SEX"]
    rng = np.random.default_rng(0)
    share = REFERENCE.cells("SEX")[0] / REFERENCE.n_rows
    drawn = rng.binomial(500, share, 20_000) / 500
    psi = (drawn - share) * np.log(drawn / share * (1 - share) / (1 - drawn))
    assert np.mean(psi > floor) == pytest.approx(0.05, abs=0.01)


def test_floors_fall_as_windows_grow() -> None:
    floors = psi_floors(REFERENCE, [100, 1_000, 10_000], columns=["AGEP", "SEX", "RELP"])
    assert (floors.diff().dropna() < 0).all(axis=None)
    axes = draw_floors(floors)
    assert axes.get_xlabel() == "rows in the window"
    assert [line.get_label() for line in axes.lines][-1] == "rule of thumb: 0.1"


def test_measures_rise_above_their_floors_as_the_change_is_turned_up() -> None:
    what = {"scenario": "older_population", "column": "AGEP", "rows": 2_000}
    measured = sweep(PEOPLE, REFERENCE, strengths=(0, 0.5, 1), **what)
    assert measured.shape == (3, 5)
    assert (measured.loc[0] < 1).all()
    assert (measured.loc[1] > 1).all()
    axes = draw_sweep(measured, strength=0.5, title="2,000 people")
    assert axes.get_title(loc="left") + axes.get_title() == "2,000 people"


def test_categories_have_no_measure_that_needs_an_order() -> None:
    what = {"scenario": "more_dormitories", "column": "SEX", "rows": 500}
    measured = sweep(PEOPLE, REFERENCE, strengths=(0,), **what)
    assert measured.notna().all(axis=None)
