"""SplitMix64 against a plain-Python loop, and what the numbers are used for."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from capstone_lib.data.hashing import below, hash_ids, splitmix64, unit_interval

MASK = (1 << 64) - 1


def sequential(state: int, count: int) -> list[int]:
    """The reference: Vigna's splitmix64.c, one number after the other."""
    numbers = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        numbers.append(z ^ (z >> 31))
    return numbers


@given(state=st.integers(0, MASK), count=st.integers(0, 40))
def test_equals_the_sequential_definition(state, count):
    assert splitmix64(state, np.arange(count)).tolist() == sequential(state, count)


def test_equals_the_published_numbers():
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert splitmix64(1234567, [0, 1, 2]).tolist() == published


@given(ids=st.lists(st.integers(0, 2**62), max_size=30), seed=st.integers(-5, 2**70))
def test_an_id_has_its_number_whatever_stands_beside_it(ids, seed):
    together = hash_ids(np.array(ids, dtype=np.int64), seed=seed, purpose="test").tolist()
    alone = [hash_ids([i], seed=seed, purpose="test").item() for i in ids]
    assert together == alone


def test_integer_types_do_not_matter():
    small, wide = (hash_ids(np.array([3, 7], t), seed=1, purpose="test") for t in ("i1", "i8"))
    assert small.tolist() == wide.tolist()


def test_seeds_and_purposes_give_unrelated_numbers():
    ids = np.arange(20_000)
    streams = [
        unit_interval(hash_ids(ids, seed=seed, purpose=purpose))
        for seed in (0, 1)
        for purpose in ("arrival", "split")
    ]
    correlation = np.corrcoef(streams) - np.eye(4)
    assert np.abs(correlation).max() < 0.03  # four standard errors of 20,000 pairs


def test_below_reaches_every_number_and_no_other():
    numbers = below(hash_ids(np.arange(10_000), seed=0, purpose="test"), 366)
    assert set(numbers.tolist()) == set(range(366))


def test_below_and_unit_interval_hold_at_the_ends():
    ends = np.array([0, MASK], dtype=np.uint64)
    assert below(ends, 365).tolist() == [0, 364]
    assert unit_interval(ends).tolist() == [0.0, 1 - 2.0**-53]
