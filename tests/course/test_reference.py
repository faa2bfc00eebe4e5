import hashlib
import multiprocessing
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from capstone_lib.artifact import load_model
from capstone_lib.course.reference import month_end, monthly_inbox, train_employment_model
from capstone_lib.course.workspace import Workspace
from capstone_lib.data import load_census
from capstone_lib.errors import ArtifactError
from capstone_lib.serving.routes import Routes


def test_the_inbox_holds_every_person_of_the_year_once_in_the_month_of_arrival(
    tmp_path: Path,
) -> None:
    census = load_census()
    files = monthly_inbox(census, tmp_path)
    assert [file.stem for file in files] == [f"2016-{month:02}" for month in range(1, 13)]
    people = census.frame(2016).set_index("row_id")
    seen = []
    for file in files:
        table = pq.read_table(file).to_pandas()
        assert "employed" not in table, "what the model should say arrives later"
        assert set(table["arrived_at"].dt.strftime("%Y-%m")) == {file.stem}
        assert table["arrived_at"].is_monotonic_increasing
        ours = people.loc[table["row_id"]]
        np.testing.assert_array_equal(table[census.features], ours[census.features])
        seen += table["row_id"].tolist()
    assert sorted(seen) == sorted(people.index)


def test_the_inbox_is_made_once_and_only_what_is_missing_is_made_again(tmp_path: Path) -> None:
    census = load_census()
    files = monthly_inbox(census, tmp_path)
    before = {file: hashlib.sha256(file.read_bytes()).digest() for file in files}
    assert monthly_inbox(census, tmp_path) == ()
    files[3].unlink()
    assert monthly_inbox(census, tmp_path) == (files[3],)
    assert {file: hashlib.sha256(file.read_bytes()).digest() for file in files} == before


@pytest.mark.parametrize(
    ("month", "day"),
    [("2015-02", "2015-02-28"), ("2016-02", "2016-02-29"), ("2016-12", "2016-12-31")],
)
def test_a_batch_speaks_of_the_last_day_of_its_month(month: str, day: str) -> None:
    assert month_end(month) == day


def test_the_model_is_as_good_as_the_course_says_and_the_same_every_time() -> None:
    census = load_census()
    people = census.frame(2018)
    first, second = (train_employment_model(census) for _ in range(2))
    scores = first.predict_proba(people[census.features])[:, 1]
    assert 0.84 < roc_auc_score(people["employed"], scores) < 0.87
    np.testing.assert_array_equal(scores, second.predict_proba(people[census.features])[:, 1])


@pytest.fixture(scope="module")
def provided(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("provided") / "work")


def test_what_is_missing_is_made_and_said_and_what_is_there_is_left(provided: Workspace) -> None:
    made = provided.provide("artifact", "inbox", "predictions")
    assert "reference solution made it now" in made.notes[0]
    assert "12 files written" in made.notes[1]
    assert "12 months" in made.notes[2]
    assert made._repr_html_().count("<li>") == 3
    with provided.store() as store:
        assert set(store.runs()["status"]) == {"published"}
        assert store.runs()["rows"].sum() == len(load_census().frame(2016))
    content = provided.model.read_bytes()
    again = provided.provide("artifact", "inbox", "predictions")
    assert all(" is there" in note for note in again.notes)
    assert provided.model.read_bytes() == content
    artifact = provided.artifact()
    assert (artifact.name, artifact.version) == ("employment", "1.0.0")


def test_the_model_knows_how_each_group_fared_and_stays_small(provided: Workspace) -> None:
    provided.provide("artifact")
    artifact, census = provided.artifact(), load_census()
    held_out = census.split(2015)[1]
    assert artifact.reference_groups is not None
    assert artifact.reference_groups.columns == tuple(census.sensitive)
    assert artifact.reference_groups.n.sum() == len(held_out)
    women, ages = (artifact.reference_groups.over(name) for name in ("SEX", "AGEP"))
    said = artifact.predict(held_out).label
    chosen = (held_out["SEX"] == 2) & (held_out["employed"] == 0)
    row = women.confusion[women.names.index("SEX=2")][0]
    assert row.tolist() == [(said[chosen] == label).sum() for label in (0, 1)]
    assert len(ages.names) == 6, "bands, not years"
    assert "decisions by SEX, RAC1P, DIS, AGEP" in str(artifact.passport)
    assert artifact.path.stat().st_size < 100_000


def test_the_models_beside_it_are_made_once_and_can_stand_behind_one_address(
    provided: Workspace,
) -> None:
    made = provided.provide("artifact", "canary", "fallback")
    assert "version 2.0.0" in made.notes[1]
    assert "logistic regression" in made.notes[2]
    content = [path.read_bytes() for path in (provided.canary, provided.fallback)]
    again = provided.provide("canary", "fallback")
    assert all(" is there" in note for note in again.notes)
    assert [path.read_bytes() for path in (provided.canary, provided.fallback)] == content
    stable, canary, fallback = map(load_model, (provided.model, provided.canary, provided.fallback))
    Routes(stable, canary=canary, fallback=fallback)  # refuses models of another question
    assert len({one.version for one in (stable, canary, fallback)}) == 3
    people = load_census().frame(2017)
    asked = {
        one.version: one.predict(people[load_census().features]).review.mean()
        for one in (stable, canary, fallback)
    }
    assert asked["2.0.0"] > asked["1.0.0"] + 0.05, "what the A/B test of notebook 03 is to find"
    assert canary.path.stat().st_size < stable.path.stat().st_size / 2


def test_a_damaged_artifact_is_refused_with_a_cure(provided: Workspace, tmp_path: Path) -> None:
    ws = Workspace(tmp_path)
    provided.artifact()
    ws.model.write_bytes(provided.model.read_bytes()[:-1000])
    with pytest.raises(ArtifactError, match="run notebook 01 again"):
        ws.artifact()


def _provide(path: Path) -> None:
    Workspace(path).provide("predictions")


def test_two_notebooks_at_once_share_a_workspace(provided: Workspace, tmp_path: Path) -> None:
    provided.provide("predictions")
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_provide, args=(tmp_path,)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
        assert one.exitcode == 0
    ws = Workspace(tmp_path)
    assert ws.model.read_bytes() == provided.model.read_bytes()
    with ws.store() as store, provided.store() as expected:
        columns = ["run_id", "status", "rows", "rejected"]
        ours, theirs = (one.runs()[columns].sort_values("run_id") for one in (store, expected))
        np.testing.assert_array_equal(ours, theirs)
