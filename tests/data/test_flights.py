"""The flights are those of 2013, whole, and their outcomes come late or never."""

import subprocess
import sys
from hashlib import sha256

import numpy as np
import pytest

from capstone_lib.data.files import data_folder
from capstone_lib.data.flights import load_flights
from capstone_lib.errors import DataError


@pytest.fixture(scope="module")
def year():
    return load_flights().frame()


def test_every_listed_file_has_its_hash():
    folder = data_folder("flights")
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert sha256((folder / name).read_bytes()).hexdigest() == digest


def test_the_whole_year_is_there_and_months_are_its_parts(year):
    assert len(year) == 336_776
    assert year["row_id"].tolist() == list(range(336_776))
    assert sum(len(load_flights().frame(month)) for month in range(1, 13)) == len(year)
    assert year["arrived_at"].dt.year.eq(2013).all()
    assert (year["arrived_at"].dt.day_of_week + 1 == year["weekday"]).all()
    assert (year["arrived_at"].dt.hour == year["hour"]).all()


def test_outcomes_come_late_or_never_and_more_often_never_in_winter(year):
    never = year["late"].isna()
    assert never.sum() == 9_430
    assert (never == year["known_at"].isna()).all()
    assert (year["known_at"] > year["arrived_at"])[~never].all()
    by_month = never.groupby(year["arrived_at"].dt.month).mean()
    assert (by_month.idxmin(), by_month.idxmax()) == (10, 2)
    assert (round(by_month.min(), 3), round(by_month.max(), 3)) == (0.009, 0.054)


def test_the_share_of_late_flights_moves_and_the_features_do_not(year):
    month = year["arrived_at"].dt.month
    late = year["late"].groupby(month).mean()
    assert (late.idxmin(), late.idxmax()) == (9, 12)
    assert (round(late.min(), 2), round(late.max(), 2)) == (0.13, 0.33)
    shares = year.groupby(month)["origin"].value_counts(normalize=True).unstack()
    assert (shares.max() - shares.min()).max() < 0.05


def test_late_is_a_matter_of_minutes():
    hour = load_flights(late_minutes=60).frame(7)
    quarter = load_flights().frame(7)
    assert hour["late"].sum() == (quarter["delay"] > 60).sum() < quarter["late"].sum()


def test_every_flight_enters_the_schema(year):
    schema = load_flights().schema
    assert list(schema.names) == load_flights().features
    checked = schema.check(year[load_flights().features])
    assert np.asarray(checked.valid).all()
    assert not checked.problems
    assert schema.columns[0].labels["UA"] == "United Air Lines Inc."


@pytest.mark.parametrize("month", [0, 13, "May", 1.5, True])
def test_another_month_is_refused(month):
    with pytest.raises(DataError, match=r"no flights of month .* one of 1 to 12"):
        load_flights().frame(month)


def test_no_files(tmp_path):
    with pytest.raises(DataError, match="flights files are not there"):
        load_flights(folder=tmp_path)


def test_the_script_refuses_another_wheel(tmp_path):
    other = tmp_path / "other.whl"
    other.write_bytes(b"no wheel")
    command = [sys.executable, str(data_folder("flights") / "make_flights.py"), "--check"]
    done = subprocess.run([*command, str(other)], capture_output=True, text=True)
    assert done.returncode == 1
    assert "its SHA-256 differs" in done.stderr
