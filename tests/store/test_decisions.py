import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capstone_lib.store.decisions import DecisionBook, code_decisions


@st.composite
def decided(draw):
    n_classes = draw(st.sampled_from([2, 3, 9, 60]))
    kind = draw(st.sampled_from([int, str]))
    classes = tuple(kind(10 * k) for k in range(n_classes))
    rows = draw(st.integers(0, 30))
    seed = draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    label = np.array([classes[k] for k in rng.integers(0, n_classes, rows)])
    if kind is int:
        label = label.astype(np.int64)
    return label, rng.random((rows, n_classes)) < 0.2, rng.random(rows) < 0.5, classes


@given(decided())
def test_coding_loses_nothing(rows):
    label, prediction_set, review, classes = rows

    coded = code_decisions(label, prediction_set, review, classes)

    assert len(coded.distinct) == len(set(coded.distinct))
    for row, number in enumerate(coded.index):
        decision = coded.distinct[number]
        assert decision.label == label[row]
        assert json.loads(decision.prediction_set) == [
            name for name, member in zip(classes, prediction_set[row], strict=True) if member
        ]
        assert decision.review == review[row]


@pytest.mark.parametrize("kind", [int, str])
def test_a_book_numbers_decisions_once_over_all_batches(kind):
    book, classes = DecisionBook(), (kind(0), kind(1))
    sets = np.array([[True, False], [False, True]])
    first = code_decisions(np.array(classes), sets, np.zeros(2, bool), classes)
    second = code_decisions(np.array(classes[::-1]), sets[::-1], np.zeros(2, bool), classes)

    numbers, new = book.number(first)
    again, none = book.number(second)

    assert [number for number, _ in new] == [0, 1]
    assert none == []
    assert again.tolist() == numbers.tolist()[::-1]
