"""Batch scoring end to end against what it cannot beat, and against what tutorials do.

    python benchmarks/batch.py [--rows 10000000] [--rounds 2] [--json]

The census is tiled to the number of rows and written as one Parquet file. In turns, in one run:

* *raw*: ``session.run`` of the artifact on arrays that lie ready, on all cores, the faster of two
  ways (one session with its own threads; a thread a core over tiles of 4,096 rows);
* *SQLite*, *Parquet*: ``score_batch`` from the Parquet file to published predictions;
* *usual*: read the file with pandas, ``predict_proba``, ``DataFrame.to_sql`` into SQLite, on at
  most a million rows; with each kind of connection that pandas takes, and with three bare columns
  (id, score, label) or with what ours carry (as-of date, scored-at, model, version) as well.

Peak memory is that of a child process for each number of rows.
"""

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime as ort
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import capstone_lib as cap

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
TILE, LARGE_TILE = 4_096, 16_384
USUAL_ROWS = 1_000_000
USUAL_WAYS = [
    f"usual, {columns}, {connection}"
    for columns in ("bare", "all facts")
    for connection in ("sqlite3", "SQLAlchemy")
]
DAY = "2018-12-31"
FACTS = {"as_of": DAY, "scored_at": f"{DAY}T23:00", "model": "employment", "version": "1.0.0"}
CHILD = """
import pathlib, resource, sys
import capstone_lib as cap
model, source, store = sys.argv[1:]
cap.score_batch(model, source, store=store, as_of="2018-12-31", show_progress=False)
status = pathlib.Path("/proc/self/status")
if status.exists():  # ru_maxrss remembers the process that started this one
    peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    print(int(peak.split()[1]) / 1024)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


def census() -> tuple[pd.DataFrame, list[str], str]:
    data = cap.load_census()
    frame = pd.concat([data.frame(year) for year in data.years], ignore_index=True)
    return frame, list(data.features), data.target


def write_tiled(frame: pd.DataFrame, features: list[str], n_rows: int, path: Path) -> None:
    """The census again and again, with row ids that rise."""
    table = pa.Table.from_pandas(frame[["row_id", *features]], preserve_index=False)
    with pq.ParquetWriter(path, table.schema) as writer:
        for first in range(0, n_rows, len(table)):
            part = table.slice(0, min(len(table), n_rows - first))
            ids = pa.array(np.arange(first, first + len(part)), table.schema.field(0).type)
            writer.write_table(part.set_column(0, table.schema.field(0), ids))


def train(kind: str, frame: pd.DataFrame, features: list[str], target: str):
    """A fitted pipeline on 2015, and the rows it was calibrated with."""
    first = frame[frame["year"] == 2015]
    codes = [name for name in features if name != "AGEP"]
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=kind == "logistic")
    if kind == "hgb":
        columns = make_column_transformer((one_hot, codes), remainder="passthrough")
        model = HistGradientBoostingClassifier(random_state=0)
    else:
        columns = make_column_transformer((one_hot, codes), (StandardScaler(), ["AGEP"]))
        model = LogisticRegression(max_iter=1000)
    held_out = first["household"] % 4 == 0
    fit, calibrate = first[~held_out], first[held_out]
    return make_pipeline(columns, model).fit(fit[features], fit[target]), fit, calibrate


def export(kind: str, folder: Path, frame: pd.DataFrame, features: list[str], target: str):
    pipeline, fit, calibrate = train(kind, frame, features, target)
    path = folder / f"{kind}.onnx"
    cap.export_model(
        pipeline,
        fit[features],
        path,
        name=f"employment-{kind}",
        version="1.0.0",
        X_calibration=calibrate[features],
        y_calibration=calibrate[target],
    )
    return pipeline, path


def tiles_of(session: ort.InferenceSession, frame: pd.DataFrame, features: list[str], size: int):
    """Inputs for ``session.run``, ready and contiguous, whichever form the graph takes."""
    inputs = session.get_inputs()
    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
    columns = {name: frame[name].to_numpy() for name in features}
    if len(inputs) == 1:
        columns = {inputs[0].name: np.column_stack(list(columns.values()))}
    ready = {
        i.name: np.ascontiguousarray(columns[i.name].reshape(len(frame), -1).astype(kinds[i.type]))
        for i in inputs
    }
    return [
        {name: values[k : k + size] for name, values in ready.items()}
        for k in range(0, len(frame), size)
    ]


def raw_rates(path: Path, frame: pd.DataFrame, features: list[str], n_rows: int) -> dict:
    """Rows a second of ``session.run`` alone, by each way of using all cores."""
    single = ort.SessionOptions()
    single.intra_op_num_threads = 1
    one = ort.InferenceSession(path, single, providers=["CPUExecutionProvider"])
    own = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    small, large = (tiles_of(one, frame, features, size) for size in (TILE, LARGE_TILE))
    repeats = max(1, round(n_rows / len(frame)))

    def in_tiles() -> None:
        with ThreadPoolExecutor(CORES) as pool:
            for _ in pool.map(lambda feed: one.run(None, feed), small * repeats):
                pass

    def with_own_threads() -> None:
        for feed in large * repeats:
            own.run(None, feed)

    ways = {"tiles": in_tiles, "own threads": with_own_threads}
    return {name: timed(repeats * len(frame), way) for name, way in ways.items()}


def timed(n_rows: int, work: Callable[[], object]) -> dict[str, float]:
    """Rows a second, and processor seconds a million rows (which other programs disturb less)."""
    start, start_cpu = time.perf_counter(), time.process_time()
    work()
    took, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    return {"rows_per_s": n_rows / took, "cpu_s_per_million": cpu / n_rows * 1e6}


def batch_rate(path: Path, source: Path, store: Path, n_rows: int) -> dict[str, float]:
    artifact = cap.load_model(path)
    rate = timed(
        n_rows,
        lambda: cap.score_batch(artifact, source, store=store, as_of=DAY, show_progress=False),
    )
    remove(store)
    return rate


def remove(store: Path) -> None:
    for path in store.parent.glob(f"{store.name}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def usual_rates(pipeline, source: Path, folder: Path, features: list[str]) -> dict:
    """What tutorials do, with each kind of connection that pandas takes."""
    path = folder / "usual.db"

    def work(connection, facts: dict[str, str]) -> None:
        people = pd.read_parquet(source)
        score = pipeline.predict_proba(people[features])[:, 1]
        out = pd.DataFrame({"row_id": people["row_id"], "score": score, "label": score >= 0.5})
        out.assign(**facts).to_sql("predictions", connection, index=False, chunksize=100_000)

    rates = {}
    n_rows = pq.ParquetFile(source).metadata.num_rows
    for columns, facts in {"bare": {}, "all facts": FACTS}.items():
        with closing(sqlite3.connect(path)) as connection:
            rates[f"{columns}, sqlite3"] = timed(n_rows, partial(work, connection, facts))
        path.unlink()
        engine = sqlalchemy.create_engine(f"sqlite:///{path}")
        rates[f"{columns}, SQLAlchemy"] = timed(n_rows, partial(work, engine, facts))
        engine.dispose()
        path.unlink()
    return rates


def peak_memory_mb(path: Path, source: Path, store: Path) -> float:
    """Peak memory of a child process that scores the source."""
    command = [sys.executable, "-c", CHILD, str(path), str(source), str(store)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    remove(store)
    return float(out)


def measure(rows: int, rounds: int, folder: Path) -> dict:
    frame, features, target = census()
    sizes = sorted({min(rows, n) for n in (280_000, 2_800_000, rows)})
    sources = {n: folder / f"people-{n}.parquet" for n in {*sizes, min(rows, USUAL_ROWS)}}
    for n_rows, path in sources.items():
        write_tiled(frame, features, n_rows, path)
    models = {kind: export(kind, folder, frame, features, target) for kind in ("hgb", "logistic")}
    timings: dict[str, list[dict[str, float]]] = {}

    def note(name: str, timing: dict[str, float]) -> None:
        timings.setdefault(name, []).append(timing)
        print(f"{name:36} {timing['rows_per_s']:12,.0f} rows/s", file=sys.stderr, flush=True)

    source = sources[rows]
    for _ in range(rounds):
        for kind, (pipeline, path) in models.items():
            for way, rate in raw_rates(path, frame, features, rows).items():
                note(f"{kind} raw, {way}", rate)
            note(f"{kind} SQLite", batch_rate(path, source, folder / "sqlite.db", rows))
            note(f"{kind} Parquet", batch_rate(path, source, folder / "parquet", rows))
            usual = usual_rates(pipeline, sources[min(rows, USUAL_ROWS)], folder, features)
            for way, rate in usual.items():
                note(f"{kind} usual, {way}", rate)
    memory = {
        place: {n: peak_memory_mb(models["hgb"][1], sources[n], folder / place) for n in sizes}
        for place in ("sqlite.db", "parquet")
    }
    return {"rows": rows, "cores": CORES, "timings": timings, "memory_mb": memory}


def summary(found: dict) -> dict[str, float]:
    """The ratios that count, of medians over the rounds."""
    rate = {
        name: median(timing["rows_per_s"] for timing in values)
        for name, values in found["timings"].items()
    }

    def best(prefix: str) -> float:
        return max(value for name, value in rate.items() if name.startswith(prefix))

    ratios = {
        f"{kind} {store} / {against}": rate[f"{kind} {store}"] / best(f"{kind} {against}")
        for kind in ("hgb", "logistic")
        for store in ("SQLite", "Parquet")
        for against in ("raw", *USUAL_WAYS)
    }
    for place, peaks in found["memory_mb"].items():
        name = "SQLite" if place == "sqlite.db" else "Parquet"
        first, *_, last = peaks.values()
        ratios[f"memory {name}, largest / smallest"] = last / first
    return ratios


def show(found: dict) -> None:
    print(f"{found['rows']:,} rows, {found['cores']} cores; medians")
    for name, values in found["timings"].items():
        rate, cpu = (median(t[key] for t in values) for key in values[0])
        print(f"  {name:36} {rate:12,.0f} rows/s {cpu:8.2f} CPU s/million")
    for place, peaks in found["memory_mb"].items():
        text = ", ".join(f"{n:,} rows {peak:.0f} MB" for n, peak in peaks.items())
        print(f"  peak memory, {'SQLite' if place == 'sqlite.db' else 'Parquet'}: {text}")
    print("ratios")
    for name, ratio in summary(found).items():
        print(f"  {name:42} {ratio:12.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(arguments.rows, arguments.rounds, Path(folder))
    if arguments.json:
        print(json.dumps(found | {"ratios": summary(found)}, indent=1))
    else:
        show(found)


if __name__ == "__main__":
    main()
