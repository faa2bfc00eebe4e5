"""What the census says of itself, counted again by other means."""

import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from capstone_lib.data import load_census
from capstone_lib.errors import DataError

CENSUS = load_census()
EVERYBODY = load_census(adults=False)
YEARS = (2015, 2016, 2017, 2018)
FRAMES = {year: CENSUS.frame(year) for year in YEARS}
ALL = pd.concat([EVERYBODY.frame(year) for year in YEARS], ignore_index=True)


def test_people_per_year():
    assert CENSUS.years == YEARS
    assert ALL["year"].value_counts(sort=False).to_dict() == {
        2015: 68_785,
        2016: 69_126,
        2017: 69_635,
        2018: 70_131,
    }
    adults = {year: len(frame) for year, frame in FRAMES.items()}
    assert adults == {2015: 56_093, 2016: 56_408, 2017: 56_831, 2018: 57_559}
    assert sum(adults.values()) == 226_891


def test_columns_and_types():
    frame = FRAMES[2016]
    assert list(frame.columns) == [
        "row_id", *CENSUS.features, "employed", "year", "household", "arrived_at",
    ]  # fmt: skip
    assert len(CENSUS.features) == 15
    assert "ESP" not in CENSUS.features
    assert set(frame.dtypes[[*CENSUS.features, "employed"]].astype(str)) == {"int16"}
    rest = frame.dtypes[["row_id", "year", "household", "arrived_at"]].astype(str).tolist()
    assert rest == ["int64", "int16", "int32", "datetime64[s]"]
    assert isinstance(frame.index, pd.RangeIndex)
    assert not frame.isna().any(axis=None)
    assert set(CENSUS.sensitive) <= set(CENSUS.features)
    assert CENSUS.target == "employed"


def test_everybody_has_children_and_esp():
    frame = CENSUS.frame(2015, adults=False)
    assert frame.equals(EVERYBODY.frame(2015))
    assert EVERYBODY.features == [
        "AGEP", "SCHL", "MAR", "RELP", "DIS", "ESP", "CIT", "MIG",
        "MIL", "ANC", "NATIVITY", "DEAR", "DEYE", "DREM", "SEX", "RAC1P",
    ]  # fmt: skip
    assert (frame["AGEP"].min(), frame["AGEP"].max()) == (0, 94)
    of_age = frame[frame["AGEP"].between(17, 89)].drop(columns="ESP").reset_index(drop=True)
    pd.testing.assert_frame_equal(of_age, FRAMES[2015])
    pd.testing.assert_frame_equal(EVERYBODY.frame(2015, adults=True), FRAMES[2015])


def test_row_ids_are_the_places_in_the_original_file():
    np.testing.assert_array_equal(ALL["row_id"], np.arange(277_677))


def test_the_table_is_the_frame():
    table = CENSUS.table(2018)
    pd.testing.assert_frame_equal(table.to_pandas(), FRAMES[2018])
    assert table.schema.field("arrived_at").type == "timestamp[s]"


def test_the_values_are_those_of_the_source():
    """Sums and cross-sums of the source file, taken once from the wheel with pandas alone."""
    codes = ALL[[*EVERYBODY.features, "employed"]].astype("int64")
    place = (ALL["row_id"].to_numpy() % 1_009 + 1)[:, None]
    assert codes.sum().to_dict() == SOURCE_SUMS
    assert (codes * place).sum().to_dict() == SOURCE_CROSS_SUMS


SOURCE_SUMS = {
    "AGEP": 11565913,
    "SCHL": 4560894,
    "MAR": 843009,
    "RELP": 833194,
    "DIS": 517838,
    "ESP": 136658,
    "CIT": 426304,
    "MIG": 344436,
    "MIL": 888057,
    "ANC": 507447,
    "NATIVITY": 318010,
    "DEAR": 544681,
    "DEYE": 549363,
    "DREM": 514978,
    "SEX": 421696,
    "RAC1P": 505228,
    "employed": 139199,
}
SOURCE_CROSS_SUMS = {
    "AGEP": 5837821988,
    "SCHL": 2302660000,
    "MAR": 425747787,
    "RELP": 421615534,
    "DIS": 261354073,
    "ESP": 69049414,
    "CIT": 215414200,
    "MIG": 173886108,
    "MIL": 448254528,
    "ANC": 256333943,
    "NATIVITY": 160571963,
    "DEAR": 274957967,
    "DEYE": 277277448,
    "DREM": 260066937,
    "SEX": 212753878,
    "RAC1P": 255201044,
    "employed": 70243478,
}


def test_quirks_that_the_readme_tells():
    age, employed = ALL["AGEP"], ALL["employed"]
    assert employed[age < 16].sum() == 0
    assert employed[age == 16].mean() == pytest.approx(0.18, abs=0.005)
    adults = ALL[age.between(17, 89)]
    assert (adults.loc[adults["AGEP"] > 17, "ESP"] == 0).all()
    assert ((adults["ESP"] > 0).sum(), (adults["AGEP"] == 17).sum()) == (3_048, 3_438)
    assert not age.isin([92, 93]).any()
    oldest = ALL.groupby("year")["AGEP"].max().to_dict()
    assert oldest == {2015: 94, 2016: 94, 2017: 95, 2018: 95}
    assert (ALL["RAC1P"] == 4).sum() == 6


def test_not_reported_ancestry_grows():
    for people, expected in ((ALL, [13.7, 14.7, 16.3, 17.2]), (None, [12.9, 13.8, 15.0, 16.3])):
        frame = people if people is not None else pd.concat(FRAMES.values())
        share = (frame["ANC"] == 4).groupby(frame["year"]).mean() * 100
        assert share.round(1).tolist() == expected


def test_group_quarters_stand_last_in_2017_and_first_in_2018():
    places = {
        year: np.flatnonzero(people["RELP"].isin([16, 17])) for year, people in ALL.groupby("year")
    }
    np.testing.assert_array_equal(places[2017], np.arange(64_493, 69_635))
    np.testing.assert_array_equal(places[2018], np.arange(5_129))
    for year in (2015, 2016):
        assert np.diff(places[year]).max() < 120


def test_households_by_brute_force():
    """A household goes on until the next reference person or resident of group quarters."""
    people = ALL[ALL["year"] == 2016]
    groups, current = [], []
    for row_id, relation in zip(people["row_id"], people["RELP"], strict=True):
        if relation in (0, 16, 17) and current:
            groups.append(current)
            current = []
        current.append(row_id)
    groups.append(current)
    seen = people.groupby("household")["row_id"].apply(list).tolist()
    assert seen == groups


def test_households_make_sense():
    relation = ALL["RELP"]
    size = ALL.groupby("household").size()
    assert (len(size), size.max()) == (127_909, 15)
    assert ALL.groupby("household")["year"].nunique().max() == 1
    heads = relation.isin([0, 16, 17]).groupby(ALL["household"]).sum()
    assert (heads == 1).all()
    alone = ALL.loc[relation.isin([16, 17]), "household"]
    assert (size[alone] == 1).all()
    spouses = (relation == 1).groupby(ALL["household"]).sum()
    partners = (relation == 13).groupby(ALL["household"]).sum()
    assert ((spouses + partners) <= 1).all()
    head_status = ALL[relation == 0].set_index("household")["MAR"]
    assert (head_status[spouses[spouses == 1].index] == 1).all()


@pytest.mark.parametrize("year", YEARS)
def test_arrivals_fall_evenly_on_the_days_of_the_year(year):
    dates = FRAMES[year]["arrived_at"]
    days = pd.date_range(f"{year}-01-01", f"{year}-12-31")
    counts = dates.value_counts().reindex(days, fill_value=0)
    assert counts.sum() == len(dates)  # nobody came on another day, or at another hour
    assert counts.min() > 0
    assert len(counts) == (366 if year == 2016 else 365)
    assert stats.chisquare(counts).pvalue > 0.001


def test_arrivals_do_not_follow_the_file_or_the_person():
    for name in ("row_id", "AGEP", "RELP", "employed"):
        day = ALL["arrived_at"].dt.day_of_year
        within = stats.spearmanr(day[ALL["year"] == 2018], ALL[name][ALL["year"] == 2018])
        assert within.pvalue > 0.001


def test_arrivals_never_change():
    first = FRAMES[2016]["arrived_at"].head(5).dt.strftime("%m-%d").tolist()
    assert first == GOLDEN_2016
    assert load_census(seed=7).frame(2016)["arrived_at"].head(5).dt.strftime("%m-%d").tolist() == (
        GOLDEN_2016_SEED_7
    )


GOLDEN_2016 = ["11-24", "01-09", "01-06", "01-27", "01-02"]
GOLDEN_2016_SEED_7 = ["07-30", "06-29", "03-05", "02-07", "04-13"]


def test_arrivals_depend_on_the_person_alone():
    everybody = EVERYBODY.frame(2017).set_index("row_id")["arrived_at"]
    adults = FRAMES[2017].set_index("row_id")["arrived_at"]
    pd.testing.assert_series_equal(everybody[adults.index], adults)


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.9])
def test_split_keeps_households_together(fraction):
    train, held_out = CENSUS.split(2015, fraction=fraction)
    assert not set(train["household"]) & set(held_out["household"])
    together = pd.concat([train, held_out]).sort_values("row_id").reset_index(drop=True)
    pd.testing.assert_frame_equal(together, FRAMES[2015])
    households = FRAMES[2015]["household"].nunique()
    error = 4 * np.sqrt(fraction * (1 - fraction) / households)
    assert held_out["household"].nunique() / households == pytest.approx(fraction, abs=error)
    assert isinstance(held_out.index, pd.RangeIndex)


def test_split_is_the_same_again_and_another_with_another_seed():
    one, again, other = (CENSUS.split(2015, seed=seed)[1]["row_id"] for seed in (0, 0, 1))
    assert one.equals(again)
    both = len(set(one) & set(other)) / len(FRAMES[2015])
    assert both == pytest.approx(0.25 * 0.25, abs=0.01)


def test_split_does_not_go_with_the_arrival_dates():
    train, held_out = CENSUS.split(2015)
    days = [part["arrived_at"].dt.day_of_year for part in (train, held_out)]
    assert stats.ks_2samp(*days).pvalue > 0.001


def test_a_larger_fraction_only_adds_people():
    small, large = (set(CENSUS.split(2015, fraction=f)[1]["row_id"]) for f in (0.2, 0.3))
    assert small < large


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 25, float("nan")])
def test_split_refuses_what_is_no_share(fraction):
    with pytest.raises(DataError, match="fraction must lie between 0 and 1"):
        CENSUS.split(2015, fraction=fraction)


@pytest.mark.parametrize("year", [2014, 2019, "2015", 2015.0, None, [2015], True, np.int64(1)])
def test_an_unknown_year_names_the_known_ones(year):
    with pytest.raises(DataError, match="ask for one of the years 2015, 2016, 2017, 2018"):
        CENSUS.frame(year)


def test_a_numpy_year_will_do():
    assert CENSUS.frame(np.int16(2016)).equals(FRAMES[2016])


def test_the_schema_lets_every_adult_in():
    schema = CENSUS.schema
    assert list(schema.names) == CENSUS.features
    assert schema.id == "row_id"
    for frame in FRAMES.values():
        checked = schema.check(frame[CENSUS.features], ids=frame["row_id"].to_numpy())
        assert checked.valid.all()
        assert not checked.problems


def test_the_schema_is_made_of_the_dictionary():
    age, school = CENSUS.schema["AGEP"], CENSUS.schema["SCHL"]
    assert (age.kind, age.minimum, age.maximum) == ("integer", 17, 89)
    assert (school.kind, school.title) == ("category", "Highest schooling")
    assert school.categories == tuple(range(1, 25))  # "not applicable" is no answer of an adult
    assert school.labels["21"] == "bachelor's degree"
    assert EVERYBODY.schema["SCHL"].categories == tuple(range(25))
    assert EVERYBODY.schema["AGEP"].maximum == 95
    assert "ESP" in EVERYBODY.schema.names


def test_the_schema_refuses_a_code_that_does_not_exist():
    frame = FRAMES[2016][CENSUS.features].head(3).copy()
    frame.loc[1, "MAR"] = 6
    checked = CENSUS.schema.check(frame)
    assert checked.valid.tolist() == [True, False, True]


def test_a_census_is_a_frozen_value():
    assert load_census() == CENSUS
    assert load_census(seed=1) != CENSUS
    assert hash(load_census()) == hash(CENSUS)
    assert pickle.loads(pickle.dumps(CENSUS)) == CENSUS
    with pytest.raises(FrozenInstanceError):
        CENSUS.seed = 1
    CENSUS.features.append("x")  # a list of one's own
    assert len(CENSUS.features) == 15


def test_a_census_in_a_notebook():
    html = CENSUS._repr_html_()
    for text in ("2018", "57,559", "61.3%", "aged 17 to 89, 15 features"):
        assert text in html
    everybody = EVERYBODY._repr_html_()
    assert "of all ages, 16 features" in everybody
    assert "70,131" in everybody


def test_importing_the_data_does_not_import_pandas():
    code = (
        "import sys, capstone_lib.data as d; d.load_census().schema; "
        "assert not {'pandas', 'sklearn', 'IPython'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
