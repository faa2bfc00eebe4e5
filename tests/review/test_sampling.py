"""The sample of an audit: each stratum has its share, and groups are found by their names."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capstone_lib.artifact.bands import in_bands
from capstone_lib.errors import ReviewError
from capstone_lib.review.sampling import draw, in_group, strata_of

STRATA = st.lists(st.sampled_from("abcd"), min_size=1, max_size=120)


@given(STRATA, st.integers(0, 130), st.integers(0, 3))
def test_every_stratum_has_its_share_to_within_one(strata, n, seed):
    found = draw(strata, n, seed=seed)
    wanted = min(n, len(strata))
    assert len(found) == len(set(found)) == wanted
    assert found == draw(strata, n, seed=seed)
    taken = Counter(strata[place] for place in found)
    for name, size in Counter(strata).items():
        assert abs(taken[name] - size * wanted / len(strata)) < 1


def test_within_a_stratum_all_have_the_same_chance():
    strata = ["a"] * 10 + ["b"] * 30
    times = Counter(place for seed in range(2000) for place in draw(strata, 8, seed=seed))
    shares = np.array([times[place] / 2000 for place in range(40)])
    assert np.abs(shares - 0.2).max() < 0.05  # deviation 0.009


def test_strata_are_the_label_and_a_fifth_of_the_score():
    scores = np.array([0.0, 0.19, 0.2, 0.99, 1.0])
    assert strata_of(["n", "n", "n", "y", "y"], scores) == [
        ("n", 0), ("n", 0), ("n", 1), ("y", 4), ("y", 4)
    ]  # fmt: skip


PEOPLE = pd.DataFrame(
    {
        "SEX": [1, 2, 2, 1],
        "AGEP": [24.0, 25.0, 64.0, np.nan],
        "SEX=1, RACE": ["a, b", "x", "", "x"],
        "ok": [True, False, True, False],
    }
)


@pytest.mark.parametrize(
    ("group", "inside"),
    [
        ("SEX=2", [0, 1, 1, 0]),
        ("SEX=2.0", [0, 1, 1, 0]),
        ("SEX=2, AGEP=25 to below 64", [0, 1, 0, 0]),
        ("AGEP=below 25", [1, 0, 0, 0]),
        ("AGEP=from 25", [0, 1, 1, 0]),
        ("AGEP=missing", [0, 0, 0, 1]),
        ("SEX=1, RACE=a, b", [1, 0, 0, 0]),
        ("SEX=1, RACE=x, SEX=2", [0, 1, 0, 0]),
        ("ok=True", [1, 0, 1, 0]),
        ("SEX=7", [0, 0, 0, 0]),
    ],
)
def test_a_group_is_found_by_its_name(group, inside):
    assert in_group(PEOPLE, group).astype(int).tolist() == inside


@pytest.mark.parametrize("group", ["", "SEX", "sex=2", "X=2, AGE=3"])
def test_a_group_of_no_column_is_refused(group):
    with pytest.raises(ReviewError, match="speaks of no column"):
        in_group(PEOPLE, group)


@given(
    st.lists(st.none() | st.integers(0, 99), min_size=1, max_size=30),
    st.lists(st.integers(1, 98), min_size=1, max_size=4, unique=True),
)
def test_bands_are_found_as_the_monitor_names_them(ages, cuts):
    frame = pd.DataFrame({"AGEP": pd.Series(ages, dtype=float)})
    named = in_bands(frame["AGEP"], sorted(cuts)).fillna("missing")
    for band in named.unique():
        assert in_group(frame, f"AGEP={band}").tolist() == (named == band).tolist()
