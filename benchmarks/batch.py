"""Batch scoring end to end against what it cannot beat, and against what tutorials do.

    python benchmarks/batch.py [--rows 10000000] [--rounds 2] [--json]

The census is tiled to the number of rows and written as one Parquet file. In turns, in one run:

* *raw*: ``session.run`` of the artifact on arrays that lie ready, on all cores, the faster of two
  ways (one session with its own threads; a thread a core over tiles of 4,096 rows);
* *SQLite*, *Parquet*: ``score_batch`` from the Parquet file to published predictions;
* *usual*: read the file with pandas, ``predict_proba``, ``DataFrame.to_sql`` into SQLite, the
  faster of its two kinds of connection, on at most a million rows.

Peak memory is that of a child process for each number of rows.
"""

import argparse
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
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
DAY = "2018-12-31"


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
    return {name: repeats * len(frame) / seconds(way) for name, way in ways.items()}


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def batch_rate(path: Path, source: Path, store: Path, n_rows: int) -> float:
    artifact = cap.load_model(path)
    took = seconds(
        lambda: cap.score_batch(artifact, source, store=store, as_of=DAY, show_progress=False)
    )
    remove(store)
    return n_rows / took


def remove(store: Path) -> None:
    for path in store.parent.glob(f"{store.name}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def usual_rates(pipeline, source: Path, folder: Path, features: list[str]) -> dict:
    """What tutorials do, with each kind of connection that pandas takes."""
    path = folder / "usual.db"

    def work(connection) -> None:
        people = pd.read_parquet(source).iloc[:USUAL_ROWS]
        score = pipeline.predict_proba(people[features])[:, 1]
        out = pd.DataFrame({"row_id": people["row_id"], "score": score, "label": score >= 0.5})
        out.to_sql("predictions", connection, index=False, chunksize=100_000)

    rates = {}
    n_rows = min(USUAL_ROWS, pq.ParquetFile(source).metadata.num_rows)
    with closing(sqlite3.connect(path)) as connection:
        rates["sqlite3"] = n_rows / seconds(lambda: work(connection))
    path.unlink()
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    rates["SQLAlchemy"] = n_rows / seconds(lambda: work(engine))
    engine.dispose()
    path.unlink()
    return rates


def peak_memory_mb(path: Path, source: Path, store: Path) -> float:
    """Peak memory of a child process that scores the source."""
    command = [sys.executable, __file__, "--child", str(path), str(source), str(store)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    remove(store)
    return float(out)


def child(path: str, source: str, store: str) -> None:
    cap.score_batch(path, source, store=store, as_of=DAY, show_progress=False)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10))


def measure(rows: int, rounds: int, folder: Path) -> dict:
    frame, features, target = census()
    sizes = sorted({min(rows, n) for n in (280_000, 2_800_000, rows)})
    sources = {n: folder / f"people-{n}.parquet" for n in {*sizes, min(rows, USUAL_ROWS)}}
    for n_rows, path in sources.items():
        write_tiled(frame, features, n_rows, path)
    models = {kind: export(kind, folder, frame, features, target) for kind in ("hgb", "logistic")}
    rates: dict[str, list[float]] = {}

    def note(name: str, rate: float) -> None:
        rates.setdefault(name, []).append(rate)
        print(f"{name:28} {rate:12,.0f} rows/s", file=sys.stderr, flush=True)

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
    return {"rows": rows, "cores": CORES, "rows_per_s": rates, "memory_mb": memory}


def summary(found: dict) -> dict[str, float]:
    """The ratios that count, of medians over the rounds."""
    rate = {name: median(values) for name, values in found["rows_per_s"].items()}

    def best(prefix: str) -> float:
        return max(value for name, value in rate.items() if name.startswith(prefix))

    ratios = {
        f"{kind} {store} / {against}": rate[f"{kind} {store}"] / best(f"{kind} {against}")
        for kind in ("hgb", "logistic")
        for store in ("SQLite", "Parquet")
        for against in ("raw", "usual")
    }
    for place, peaks in found["memory_mb"].items():
        name = "SQLite" if place == "sqlite.db" else "Parquet"
        first, *_, last = peaks.values()
        ratios[f"memory {name}, largest / smallest"] = last / first
    return ratios


def show(found: dict) -> None:
    print(f"{found['rows']:,} rows, {found['cores']} cores; medians")
    for name, values in found["rows_per_s"].items():
        print(f"  {name:36} {median(values):12,.0f} rows/s")
    for place, peaks in found["memory_mb"].items():
        text = ", ".join(f"{n:,} rows {peak:.0f} MB" for n, peak in peaks.items())
        print(f"  peak memory, {'SQLite' if place == 'sqlite.db' else 'Parquet'}: {text}")
    print("ratios")
    for name, ratio in summary(found).items():
        print(f"  {name:36} {ratio:12.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(*arguments.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = measure(arguments.rows, arguments.rounds, Path(folder))
    if arguments.json:
        print(json.dumps(found | {"ratios": summary(found)}, indent=1))
    else:
        show(found)


if __name__ == "__main__":
    main()
