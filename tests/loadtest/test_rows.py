"""Requests made of rows: what JSON says, and what a seed draws."""

import datetime as dt
import decimal
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from capstone_lib.errors import LoadTestError
from capstone_lib.loadtest.rows import DRAWN, draw_requests

FRAME = pd.DataFrame(
    {
        "row_id": np.arange(3, dtype=np.int64),
        "age": np.array([30, 40, 50], dtype=np.int8),
        "pay": [1.5, np.nan, 2.5],
        "sex": pd.Categorical(["f", "m", None]),
        "owner": np.array([True, False, True]),
        "rooms": pd.array([1, None, 3], dtype="Int64"),
        "when": pd.to_datetime(["2016-01-01", None, "2016-01-03"]),
    }
)
EXPECTED = {
    0: {
        "age": 30,
        "pay": 1.5,
        "sex": "f",
        "owner": True,
        "rooms": 1,
        "when": "2016-01-01T00:00:00",
    },
    1: {"age": 40, "pay": None, "sex": "m", "owner": False, "rooms": None, "when": None},
    2: {
        "age": 50,
        "pay": 2.5,
        "sex": None,
        "owner": True,
        "rooms": 3,
        "when": "2016-01-03T00:00:00",
    },
}


def requests(rows, **options):
    return [json.loads(body) for body in draw_requests(rows, **{"seed": 0, **options})]


@pytest.mark.parametrize(
    "rows",
    [
        FRAME,
        pa.Table.from_pandas(FRAME),
        pa.RecordBatch.from_pandas(FRAME),
        FRAME.to_dict("records"),
    ],
    ids=["frame", "table", "batch", "dictionaries"],
)
def test_values_are_json_and_the_id_stands_beside_them(rows):
    found = requests(rows, id="row_id")
    assert len(found) == DRAWN
    assert {one["id"] for one in found} == {"0", "1", "2"}
    for one in found[:20]:
        assert one == {"id": one["id"], "features": EXPECTED[int(one["id"])]}
        assert all(type(one["features"][k]) is type(v) for k, v in EXPECTED[int(one["id"])].items())


def test_a_seed_draws_the_same_rows_and_each_as_often():
    rows = [{"k": k} for k in range(100)]
    first, again = draw_requests(rows, seed=1), draw_requests(rows, seed=1)
    assert first == again
    assert first != draw_requests(rows, seed=2)
    counts = np.bincount([one["features"]["k"] for one in requests(rows)])
    assert set(counts) == {DRAWN // 100}
    drawn = [one["features"]["k"] for one in requests(rows)]
    assert sorted(drawn[:100]) == list(range(100))
    assert drawn[:100] != drawn[100:200]


def test_many_rows_are_sampled_without_repetition():
    drawn = [one["features"]["k"] for one in requests([{"k": k} for k in range(2 * DRAWN)])]
    assert len(drawn) == len(set(drawn)) == DRAWN
    assert max(drawn) > DRAWN


def test_the_share_that_asks_for_an_explanation_is_exact():
    asked = sum(one.get("explain", False) for one in requests([{"k": 1}], explain_share=0.03))
    assert asked == 0.03 * DRAWN
    assert not any("explain" in one for one in requests([{"k": 1}]))


def test_numpy_dates_and_decimals_become_plain():
    row = {"a": np.float32(0.5), "b": decimal.Decimal("1.25"), "c": dt.date(2016, 1, 2), "d": pd.NA}
    assert requests([row])[0]["features"] == {"a": 0.5, "b": 1.25, "c": "2016-01-02", "d": None}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "no rows"),
        (FRAME.iloc[:0], "no rows"),
        ("people.parquet", "list of dictionaries; seen str"),
        ({"a": 1}, "list of dictionaries; seen dict"),
        (iter([{"a": 1}]), "list of dictionaries; seen list_iterator"),
        ({1, 2}, "list of dictionaries; seen set"),
        ([[1, 2]], "by name; seen list"),
        ([{1: 2}], "name is a text; seen 1"),
        ([{"a": float("inf")}], "'a' holds inf"),
        ([{"a": b"x"}], "'a' holds a bytes"),
        ([{"a": [1]}], "'a' holds a list"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "more than one column a"),
    ],
)
def test_rows_that_cannot_be_sent_say_so(rows, words):
    with pytest.raises(LoadTestError, match=words):
        draw_requests(rows, seed=0)


def test_an_id_column_that_is_not_there_names_those_that_are():
    with pytest.raises(LoadTestError, match="no column 'who' to take ids from; there are age, pay"):
        draw_requests(FRAME[["age", "pay"]], seed=0, id="who")
