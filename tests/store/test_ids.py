from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capstone_lib.store.ids import decode_ids, encode_id, encode_ids, encode_text, id_array

ids = st.one_of(
    st.text(),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(["007", "-0", "+7", "0", "-7", "7.0", " 7", "٣", "999999999999999999", "1e3"]),
)


@given(st.lists(ids))
def test_every_text_survives_and_two_texts_never_become_one(texts):
    stored = encode_ids(pa.array(texts, pa.string()))

    assert [str(value) for value in stored] == texts
    assert stored == [encode_text(text) for text in texts]
    assert len(set(stored)) == len(set(texts))


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_an_integer_and_its_text_are_the_same_id(numbers):
    assert encode_ids(pa.array(numbers, pa.int64())) == encode_ids(
        pa.array(map(str, numbers), pa.string())
    )


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_unsigned_integers_are_kept_whole(numbers):
    assert [int(v) for v in encode_ids(pa.array(numbers, pa.uint64()))] == numbers


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pd.Series([1.0, None, 3.0]), [1, None, 3]),
        (pd.Series(["a", None]), ["a", None]),
        (pd.Categorical(["a", "7"]), ["a", 7]),
        (np.array([1, 2], dtype=np.int8), [1, 2]),
        (pd.Series([1, "1a", None], dtype=object), [1, "1a", None]),
        ([date(2016, 1, 31)], ["2016-01-31"]),
        (pa.array([None, None]), [None, None]),
        ([10**30], [str(10**30)]),
    ],
)
def test_ids_are_read_from_what_people_have(values, expected):
    assert encode_ids(values) == expected


@pytest.mark.parametrize(
    "values",
    [[1.5], [True], [b"a"], [[1]], pd.Series([1, 2.5, "x"], dtype=object), ["a", "\ud800"]],
)
def test_what_is_neither_number_nor_text_is_refused(values):
    with pytest.raises(TypeError, match="not whole numbers or text"):
        id_array(values)


def test_whole_numbers_come_back_as_numbers_and_anything_else_as_text():
    assert decode_ids([7, 8]).dtype == np.int64
    assert decode_ids([7, "x"]).tolist() == ["7", "x"]
    assert decode_ids([]).dtype == np.int64
    assert encode_id(np.int64(7)) == encode_id("7") == 7
