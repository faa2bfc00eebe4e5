"""Row ids of every make: kept as they are, counted as rejects, or refused."""

import numpy as np
import pandas as pd
import pytest

N = 24
IDS = {  # ids in many makes that are all told apart
    "text": [f"p{k}" for k in range(N)],
    "odd text": [
        "größe ☃", "", " ", "a\x00b", "007", "7", "7.0", "-0", "1e3", "null", "NaN", "x" * 5000,
        "'; drop table runs; --", "\n", "\\", "%s", ":id", '"', "𝟕", "é", "e\u0301", "٣", "None",
        "00",
    ],
    "negative": range(-5, N - 5),
    "huge": [2**63 - 1 - k for k in range(N)],
    "wider than 64 bits": pd.Series([2**70 + k for k in range(N)], dtype=object),
    "huge without sign": np.array([2**64 - 1 - k for k in range(N)], dtype="uint64"),
    "least": [-(2**63) + k for k in range(N)],
    "floats": np.arange(N) * 1.0,
    "wide floats": 2.0**53 - np.arange(N),
    "numbers and text": pd.Series([*range(N - 1), "x"], dtype=object),
    "days": pd.date_range("2016-01-31", periods=N).date,
    "categories": pd.Categorical([f"p{k}" for k in range(N)]),
    "arrow": pd.array(range(N), dtype="int64[pyarrow]"),
    "falling": range(N, 0, -1),
}  # fmt: skip


@pytest.mark.parametrize("kind", IDS)
def test_ids_of_every_make_are_kept(judge, people, kind):
    source = people.assign(row_id=IDS[kind])
    shown = [int(v) if isinstance(v, float) else v for v in list(IDS[kind])]

    judge.scores(source, people, ids=shown)


BAD_IDS = {
    "fractions": np.arange(N) + 0.5,
    "true and false": [True, False] * 12,
    "bytes": [b"x"] * N,
    "lists": [[1]] * N,
    "objects": [object()] * N,
    "half characters": pd.Series(["\ud83d"] * N, dtype=object),
    "complex": np.arange(N) * 1j,
    "infinite": [np.inf] * N,
}


@pytest.mark.parametrize("kind", BAD_IDS)
def test_what_is_no_id_is_refused(judge, people, kind):
    judge.refuses(people.assign(row_id=BAD_IDS[kind]), "row.id")


def test_missing_and_repeated_ids_are_rejects(judge, people):
    rows = people["row_id"].tolist()
    rows[3], rows[7], rows[11], rows[12] = None, rows[6], rows[6], None
    source = people.assign(row_id=pd.array(rows, dtype="Int64"))
    reasons = ["^id: null_id", "^id: duplicate_id", "^id: duplicate_id", "^id: null_id"]
    judge.scores(source, people.drop(index=[3, 7, 11, 12]), rejects=reasons)


def test_no_id_at_all_is_all_rejects(judge, people):
    judge.scores(people.assign(row_id=None), people[:0], rejects=["^id: null_id"] * N)


def test_one_id_for_all_leaves_the_first(judge, people):
    judge.scores(people.assign(row_id=1000), people[:1], rejects=["^id: duplicate_id"] * (N - 1))


@pytest.mark.parametrize("name", ["nothing", "", "age", 7, None])
def test_an_id_column_that_is_none_is_refused_or_not_asked_for(judge, people, name):
    if name is None:
        judge.scores(people.drop(columns="row_id"), people, ids=range(N), id=None)
        return
    judge.refuses(people, "row id", id=name)
