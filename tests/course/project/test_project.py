"""The shipped data sets in one shape: nothing leaks, and windows are what they are called."""

import json

import numpy as np
import pandas as pd
import pytest

import capstone_lib as cap
from capstone_lib.course.project import Project, open_project
from capstone_lib.course.project.price import mistakes_at, mistakes_when_sure, price_of
from capstone_lib.course.project.telling import say_what_tells, what_tells


@pytest.fixture(scope="module")
def flights() -> Project:
    return open_project("flights", rows=4_000)


def test_no_household_is_in_two_parts_of_the_census(census: Project) -> None:
    people = cap.load_census().frame(2015).set_index("row_id")["household"]
    train, held_out = (
        set(people.loc[part["row_id"]]) for part in (census.parts.train, census.parts.calibration)
    )
    assert not train & held_out
    assert 3_000 < len(census.parts.train) < 5_000
    assert census.parts.production["arrived_at"].min() >= pd.Timestamp("2016-01-01")


def test_another_seed_cuts_otherwise_and_the_same_seed_the_same() -> None:
    one, two, other = (open_project("wine", seed=seed) for seed in (0, 0, 1))
    assert one.parts.train.equals(two.parts.train)
    assert set(one.parts.train["row_id"]) != set(other.parts.train["row_id"])


def test_flights_are_cut_by_time_and_scored_before_they_depart(flights: Project) -> None:
    parts = flights.parts
    assert parts.train["arrived_at"].max() < parts.calibration["arrived_at"].min()
    assert parts.calibration["arrived_at"].max() < parts.production["arrived_at"].min()
    assert [one.name for one in flights.windows] == [f"2013-{m:02}" for m in range(9, 13)]
    for one in flights.windows:
        assert one.as_of == f"{one.name}-01"
        landed = one.rows["known_at"].dropna()
        assert (landed >= pd.Timestamp(one.as_of)).all()
        assert one.rows["arrived_at"].between(one.start, one.end, inclusive="left").all()


def test_outcomes_come_late_or_never(flights: Project, census: Project) -> None:
    never = flights.windows[-1].rows["late"].isna()
    assert 0.01 < never.mean() < 0.08
    known = set(flights.outcomes()["row_id"])
    assert not known & set(flights.windows[-1].rows["row_id"][never])
    assert flights.outcomes()["outcome"].dtype.kind == "i"
    at_the_end = census.outcomes(census.windows[-1].end)
    assert not set(at_the_end["row_id"]) & set(census.windows[-1].rows["row_id"])


def test_settings_open_the_same_project_again(wine: Project) -> None:
    again = open_project(**json.loads(json.dumps(wine.settings)))
    assert again.parts.production.equals(wine.parts.production)


def test_the_project_says_of_itself_what_it_is(wine: Project) -> None:
    assert "three classes" in str(wine)
    assert "<table" in wine._repr_html_()
    frame = wine.to_frame()
    assert frame["rows"].sum() == 178
    assert list(frame.index[:2]) == ["train", "calibration"]


def test_mistakes_are_counted_as_a_loop_would() -> None:
    draw = np.random.default_rng(0)
    score, is_yes = draw.random(500), draw.random(500) < 0.4
    table = mistakes_at(score, is_yes)
    for threshold, row in table.iterrows():
        wrongly_yes = sum(s >= threshold and not y for s, y in zip(score, is_yes, strict=True))
        wrongly_no = sum(s < threshold and y for s, y in zip(score, is_yes, strict=True))
        assert row["wrongly_yes"] == pytest.approx(wrongly_yes / 500 * 1_000)
        assert row["wrongly_no"] == pytest.approx(wrongly_no / 500 * 1_000)
    sure = mistakes_when_sure(score, is_yes)
    assert sure.loc[0.5, "asked"] == pytest.approx(1_000 * np.mean(score < 0.5))
    price = price_of(table, {"wrongly_yes": 1, "wrongly_no": 1}, 0.5)
    assert price.least <= price.here
    assert price_of(table, {"wrongly_yes": 1, "wrongly_no": 1}, price.best).is_near


def test_on_the_flights_only_outcomes_tell(
    flights: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from capstone_lib.course.project.claims import drift_of

    path = tmp_path_factory.mktemp("flights") / "model.onnx"
    artifact = flights.export(flights.fit("linear"), path)
    table = what_tells(flights, artifact, drift_of(flights, artifact))
    assert table["true"].max() - table["true"].min() > 0.15
    assert table["psi_score"].max() < 0.03
    assert table["alarms"].sum() == 0
    said = say_what_tells(flights, table)
    assert "only outcomes tell" in said
    assert "never be known" in said


def test_a_quiet_world_and_late_outcomes_are_said_so(
    census: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from capstone_lib.course.project.claims import drift_of

    path = tmp_path_factory.mktemp("quiet") / "model.onnx"
    artifact = census.export(census.fit("linear"), path)
    reports = drift_of(census, artifact)
    assert "quiet" in say_what_tells(census, what_tells(census, artifact, reports))
    until = census.windows[-1].end
    said = say_what_tells(census, what_tells(census, artifact, reports, until=until))
    assert "no outcome is known yet" in said
    assert "nothing can be compared yet" in said
