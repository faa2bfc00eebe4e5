"""Risk and coverage against brute force, with ties as the mean over all their orders."""

from itertools import permutations

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capstone_lib.artifact.model import Predictions
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.risk import risk_coverage

mpl.use("Agg")


def said(uncertainty):
    n = len(uncertainty)
    return Predictions(
        np.full(n, 0.5, np.float32), np.ones(n, int), np.array(uncertainty, dtype=np.float32),
        np.ones((n, 2), bool), np.zeros(n, bool), (0, 1),
    )  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=6))
@settings(deadline=None)
def test_it_is_the_mean_over_all_orders_of_equally_sure_cases(cases):
    curves = []
    for order in permutations(range(len(cases))):
        values = [cases[place] for place in order]
        if [u for u, _ in values] == sorted(u for u, _ in values):
            wrong = np.array([1 - right for _, right in values])
            curves.append(np.cumsum(wrong) / np.arange(1, len(wrong) + 1))
    found = risk_coverage([right for _, right in cases], said([u for u, _ in cases]))
    assert found.risk == pytest.approx(np.mean(curves, axis=0), abs=1e-12)
    assert found.aurc == pytest.approx(np.mean(curves), abs=1e-12)
    least = min(
        np.mean(np.cumsum(order) / np.arange(1, len(cases) + 1))
        for order in permutations([1 - right for _, right in cases])
    )
    assert found.best == pytest.approx(least, abs=1e-12)


def test_what_is_read_off_the_curve():
    found = risk_coverage([1, 1, 0, 0], said([0.1, 0.2, 0.3, 0.4]))
    assert [found.at(share) for share in (0.01, 0.5, 0.75, 1)] == [0, 0, 1 / 3, 0.5]
    assert (found.error_rate, found.n) == (0.5, 4)
    assert found.to_frame()["n"].tolist() == [1, 2, 3, 4]
    assert len(found.to_frame(n_points=2)) == 2
    (kept,) = found.measurements()
    assert (kept.name, kept.value, kept.n) == ("aurc", found.aurc, 4)
    with pytest.raises(MonitoringError, match="coverage lies above 0"):
        found.at(0)


def test_it_is_drawn_with_its_sizes_and_labels():
    rng = np.random.default_rng(0)
    found = risk_coverage(rng.integers(0, 2, 500), said(rng.random(500)))
    ax = found.plot(marked=0.6)
    assert "n = 500" in ax.get_title(loc="center") + ax.get_title(loc="left")
    assert any("decides 60%" in text.get_text() for text in ax.get_legend().get_texts())
    mpl.pyplot.close("all")


def test_nothing_is_refused():
    with pytest.raises(MonitoringError, match="no answers with an outcome"):
        risk_coverage([], said([]))
