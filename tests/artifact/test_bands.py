"""Groups by bands of numbers: chosen at the export, kept in the file, counted alike ever after."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

import capstone_lib as cap
from capstone_lib.artifact.bands import banded, cuts_of, in_bands
from capstone_lib.errors import ArtifactError

CUTS = st.lists(st.integers(-50, 50), min_size=1, max_size=5, unique=True)


@given(st.lists(st.integers(-60, 60) | st.none(), min_size=1, max_size=30), CUTS)
def test_bands_are_those_of_pandas_and_missing_stays_missing(values, cuts):
    numbers = pd.Series(values, dtype="float64")
    ends = cuts_of({"x": cuts})["x"]
    cut = pd.cut(numbers, [-np.inf, *ends, np.inf], right=False)
    found = in_bands(numbers, ends)
    assert found.isna().tolist() == cut.isna().tolist()
    pairs = {(one, str(other)) for one, other in zip(found, cut, strict=True) if one == one}
    assert len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})


def test_a_column_without_cuts_stays_as_it_is():
    rows = pd.DataFrame({"sex": [1, 2], "age": [20, 70], "more": [0, 0]})
    assert banded(rows, cuts_of(["sex"])).equals(rows[["sex"]])
    table = banded(rows, cuts_of({"sex": None, "age": (65,)}))
    assert table.to_dict("list") == {"sex": [1, 2], "age": ["below 65", "from 65"]}


def test_an_artifact_remembers_the_bands_of_its_baseline(tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"age": rng.integers(18, 90, 400), "sex": rng.integers(1, 3, 400)})
    y = (rng.random(400) < rows["age"] / 100).astype(int)
    model = LogisticRegression().fit(rows, y)
    how = {"name": "work", "version": "1.0", "X_calibration": rows, "y_calibration": y}
    sensitive = {"sex": None, "age": [65, 25]}
    cap.export_model(model, rows, tmp_path / "m.onnx", sensitive=sensitive, **how)
    artifact = cap.load_model(tmp_path / "m.onnx")
    assert artifact.reference_cuts == {"sex": (), "age": (25.0, 65.0)}
    ages = artifact.reference_groups.over("age")
    assert ages.names == ["age=25 to below 65", "age=below 25", "age=from 65"]
    expected = [((rows["age"] >= 25) & (rows["age"] < 65)).sum(), (rows["age"] < 25).sum()]
    assert ages.n.tolist()[:2] == expected
    plain = cap.export_model(model, rows, tmp_path / "n.onnx", **how)
    assert plain.reference_cuts == {}
    with pytest.raises(ArtifactError, match=r"lacks the sensitive columns \['region'\]"):
        cap.export_model(model, rows, tmp_path / "o.onnx", sensitive={"region": [1]}, **how)
