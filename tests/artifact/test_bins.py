"""Bins and windows: every value is counted once, where it belongs, in any kind of table."""

import json
import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capstone_lib.artifact.binning import Binning, bin_amounts, bin_categories, bin_scores
from capstone_lib.artifact.bins import ABOVE, BELOW, MISSING, SUM_ABOVE, SUM_BELOW, UNSEEN
from capstone_lib.artifact.window import Window
from capstone_lib.errors import MonitoringError
from capstone_lib.schema import Column, Schema

SCHEMA = Schema(
    (
        Column("age", "integer"),
        Column("pay", "number"),
        Column("sex", "category", categories=(1, 2)),
        Column("town", "category", categories=("Adams", "Lee", "Ware")),
        Column("new", "boolean"),
    )
)


def people(n=400, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(17, 90, n),
            "pay": rng.gamma(2.0, 900.0, n),
            "sex": rng.integers(1, 3, n),
            "town": rng.choice(["Adams", "Lee", "Ware"], n),
            "new": rng.random(n) < 0.3,
        }
    )


values = st.one_of(
    st.integers(-50, 400),
    st.floats(allow_nan=True, allow_infinity=True, width=32),
    st.none(),
    st.sampled_from(["", "old", "41"]),
)


@given(st.lists(values, max_size=60))
@settings(deadline=None, max_examples=60)
def test_whole_numbers_are_counted_as_one_by_one(seen):
    bins = bin_amounts("age", np.arange(17, 90), is_whole=True)
    out = np.zeros(bins.size)
    for value in seen:
        if value is None or value != value:
            out[bins.n_bins + MISSING] += 1
        elif isinstance(value, str) or math.isinf(value) or value != int(value):
            out[bins.n_bins + UNSEEN] += 1
        elif value < 17:
            out[bins.n_bins + BELOW] += 1
            out[bins.n_bins + SUM_BELOW] += 17 - value
        elif value > 89:
            out[bins.n_bins + ABOVE] += 1
            out[bins.n_bins + SUM_ABOVE] += value - 89
        else:
            out[int(value) - 17] += 1
    np.testing.assert_allclose(bins.count(np.array(seen, dtype=object)), out, rtol=1e-12)


@given(st.lists(st.floats(-10, 110, width=32), max_size=80))
@settings(deadline=None, max_examples=60)
def test_other_numbers_are_counted_as_numpy_does(seen):
    bins = bin_amounts("pay", np.random.default_rng(0).uniform(0, 100, 5000), is_whole=False)
    inside = [v for v in seen if bins.cuts[0] <= v <= bins.cuts[-1]]
    count = bins.count(np.array(seen, dtype=float))
    np.testing.assert_array_equal(count[: bins.n_bins], np.histogram(inside, bins.cuts)[0])
    assert count[bins.n_bins : bins.n_bins + 4].sum() == len(seen) - len(inside)


def test_amounts_have_bins_of_equal_share_and_float32_does_not_move_them():
    pay = np.random.default_rng(1).gamma(2.0, 900.0, 20_000).round(1)
    bins = bin_amounts("pay", pay, is_whole=False)
    count = bins.count(pay)
    assert bins.n_bins == 100
    assert np.abs(count[:100] / len(pay) - 0.01).max() < 0.002
    np.testing.assert_array_equal(count, bins.count(pay.astype(np.float32)))


def test_few_amounts_have_a_bin_each_and_one_value_is_enough():
    assert bin_amounts("x", np.array([0.5, 1.5, 1.5, 9.0]), is_whole=False).count([1.5, 9.0])[
        :3
    ].tolist() == [0, 1, 1]
    one = bin_amounts("x", np.full(5, 3.25), is_whole=False)
    assert one.count([3.25, 3.25, 4.0])[:3].tolist() == [2, 0, 1]
    none = bin_amounts("x", np.full(5, np.nan), is_whole=False)
    assert none.count([np.nan, 7.0])[none.n_bins :][[ABOVE, MISSING]].tolist() == [1, 1]


def test_categories_are_counted_by_name_rare_ones_together():
    names = np.array([f"c{k:03}" for k in range(80) for _ in range(200 - k)], dtype=object)
    bins = bin_categories("word", names)
    assert bins.n_bins == 51
    count = bins.count(np.array(["c000", "c079", "c078", "stranger", None], dtype=object))
    assert count[0] == 1
    assert count[50] == 2
    assert count[51:55].tolist() == [0, 0, 1, 1]


def test_too_many_rare_categories_to_list_are_not_kept_one_by_one():
    bins = bin_categories("id", np.array([f"id {k}" for k in range(3000)], dtype=object))
    assert len(json.dumps(bins.to_dict())) < 2000
    assert bins.count(np.array(["never seen"], dtype=object))[50] == 1


def test_scores_have_bins_from_zero_to_one_whatever_was_seen():
    bins = bin_scores("score", np.random.default_rng(0).beta(2, 5, 3000).astype(np.float32))
    assert (bins.cuts[0], bins.cuts[-1]) == (0.0, 1.0)
    assert bins.count(np.array([0.0, 1.0, np.nan]))[bins.n_bins :].tolist() == [0, 0, 0, 1, 0, 0]


def costumes(frame):
    yield frame.convert_dtypes()
    yield frame.astype({"town": "category", "sex": float})
    yield frame.astype(object)
    yield {name: frame[name].to_numpy() for name in frame}
    yield pa.Table.from_pandas(frame)
    yield pa.Table.from_pandas(frame.astype({"town": "category"})).to_batches(max_chunksize=400)[0]


def test_any_kind_of_table_gives_the_same_counts():
    frame = people()
    binning = Binning.of(frame, SCHEMA)
    want = Window.of(frame, binning=binning)
    for rows in costumes(frame):
        got = Window.of(rows, binning=binning)
        assert got.n_rows == 400
        for name in want.counts:
            np.testing.assert_array_equal(got.counts[name], want.counts[name], err_msg=name)
        np.testing.assert_array_equal(got.pairs, want.pairs)


def test_missing_values_are_the_same_in_any_kind_of_table():
    frame = people(60).astype(object)
    frame.iloc[::7, :] = None
    binning = Binning.of(people(), SCHEMA)
    for rows in (frame, frame.convert_dtypes(), pa.Table.from_pandas(frame.convert_dtypes())):
        window = Window.of(rows, binning=binning)
        assert {
            name: window.unexpected(name)["missing"] for name in binning.names
        } == dict.fromkeys(binning.names, 9 / 60)


@given(st.lists(st.integers(0, 300), max_size=5), st.integers(0, 3))
@settings(deadline=None, max_examples=30)
def test_counts_of_any_split_add_up(cuts, seed):
    frame = people(300, seed)
    binning = Binning.of(people(seed=9), SCHEMA, predictions=answers(people(seed=9)))
    said = answers(frame)
    whole = Window.of(frame, binning=binning, predictions=said)
    ends = [0, *sorted(cuts), 300]
    parts = [
        Window.of(frame[a:b], binning=binning, predictions=said[a:b]) for a, b in pairwise(ends)
    ]
    merged = Window.merge(parts)
    assert merged.n_rows == 300
    for name in whole.counts:
        np.testing.assert_allclose(merged.counts[name], whole.counts[name], rtol=1e-12)
    np.testing.assert_array_equal(merged.pairs, whole.pairs)


def answers(frame):
    score = (frame["age"] / 100).to_numpy()
    return pd.DataFrame({"score": score, "label": (score > 0.5).astype(int)})


def test_a_window_survives_json():
    frame = people()
    binning = Binning.of(frame, SCHEMA, predictions=answers(frame))
    window = Window.of(
        frame, binning=binning, predictions=answers(frame), name="day", start="2016-01-01"
    )
    again = Window.from_dict(json.loads(json.dumps(window.to_dict())))
    assert again.binning == window.binning
    assert (again.name, again.start, again.n_rows) == ("day", "2016-01-01", 400)
    for name in window.counts:
        np.testing.assert_array_equal(again.counts[name], window.counts[name])
    np.testing.assert_array_equal(again.pairs, window.pairs)


def test_pairs_are_the_cross_table():
    frame = people()
    window = Window.of(frame, binning=Binning.of(frame, SCHEMA))
    want = pd.crosstab(frame["sex"], frame["new"]).to_numpy()
    order = [int(frame["sex"].value_counts().idxmax()) - 1]
    rows = [order[0], 1 - order[0]]
    np.testing.assert_array_equal(window.pair("sex", "new"), want[rows])
    assert window.pair("age", "town").sum() == 400


def test_what_does_not_fit_is_refused():
    frame = people()
    binning = Binning.of(frame, SCHEMA)
    window = Window.of(frame, binning=binning)
    with pytest.raises(MonitoringError, match="lacks the columns pay, town"):
        Window.of(frame.drop(columns=["pay", "town"]), binning=binning)
    with pytest.raises(MonitoringError, match="different bins"):
        window + Window.of(frame, binning=Binning.of(people(seed=3), SCHEMA))
    with pytest.raises(MonitoringError, match="knows nothing of the model's answers"):
        Window.of(frame, binning=binning, predictions=answers(frame))
    with pytest.raises(MonitoringError, match="no window to merge"):
        Window.merge([])
    full = Binning.of(frame, SCHEMA, predictions=answers(frame))
    with pytest.raises(MonitoringError, match="400 rows and 3 predictions"):
        Window.of(frame, binning=full, predictions=answers(frame)[:3])
    with pytest.raises(MonitoringError, match="only one of these windows"):
        Window.of(frame, binning=full) + Window.of(frame, binning=full, predictions=answers(frame))
