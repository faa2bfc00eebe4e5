"""The dictionary names every code that occurs, and decoding loses nothing."""

import re

import numpy as np
import pandas as pd
import pytest

from capstone_lib.data import Entry, load_census
from capstone_lib.data.files import data_folder
from capstone_lib.errors import DataError

CENSUS = load_census()
EVERYBODY = load_census(adults=False)
ALL = pd.concat([EVERYBODY.frame(year) for year in EVERYBODY.years], ignore_index=True)
WORDS = CENSUS.dictionary


@pytest.mark.parametrize("name", [*EVERYBODY.features, "employed"])
def test_every_code_that_occurs_has_words_and_every_word_occurs(name):
    entry, seen = WORDS[name], set(ALL[name].tolist())
    if entry.kind == "integer":
        assert (min(seen), max(seen)) == (entry.minimum, entry.maximum)
    else:
        assert set(entry.labels) == seen


@pytest.mark.parametrize("name", [*EVERYBODY.features, "employed"])
def test_words_are_fit_to_show(name):
    entry = WORDS[name]
    assert entry.title
    assert entry.question.endswith("?")
    words = list(entry.labels.values())
    assert len(set(words)) == len(words)
    assert all(0 < len(text) <= 75 and text == text.strip() for text in words)


def test_zero_means_not_asked_exactly_where_the_survey_did_not_ask():
    """The universes of the PUMS data dictionary, in ages."""
    asked_from = {"SCHL": 3, "DREM": 5, "MIG": 1, "MIL": 17}
    for name, age in asked_from.items():
        assert WORDS[name].not_applicable == 0
        assert ((ALL[name] == 0) == (ALL["AGEP"] < age)).all()
    assert (ALL.loc[ALL["AGEP"] >= 18, "ESP"] == 0).all()
    with_gap = {name for name in WORDS if WORDS[name].not_applicable is not None}
    assert with_gap == {*asked_from, "ESP"}


def test_words_agree_between_columns():
    """Recodes of one another must tell one story."""
    native = ALL["CIT"].isin([1, 2, 3])
    assert (native == (ALL["NATIVITY"] == 1)).all()
    difficulty = (ALL[["DEAR", "DEYE", "DREM"]] == 1).any(axis=1)
    assert (ALL.loc[difficulty, "DIS"] == 1).all()
    assert (ALL.loc[ALL["RELP"] == 1, "MAR"] == 1).all()
    assert (ALL.loc[ALL["AGEP"] < 15, "MAR"] == 5).all()
    graduate = ALL[ALL["SCHL"] >= 22]
    assert graduate["AGEP"].min() >= 20
    assert not ALL.loc[(ALL["MIL"] == 1) | (ALL["RELP"] == 16), "employed"].any()


def test_decoding_can_be_undone():
    people = CENSUS.frame(2017)
    words = CENSUS.decode(people)
    assert list(words.columns) == list(people.columns)
    for name in CENSUS.features:
        back = {text: code for code, text in WORDS[name].labels.items()}
        same = words[name].map(back).astype("int16") if back else words[name]
        np.testing.assert_array_equal(same, people[name])
    for name in ("row_id", "AGEP", "year", "household", "arrived_at"):
        pd.testing.assert_series_equal(words[name], people[name])


def test_decoding_keeps_the_index_and_the_order_of_codes():
    people = CENSUS.frame(2015).iloc[[5, 900, 3]]
    words = CENSUS.decode(people)
    assert list(words.index) == [5, 900, 3]
    assert list(words["MAR"].cat.categories) == list(WORDS["MAR"].labels.values())
    assert words.loc[3, "SCHL"] == WORDS["SCHL"].labels[people.loc[3, "SCHL"]]


def test_decoding_takes_codes_as_text_floats_or_missing():
    frame = pd.DataFrame({"SEX": ["1", "2", None], "DEAR": [2.0, np.nan, 1.5], "x": [1, 2, 3]})
    words = CENSUS.decode(frame)
    assert words["SEX"].tolist()[:2] == ["male", "female"]
    assert words["SEX"].isna().tolist() == [False, False, True]
    assert words["DEAR"].tolist()[::2] == ["no", "unknown code 1.5"]
    assert words["DEAR"].isna().tolist() == [False, True, False]
    assert words["x"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("code", [99, "x", "", -1, np.inf, True])
def test_an_unknown_code_says_so(code):
    column = pd.Series([1, code], name="DREM" if code is not True else "SCHL", dtype=object)
    words = CENSUS.decode(column).tolist()
    if code is True:  # the number one
        assert words == ["no schooling completed"] * 2
    else:
        assert words == ["yes", f"unknown code {code}"]


def test_decoding_a_column_and_titles():
    column = CENSUS.frame(2015)["RAC1P"].head(3)
    assert CENSUS.decode(column).name == "RAC1P"
    assert CENSUS.decode(column, titles=True).name == "Race"
    shown = CENSUS.decode(CENSUS.frame(2015).head(2), titles=True)
    assert list(shown.columns[:4]) == ["row_id", "Age", "Highest schooling", "Marital status"]


def test_decoding_odd_frames():
    twice = pd.DataFrame([[1, 2], [2, 1]], columns=["SEX", "SEX"])
    assert CENSUS.decode(twice).to_numpy().tolist() == [["male", "female"], ["female", "male"]]
    assert CENSUS.decode(pd.DataFrame(index=[4, 5])).shape == (2, 0)
    assert len(CENSUS.decode(CENSUS.frame(2015).head(0))) == 0
    pd.testing.assert_series_equal(CENSUS.decode(pd.Series([1, 2])), pd.Series([1, 2]))


def test_decoding_leaves_its_argument_alone():
    people = CENSUS.frame(2015).head(10)
    before = people.copy()
    CENSUS.decode(people, titles=True)
    pd.testing.assert_frame_equal(people, before)


def test_the_dictionary_as_a_table():
    table = WORDS.to_frame()
    assert len(table) == sum(len(WORDS[name].labels) for name in WORDS)
    zero = table[table["not_applicable"]]
    assert set(zero["column"]) == {"SCHL", "ESP", "MIG", "MIL", "DREM"}
    assert zero["words"].str.startswith("not applicable").all()


def test_the_dictionary_in_a_notebook():
    html = WORDS._repr_html_()
    assert html.count("<tr>") == len(WORDS) + 1
    assert "bachelor&#x27;s degree" in html
    assert "whole years, 0 to 95" in html


def test_an_unknown_column_names_the_known_ones():
    assert "SCHL" in WORDS
    assert "salary" not in WORDS
    with pytest.raises(DataError, match="no column 'salary' in the dictionary; there are AGEP, "):
        WORDS["salary"]


def test_an_entry_without_words():
    assert Entry("AGEP", "Age", "How old?", "integer").words(40) == "unknown code 40"


def test_the_readme_shows_every_code():
    text = (data_folder("census") / "README.md").read_text("utf-8")
    for name in WORDS:
        row = re.search(rf"^\| `{name}` \|.*$", text, re.MULTILINE)
        assert row, name
        for code, words in WORDS[name].labels.items():
            assert f"`{code}` {words}" in row.group()
