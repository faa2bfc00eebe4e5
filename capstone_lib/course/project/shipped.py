"""The data sets that need no file: the census, the flights, and the wines of scikit-learn."""

from typing import TYPE_CHECKING

import numpy as np

from capstone_lib.course.project.parts import KEPT, Parts, keep, place_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SHIPPED", "spread_over_time"]

_CALIBRATED_WITH = 8  # the month of flights that calibrates; those before it train
_SURVEY_DAYS = 60
_BOTTLED = np.datetime64("2026-01-01", "s")
_DAY_S = np.timedelta64(86_400, "s")


def open_census(*, seed: int, rows: int) -> Parts:
    """Adults of Massachusetts: 2015 to train and calibrate, 2016 as it arrives."""
    from capstone_lib.data import load_census

    census = load_census()
    train, held_out = census.split(2015, seed=seed)
    train, held_out = (
        keep(part, most, by="household", seed=seed)
        for part, most in ((train, rows), (held_out, rows // 2))
    )
    later = census.frame(2016)
    for part in (train, held_out, later):
        part["known_at"] = part["arrived_at"] + _SURVEY_DAYS * _DAY_S
    columns = [*KEPT, *census.features, census.target]
    return Parts(
        name="census",
        question="Is this adult at work?",
        target=census.target,
        features=tuple(census.features),
        groups={"SEX": (), "DIS": (), "AGEP": (25.0, 45.0, 65.0)},
        train=train[columns],
        calibration=held_out[columns],
        production=later[columns],
        ahead=False,
        how="2015 trains and calibrates, cut by household so that none is in both; 2016 is "
        "production",
        notes=(
            "who arrives on which day is drawn by lot, and a survey tells the outcome "
            f"{_SURVEY_DAYS} days later: both are simulated",
        ),
        words=census.schema,
    )


def open_flights(*, seed: int, rows: int) -> Parts:
    """Departures from New York: January to July train, August calibrates, later is production."""
    from capstone_lib.data import load_flights

    flights = load_flights()
    everything = flights.frame()
    month = everything["arrived_at"].dt.month
    landed = everything[flights.target].notna()
    columns = [*KEPT, *flights.features, flights.target]
    before, held_out = (
        everything.loc[some & landed, columns]
        for some in (month < _CALIBRATED_WITH, month == _CALIBRATED_WITH)
    )
    return Parts(
        name="flights",
        question="Will this flight land more than 15 minutes late?",
        target=flights.target,
        features=tuple(flights.features),
        groups={"carrier": (), "origin": ()},
        train=keep(before.astype({flights.target: int}), rows, seed=seed),
        calibration=keep(held_out.astype({flights.target: int}), rows // 2, seed=seed),
        production=everything.loc[month > _CALIBRATED_WITH, columns].reset_index(drop=True),
        ahead=True,
        how="cut by time: January to July train, August calibrates, and what departs later is "
        "production",
        notes=("groups are airlines and airports, and no people",),
        words=flights.schema,
    )


def open_wine(*, seed: int, rows: int) -> Parts:
    """Wines of three cultivars, from scikit-learn: three classes, and very few rows."""
    from sklearn.datasets import load_wine

    found = load_wine(as_frame=True)
    features = tuple(name.replace("/", "_") for name in found.feature_names)
    wines: pd.DataFrame = found.data.set_axis(list(features), axis=1)
    wines = wines.assign(cultivar=[str(found.target_names[one]) for one in found.target])
    wines.insert(0, "row_id", np.arange(len(wines), dtype=np.int64))
    wines = spread_over_time(wines, seed=seed, months=1)
    place = place_of(wines["row_id"], seed=seed, purpose="capstone split")
    columns = [*KEPT, *features, "cultivar"]
    train, held_out, later = (
        wines.loc[some, columns].reset_index(drop=True)
        for some in (place < 0.45, (place >= 0.45) & (place < 0.75), place >= 0.75)
    )
    return Parts(
        name="wine",
        question="Which cultivar is this wine of?",
        target="cultivar",
        features=features,
        groups={"alcohol": (13.0,)},
        train=keep(train, rows, seed=seed),
        calibration=held_out,
        production=later,
        ahead=False,
        how="cut by a hash of the row's number: 45 % train, 30 % calibrate, 25 % are production",
        notes=(
            f"{len(wines)} rows in all: intervals are wide, and much cannot be said",
            "three classes: the score is the largest probability, and there is no threshold",
            "days of arrival are simulated; groups are wines, and no people",
        ),
    )


def spread_over_time(frame: "pd.DataFrame", *, seed: int, months: int) -> "pd.DataFrame":
    """Give each row a day of arrival in the first months of 2026, by a hash of its id.

    Outcomes are taken to be known with the window: ``known_at`` is left open.
    """
    end = np.datetime64(f"2026-{months + 1:02}", "M").astype("datetime64[D]")
    n_days = int((end - _BOTTLED.astype("datetime64[D]")).astype(int))
    place = place_of(frame["row_id"], seed=seed, purpose="capstone arrival")
    days = np.floor(place * n_days).astype(int)
    unknown = np.full(len(frame), np.datetime64("NaT"), dtype="datetime64[s]")
    return frame.assign(arrived_at=_BOTTLED + days * _DAY_S, known_at=unknown)


SHIPPED = {"census": open_census, "flights": open_flights, "wine": open_wine}
"""By the name that a student types."""
