"""Many files at once, and places where there is none."""

import gzip
import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from capstone_lib.errors import SourceError

NO_TABLE = "cannot be read as (CSV|Parquet)"


def csv(people):
    return people.to_csv(index=False).encode()


def parquet(people):
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(people, preserve_index=False), file)
    return file.getvalue()


def packed(people):
    return gzip.compress(csv(people), mtime=0)


def half(data):
    return data[: len(data) // 2]


FOLDERS = {  # what lies beside a good CSV or Parquet file
    "a cut Parquet": (parquet, {"b.parquet": lambda p: half(parquet(p))}, NO_TABLE),
    "an empty Parquet": (parquet, {"b.parquet": lambda p: b""}, NO_TABLE),
    "a CSV named Parquet": (parquet, {"b.parquet": csv}, NO_TABLE),
    "an empty CSV": (csv, {"b.csv": lambda p: b""}, NO_TABLE),
    "a cut packed CSV": (csv, {"b.csv.gz": lambda p: half(packed(p))}, NO_TABLE),
    "a CSV in UTF-16": (csv, {"b.csv": lambda p: csv(p).decode().encode("utf-16")}, "UTF-16"),
    "a CSV beside Parquet": (parquet, {"b.csv": csv}, "one kind at a time"),
    "a column less": (
        parquet,
        {"b.parquet": lambda p: parquet(p.drop(columns="age"))},
        "differ in their columns",
    ),
    "a column more": (csv, {"b.csv": lambda p: csv(p.assign(x=1))}, "differ in their columns"),
    "text for numbers": (
        parquet,
        {"b.parquet": lambda p: parquet(p.assign(age=p["age"].astype(str)))},
        "age: a value of the wrong type",
    ),
    "numbers for text": (
        parquet,
        {"b.parquet": lambda p: parquet(p.assign(job=1))},
        "job: a value of the wrong type",
    ),
    "times for numbers": (
        parquet,
        {"b.parquet": lambda p: parquet(p.assign(hours=pd.Timestamp("2016-01-31")))},
        "hours: a value of the wrong type",
    ),
    "the same rows under ids of another kind": (
        parquet,
        {"b.parquet": lambda p: parquet(p.assign(row_id=[[1]] * len(p)))},
        "row ids|ids in",
    ),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_one_bad_file_spoils_the_folder(judge, people, folder, case):
    good, others, said = FOLDERS[case]
    (folder / f"a.{good.__name__}").write_bytes(good(people))
    for name, make in others.items():
        (folder / name).write_bytes(make(people))

    judge.refuses(folder, said, max_reject_share=1)


def test_files_of_other_number_formats_are_scored_together(judge, people, folder):
    parts = [
        people[:8],
        people[8:12].astype({"age": "int8", "sector": "float32"}),
        people[12:16].astype({"age": "Float64", "job": "category"}).iloc[:, ::-1],
        people[16:20].astype({"age": "uint64", "row_id": "uint16", "married": "boolean"}),
        people[20:].astype({"row_id": str, "job": "string"}),
    ]
    for number, part in enumerate(parts):
        (folder / f"{number}.parquet").write_bytes(parquet(part))

    judge.scores(folder, people)


def test_other_things_in_the_folder_are_left_alone(judge, people, folder):
    (folder / "year=2016").mkdir()
    (folder / "year=2016" / "a.csv").write_bytes(csv(people))
    (folder / "_temporary").mkdir()
    (folder / "c.csv").mkdir()
    for name in ("_SUCCESS", ".b.csv", "read me.txt", "_temporary/a.csv", "x.csv.crc", "a.csv~"):
        (folder / name).write_bytes(b"\xff\xfe")

    judge.scores(folder, people)


def test_a_file_given_twice_is_scored_once(judge, people, folder):
    for name in ("a.csv", "b.csv"):
        (folder / name).write_bytes(csv(people))

    judge.scores(folder, people, rejects=["^row id: duplicate_id"] * len(people))


# --- places ---------------------------------------------------------------------------------------


def loop(folder):
    (folder / "a.csv").symlink_to(folder / "a.csv")
    return folder / "a.csv"


def dangling(folder):
    (folder / "a.csv").symlink_to(folder / "gone.csv")
    return folder / "a.csv"


def circle(folder):
    (folder / "inner").mkdir()
    (folder / "inner" / "a.csv").symlink_to(folder, target_is_directory=True)
    return folder


def named_like_a_file(folder):
    (folder / "a.csv").mkdir()
    return folder / "a.csv"


PLACES = {
    "no such file": lambda folder: folder / "none.csv",
    "no such folder": lambda folder: folder / "none" / "a.csv",
    "empty folder": lambda folder: folder,
    "empty path": lambda folder: "",
    "a folder named like a file": named_like_a_file,
    "a link to itself": loop,
    "a link to nothing": dangling,
    "a link in a circle": circle,
    "a device": lambda folder: "/dev/null",
    "a NUL in the path": lambda folder: f"{folder}/a\x00b.csv",
    "a long path": lambda folder: f"{folder}/{'x' * 5000}.csv",
    "half a character": lambda folder: f"{folder}/\ud83d.csv",
    "a pattern without match": lambda folder: f"{folder}/*.parquet",
    "half a pattern": lambda folder: f"{folder}/[a.csv",
    "an address": lambda folder: "https://example.org/people.parquet",
    "a bucket": lambda folder: "s3://bucket/people.parquet",
}


@pytest.mark.parametrize("case", PLACES)
def test_a_place_without_a_source_is_refused(judge, folder, case):
    judge.refuses(PLACES[case](folder), "no source at|holds no Parquet or CSV files")


def test_a_link_to_a_file_is_that_file(judge, people, folder):
    (folder / "real.csv").write_bytes(csv(people))
    (folder / "link").mkdir()
    (folder / "link" / "a.csv").symlink_to(folder / "real.csv")

    judge.scores(folder / "link", people)


def test_a_pattern_takes_what_it_matches(judge, people, folder):
    (folder / "[a].csv").write_bytes(csv(people))
    (folder / "b.csv").write_bytes(b"")

    judge.scores(folder / "[a].csv", people)
    with pytest.raises(SourceError, match=NO_TABLE):
        judge.score(f"{folder}/[ab].csv")
