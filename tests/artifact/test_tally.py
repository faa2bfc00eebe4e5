"""Codes of few values are counted and looked up another way than those of many: both are right."""

import numpy as np
import pytest

from capstone_lib.artifact.tally import as_distinct, count_codes, translate

LIMITS = {"i1": (-128, 127), "i2": (-300, -45), "i4": (7, 262), "i8": (-(2**63), -(2**63) + 255),
          "u1": (0, 255), "u2": (65_280, 65_535), "u8": (2**64 - 256, 2**64 - 1)}  # fmt: skip


@pytest.mark.parametrize("kind", LIMITS)
def test_the_widest_narrow_range_of_every_type(kind):
    low, high = LIMITS[kind]
    values = np.array([low, high, low + 1, high, low], dtype=kind)
    distinct = as_distinct(values)
    assert [distinct.values[code] for code in distinct.codes] == values.tolist()
    counts = dict(zip(distinct.values, distinct.counts().tolist(), strict=True))
    assert {value: n for value, n in counts.items() if n} == {low: 2, low + 1: 1, high: 2}


@pytest.mark.parametrize("n_codes", [1, 2, 8, 9, 17, 255, 256])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.intp])
def test_counts_and_entries_are_those_of_plain_numpy(n_codes, kind):
    rng = np.random.default_rng(n_codes)
    codes = rng.integers(0, n_codes, 5_000).astype(kind)
    table = rng.integers(0, 5, n_codes).astype(np.uint8)
    steps = np.sort(table)[::-1]  # few, and downwards
    assert (count_codes(codes, n_codes) == np.bincount(codes, minlength=n_codes)).all()
    assert (translate(codes, table) == table[codes]).all()
    assert (translate(codes, steps) == steps[codes]).all()
    assert translate(codes, table).dtype == np.uint8
    assert count_codes(codes[:0], n_codes).tolist() == [0] * n_codes
    assert translate(codes[:0], table).shape == (0,)
