import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import capstone_lib as cap
from capstone_lib.errors import RunError, SchemaError, SourceError

DAY = "2016-01-31"


def shown(place, **selection):
    with cap.open_store(place) as store:
        return store.predictions(**selection).sort_values("row_id").reset_index(drop=True)


def test_a_batch_gives_the_answers_of_the_artifact(artifact, many_people, place):
    run = cap.score_batch(artifact, many_people, store=place, as_of=DAY)

    frame = shown(place)
    expected = artifact.predict(many_people[list(artifact.schema.names)])
    assert run.status == "published"
    assert (run.rows, run.rejected, run.id_column) == (len(many_people), 0, "row_id")
    assert frame["row_id"].tolist() == many_people["row_id"].tolist()
    assert np.abs(frame["score"] - expected.score).max() < 1e-6
    assert (frame["label"].to_numpy() == expected.label).all()
    assert (frame["review"].to_numpy() == expected.review).all()
    members = [
        [name for name, inside in zip(expected.classes, row, strict=True) if inside]
        for row in expected.prediction_set[:500]
    ]
    assert [pd.io.json.ujson_loads(text) for text in frame["prediction_set"][:500]] == members
    assert set(frame["run_id"]) == {run.run_id}


def test_the_six_steps_are_in_the_record(artifact, people, place):
    run = cap.score_batch(artifact, people, store=place, as_of=DAY)

    steps = run.to_frame()
    names = ["extract", "transform", "load_features", "load_model", "predict", "write"]
    assert steps["step"].tolist() == names
    assert steps["rows"].tolist() == [3000, 3000, 3000, 0, 3000, 3000]
    with cap.open_store(place) as store:
        recorded = store.runs()["steps"].iloc[0]
    assert [step["name"] for step in recorded] == names
    assert "load_features" in run._repr_html_()


def test_the_same_run_again_changes_nothing(artifact, people, place):
    first = cap.score_batch(artifact, people, store=place, as_of=DAY)
    before = shown(place)
    again = cap.score_batch(artifact, people, store=place, as_of=DAY)

    assert (first.status, again.status) == ("published", "reused")
    assert (again.run_id, again.rows, again.steps) == (first.run_id, first.rows, first.steps)
    assert "nothing to do" in again._repr_html_()
    pd.testing.assert_frame_equal(shown(place), before)


def test_another_day_source_or_version_is_another_run(artifact, second_version, people, place):
    runs = [
        cap.score_batch(artifact, people, store=place, as_of=DAY),
        cap.score_batch(artifact, people, store=place, as_of="2016-02-29"),
        cap.score_batch(artifact, people[:100], store=place, as_of=DAY),
        cap.score_batch(second_version, people, store=place, as_of=DAY),
    ]

    assert len({run.run_id for run in runs}) == 4
    assert len(shown(place)) == 3 * 3000 + 100
    assert len(shown(place, version="2.0.0")) == 3000


def test_the_same_version_trained_again_takes_the_place(
    artifact, same_version_trained_again, people, place
):
    cap.score_batch(artifact, people, store=place, as_of=DAY)
    cap.score_batch(same_version_trained_again, people, store=place, as_of=DAY)

    frame = shown(place)
    expected = same_version_trained_again.predict(people[list(artifact.schema.names)])
    assert len(frame) == len(people)
    assert np.abs(frame["score"] - expected.score).max() < 1e-6


def test_a_model_may_be_a_path(model_path, artifact, people, place):
    run = cap.score_batch(str(model_path), people, store=place, as_of=DAY)

    assert run.version == artifact.version
    assert cap.score_batch(artifact, people, store=place, as_of=DAY).status == "reused"


def _parquet(people, folder):
    people.to_parquet(folder / "people.parquet", row_group_size=700)
    return folder / "people.parquet"


def _parquet_folder(people, folder):
    (folder / "_log").mkdir()
    (folder / "_log" / "x.parquet").write_text("not data")
    for k in range(3):
        people[k * 1000 : (k + 1) * 1000].to_parquet(folder / f"part-{k}.parquet")
    return folder


def _csv(people, folder):
    people.to_csv(folder / "people.csv", index=False)
    return str(folder / "people.csv")


def _csv_glob(people, folder):
    for k in range(3):
        part = people[k * 1000 : (k + 1) * 1000].sample(frac=1, axis=1, random_state=k)
        part.to_csv(folder / f"part-{k}.csv.gz", index=False)
    return f"{folder}/*.csv.gz"


def _dictionary_table(people, folder):
    table = pa.Table.from_pandas(people, preserve_index=False)
    coded = table["job"].dictionary_encode()
    table = table.set_column(table.column_names.index("job"), "job", coded)
    return pa.concat_tables([table.slice(0, 11), table.slice(11)])


SOURCES = [
    _parquet,
    _parquet_folder,
    _csv,
    _csv_glob,
    _dictionary_table,
    lambda people, folder: people,
    lambda people, folder: people.set_index("row_id"),
    lambda people, folder: people.astype({"job": object, "row_id": str}),
    lambda people, folder: pa.Table.from_pandas(people).to_batches()[0],
]


@pytest.mark.parametrize("make", SOURCES)
def test_sources_of_every_kind_give_the_same_predictions(artifact, people, tmp_path, make):
    (tmp_path / "in").mkdir()
    source = make(people, tmp_path / "in")

    first = cap.score_batch(artifact, source, store=tmp_path / "s.db", as_of=DAY)
    again = cap.score_batch(artifact, source, store=tmp_path / "s.db", as_of=DAY)

    frame = shown(tmp_path / "s.db")
    expected = artifact.predict(people[list(artifact.schema.names)])
    assert (first.rows, first.status, again.status) == (3000, "published", "reused")
    assert frame["row_id"].tolist() == people["row_id"].tolist()
    assert np.abs(frame["score"] - expected.score).max() < 1e-6
    assert (frame["label"].to_numpy() == expected.label).all()


def test_the_number_of_workers_does_not_show(artifact, many_people, tmp_path):
    for workers in (1, 3):
        cap.score_batch(
            artifact, many_people, store=tmp_path / f"{workers}", as_of=DAY, workers=workers
        )

    one, three = shown(tmp_path / "1"), shown(tmp_path / "3")
    pd.testing.assert_frame_equal(
        one.drop(columns="scored_at"), three.drop(columns="scored_at"), check_exact=True
    )


def test_bad_rows_are_set_aside_with_their_reasons(artifact, people, place):
    bad = people.astype({"age": float, "row_id": object})
    bad.loc[5, "age"] = None
    bad.loc[7, "hours"] = np.inf
    bad.loc[9, "row_id"] = None
    bad.loc[2999, "row_id"] = 1000

    run = cap.score_batch(artifact, bad, store=place, as_of=DAY)

    with cap.open_store(place) as store:
        rejects = store.rejects().set_index("position")
    assert (run.rows, run.rejected) == (2996, 4)
    assert rejects["reason"].str.split(": ").str[1].to_dict() == {
        5: "null",
        7: "infinite",
        9: "null_id",
        2999: "duplicate_id",
    }
    assert rejects["row_id"][5] in (1005, "1005")
    kept = shown(place)
    assert not kept["row_id"].isin([1005, 1007]).any()
    assert {p["code"] for p in run.problems if p["severity"] == "error"} == {
        "null",
        "infinite",
        "null_id",
        "duplicate_id",
    }


def test_too_many_bad_rows_fail_the_run_and_stay_readable(artifact, people, place):
    bad = people.assign(hours=people["hours"].where(people.index % 4 > 0, np.nan))

    with pytest.raises(RunError, match=r"750 of 3,000 rows.*at most 5\.0%.*hours: null \(750\)"):
        cap.score_batch(artifact, bad, store=place, as_of=DAY)

    with cap.open_store(place) as store:
        assert store.predictions().empty
        assert store.runs()["status"].tolist() == ["failed"]
        assert store.runs()["error"].str.startswith("TooManyRejectsError").all()
        assert len(store.rejects(run_id=store.runs()["run_id"].iloc[0])) == 750

    run = cap.score_batch(artifact, bad, store=place, as_of=DAY, max_reject_share=0.25)
    assert (run.rows, run.rejected) == (2250, 750)
    with pytest.raises(RunError, match="was published with 750 of 3,000"):
        cap.score_batch(artifact, bad, store=place, as_of=DAY, max_reject_share=0.2)


def test_a_run_whose_rows_are_all_bad_can_be_asked_for(artifact, people, place):
    bad = people.assign(hours=np.nan)

    run = cap.score_batch(artifact, bad, store=place, as_of=DAY, max_reject_share=1)

    assert (run.rows, run.rejected) == (0, 3000)
    assert shown(place).empty


def test_an_id_is_taken_once_in_the_whole_source(artifact, many_people, place):
    twice = many_people.copy()
    twice.loc[150_000:150_009, "row_id"] = np.arange(1000, 1010)
    twice.loc[3, "row_id"] = 199_000

    run = cap.score_batch(artifact, twice, store=place, as_of=DAY)

    with cap.open_store(place) as store:
        positions = store.rejects()["position"].tolist()
    # Row 1003 was renamed, so its repetition far below is the first; 199,000 comes again as itself.
    assert positions == [150_000, 150_001, 150_002, *range(150_004, 150_010), 198_000]
    assert (run.rows, run.rejected) == (199_990, 10)
    assert shown(place)["row_id"].is_unique


def test_rows_are_numbered_without_a_column_of_ids(artifact, people, place):
    run = cap.score_batch(artifact, people.drop(columns="row_id"), store=place, as_of=DAY)

    assert run.id_column == ""
    assert shown(place)["row_id"].tolist() == list(range(3000))


def test_the_column_of_ids_can_be_named(artifact, people, place):
    named = people.rename(columns={"row_id": "person"}).astype({"person": str})

    cap.score_batch(artifact, named.assign(id=0), store=place, as_of=DAY, id="person")

    assert shown(place)["row_id"].tolist() == people["row_id"].tolist()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"as_of": "31.1.2016"}, ValueError, "as_of must be a date"),
        ({"engine": "spark"}, ValueError, "engine must be one of local"),
        ({"max_reject_share": 5}, ValueError, "between 0 and 1"),
        ({"workers": 0}, ValueError, "workers must be at least 1"),
        ({"id": "nobody"}, SourceError, "no column 'nobody'.*row_id"),
        ({"id": "age"}, SourceError, "'age' is a feature"),
        ({"id": "hours2"}, SourceError, "row ids in column 'hours2' cannot be used"),
    ],
)
def test_wrong_arguments_are_refused(artifact, people, place, arguments, error, message):
    source = people.assign(hours2=people["hours"] + 0.001)

    with pytest.raises(error, match=message):
        cap.score_batch(artifact, source, store=place, **({"as_of": DAY} | arguments))

    assert not place.exists() or shown(place).empty


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: p.drop(columns="age"), "age: the column is missing"),
        (lambda p: p.assign(age="old"), "age: a value of the wrong type"),
        (lambda p: p[["age", *p.columns]], "age: the column appears more than once"),
        (lambda p: p[["row_id", *p.columns]], "'row_id' more than once"),
        (lambda p: p[:0], "holds no rows"),
    ],
)
def test_a_table_that_cannot_enter_is_refused(artifact, people, place, spoil, message):
    with pytest.raises((SchemaError, SourceError), match=message):
        cap.score_batch(artifact, spoil(people), store=place, as_of=DAY)


def test_an_error_half_way_comes_out_as_it_is_and_leaves_nothing(
    artifact, many_people, tmp_path, place
):
    folder = tmp_path / "in"
    folder.mkdir()
    many_people.to_parquet(folder / "a.parquet")
    many_people.to_parquet(folder / "b.parquet", compression=None)
    damaged = bytearray((folder / "b.parquet").read_bytes())
    damaged[1000:-20_000] = b"\xff" * (len(damaged) - 21_000)
    (folder / "b.parquet").write_bytes(damaged)

    with pytest.raises(SourceError, match=r"b\.parquet cannot be read as Parquet"):
        cap.score_batch(artifact, folder, store=place, as_of=DAY, max_reject_share=1)

    with cap.open_store(place) as store:
        assert store.predictions().empty
        assert store.runs()["status"].tolist() == ["failed"]
    assert not [thread for thread in threading.enumerate() if "capstone" in thread.name]


def test_malformed_lines_are_counted_as_rejects(artifact, people, place, tmp_path):
    lines = people.to_csv(index=False).splitlines()
    lines[10] += ",surplus"
    lines[20] = "short"
    lines[30] = lines[30].replace(lines[30].split(",")[1], "old", 1)
    (tmp_path / "people.csv").write_text("\n".join(lines), encoding="utf-8")

    run = cap.score_batch(artifact, tmp_path / "people.csv", store=place, as_of=DAY)

    with cap.open_store(place) as store:
        reasons = store.rejects()["reason"].tolist()
    assert (run.rows, run.rejected) == (2997, 3)
    assert sum("line 11: 6 fields instead of 5" in reason for reason in reasons) == 1
    assert sum("line 21: 1 fields instead of 5" in reason for reason in reasons) == 1


PROCESS = """
import sys
import capstone_lib as cap
model, source, store, *days = sys.argv[1:]
for day in days:
    cap.score_batch(model, source, store=store, as_of=day)
"""


def test_processes_run_side_by_side_on_one_store(model_path, many_people, place, tmp_path):
    source = tmp_path / "people.parquet"
    many_people.to_parquet(source)
    days = [["2016-01-01", "2016-01-02"], ["2016-01-03", "2016-01-01"], ["2016-01-02"]]

    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, model_path, source, place, *some])
        for some in days
    ]
    codes = [process.wait(timeout=120) for process in processes]

    assert codes == [0, 0, 0]
    frame = shown(place)
    sizes = frame.groupby("as_of")["row_id"].agg(["count", "nunique"])
    assert sizes.shape == (3, 2)
    assert (sizes == len(many_people)).all(axis=None)
    with cap.open_store(place) as store:
        assert store.runs()["status"].tolist() == ["published"] * 3


def test_only_what_is_needed_is_read(artifact, people, place, tmp_path):
    wide = pa.Table.from_pandas(people, preserve_index=False)
    for k in range(200):
        wide = wide.append_column(f"column {k}", pa.nulls(len(people), pa.string()))
    pq.write_table(wide, tmp_path / "wide.parquet")

    run = cap.score_batch(artifact, tmp_path / "wide.parquet", store=place, as_of=DAY)

    assert run.rows == 3000
    assert len(run.problems) == 50
    assert {p["code"] for p in run.problems} <= {"unexpected_column", "out_of_range"}


FULL = """
import resource, signal, sys
import capstone_lib as cap
from capstone_lib.errors import StoreError
model, source, store = sys.argv[1:]
cap.open_store(store).close()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
try:
    cap.score_batch(model, source, store=store, as_of="2016-01-31")
except StoreError as error:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are a Unix thing")
def test_a_full_disk_is_told_in_plain_words(model_path, artifact, many_people, place, tmp_path):
    source = tmp_path / "people.parquet"
    many_people.to_parquet(source)

    done = subprocess.run(
        [sys.executable, "-c", FULL, model_path, source, place],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "check that" in done.stdout
    assert shown(place).empty
    assert cap.score_batch(artifact, source, store=place, as_of=DAY).status == "published"
