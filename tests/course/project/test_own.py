"""A file of one's own: cut without leakage; what cannot be used is refused by its column's name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from capstone_lib.course.project import check_capstone, open_project
from capstone_lib.errors import DataError

N = 2_000


def loans() -> pd.DataFrame:
    """A made-up office: who asked for a loan, and whether it was paid back."""
    draw = np.random.default_rng(0)
    income, town = draw.normal(30, 8, N).round(1), draw.choice(["north", "south", "east"], N)
    paid = draw.random(N) < 1 / (1 + np.exp(-(income - 28) / 4 + (town == "south")))
    day = np.datetime64("2025-01-01") + np.sort(draw.integers(0, 360, N)).astype("timedelta64[D]")
    return pd.DataFrame(
        {
            "person": [f"p{number:05}" for number in range(N)],
            "asked_on": day.astype(str),
            "told_on": (day + np.timedelta64(30, "D")).astype(str),
            "income": income,
            "town": town,
            "children": draw.integers(0, 5, N),
            "sex": draw.choice(["f", "m"], N),
            "note": [f"note {number}" for number in range(N)],
            "paid": np.where(paid, "yes", "no"),
        }
    )


COLUMNS = {"target": "paid", "id": "person", "sensitive": "sex, income", "time": "asked_on"}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def to_file(frame: pd.DataFrame, name: str = "loans.csv") -> str:
        path = tmp_path / name
        if path.suffix == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path, index=False)
        return str(path)

    return to_file


@pytest.mark.parametrize("name", ["loans.csv", "loans.parquet"])
def test_a_file_is_cut_by_time(write: Callable[..., str], name: str) -> None:
    project = open_project(write(loans(), name), **COLUMNS, known="told_on")
    parts = project.parts
    assert project.name == "loans"
    assert project.features == ["income", "town", "children", "sex"]
    assert project.classes == ["no", "yes"]
    assert parts.train["arrived_at"].max() < parts.calibration["arrived_at"].min()
    assert parts.calibration["arrived_at"].max() < parts.production["arrived_at"].min()
    ids = [set(part["row_id"]) for part in (parts.train, parts.calibration, parts.production)]
    assert sum(map(len, ids)) == len(set.union(*ids)) == N
    assert any("note is left out" in note for note in parts.notes)
    assert len(project.groups["income"]) == 3
    until = project.windows[0].end
    early = project.outcomes(until)
    assert 0 < len(early) < len(project.outcomes())
    assert (early["observed_at"] <= pd.Timestamp(until)).all()


def test_without_a_time_it_is_cut_by_id_and_the_order_of_the_file_does_not_matter(
    write: Callable[..., str],
) -> None:
    frame = loans().drop(columns=["asked_on", "told_on"])
    one = open_project(write(frame), target="paid", id="person")
    shuffled = write(frame.sample(frac=1, random_state=1), "loans2.csv")
    two = open_project(shuffled, target="paid", id="person")
    for name in ("train", "calibration", "production"):
        first, second = (set(getattr(each.parts, name)["row_id"]) for each in (one, two))
        assert first == second
    assert any("simulated" in note for note in one.parts.notes)
    assert one.groups == {}


def test_late_and_missing_outcomes_stay_in_production_alone(write: Callable[..., str]) -> None:
    frame = loans()
    frame.loc[frame.index % 10 == 0, "paid"] = None
    project = open_project(write(frame), **COLUMNS)
    assert project.parts.train["paid"].notna().all()
    assert project.parts.calibration["paid"].notna().all()
    share = project.parts.production["paid"].isna().mean()
    assert 0.05 < share < 0.15
    assert len(project.outcomes()) < sum(len(one.rows) for one in project.windows)


def test_gaps_in_numbers_and_words_are_borne_from_export_to_all_points(
    write: Callable[..., str], make: Callable[..., Any], tmp_path: Path
) -> None:
    frame = loans()
    frame.loc[frame.index % 9 == 0, "income"] = np.nan
    frame.loc[frame.index % 11 == 0, "town"] = None
    project = open_project(write(frame), **(COLUMNS | {"sensitive": "sex"}))
    folder = tmp_path / "ws"
    pipeline = make(project, folder, model="linear")
    found = check_capstone(folder, project, pipeline=pipeline)
    assert found.points == 100, str(found)


@pytest.mark.parametrize("model", ["boosting", "linear", "forest"])
def test_every_model_becomes_a_file(write: Callable[..., str], model: str, tmp_path: Path) -> None:
    project = open_project(write(loans()), **COLUMNS)
    artifact = project.export(project.fit(model), tmp_path / "model.onnx", threshold=0.4)
    assert artifact.passport.parity["labels_wrong"] == 0
    assert artifact.threshold == 0.4


def broken(**changes: Any) -> pd.DataFrame:
    return loans().assign(**changes)


@pytest.mark.parametrize(
    ("frame", "columns", "said"),
    [
        (loans(), {"target": ""}, "target is empty: name the column of loans.csv"),
        (loans(), {"target": "payed"}, "no column 'payed', named as target; did you mean 'paid'"),
        (loans(), {"id": "persona"}, "no column 'persona', named as id; did you mean 'person'"),
        (loans(), {"sensitive": "sex, race"}, "no column 'race', named as sensitive"),
        (loans(), {"time": "paid"}, "'paid' is named as target and as time"),
        (loans(), {"sensitive": "paid"}, "'paid' is named as target and as sensitive"),
        (loans(), {"time": "income", "sensitive": ""}, "'income' holds numbers such as"),
        (loans(), {"time": "town"}, "'town' is named as a time, and"),
        (broken(asked_on="soon"), {}, "'asked_on' is named as a time, and 'soon' is none"),
        (loans(), {"time": "", "known": "told_on"}, "known= needs time="),
        (loans(), {"time": "told_on", "known": "asked_on"}, "mixed up"),
        (loans(), {"sensitive": "note"}, "'note', named as sensitive, has 2000 different"),
        (loans(), {"sensitive": "told_on"}, "'told_on'"),
        (broken(person="p1"), {}, "'person', named as id, has 'p1' more than once"),
        (broken(person=None), {}, "'person', named as id, is empty in 2000 rows"),
        (broken(paid=None), {}, "'paid', named as target, is empty in every row"),
        (broken(paid="yes"), {}, "'paid', named as target, is always 'yes'"),
        (loans(), {"target": "note"}, "'note', named as target, has 2000 different values"),
        (
            broken(paid=np.where(loans().index % 2, 0.5, 1.5)),
            {},
            "'paid', named as target, holds fractions such as 1.5",
        ),
        (
            broken(copied=(loans()["paid"] == "yes").astype(int)),
            {},
            "'copied' says the same as the target 'paid'",
        ),
        (broken(income=np.where(loans().index == 7, np.inf, 1.0)), {}, "'income' holds infinite"),
        (broken(row_id=1), {}, "'row_id' of loans.csv has a name that the project needs"),
        (loans()[["person", "asked_on", "note", "paid"]], {"sensitive": ""}, "no column is left"),
        (loans().head(50), {}, "has 50 rows; with fewer than 80"),
        (
            broken(paid=np.where(loans().index < 1_900, "no", "yes")),
            {},
            "of the rows to train on all have paid = no",
        ),
        (broken(asked_on="2025-01-01"), {}, "of the rows to train on there is none"),
    ],
)
def test_what_cannot_be_used_names_its_column(
    write: Callable[..., str], frame: pd.DataFrame, columns: dict[str, str], said: str
) -> None:
    path = write(frame)
    with pytest.raises(DataError) as caught:
        open_project(path, **(COLUMNS | columns))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "cannot be read as a table"),
        ("a.csv", b'"\x00\xff', "cannot be read as a table"),
        ("a.parquet", b"PAR1", "cannot be read as a table"),
        ("a.xlsx", b"PK", "cannot be read as a table"),
        ("a.csv", b"paid,paid\n" + b"1,2\n" * 100, "twice"),
        ("a.csv", b"paid\n" * 101, "is always 'paid'"),
        ("a.csv", b"paid\n" + b"1\n" * 101, "is always 1;"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        open_project(str(path), target="paid")
    assert said in str(caught.value)


def test_no_file_and_no_data_set_of_that_name() -> None:
    with pytest.raises(DataError, match="neither census, flights nor wine"):
        open_project("titanic")
    with pytest.raises(DataError, match="columns of its own"):
        open_project("census", target="employed")
    with pytest.raises(DataError, match="rows is 5"):
        open_project("wine", rows=5)
    with pytest.raises(DataError, match="n_windows is 0"):
        open_project("wine", n_windows=0)
    with pytest.raises(DataError, match="choose one of boosting"):
        open_project("wine").fit("transformer")
