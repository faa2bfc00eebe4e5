import hashlib
import time

import pyarrow as pa
import pytest

from capstone_lib.batch.source import open_source
from capstone_lib.errors import SourceError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "größe ☃").mkdir()
    return tmp_path / "größe ☃"


def test_the_snapshot_of_a_file_is_that_of_its_bytes(people, folder):
    people.to_parquet(folder / "a.parquet")

    expected = hashlib.sha256((folder / "a.parquet").read_bytes()).hexdigest()
    assert open_source(folder / "a.parquet").snapshot() == expected


def test_the_snapshot_of_files_does_not_depend_on_where_they_lie(people, folder, tmp_path):
    other = tmp_path / "elsewhere"
    other.mkdir()
    for place in (folder, other):
        people[:10].to_csv(place / "a.csv", index=False)
        people[10:].to_csv(place / "b.csv", index=False)
    before = open_source(folder).snapshot()

    assert open_source(other).snapshot() == before == open_source(f"{other}/*.csv").snapshot()
    (other / "b.csv").rename(other / "c.csv")
    assert open_source(other).snapshot() != before


def test_the_snapshot_of_a_table_follows_its_values_not_its_chunks(people):
    table = pa.Table.from_pandas(people, preserve_index=False)
    pieces = pa.concat_tables([table.slice(0, 7), table.slice(7)])

    assert open_source(pieces).snapshot() == open_source(table).snapshot()
    assert open_source(people).snapshot() != open_source(people[::-1]).snapshot()
    assert (
        open_source(people).snapshot() != open_source(people.rename(columns=str.upper)).snapshot()
    )


def test_a_frame_of_mixed_objects_has_a_snapshot(people):
    mixed = people.assign(age=[1, "old", None] * 1000)

    assert open_source(mixed).snapshot() == open_source(mixed.copy()).snapshot()


def test_a_file_that_changes_while_it_is_read_is_refused(people, folder):
    people.to_csv(folder / "a.csv", index=False)
    source = open_source(folder / "a.csv")
    time.sleep(0.02)
    people.to_csv(folder / "a.csv", index=False)

    with pytest.raises(SourceError, match="was changed while it was read"):
        list(source.stretches(["age"]))


def test_text_in_csv_stays_what_it_was(folder):
    (folder / "a.csv").write_text('﻿id,n\n007,1\nNA,2\n,3\n"",4\nnull,5\n', encoding="utf-8")

    (stretch,) = open_source(folder / "a.csv").stretches(["id", "n"])

    assert stretch.data["id"].to_pylist() == ["007", "NA", None, "", "null"]
    assert stretch.data["n"].to_pylist() == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.parquet", b"", "cannot be read as Parquet.*write it again"),
        ("a.parquet", b"PAR1 and nothing more", "cannot be read as Parquet"),
        ("a.csv", b"", "cannot be read as CSV.*header line"),
        ("a.csv", b"PAR1....", "is a Parquet file"),
        ("a.csv", "a,b\n1,2\n".encode("utf-16"), "UTF-16 text; save it as UTF-8"),
        ("a.xlsx", b"PK", "neither Parquet nor CSV by its name"),
        ("a.csv.gz", b"not packed", "cannot be read as CSV"),
    ],
)
def test_what_is_no_table_is_refused(folder, name, content, message):
    (folder / name).write_bytes(content)

    with pytest.raises(SourceError, match=message):
        list(open_source(folder / name).stretches(["a"]))


def test_other_encodings_are_refused(folder):
    (folder / "a.csv").write_bytes("a\nÄpfel\n".encode("latin-1"))

    with pytest.raises(SourceError, match="UTF-8"):
        list(open_source(folder / "a.csv").stretches(["a"]))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(people, folder, share):
    people.to_parquet(folder / "a.parquet")
    whole = (folder / "a.parquet").read_bytes()
    (folder / "a.parquet").write_bytes(whole[: int(len(whole) * share)])

    with pytest.raises(SourceError, match="is it complete"):
        open_source(folder / "a.parquet")


def test_places_without_a_source_are_refused(people, folder):
    for place, message in [
        (folder / "nowhere.csv", "there is no source at"),
        (folder, "holds no Parquet or CSV files"),
        (f"{folder}/*.csv", "holds no Parquet or CSV files"),
        (7, "a source is a path"),
    ]:
        with pytest.raises(SourceError, match=message):
            open_source(place)
    people.to_csv(folder / "a.csv")
    people.to_parquet(folder / "b.parquet")
    with pytest.raises(SourceError, match="one kind at a time"):
        open_source(folder)


def test_files_with_other_columns_are_refused(people, folder):
    people.to_csv(folder / "a.csv", index=False)
    people.rename(columns={"age": "AGE"}).to_csv(folder / "b.csv", index=False)

    with pytest.raises(SourceError, match=r"differ in their columns \(AGE, age\)"):
        open_source(folder)


def test_a_csv_with_a_header_alone_has_no_rows(folder):
    (folder / "a.csv").write_text("a,b\n")

    assert sum(len(s.data) for s in open_source(folder / "a.csv").stretches(["a"])) == 0
