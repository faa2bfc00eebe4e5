"""Every scenario changes what its truth says, and nothing else."""

from dataclasses import FrozenInstanceError
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from capstone_lib.data import load_census, scenarios
from capstone_lib.data.scenarios.coding import RELP_TO_RELSHIPP
from capstone_lib.errors import DataError

CENSUS = load_census()
PEOPLE = CENSUS.frame(2016)
WINDOW = PEOPLE.sample(4_000, random_state=7).sort_values("arrived_at", ignore_index=True)
NAMES = scenarios.names()
ACTIVE = [name for name in NAMES if name != "nothing"]
DRAWING = [name for name in NAMES if scenarios.get(name).draws_people]
IN_PLACE = [name for name in ACTIVE if name not in DRAWING]
PLACE = ["row_id", "year", "arrived_at"]
RECORDED = pd.util.hash_pandas_object(WINDOW).to_numpy()


def differing(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Which cells differ; a missing value is no value of the census."""
    assert list(before.columns) == list(after.columns)
    return pd.DataFrame({name: before[name].ne(after[name]) for name in before})


def test_thirteen_scenarios_of_four_kinds_and_the_control_is_the_last():
    assert len(NAMES) == len(set(NAMES)) == 13
    assert NAMES[-1] == "nothing"
    assert {scenarios.get(name).kind for name in ACTIVE} == {"world", "coding", "pipeline"}


@pytest.mark.parametrize("name", NAMES)
def test_only_what_the_truth_names_has_changed(name):
    altered, truth = scenarios.apply(name, WINDOW, seed=3)
    cells = differing(WINDOW, altered)
    changed = set(cells.columns[cells.any()])
    label = {CENSUS.target} if truth.scenario.changes_labels else set()
    if truth.scenario.draws_people:
        assert set(truth.columns) < changed
        assert not changed & set(PLACE)
    else:
        assert changed == set(truth.columns) | label
    rows = cells.any(axis=1)
    assert rows.sum() == truth.n_changed
    assert set(WINDOW["row_id"][rows]) <= set(truth.row_ids.tolist())
    untouched = ~WINDOW["row_id"].isin(truth.row_ids)
    pd.testing.assert_frame_equal(
        WINDOW[untouched], altered[untouched], check_dtype=name != "missing_ages"
    )
    assert altered.index.equals(WINDOW.index)
    assert truth.n_rows == len(WINDOW) == len(altered)


@pytest.mark.parametrize("name", NAMES)
def test_types_stay_unless_a_value_is_missing(name):
    altered, _ = scenarios.apply(name, WINDOW)
    other = altered.dtypes[altered.dtypes != WINDOW.dtypes]
    assert other.to_dict() == ({"AGEP": np.dtype(float)} if name == "missing_ages" else {})


@pytest.mark.parametrize("name", NAMES)
def test_the_input_is_never_changed(name):
    scenarios.apply(name, WINDOW, seed=1)
    assert (pd.util.hash_pandas_object(WINDOW).to_numpy() == RECORDED).all()
    altered, _ = scenarios.apply(name, WINDOW, seed=1)
    altered.loc[:, "SEX"] = 9
    assert (pd.util.hash_pandas_object(WINDOW).to_numpy() == RECORDED).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_the_same_rows_in_any_order(name):
    first, truth = scenarios.apply(name, WINDOW, seed=5, strength=0.5)
    again, truth_again = scenarios.apply(name, WINDOW, seed=5, strength=0.5)
    pd.testing.assert_frame_equal(first, again)
    assert (truth.row_ids == truth_again.row_ids).all()
    mixed, _ = scenarios.apply(name, WINDOW.sample(frac=1, random_state=0), seed=5, strength=0.5)
    pd.testing.assert_frame_equal(first, mixed.sort_index())


@pytest.mark.parametrize("name", ACTIVE)
def test_another_seed_other_rows(name):
    one, other = (set(scenarios.apply(name, WINDOW, seed=seed, strength=0.5)[1].row_ids.tolist())
                  for seed in (0, 1))  # fmt: skip
    assert one != other
    assert one & other  # independent draws, not complements


@pytest.mark.parametrize("name", ACTIVE)
def test_strength_is_a_dial(name):
    touched = [
        scenarios.apply(name, WINDOW, strength=strength)[1].row_ids
        for strength in (0.0, 0.25, 0.5, 1.0)
    ]
    sizes = [len(ids) for ids in touched]
    assert sizes[0] == 0
    assert sizes == sorted(set(sizes))
    for less, more in pairwise(touched):
        assert set(less.tolist()) <= set(more.tolist())
    if name in IN_PLACE:
        spread = np.sqrt(sizes[3] / 4)
        assert abs(sizes[2] - sizes[3] / 2) < 4 * spread


@pytest.mark.parametrize("name", ACTIVE)
def test_before_its_date_nothing_has_happened(name):
    altered, truth = scenarios.apply(name, WINDOW, since="2016-07-01")
    early = (WINDOW["arrived_at"] < pd.Timestamp("2016-07-01")).to_numpy()
    assert 0.4 < early.mean() < 0.6
    rows = differing(WINDOW, altered).any(axis=1).to_numpy()
    assert rows.any()
    assert not rows[early].any()
    assert truth.since == "2016-07-01"
    assert "since 2016-07-01" in str(truth)


@pytest.mark.parametrize("name", NAMES)
def test_after_the_last_row_nothing_happens(name):
    altered, truth = scenarios.apply(name, WINDOW, since="2017-01-01")
    pd.testing.assert_frame_equal(altered, WINDOW)
    assert truth.n_changed == 0


def test_the_control_is_the_frame_itself():
    altered, truth = scenarios.apply("nothing", WINDOW)
    pd.testing.assert_frame_equal(altered, WINDOW)
    assert (len(truth.row_ids), truth.columns, truth.kind) == (0, (), "nothing")


def test_age_as_birth_year():
    altered, _ = scenarios.apply("age_as_birth_year", WINDOW)
    assert (altered["AGEP"] + WINDOW["AGEP"] == 2016).all()


def test_relp_gets_the_codes_of_2019():
    altered, _ = scenarios.apply("relp_recoded_2019", PEOPLE)
    codes = altered["RELP"]
    assert codes.between(20, 38).all()
    assert set(codes) == set(range(20, 39))
    for old, new in RELP_TO_RELSHIPP.items():
        partners = {1: {21, 23}, 13: {22, 24}}.get(old, {new})
        assert set(codes[PEOPLE["RELP"] == old]) == partners
    household = PEOPLE.assign(coded=codes).groupby("household")
    for number, couple in household:
        reference = couple[couple["RELP"] == 0]
        for _, one in couple[couple["coded"].isin([21, 22, 23, 24])].iterrows():
            if len(reference):
                same = one["SEX"] == reference["SEX"].iloc[0]
                assert same == (one["coded"] in (23, 24))
        if number > PEOPLE["household"].iloc[0] + 500:
            break


def test_a_partner_whose_household_is_elsewhere_counts_as_of_the_opposite_sex():
    alone = PEOPLE[PEOPLE["RELP"].isin([1, 13])]
    altered, _ = scenarios.apply("relp_recoded_2019", alone)
    assert set(altered["RELP"]) == {21, 22}


def test_unknown_places_in_the_household_stay():
    odd = WINDOW.assign(RELP=np.where(np.arange(len(WINDOW)) < 3, 99, WINDOW["RELP"]))
    altered, truth = scenarios.apply("relp_recoded_2019", odd)
    assert altered["RELP"].iloc[:3].tolist() == [99] * 3
    assert len(truth.row_ids) == len(odd) - 3


def test_every_fifth_age_is_missing():
    altered, truth = scenarios.apply("missing_ages", PEOPLE)
    assert altered["AGEP"].isna().sum() == truth.n_changed
    assert abs(altered["AGEP"].isna().mean() - 0.2) < 4 * np.sqrt(0.16 / len(PEOPLE))


def test_defaults_are_ordinary_values():
    altered, truth = scenarios.apply("live_defaults", WINDOW)
    touched = WINDOW["row_id"].isin(truth.row_ids)
    filled = altered.loc[touched, ["SCHL", "MAR", "MIG"]].drop_duplicates()
    assert filled.to_numpy().tolist() == [[16, 1, 1]]
    for name in truth.columns:
        assert set(altered[name]) <= set(WINDOW[name])
    assert truth.n_changed < len(truth.row_ids)  # some were so before


def test_a_frozen_feature_repeats_the_last_value_before():
    altered, _ = scenarios.apply("frozen_feature", WINDOW, since="2016-03-01")
    early = WINDOW["arrived_at"] < pd.Timestamp("2016-03-01")
    last = WINDOW[early].sort_values(["arrived_at", "row_id"])["MAR"].iloc[-1]
    assert set(altered["MAR"][~early]) == {last}
    altered, _ = scenarios.apply("frozen_feature", WINDOW)
    first = WINDOW.sort_values(["arrived_at", "row_id"])["MAR"].iloc[0]
    assert set(altered["MAR"]) == {first}


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_a_bad_join_keeps_every_margin_and_breaks_what_belongs_together(strength):
    altered, truth = scenarios.apply("bad_join", WINDOW, strength=strength)
    assert truth.scenario.keeps_margins
    for name in WINDOW:
        assert sorted(altered[name]) == sorted(WINDOW[name])
    before, after = (f["AGEP"].corr(f["employed"]) for f in (WINDOW, altered))
    assert abs(after - (1 - strength) * before) < 0.06


@pytest.mark.parametrize(
    ("name", "factor", "member"),
    [
        ("older_population", 3, lambda f: f["AGEP"] >= 65),
        ("more_dormitories", 8, lambda f: f["RELP"] == 17),
    ],
)
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_a_group_weighs_so_many_times_as_much(name, factor, member, strength):
    altered, truth = scenarios.apply(name, PEOPLE, strength=strength)
    before, after = member(PEOPLE).mean(), member(altered).mean()
    odds = (1 + (factor - 1) * strength) * before / (1 - before)
    assert abs(after - odds / (1 + odds)) < 4 * np.sqrt(0.25 / len(PEOPLE))
    touched = PEOPLE["row_id"].isin(truth.row_ids)
    assert not member(PEOPLE)[touched].any()
    assert member(altered)[touched].all()


@pytest.mark.parametrize("name", DRAWING)
def test_whoever_comes_is_a_whole_person_of_the_group_in_this_window(name):
    altered, truth = scenarios.apply(name, WINDOW)
    person = [column for column in WINDOW if column not in PLACE]
    members = set(WINDOW[truth.group.mask(WINDOW)][person].itertuples(index=False, name=None))
    came = altered[WINDOW["row_id"].isin(truth.row_ids)][person]
    assert set(came.itertuples(index=False, name=None)) <= members


@pytest.mark.parametrize("name", DRAWING)
def test_whoever_leaves_is_drawn_by_chance(name):
    altered, truth = scenarios.apply(name, PEOPLE)
    others = ~truth.group.mask(PEOPLE)
    stay = others & ~PEOPLE["row_id"].isin(truth.row_ids).to_numpy()
    for column in ("AGEP", "SCHL", "employed"):
        before, after = PEOPLE[column][others], altered[column][stay]
        error = before.std() / np.sqrt(len(after))
        assert abs(before.mean() - after.mean()) < 4 * error


@pytest.mark.parametrize(
    ("name", "share"),
    [("job_losses", 0.25), ("job_losses_women", 0.5), ("small_group_collapses", 0.9)],
)
def test_work_is_lost_only_in_the_group_and_only_by_those_who_had_it(name, share):
    altered, truth = scenarios.apply(name, PEOPLE)
    lost = PEOPLE["employed"] > altered["employed"]
    assert not (PEOPLE["employed"] < altered["employed"]).any()
    assert lost.sum() == len(truth.row_ids) == truth.n_changed
    group = truth.group.mask(PEOPLE)
    assert group[lost].all()
    at_work = group & (PEOPLE["employed"] == 1)
    spread = np.sqrt(share * (1 - share) / at_work.sum())
    assert abs(lost.sum() / at_work.sum() - share) < 4 * spread


def test_a_bug_that_touches_one_group_only():
    altered, truth = scenarios.apply("group_bug", WINDOW)
    group = WINDOW["DIS"] == 1
    assert (altered["SCHL"][group] == 1).all()
    assert set(truth.row_ids) == set(WINDOW["row_id"][group])


def test_the_table_says_what_the_scenarios_say():
    table = scenarios.describe()
    assert tuple(table.index) == NAMES
    assert table.loc["nothing", "shows_from"] == 0
    assert (table["shows_from"][:-1] >= 200).all()
    assert table["what"].is_unique
    assert table.loc["job_losses_women", "group"] == "women of 25 to 54"
    assert table["changes_labels"].sum() == 3


def test_the_truth_is_frozen_and_reads_well():
    _, truth = scenarios.apply("group_bug", WINDOW)
    with pytest.raises(FrozenInstanceError):
        truth.seed = 1
    assert "What changed is the pipeline" in str(truth)
    assert "&#x27;no schooling completed&#x27;" in truth._repr_html_()
    assert "row_ids" not in repr(truth)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: scenarios.get("flood"), "no scenario 'flood'; there are age_as_birth_year"),
        (lambda: scenarios.apply("flood", WINDOW), "no scenario 'flood'"),
        (lambda: scenarios.apply("nothing", WINDOW, strength=2), "strength lies between 0"),
        (lambda: scenarios.apply("nothing", WINDOW, strength=float("nan")), "seen nan"),
        (lambda: scenarios.apply("nothing", WINDOW[["AGEP"]]), "needs the column 'row_id'"),
        (lambda: scenarios.apply("group_bug", WINDOW.drop(columns="DIS")), "column 'DIS'"),
        (lambda: scenarios.apply("bad_join", WINDOW.drop(columns="AGEP")), "column 'AGEP'"),
        (lambda: scenarios.apply("nothing", WINDOW, since="soon"), "since is a date such as"),
        (
            lambda: scenarios.apply(
                "nothing", WINDOW.drop(columns="arrived_at"), since="2016-07-01"
            ),
            "since needs the column 'arrived_at'",
        ),
        (
            lambda: scenarios.apply("older_population", WINDOW[WINDOW["AGEP"] < 60]),
            "needs people of 65 and over among the rows",
        ),
    ],
)
def test_what_cannot_be_done_is_said(call, words):
    with pytest.raises(DataError, match=words):
        call()


@pytest.mark.parametrize("name", NAMES)
def test_no_rows_stay_no_rows(name):
    altered, truth = scenarios.apply(name, WINDOW.iloc[:0])
    assert len(altered) == truth.n_rows == truth.n_changed == 0


def test_everybody_in_the_group_already():
    old = WINDOW[WINDOW["AGEP"] >= 65]
    altered, truth = scenarios.apply("older_population", old)
    pd.testing.assert_frame_equal(altered, old)
    assert truth.n_changed == 0
