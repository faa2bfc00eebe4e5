"""Costs are arithmetic that can be done again by hand, and move as they must."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capstone_lib.decide.cost import Prices, Speed, Volume, break_even, draw_costs, monthly_costs

SPEED = Speed(batch_rows_per_s=100_000, live_per_core_s=500, hit_rate=0.8)
VOLUME = Volume(people=1_000_000, questions_per_day=50_000, review_share=0.02)
PRICES = Prices(core_hour=0.1, floor_cores=2, utilization=0.5, duty=0.25, batch_cores=4)

numbers = st.floats(0.01, 1e6)
speeds = st.builds(Speed, numbers, numbers, st.floats(0, 1))
volumes = st.builds(Volume, st.floats(0, 1e8), st.floats(0, 1e8), st.floats(0.01, 24))
prices = st.builds(
    Prices,
    core_hour=st.floats(0.001, 10),
    floor_cores=st.integers(0, 10),
    utilization=st.floats(0.05, 1),
    duty=st.floats(0.01, 1),
    batch_cores=st.integers(1, 64),
    batch_start_s=st.floats(0, 600),
)


def test_by_hand():
    costs = monthly_costs(SPEED, VOLUME, PRICES)
    # a run: 60 s of start and 10 s of work on 4 cores; 30.4 runs a month
    assert costs.batch == pytest.approx(30.4 * 70 / 3600 * 4 * 0.1)
    # 50,000 questions in 6 hours are 2.3 a second: the floor of 2 cores is enough
    assert costs.live_cores == 2
    assert costs.real_time == pytest.approx(2 * 24 * 30.4 * 0.1)
    assert costs.hybrid == pytest.approx(costs.batch + costs.real_time)
    # 1,000 cases a day, 2 minutes each, 30 an hour
    assert costs.review == pytest.approx(1000 * 30.4 * 2 / 60 * 30)


def test_many_questions_need_more_cores_than_the_floor_and_fewer_where_most_are_stored():
    busy = replace(VOLUME, questions_per_day=50_000_000)
    costs = monthly_costs(SPEED, busy, PRICES)
    assert costs.live_cores == math.ceil(50e6 / (86_400 * 0.25) / 250)
    assert costs.hybrid_cores == math.ceil(10e6 / (86_400 * 0.25) / 250)
    assert costs.hybrid < costs.real_time


@given(speeds, volumes, prices)
def test_at_the_break_even_both_cost_the_same(speed, volume, prices):
    runs = break_even(speed, volume, prices)
    if math.isinf(runs) or runs == 0:
        return
    costs = monthly_costs(speed, replace(volume, runs_per_day=runs), prices)
    assert costs.batch == pytest.approx(costs.real_time)
    oftener = monthly_costs(speed, replace(volume, runs_per_day=runs * 2), prices)
    assert oftener.batch > oftener.real_time


def test_there_is_no_break_even_where_one_of_them_is_free():
    free = replace(PRICES, batch_start_s=0)
    assert math.isinf(break_even(SPEED, replace(VOLUME, people=0), free))
    asleep = replace(PRICES, floor_cores=0)
    assert break_even(SPEED, replace(VOLUME, questions_per_day=0), asleep) == 0


@given(speeds, volumes, prices, st.floats(1, 10))
def test_more_to_do_never_costs_less(speed, volume, prices, times):
    before = monthly_costs(speed, volume, prices)
    more = replace(
        volume, people=volume.people * times, questions_per_day=volume.questions_per_day * times
    )
    after = monthly_costs(speed, more, prices)
    assert after.batch >= before.batch
    assert after.hybrid >= before.hybrid
    assert after.real_time >= before.real_time


@given(speeds, volumes, prices)
def test_hybrid_pays_for_a_batch_and_for_no_larger_endpoint(speed, volume, prices):
    costs = monthly_costs(speed, volume, prices)
    assert costs.batch <= costs.hybrid <= costs.batch + costs.real_time + 1e-9
    assert costs.hybrid_cores <= costs.live_cores


def test_the_table_and_the_figure():
    table = monthly_costs(SPEED, VOLUME, PRICES).to_frame()
    assert list(table.index) == ["batch", "hybrid", "real time"]
    assert (table["together"] == table["machines"] + table["review"]).all()
    axes = draw_costs(SPEED, VOLUME, PRICES)
    assert [line.get_label() for line in axes.get_lines()][:3] == ["batch", "hybrid", "real time"]
    batch, _, live = (line.get_ydata() for line in axes.get_lines()[:3])
    assert len(set(live)) == 1  # how often everybody is scored costs an endpoint nothing
    assert batch[0] > batch[-1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Prices(utilization=0), r"utilization must be above 0 and at most 1; seen 0"),
        (lambda: Prices(core_hour=-1), r"core_hour must be 0 or more; seen -1"),
        (lambda: Prices(batch_cores=0), r"batch_cores must be 1 or more; seen 0"),
        (lambda: Speed(0, 1), r"batch_rows_per_s must be above 0; seen 0"),
        (lambda: Speed(1, 1, 2), r"hit_rate must be 0 to 1, a share; seen 2"),
        (lambda: Volume(-1, 1), r"people must be 0 or more; seen -1"),
        (lambda: Volume(1, float("nan")), r"questions_per_day must be 0 or more; seen nan"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
