"""Chains against the definition of the Shapley value, over all orders of the columns."""

from itertools import permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capstone_lib.artifact.chains import Chains


def shapley(score, person, other):
    """The definition: the mean change over every order in which columns can arrive."""
    n = len(person)
    effects = np.zeros(n)
    for order in permutations(range(n)):
        row = list(other)
        for column in order:
            before = score(row)
            row[column] = person[column]
            effects[column] += score(row) - before
    return effects / factorial(n)


def compare(score, person, others, orders):
    """What chains say, each mixture asked about once."""
    chains = Chains(np.array(orders))
    steps = chains.between(np.array(others) != np.array(person))
    mixed = [
        [p if taken else o for p, o, taken in zip(person, others[node], row, strict=True)]
        for node, row in zip(steps.node, steps.taken, strict=True)
    ]
    scores = np.array([score(row) for row in mixed])
    starts = np.array([score(other) for other in others])
    return chains.effects(steps, scores, score(person), starts), mixed


TABLE = np.random.default_rng(0).normal(size=(3, 3, 3, 3))


def rugged(row):
    """A function of four values without any structure."""
    return float(TABLE[tuple(row)])


values = st.lists(st.integers(0, 2), min_size=4, max_size=4)


@given(values, st.lists(values, min_size=1, max_size=5), st.randoms())
def test_effects_add_up_to_the_difference_whatever_the_model(person, others, random):
    orders = [random.sample(range(4), 4) for _ in others]
    effects, mixed = compare(rugged, person, others, orders)
    for row, other in zip(effects, others, strict=True):
        assert row.sum() == pytest.approx(rugged(person) - rugged(other), abs=1e-12)
        assert (row[np.array(person) == np.array(other)] == 0).all()
    assert person not in mixed or any(person == other for other in others)


@settings(max_examples=30)
@given(values, values)
def test_over_all_orders_they_are_the_shapley_value(person, other):
    orders = list(permutations(range(4)))
    effects, _ = compare(rugged, person, [other] * len(orders), orders)
    assert effects.mean(axis=0) == pytest.approx(shapley(rugged, person, other), abs=1e-12)


@given(values, values, st.permutations(range(4)))
def test_of_pairs_of_columns_one_order_and_its_reverse_tell_all(person, other, order):
    def pairwise(row):
        a, b, c, d = row
        return a * b - 2 * b * d + c * c + 0.5 * a * d

    effects, _ = compare(pairwise, person, [other], [order])
    assert effects[0] == pytest.approx(shapley(pairwise, person, other), abs=1e-12)


def test_nothing_is_asked_where_nothing_or_one_thing_differs():
    effects, mixed = compare(rugged, [0, 1, 2, 0], [[0, 1, 2, 0], [0, 1, 2, 2]], [[0, 1, 2, 3]] * 2)
    assert mixed == []
    assert effects[0].tolist() == [0, 0, 0, 0]
    assert effects[1, 3] == rugged([0, 1, 2, 0]) - rugged([0, 1, 2, 2])


def test_one_column_is_one_step():
    effects, mixed = compare(lambda row: 2.0 * row[0], [5], [[1], [5]], [[0], [0]])
    assert (effects.tolist(), mixed) == ([[8.0], [0.0]], [])
