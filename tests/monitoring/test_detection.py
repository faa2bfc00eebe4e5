"""Every scenario that changes what is seen is found, at its size and by its name; the control not.

Scenarios that change outcomes only cannot be seen in the columns: labels find those.
"""

import numpy as np
import pytest

import capstone_lib as cap
from capstone_lib.artifact.binning import Binning
from capstone_lib.data import scenarios

SEEN = [
    name for name in scenarios.names() if {"columns", "pairs"} & {*scenarios.get(name).shows_in}
]
UNSEEN = [name for name in scenarios.names() if name not in SEEN]
N = 10


@pytest.fixture(scope="module")
def world():
    census = cap.load_census()
    held_out = census.split(2015)[1]
    reference = cap.Window.of(held_out, binning=Binning.of(held_out, census.schema))
    people = census.frame(2016)

    def report(name, rows, seed):
        some = people.sample(rows, random_state=seed)
        broken, _ = scenarios.apply(name, some, seed=seed)
        return cap.detect_drift(reference, cap.Window.of(broken, binning=reference.binning))

    return report


@pytest.mark.parametrize("name", SEEN)
def test_a_scenario_is_found_at_its_size(world, name):
    scenario = scenarios.get(name)
    right = []
    for seed in range(N):
        alarms = [one.name for one in world(name, scenario.shows_from, seed).alarms]
        right.append(bool(alarms) and any(column in alarms[0] for column in scenario.columns))
    assert np.mean(right) >= 0.9


@pytest.mark.parametrize("name", UNSEEN)
def test_what_changes_no_column_raises_no_alarm(world, name):
    alarms = [one.name for seed in range(N) for one in world(name, 2_000, seed).alarms]
    assert alarms == []
