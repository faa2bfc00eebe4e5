"""Batch runs, measured from a real store: published, failed, rejected, fresh or not."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression

import capstone_lib as cap
from capstone_lib.errors import MonitoringError, TooManyRejectsError
from capstone_lib.monitoring.runs import measure_runs
from capstone_lib.store import open_store


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    X = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0] * 25})
    pipeline = LogisticRegression().fit(X, (X["a"] > 1).astype(int))
    artifact = cap.export_model(pipeline, X, folder / "m.onnx", name="work", version="1.0")
    bad = X.assign(a=[None] * 4 + [1.0] * 96)
    with open_store(folder / "store.db") as store:
        cap.score_batch(artifact, X, store=store, as_of="2016-01-31", show_progress=False)
        cap.score_batch(artifact, bad, store=store, as_of="2016-02-29", show_progress=False,
                        max_reject_share=0.1)  # fmt: skip
        with pytest.raises(TooManyRejectsError):
            cap.score_batch(artifact, bad, store=store, as_of="2016-03-31", show_progress=False,
                            max_reject_share=0.01)  # fmt: skip
        yield store.runs()


def test_what_a_store_holds_is_what_is_measured(runs):
    found = measure_runs(runs, now="2016-03-10T12:00")
    assert (found.succeeded, found.failed, found.running) == (2, 1, 0)
    assert (found.rows, found.rejected) == (196, 4)
    assert found.newest_as_of == "2016-02-29"
    assert found.freshness_days == 10.5
    kept = {m.name: m for m in found.measurements()}
    theirs = binomtest(2, 3).proportion_ci(method="wilson")
    one = kept["run_success_rate"]
    assert (one.value, one.low, one.high) == pytest.approx((2 / 3, theirs.low, theirs.high))
    assert one.note.startswith("the last failure: ")
    assert kept["reject_rate"].value == 4 / 200
    assert kept["freshness"].note == "predictions speak of 2016-02-29"
    assert kept["run_duration_max"].value == found.max_s > 0


def test_days_that_are_still_to_come_are_not_fresh(runs):
    assert measure_runs(runs, now="2016-02-01").newest_as_of == "2016-01-31"


def test_no_runs_are_not_known_rather_than_fine(runs):
    found = measure_runs(runs.iloc[:0])
    assert found.newest_as_of == ""
    assert all(np.isnan(m.value) for m in found.measurements())
    with pytest.raises(MonitoringError, match="no table of runs: it lacks status"):
        measure_runs(pd.DataFrame({"as_of": [], "rows": [], "rejected": [], "seconds": [],
                                   "error": []}))  # fmt: skip
