"""Pairs of blocks against pandas' crosstab, whatever the number of columns."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from capstone_lib.artifact.binning import Binning
from capstone_lib.artifact.window import Window
from capstone_lib.schema import Schema


@pytest.mark.parametrize("n_rows", [1, 7, 64, 65, 3_000])
@pytest.mark.parametrize("n_columns", [1, 2, 4, 5, 7, 12])
def test_the_counts_are_those_of_a_crosstab(n_columns, n_rows):
    rng = np.random.default_rng(n_columns)
    columns = {f"c{k}": rng.integers(0, 2 + 3 * k, n_rows) for k in range(n_columns)}
    people = pd.DataFrame(columns)
    binning = Binning.of(people, Schema.infer(people))
    people.iloc[::7, 0] = 10_000  # out of range
    placed = {bins.name: bins.place(people[bins.name].to_numpy()) for bins in binning.columns}
    coded = {bins.name: bins.blocks_of(placed[bins.name]) for bins in binning.columns}
    window = Window.of(people, binning=binning)
    blocks = {name: column.blocks[column.codes] for name, column in coded.items()}
    for first, second in combinations(people, 2):
        sides = [binning[name].n_blocks for name in (first, second)]
        table = pd.crosstab(blocks[first], blocks[second])  # the unexpected stand beyond the sides
        table = table.reindex(index=range(sides[0]), columns=range(sides[1]), fill_value=0)
        assert (window.pair(first, second) == table.to_numpy()).all()
        assert (window.pair(second, first) == table.to_numpy().T).all()
    for span in binning.spans.values():
        assert not window.pairs[span, span].any()
    assert not Window.of(people.iloc[:0], binning=binning).pairs.any()


def test_columns_of_one_value_are_no_burden():
    people = pd.DataFrame({f"c{k}": np.full(9, 5) for k in range(80)})
    people["c80"] = [1, 1, 2, 2, 2, 2, 2, 2, 2]
    window = Window.of(people, binning=Binning.of(people, Schema.infer(people)))
    assert window.pair("c0", "c79").tolist() == [[9]]
    assert sorted(window.pair("c3", "c80").ravel().tolist()) == [2, 7]
