"""Counts by group: a loop over people says the same, and any split adds up to the whole."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capstone_lib.artifact.grouping import MISSING, count_cells
from capstone_lib.artifact.groups import GroupCounts
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.errors_by_group import GroupErrors

PERSON = st.tuples(
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from(["a", "b", None]),
    st.sampled_from([1.0, 2.0, 70_000.0, float("nan")]),
    st.floats(0, 1, width=32),
)
PEOPLE = st.lists(PERSON, min_size=1, max_size=40)


def columns(people):
    truth, decided, word, number, score = (list(part) for part in zip(*people, strict=True))
    return truth, decided, {"word": np.array(word, dtype=object), "number": np.array(number)}, score


def count(people, **more):
    truth, decided, groups, _ = columns(people)
    return GroupCounts.of(truth, decided, sensitive_features=groups, classes=(0, 1, 2), **more)


def key_of(person):
    number = MISSING if person[3] != person[3] else int(person[3])
    return (person[2] or MISSING, number)


@given(PEOPLE)
def test_counts_are_those_of_a_loop_over_people(people):
    counts = count(people)
    want = {}
    for person in people:
        want.setdefault(key_of(person), np.zeros((3, 3), dtype=int))[person[0], person[1]] += 1
    got = dict(zip(counts.groups, counts.confusion.tolist(), strict=True))
    assert got == {key: table.tolist() for key, table in want.items()}
    assert counts.n.sum() == len(people)


@given(PEOPLE, st.data())
def test_any_split_adds_up_to_the_whole(people, data):
    where = data.draw(st.lists(st.integers(0, 2), min_size=len(people), max_size=len(people)))
    parts = [[p for p, w in zip(people, where, strict=True) if w == k] for k in range(3)]
    counted = [count(part) for part in parts if part]
    total = counted[0]
    for part in counted[1:]:
        total = total + part
    assert total.to_dict() == count(people).to_dict()


@given(PEOPLE)
def test_fewer_columns_are_what_counting_them_gives(people):
    truth, decided, groups, _ = columns(people)
    direct = GroupCounts.of(
        truth, decided, sensitive_features={"number": groups["number"]}, classes=(0, 1, 2)
    )
    assert count(people).over("number").to_dict() == direct.to_dict()


@given(PEOPLE)
def test_json_brings_counts_back_equal(people):
    counts = count(people)
    assert GroupCounts.from_dict(json.loads(json.dumps(counts.to_dict()))).to_dict() == (
        counts.to_dict()
    )


@given(PEOPLE)
def test_sums_of_scores_are_those_of_a_loop(people):
    truth, decided, groups, score = columns(people)
    truth = [int(t > 0) for t in truth]
    counts = GroupCounts.of(
        truth, [int(d > 0) for d in decided], sensitive_features=groups["word"], y_score=score
    )
    for group, total, square in zip(
        counts.groups, counts.score_sum, counts.square_sum, strict=True
    ):
        mine = [k for k, person in enumerate(people) if (person[2] or MISSING,) == group]
        assert total == pytest.approx(sum(score[k] for k in mine), abs=1e-12)
        assert square == pytest.approx(sum((score[k] - truth[k]) ** 2 for k in mine), abs=1e-12)


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9), st.booleans()), min_size=1))
def test_errors_by_group_are_those_of_a_loop_and_add_up(people):
    truth, guess, group = (np.array(part) for part in zip(*people, strict=True))
    errors = GroupErrors.of(truth, guess, sensitive_features=group)
    half = max(1, len(people) // 2)
    parts = [
        GroupErrors.of(truth[rows], guess[rows], sensitive_features=group[rows])
        for rows in (slice(0, half), slice(half, None))
        if len(truth[rows])
    ]
    total = parts[0] if len(parts) == 1 else parts[0] + parts[1]
    assert (total.groups, total.n.tolist()) == (errors.groups, errors.n.tolist())
    np.testing.assert_allclose(total.sums, errors.sums, atol=1e-9)
    for (value,), n, sums in zip(errors.groups, errors.n, errors.sums, strict=True):
        off = (guess - truth)[group == value]
        assert n == len(off)
        np.testing.assert_allclose(sums[:3], [off.sum(), abs(off).sum(), (off**2).sum()], atol=1e-9)


def test_a_column_may_be_of_any_kind():
    kinds = {
        "int16": np.array([3, -7, 3], dtype=np.int16),
        "uint64": np.array([3, 2**63 + 5, 3], dtype=np.uint64),
        "wide": np.array([3, -(10**15), 3]),
        "bool": np.array([True, False, True]),
        "category": pd.Series(["x", "y", "x"], dtype="category"),
        "string": pd.Series(["x", None, "x"], dtype="str"),
        "nullable": pd.Series([1, None, 1], dtype="Int64"),
        "arrow": pa.array(["x", None, "x"]).to_pandas(),
    }
    for name, values in kinds.items():
        counts = GroupCounts.of([0, 1, 1], [0, 1, 1], sensitive_features={name: values})
        assert sorted(counts.n.tolist()) == [1, 2], name


def test_an_arrow_table_and_a_frame_say_the_same():
    frame = pd.DataFrame({"sex": [1, 2, 2], "race": [1.0, None, 3.0]})
    table = pa.Table.from_pandas(frame)
    both = [GroupCounts.of([0, 1, 1], [1, 1, 0], sensitive_features=f) for f in (frame, table)]
    assert both[0].to_dict() == both[1].to_dict()
    assert both[0].names == ["sex=1, race=1", "sex=2, race=3", "sex=2, race=missing"]


def test_very_many_combinations_are_counted_all_the_same():
    rng = np.random.default_rng(0)
    wide = [rng.integers(0, 4000, 500) for _ in range(4)]
    cells = count_cells(wide)
    assert set(cells.keys) == set(zip(*(part.tolist() for part in wide), strict=True))
    assert cells.counts.sum() == 500


BAD = {
    "lengths": (([0, 1], [0], {"g": [1, 2]}), "one value a row; seen y_true 2, y_pred 1, g 2"),
    "no rows": (([], [], {"g": []}), "there are no rows"),
    "no column": (([0], [0], {}), "has no column"),
    "two dimensions": (([0, 1], [0, 1], np.zeros((2, 2))), "has 2 dimensions"),
    "missing label": (([0, None], [0, 1], [1, 2]), "y_true has missing labels"),
    "missing decision": (([0, 1], [0, np.nan], [1, 2]), "y_pred has missing labels"),
    "kinds": (([0, 1], ["no", "yes"], [1, 2]), "labels of different kinds"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_refused_in_words(name):
    (truth, decided, groups), message = BAD[name]
    with pytest.raises(MonitoringError, match=message):
        GroupCounts.of(truth, decided, sensitive_features=groups)


@pytest.mark.parametrize("scores", [[0.2, 1.1], [0.2, float("nan")], [-0.1, 0.5]])
def test_a_score_must_be_a_probability(scores):
    with pytest.raises(MonitoringError, match="probabilities from 0 to 1"):
        GroupCounts.of([0, 1], [0, 1], sensitive_features=[1, 2], y_score=scores)


def test_numbers_that_nobody_put_into_bands_are_refused():
    income = np.random.default_rng(0).random(20_000)
    with pytest.raises(MonitoringError, match="put numbers into bands first"):
        GroupCounts.of(income > 0.5, income > 0.4, sensitive_features={"income": income})


def test_counts_that_do_not_belong_together_are_not_added():
    one = GroupCounts.of([0, 1], [0, 1], sensitive_features={"a": [1, 2]})
    other = GroupCounts.of([0, 1], [0, 1], sensitive_features={"b": [1, 2]})
    with pytest.raises(MonitoringError, match="cannot be added"):
        one + other
    with pytest.raises(MonitoringError, match="over a; seen b"):
        one.over("b")
