"""The same ids in batch and live: what differs is found, and told by its pattern."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.parity import compare_features


def people(n=500):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "row_id": np.arange(n),
            "age": rng.integers(17, 90, n),
            "town": rng.choice(["Adams", "Lee", "Ware"], n),
            "pay": rng.gamma(2.0, 900.0, n),
        }
    )


def test_the_same_values_agree_in_any_order_and_any_kind_of_table():
    batch = people()
    live = batch.sample(300, random_state=1)
    costumes = (
        live,
        pa.Table.from_pandas(live, preserve_index=False),
        live.astype(object),
        live.convert_dtypes(),
        live.to_dict("list"),
        live.astype({"age": float}),
    )
    for other in costumes:
        found = compare_features(batch, other)
        assert found.ok, str(found)
        assert (found.n, found.only_batch, found.only_live) == (300, 200, 0)
    assert "every value is the same" in str(found)


def test_a_default_on_the_live_path_is_told():
    batch = people()
    live = batch.copy()
    live.loc[:99, "age"] = 40
    found = compare_features(batch, live)
    assert [one.name for one in found.disagreeing] == ["age"]
    worst = found.disagreeing[0]
    assert worst.differing == int((batch["age"][:100] != 40).sum())
    assert worst.most_common == 40
    assert worst.most_common_share == 1
    assert "live says 40 in 100% of them" in str(found)
    assert set(found.rows["id"]) == set(np.flatnonzero(batch["age"] != live["age"]))
    assert "<table" in found._repr_html_()
    shares = {one.feature: one for one in found.measurements(traffic="live")}
    assert shares["age"].value == worst.differing / 500
    assert shares["age"].low < shares["age"].value < shares["age"].high
    assert shares["town"].value == 0


def test_values_in_the_wrong_rows_are_told_though_the_distribution_is_the_same():
    batch = people()
    live = batch.assign(age=np.random.default_rng(3).permutation(batch["age"]))
    worst = compare_features(batch, live).disagreeing[0]
    assert worst.share > 0.9
    assert worst.total_variation == 0
    assert "wrong rows" in str(worst)


def test_another_unit_shows_as_a_mean_difference_and_tolerance_forgives_rounding():
    batch = people()
    live = batch.assign(pay=batch["pay"].astype(np.float32))
    assert not compare_features(batch, live).ok
    assert compare_features(batch, live, tolerance=0.01).ok
    yearly = compare_features(batch, batch.assign(pay=12 * batch["pay"])).disagreeing[0]
    assert yearly.mean_difference == pytest.approx(11 * batch["pay"].mean())


def test_missing_values_and_text_are_told_apart():
    batch = pd.DataFrame({"row_id": list("abcd"), "age": [1.0, np.nan, np.nan, 4.0]})
    live = pd.DataFrame({"row_id": list("abcd"), "age": ["1", None, 3, None]})
    found = compare_features(batch, live)
    one = found.columns[0]
    assert (one.n, one.differing, one.only_batch, one.only_live) == (4, 3, 1, 1)
    assert found.rows["id"].tolist() == ["a", "c", "d"]


def test_the_last_request_for_an_id_counts():
    batch = {"row_id": [1, 2], "age": [30, 40]}
    live = {"row_id": [2, 1, 2, None], "age": [99, 30, 40, 7]}
    found = compare_features(batch, live)
    assert found.ok
    assert found.repeated == 1


def test_nothing_in_common_is_not_agreement():
    found = compare_features({"row_id": [1], "age": [3]}, {"row_id": [2], "age": [3]})
    assert not found.ok
    assert "no id is known to both" in str(found)
    assert compare_features({"row_id": [1], "age": [3]}, {"row_id": [], "age": []}).n == 0


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3), st.integers(0, 3)), max_size=30))
@settings(deadline=None, max_examples=40)
def test_it_is_the_loop_over_ids(rows):
    batch = {key: a for key, a, _ in rows}
    live = {key: b for key, _, b in rows[::2]}
    found = compare_features(
        {
            "row_id": np.array(list(batch), dtype=int),
            "x": np.array(list(batch.values()), dtype=int),
        },
        {"row_id": np.array(list(live), dtype=int), "x": np.array(list(live.values()), dtype=int)},
    )
    differ = sorted(key for key in live if batch[key] != live[key])
    assert found.n == len(live)
    assert sorted(found.rows["id"]) == differ


@pytest.mark.parametrize(
    ("batch", "live", "message"),
    [
        ({"age": [1]}, {"row_id": [1], "age": [1]}, "the batch table has no column 'row_id'"),
        ({"row_id": [1], "age": [1]}, {"age": [1]}, "the live table has no column 'row_id'"),
        ({"row_id": [1, 1], "age": [1, 2]}, {"row_id": [1], "age": [1]}, "stands twice"),
        ({"row_id": [1], "age": [1]}, {"row_id": [1], "pay": [1]}, "no column but the id"),
    ],
)
def test_what_cannot_be_matched_is_refused(batch, live, message):
    with pytest.raises(MonitoringError, match=message):
        compare_features(batch, live)


def test_a_column_that_one_side_lacks_is_refused():
    rows = {"row_id": [1], "age": [1]}
    with pytest.raises(MonitoringError, match="no column 'pay' in both"):
        compare_features(rows, rows, columns=["pay"])
