import pandas as pd
import pytest

from capstone_lib.course.measure import measure_throughput, row_by_row

ROWS = pd.DataFrame({"a": range(7)})


def test_every_way_gets_batches_of_every_size_and_more_rows_than_there_are():
    seen = {"x": set(), "y": set()}
    ways = {name: (lambda rows, name=name: seen[name].add(len(rows))) for name in seen}
    measured = measure_throughput(ways, ROWS, batch_sizes=[1, 20], budget_s=0.001)
    assert seen == {"x": {1, 20}, "y": {1, 20}}
    assert measured[["way", "batch_size"]].to_numpy().tolist() == [
        ["x", 1], ["x", 20], ["y", 1], ["y", 20],
    ]  # fmt: skip
    assert (measured["calls"] >= 1).all()
    told = measured["batch_size"] / measured["ms_per_call"] * 1000
    assert measured["rows_per_s"].tolist() == pytest.approx(told.tolist())


def test_row_by_row_is_one_call_a_row():
    sizes = row_by_row(lambda rows: (len(rows), int(rows["a"].iloc[0])))(ROWS.head(3))
    assert sizes == [(1, 0), (1, 1), (1, 2)]


@pytest.mark.parametrize(("rows", "sizes"), [(ROWS.head(0), [1]), (ROWS, [0])])
def test_nothing_to_measure_is_refused(rows, sizes):
    with pytest.raises(ValueError, match="at least one; seen"):
        measure_throughput({"x": len}, rows, batch_sizes=sizes)
