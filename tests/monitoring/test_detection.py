"""Every scenario that changes what is seen is found, at its size and by its name; the control not.

Scenarios that change outcomes only cannot be seen in the columns: labels find those.
"""

import pytest

import capstone_lib as cap
from capstone_lib.artifact.binning import Binning
from capstone_lib.data import scenarios
from capstone_lib.monitoring.power import detection_power

SEEN = [
    name for name in scenarios.names() if {"columns", "pairs"} & {*scenarios.get(name).shows_in}
]
UNSEEN = [name for name in scenarios.names() if name not in SEEN]


@pytest.fixture(scope="module")
def world():
    census = cap.load_census()
    held_out = census.split(2015)[1]
    reference = cap.Window.of(held_out, binning=Binning.of(held_out, census.schema))
    return census.frame(2016), reference


@pytest.mark.parametrize("name", SEEN)
def test_a_scenario_is_found_at_its_size(world, name):
    size = scenarios.get(name).shows_from
    table = detection_power(*world, names=[name], sizes=[size], n_windows=10)
    assert table["found"][0] >= 0.9, table.to_string()


def test_what_changes_no_column_raises_no_alarm(world):
    table = detection_power(*world, names=UNSEEN, sizes=[2_000], n_windows=8)
    assert table["scenario"].tolist() == UNSEEN
    assert (table["any_alarm"] == 0).all(), table.to_string()
