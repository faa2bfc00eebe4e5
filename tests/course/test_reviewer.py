"""The simulated reviewer: right but for the error that it is given, and never out of turn."""

import pytest

from capstone_lib.course.reviewer import SimulatedClock, SimulatedReviewer

PEOPLE = {row_id: row_id % 2 for row_id in range(2_000)}


def errors(reviewer):
    said = [reviewer.label_of(row_id, classes=(0, 1)) for row_id in PEOPLE]
    return sum(one != truth for one, truth in zip(said, PEOPLE.values(), strict=True)) / 2_000


@pytest.mark.parametrize("error", [0.0, 0.1, 1.0])
def test_it_errs_as_often_as_it_is_told(error):
    assert errors(SimulatedReviewer(PEOPLE, error=error)) == pytest.approx(error, abs=0.025)


def test_it_says_the_same_again_and_another_reviewer_errs_elsewhere():
    one, same, other = (SimulatedReviewer(PEOPLE, error=0.3, seed=s) for s in (1, 1, 2))
    said = [[r.label_of(k, classes=(0, 1)) for k in PEOPLE] for r in (one, same, other)]
    assert said[0] == said[1] != said[2]


def test_of_strangers_it_cannot_say():
    assert SimulatedReviewer(PEOPLE).label_of("somebody", classes=(0, 1)) is None


def test_an_error_is_a_share():
    with pytest.raises(ValueError, match="a share between 0 and 1"):
        SimulatedReviewer({}, error=2)


def test_its_clock_stands_still_until_told():
    clock = SimulatedClock(100.0)
    assert clock() == clock() == 100.0
    clock.wait(5)
    assert clock() == 105.0
