"""False alarms: a monitor is silent when nothing has changed, and in three quiet years."""

import numpy as np
import pytest

import capstone_lib as cap
from capstone_lib.artifact.binning import Binning
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.level import false_alarms

LEVEL = 0.05


def allowed(n):
    """The level and its binomial error: exceeded by chance once in a thousand times."""
    return LEVEL + 3.1 * np.sqrt(LEVEL * (1 - LEVEL) / n)


@pytest.fixture(scope="module")
def people():
    """The held-out households of 2015, their bins and all people of 2015."""
    census = cap.load_census()
    held_out = census.split(2015)[1][census.features]
    return census, held_out, Binning.of(held_out, census.schema)


def test_windows_drawn_from_the_reference_raise_no_more_alarms_than_the_level(people):
    _, held_out, binning = people
    table = false_alarms(held_out, binning=binning, sizes=(200, 2_000), n_windows=80)
    assert (table["anything real"] <= allowed(80)).all()
    assert table.loc[200, "any PSI > 0.1"] > 0.15  # what a rule of thumb does there
    assert table.loc[2_000, "any p < 0.05"] > 0.2  # and a p-value without a family
    with pytest.raises(MonitoringError, match="no rows"):
        false_alarms(held_out[:0], binning=binning)


@pytest.mark.slow
@pytest.mark.parametrize("fresh", [None, 14_000], ids=["the rows", "drawn anew"])
@pytest.mark.parametrize("correction", ["bh", "bonferroni"])
def test_five_hundred_windows_of_each_size(people, fresh, correction):
    census, held_out, binning = people
    rows = held_out if fresh is None else census.frame(2015)[census.features]
    table = false_alarms(
        rows, binning=binning, sizes=(200, 1_000, 5_000, 50_000), n_windows=500,
        n_reference=fresh, correction=correction,
    )  # fmt: skip
    assert (table["anything real"] <= allowed(500)).all(), table.to_string()
    assert (table["anything large"] <= allowed(500)).all(), table.to_string()


@pytest.fixture(scope="module")
def months(people):
    census, held_out, binning = people
    windows = {}
    for year in (2016, 2017, 2018):
        frame = census.frame(year)
        month = frame["arrived_at"].dt.month
        windows[year] = [
            cap.Window.of(frame[month == k], binning=binning, name=f"{year}-{k:02}")
            for k in range(1, 13)
        ]
    return cap.Window.of(held_out, binning=binning), windows


def test_thirty_six_real_months_raise_no_alarm(months):
    reference, windows = months
    reports = [cap.detect_drift(reference, month) for year in windows.values() for month in year]
    assert [one.name for report in reports for one in report.alarms] == []
    # the answers to "ancestry" did change between the years, by three to five rows in a hundred
    changed = [report["ANC"] for report in reports]
    assert sum(one.is_real for one in changed) > 24
    assert max(one.effect for one in changed) < 0.07


def test_a_month_differs_from_the_rest_of_its_year_by_chance_only(months):
    _, windows = months
    found = 0
    for year in windows.values():
        for k, month in enumerate(year):
            rest = cap.Window.merge([*year[:k], *year[k + 1 :]])
            found += bool(cap.detect_drift(rest, month).findings)
    assert found / 36 <= allowed(36)
