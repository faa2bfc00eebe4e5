"""Columns are measured in one stack: each must come out as it would alone."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capstone_lib.artifact.binning import Binning
from capstone_lib.artifact.window import Window
from capstone_lib.monitoring.feature import FeatureDrift, measure_features
from capstone_lib.schema import Schema


def people(n, seed, *, shift=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(17 + shift, 90, n),
            "pay": rng.gamma(2.0, 900.0 + shift, n),
            "town": rng.choice(["Adams", "Lee", "Ware"], n, p=[0.9, 0.09, 0.01]),
            "sex": rng.integers(1, 3, n),
            "grade": np.where(rng.random(n) < 0.1, np.nan, rng.integers(0, 5 + shift, n)),
            "one": np.full(n, 7),
            "word": rng.choice([f"word {k}" for k in range(70)], n),
        }
    )


REFERENCE = people(3_000, 0)
BINNING = Binning.of(REFERENCE, Schema.infer(REFERENCE))
PLAIN = [one.name for one in fields(FeatureDrift) if one.type in ("int", "float", int, float)]
BEFORE = Window.of(REFERENCE, binning=BINNING)


@given(st.integers(0, 400), st.integers(0, 9), st.integers(0, 30))
@settings(deadline=None, max_examples=25)
def test_a_column_among_others_is_measured_as_alone(n_rows, seed, shift):
    now = Window.of(people(n_rows, seed, shift=shift), binning=BINNING)
    together = measure_features(BINNING.names, BEFORE, now, alpha=0.01)
    assert [one.name for one in together] == list(BINNING.names)
    for one in together:
        (alone,) = measure_features([one.name], BEFORE, now, alpha=0.01)
        for measure in (*PLAIN, *one.rise):
            assert one.value(measure) == close(alone.value(measure)), measure
        assert one.floors == close(alone.floors)


def close(value):
    return pytest.approx(value, rel=1e-11, abs=1e-13, nan_ok=True)
