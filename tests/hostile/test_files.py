"""Files that are not what their name says, are damaged, empty, in other encodings, of other shape.

Each is refused with its name and the cure, or scored as if nothing were odd about it.
"""

import gzip
import io
import json
import sqlite3
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

NO_TABLE = "cannot be read as (CSV|Parquet)"
NO_ROWS = "holds no rows; nothing to score"
MISSING = "age: the column is missing"
OTHER_MARK = "separated by|is missing|has a quote"


def csv(people, **options):
    return people.to_csv(index=False, **options).encode()


def parquet(people, **options):
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(people, preserve_index=False), file, **options)
    return file.getvalue()


def packed(people):
    return gzip.compress(csv(people), mtime=0)


def cut(data, share):
    return data[: int(len(data) * share)]


def wide(people, n_columns=10_000):
    names = [f"c{k}" for k in range(n_columns)]
    return pd.concat([people, pd.DataFrame(0, people.index, names)], axis=1)


def archive(people):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packer:
        packer.writestr("people.csv", csv(people))
    return file.getvalue()


def database(people):
    with sqlite3.connect(":memory:") as connection:
        people.to_sql("people", connection)
        return connection.serialize()


def flipped(people):
    data = bytearray(parquet(people, write_page_checksum=True, compression="none"))
    data[len(data) // 20] ^= 0xFF
    return bytes(data)


REFUSED = {
    # nothing there
    "empty CSV": ("a.csv", lambda p: b"", NO_TABLE),
    "empty Parquet": ("a.parquet", lambda p: b"", NO_TABLE),
    "empty packed CSV": ("a.csv.gz", lambda p: b"", NO_TABLE),
    "packed nothing": ("a.csv.gz", lambda p: gzip.compress(b""), NO_TABLE),
    "one line end": ("a.csv", lambda p: b"\n", NO_TABLE),
    "only line ends": ("a.csv", lambda p: b"\r\n\r\n\r\n", NO_TABLE),
    "only spaces": ("a.csv", lambda p: b"   ", NO_TABLE),
    "only a byte-order mark": ("a.csv", lambda p: b"\xef\xbb\xbf", NO_TABLE),
    "header only": ("a.csv", lambda p: csv(p[:0]), NO_ROWS),
    "header without line end": ("a.csv", lambda p: csv(p[:0]).rstrip(), NO_TABLE),
    "packed header only": ("a.csv.gz", lambda p: packed(p[:0]), NO_ROWS),
    "header and empty lines": ("a.csv", lambda p: csv(p[:0]) + b"\n" * 20, NO_ROWS),
    "Parquet without rows": ("a.parquet", lambda p: parquet(p[:0]), NO_ROWS),
    "Parquet without columns": ("a.parquet", lambda p: parquet(p[[]]), MISSING),
    # damaged
    **{
        f"Parquet cut at {share:.1%}": ("a.pq", lambda p, s=share: cut(parquet(p), s), NO_TABLE)
        for share in (0.0001, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999)
    },
    **{
        f"packed CSV cut at {share:.1%}": (
            "a.csv.gz",
            lambda p, s=share: cut(packed(p), s),
            NO_TABLE,
        )
        for share in (0.003, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999)
    },
    "Parquet without its end": ("a.parquet", lambda p: parquet(p)[:-1], NO_TABLE),
    "Parquet without its beginning": ("a.parquet", lambda p: parquet(p)[4:], NO_TABLE),
    "Parquet with a changed page": ("a.parquet", flipped, NO_TABLE),
    "Parquet with a changed footer": (
        "a.parquet",
        lambda p: parquet(p)[:-30] + b"\xff" * 22 + parquet(p)[-8:],
        NO_TABLE,
    ),
    "Parquet twice": ("a.parquet", lambda p: parquet(p)[:-8] + b"\xff\xff\xff\x7fPAR1", NO_TABLE),
    "packed CSV with a changed byte": (
        "a.csv.gz",
        lambda p: packed(p)[:100] + b"\xff\xff\xff" + packed(p)[103:],
        NO_TABLE,
    ),
    "zeros after a crash": ("a.parquet", lambda p: bytes(4096), NO_TABLE),
    "zeros in a CSV": ("a.csv", lambda p: bytes(4096), "save it as UTF-8"),
    # not what the name says
    "Parquet named CSV": ("a.csv", parquet, "is a Parquet file; give it a name"),
    "CSV named Parquet": ("a.parquet", csv, NO_TABLE),
    "packed CSV named CSV": ("a.csv", packed, "is packed.*csv.gz"),
    "CSV named packed": ("a.csv.gz", csv, NO_TABLE),
    "Parquet named packed": ("a.csv.gz", parquet, NO_TABLE),
    "archive named CSV": ("a.csv", archive, "is a packed archive"),
    "archive named packed": ("a.csv.gz", archive, NO_TABLE),
    "database named Parquet": ("a.parquet", database, NO_TABLE),
    "database named CSV": ("a.csv", database, "save it as UTF-8"),
    "picture named CSV": ("a.csv", lambda p: b"\x89PNG\r\n\x1a\n" + bytes(99), NO_TABLE),
    "JSON named CSV": ("a.csv", lambda p: p.to_json().encode(), NO_TABLE),
    "JSON lines named CSV": (
        "a.csv",
        lambda p: p.to_json(orient="records", lines=True).encode(),
        "line 1 has a quote",
    ),
    "page named CSV": ("a.csv", lambda p: p.to_html().encode(), "line 1 has a quote"),
    "table named by its format": ("a.xlsx", archive, "neither Parquet nor CSV by its name"),
    "no ending": ("people", csv, "neither Parquet nor CSV by its name"),
    "Arrow file": ("a.arrow", lambda p: b"ARROW1", "neither Parquet nor CSV by its name"),
    # encodings
    "UTF-16": ("a.csv", lambda p: csv(p).decode().encode("utf-16"), "UTF-16"),
    "UTF-16 little": (
        "a.csv",
        lambda p: csv(p).decode().encode("utf-16-le"),
        "save it as UTF-8",
    ),
    "UTF-16 big": ("a.csv", lambda p: csv(p).decode().encode("utf-16-be"), "save it as UTF-8"),
    "UTF-32": ("a.csv", lambda p: csv(p).decode().encode("utf-32"), "UTF-32"),
    "UTF-32 big": ("a.csv", lambda p: csv(p).decode().encode("utf-32-be"), "save it as UTF-8"),
    "packed UTF-16": (
        "a.csv.gz",
        lambda p: gzip.compress(csv(p).decode().encode("utf-16-le")),
        NO_TABLE,
    ),
    "Latin-1": ("a.csv", lambda p: csv(p).decode().replace("☃", "").encode("latin-1"), NO_TABLE),
    "Windows": ("a.csv", lambda p: csv(p).decode().replace("☃", "€").encode("cp1252"), NO_TABLE),
    "Japanese": ("a.csv", lambda p: "職業,年齢\n".encode("shift-jis") + csv(p), NO_TABLE),
    "a name in Latin-1": ("a.csv", lambda p: csv(p).replace(b"age", b"\xe2ge"), NO_TABLE),
    "a line too short in Latin-1": ("a.csv", lambda p: csv(p) + b"\xe9\n", NO_TABLE),
    "half a letter at the end": ("a.csv", lambda p: csv(p) + b"\xe2\x98", NO_TABLE),
    "EBCDIC": ("a.csv", lambda p: csv(p[:0]).decode().encode("cp500") * 9, NO_TABLE),
    # shapes
    **{
        f"separated by {mark!r}": (
            "a.csv",
            lambda p, m=mark: csv(p, sep=m),
            "separated by|is miss|has a quote",
        )
        for mark in (";", "\t", "|", ":", " ", "\x01")
    },
    "no header": ("a.csv", lambda p: csv(p, header=False), MISSING),
    "shouted names": ("a.csv", lambda p: csv(p.rename(columns=str.upper)), MISSING),
    "names with spaces": ("a.csv", lambda p: csv(p.rename(columns=lambda n: f" {n}")), MISSING),
    "a title above": ("a.csv", lambda p: b"People of 2016\n" + csv(p), MISSING),
    "a column twice": (
        "a.csv",
        lambda p: csv(pd.concat([p, p["age"]], axis=1)),
        "age: the column appears more than once",
    ),
    "a column twice in Parquet": (
        "a.parquet",
        lambda p: doubled(p, "age"),
        "age: the column appears more than once",
    ),
    "the ids twice": ("a.parquet", lambda p: doubled(p, "row_id"), "'row_id' more than once"),
    "without its last column": ("a.csv", lambda p: csv(p.drop(columns="married")), "married: the"),
    "10,000 other columns": ("a.csv", lambda p: csv(wide(p).iloc[:, 6:]), MISSING),
    "10,000 other columns in Parquet": (
        "a.parquet",
        lambda p: parquet(wide(p).iloc[:, 6:]),
        MISSING,
    ),
}


def doubled(people, name):
    table = pa.Table.from_pandas(people, preserve_index=False)
    file = io.BytesIO()
    pq.write_table(table.append_column(name, table[name]), file)
    return file.getvalue()


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_no_table_is_refused(judge, people, folder, case):
    name, make, said = REFUSED[case]
    (folder / name).write_bytes(make(people))

    judge.refuses(folder / name, said, max_reject_share=1)


FINE = {
    "byte-order mark": ("a.csv", lambda p: b"\xef\xbb\xbf" + csv(p)),
    "Windows line ends": ("a.csv", lambda p: csv(p).replace(b"\n", b"\r\n")),
    "old line ends": ("a.csv", lambda p: csv(p).replace(b"\n", b"\r")),
    "mixed line ends": ("a.csv", lambda p: csv(p).replace(b"\n", b"\r\n", 7)),
    "no last line end": ("a.csv", lambda p: csv(p).rstrip()),
    "empty lines": ("a.csv", lambda p: csv(p).replace(b"\n", b"\n\n")),
    "all quoted": ("a.csv", lambda p: csv(p, quoting=1)),
    "packed": ("a.CSV.GZ", packed),
    "packed in two parts": (
        "a.csv.gz",
        lambda p: gzip.compress(csv(p)[:200]) + gzip.compress(csv(p)[200:]),
    ),
    "shuffled columns": ("a.csv", lambda p: csv(p.iloc[:, ::-1])),
    "10,000 columns": ("a.csv", lambda p: csv(wide(p))),
    "10,000 columns in Parquet": ("a.parquet", lambda p: parquet(wide(p))),
    "other names": (
        "a.csv",
        lambda p: csv(p.assign(**{"größe ☃": 1, "": 2, 'a,"b': 3, "c\td": 4, "x" * 9999: 5})),
    ),
    "other names in Parquet": (
        "a.parquet",
        lambda p: parquet(p.assign(**{"größe ☃": 1, "": 2, "age.old": 3, "a\x00b": 4})),
    ),
    "unneeded columns twice": (
        "a.csv",
        lambda p: csv(pd.concat([p, *[p["age"].rename("x")] * 2], axis=1)),
    ),
    "numbers written otherwise": (
        "a.csv",
        lambda p: csv(p.assign(age=p["age"].map("{:.3e}".format), sector=p["sector"] + 0.0)),
    ),
    "spaces around": ("a.csv", lambda p: csv(p.assign(age=p["age"].map("  {} ".format)))),
    "true and false otherwise": (
        "a.csv",
        lambda p: csv(p.assign(married=p["married"].map({True: "TRUE", False: "0"}))),
    ),
    "a group a row": ("a.parquet", lambda p: parquet(p, row_group_size=1)),
    "no dictionary": ("a.parquet", lambda p: parquet(p, use_dictionary=False)),
    "old Parquet": ("a.parquet", lambda p: parquet(p, version="1.0")),
    "Zstandard": ("a.parquet", lambda p: parquet(p, compression="zstd")),
    "upper case ending": ("A.PARQUET", parquet),
}


@pytest.mark.parametrize("case", FINE)
def test_an_odd_file_is_scored_rightly(judge, people, folder, case):
    name, make = FINE[case]
    (folder / name).write_bytes(make(people))

    judge.scores(folder / name, people)


def test_a_table_of_json_is_not_taken_for_rows(judge, folder):
    (folder / "a.csv").write_text(json.dumps(np.arange(9).tolist()))

    judge.refuses(folder / "a.csv", NO_TABLE)
