"""Review shares, coverage and set sizes against plain pandas, statsmodels-free closed forms."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from capstone_lib.artifact.model import Predictions
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.uncertainty import measure_uncertainty


def some(n=500, *, seed=0, classes=("a", "b", "c")):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, len(classes), n)
    return (
        Predictions(
            rng.random(n, dtype=np.float32),
            np.array(classes)[label],
            rng.random(n, dtype=np.float32),
            rng.random((n, len(classes))) < 0.5,
            rng.random(n) < 0.3,
            classes,
        ),
        np.array(classes)[rng.integers(0, len(classes), n)],
        rng.choice(["x", "y"], n),
    )


def test_values_and_intervals_are_those_of_plain_pandas_and_scipy():
    said, truth, group = some()
    found = measure_uncertainty(
        said, y_true=truth, sensitive_features={"G": group, "H": np.arange(500) % 3}
    ).to_frame()

    assert found["over"].tolist() == ["", "G", "G", "H", "H", "H"]
    assert found["group"].tolist() == ["", "G=x", "G=y", "H=0", "H=1", "H=2"]
    covered = said.covers(truth)
    for row, mask in ((0, np.ones(500, bool)), (1, group == "x"), (5, np.arange(500) % 3 == 2)):
        got, sizes = found.iloc[row], said.prediction_set.sum(axis=1)[mask]
        assert (got["n"], got["n_known"]) == (mask.sum(), mask.sum())
        for name, hits in (
            ("review_share", said.review[mask]),
            ("coverage", covered[mask]),
            ("undecided_share", sizes > 1),
            ("empty_share", sizes == 0),
        ):
            theirs = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
            assert got[name] == pytest.approx(hits.mean(), abs=1e-12)
            assert got[f"{name}_low"] == pytest.approx(theirs.low, abs=1e-12)
            assert got[f"{name}_high"] == pytest.approx(theirs.high, abs=1e-12)
        assert got["set_size"] == pytest.approx(sizes.mean(), abs=1e-12)
        reach = 1.959963984540054 * pd.Series(sizes).sem()
        assert got["set_size_high"] - got["set_size"] == pytest.approx(reach, rel=1e-9)
        entropy = said.uncertainty[mask].astype(float).mean()
        assert got["entropy"] == pytest.approx(entropy, abs=1e-12)


def test_coverage_counts_known_outcomes_only():
    said, truth, group = some()
    known = np.arange(500) % 5 == 0
    found = measure_uncertainty(said, y_true=truth[known], known=known, sensitive_features=group)
    assert found.overall["n_known"] == 100
    assert found.overall["coverage"] == said.covers(truth)[known].mean()
    x = found.frame.iloc[1]
    assert x["coverage"] == pytest.approx(said.covers(truth)[known & (group == "x")].mean())


def test_without_outcomes_coverage_is_not_known_and_not_written():
    said, _, _ = some(20)
    found = measure_uncertainty(said)
    assert np.isnan(found.overall["coverage"])
    names = [one.name for one in found.measurements()]
    assert "coverage" not in names
    assert {"review_share", "set_size", "entropy"} <= set(names)
    assert all(one.is_known for one in found.measurements())
    assert "review_share" in found._repr_html_()


def test_one_row_has_a_share_and_no_interval_of_its_mean():
    said, truth, _ = some(1)
    row = measure_uncertainty(said, y_true=truth).overall
    assert row["set_size"] == said.prediction_set.sum()
    assert np.isnan(row["set_size_low"])
    assert row["review_share_low"] < row["review_share_high"]


def test_people_of_unknown_group_are_a_group():
    said, _, _ = some(4)
    found = measure_uncertainty(said, sensitive_features={"G": ["x", None, "x", None]})
    kept = found.measurements(traffic="live")[-1]
    assert (kept.feature, kept.group, kept.traffic) == ("G", "G=missing", "live")
    assert found.frame["group"].tolist() == ["", "G=x", "G=missing"]


def test_nothing_and_the_wrong_length_are_refused():
    said, _, _ = some(0)
    with pytest.raises(MonitoringError, match="nothing can be said of nothing"):
        measure_uncertainty(said)
    with pytest.raises(MonitoringError, match="group has 2 values for 3 answers"):
        measure_uncertainty(some(3)[0], sensitive_features=["a", "b"])
