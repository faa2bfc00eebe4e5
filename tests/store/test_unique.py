import numpy as np
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capstone_lib.store.unique import IdIndex


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.one_of(
            st.lists(st.integers(0, 40), max_size=12).map(lambda v: pa.array(v, pa.int64())),
            st.lists(st.sampled_from(["a", "b", "7", "07"]), max_size=3).map(
                lambda v: pa.array(v, pa.string())
            ),
        ),
        max_size=6,
    )
)
def test_repeated_ids_are_found_as_a_set_would_find_them(tmp_path, batches):
    index, seen = IdIndex(tmp_path), set()
    for batch in batches:
        expected = []
        for value in map(str, batch.to_pylist()):
            expected.append(value in seen)
            seen.add(value)
        found = index.add(batch)
        assert (np.zeros(len(batch), bool) if found is None else found).tolist() == expected
    index.close()

    assert list(tmp_path.iterdir()) == []


def test_rising_ids_need_no_key(tmp_path):
    index = IdIndex(tmp_path)
    for start in range(0, 1000, 100):
        assert index.add(pa.array(range(start, start + 100))) is None
    assert not (tmp_path / "_ids.db").exists()

    assert index.add(pa.array([2000, 500])).tolist() == [False, True]
    index.close()
