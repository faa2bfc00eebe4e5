import threading
import time

import psutil
import pytest

import capstone_lib as cap
from capstone_lib.course.mishaps import busy_interpreter, start_and_kill
from capstone_lib.errors import RunError

DAY = "2016-01-31"


@pytest.fixture(scope="module")
def model_and_rows(tmp_path_factory):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    folder = tmp_path_factory.mktemp("mishaps")
    census = cap.load_census()
    people = census.frame(2015).head(3000)
    X, y = people[["SEX", "MAR", "DIS"]], people[census.target]
    pipeline = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    cap.export_model(pipeline.fit(X, y), X, folder / "m.onnx", name="work", version="1.0.0")
    people[["row_id", "SEX", "MAR", "DIS"]].to_parquet(folder / "people.parquet")
    return folder / "m.onnx", folder / "people.parquet"


@pytest.mark.parametrize("kind", ["sqlite", "folder"])
def test_a_killed_run_had_written_rows_that_nobody_sees(model_and_rows, tmp_path, kind):
    model, rows = model_and_rows
    url = f"sqlite:///{(tmp_path / 'store.db').as_posix()}" if kind == "sqlite" else str(tmp_path)
    killed = start_and_kill(model, rows, store=url, as_of=DAY)
    assert not psutil.pid_exists(killed.pid)
    assert killed.rows_written == 3000
    assert killed.exit_status != 0
    assert "3,000 rows" in repr(killed)
    with cap.open_store(url) as store:
        assert len(store.predictions()) == 0
    assert cap.score_batch(model, rows, store=url, as_of=DAY).status == "published"
    with pytest.raises(RunError, match="published before"):
        start_and_kill(model, rows, store=url, as_of=DAY)


def test_a_run_that_cannot_start_says_why(model_and_rows, tmp_path):
    model, _ = model_and_rows
    url = f"sqlite:///{(tmp_path / 'store.db').as_posix()}"
    with pytest.raises(RunError, match=r"could be killed: .*missing\.parquet"):
        start_and_kill(model, tmp_path / "missing.parquet", store=url, as_of=DAY)


def test_a_run_that_takes_too_long_is_stopped(model_and_rows, tmp_path):
    model, rows = model_and_rows
    url = f"sqlite:///{(tmp_path / 'store.db').as_posix()}"
    with pytest.raises(RunError, match="wrote no rows within"):
        start_and_kill(model, rows, store=url, as_of=DAY, timeout_s=0.01)


def test_a_busy_interpreter_computes_until_it_is_left_even_by_an_error():
    before = set(threading.enumerate())
    begun = time.process_time()
    with pytest.raises(ZeroDivisionError), busy_interpreter():  # noqa: PT012
        end = time.monotonic() + 30
        while time.process_time() - begun < 0.05 and time.monotonic() < end:
            time.sleep(0.01)
        _ = 1 / 0
    assert time.process_time() - begun >= 0.05
    assert set(threading.enumerate()) == before
