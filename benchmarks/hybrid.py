"""Passing a nightly score on against computing it: how many a second, how quickly, in what memory.

    python benchmarks/hybrid.py [--ids 200000] [--seconds 3] [--rounds 5] [--json]

One HistGradientBoosting pipeline of the census has scored so many people tonight. Two endpoints of
the same store, both with the log of requests on, are asked in turns over kept-alive connections:

* *live*: ``capstone serve --store``, which computes each answer;
* *hit*: ``capstone serve --store --hybrid 2d``, asked about people whose scores are fresh, with
  their features (*hit*) and by their id alone (*hit, id alone*);
* *miss*: the same endpoint, asked about people whom nobody has scored.

Ratios are medians over the rounds. Beside them: what reading the scores takes, how much memory they
hold, and what one look-up takes, in this process.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import tracemalloc
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import pandas as pd
from batch import census, export, write_tiled
from serving import BODIES, CHECKED, CLIENT, load, ratio, turn
from serving_peers.servers import Running, Server

import capstone_lib as cap
from capstone_lib.store.engine import reading
from capstone_lib.store.nightly import Nightly

CONNECTIONS = (1, 64)
PROMISES = [("hit", "live", ">=", 0.9), ("hit, id alone", "live", ">=", 0.9),
            ("miss", "live", ">=", 0.9)]  # fmt: skip


def prepare(folder: Path, n_ids: int) -> dict:
    """A store in which everybody was scored tonight, and what is asked."""
    frame, features, target = census()
    _, model = export("hgb", folder, frame, features, target)
    write_tiled(frame, features, n_ids, folder / "people.parquet")
    store = f"sqlite:///{folder}/store.db"
    day = datetime.now(UTC).date()
    cap.score_batch(
        model, folder / "people.parquet", store=store, as_of=day, id="row_id", show_progress=False
    )
    some = frame.iloc[: min(n_ids, len(frame))].sample(BODIES, random_state=0)
    rows = dict(zip(map(str, some.index), some[features].to_dict(orient="records"), strict=True))
    bodies = {
        "hit": [{"features": row, "id": case} for case, row in rows.items()],
        "hit, id alone": [{"id": case} for case in rows],
        "miss": [{"features": row, "id": f"new {case}"} for case, row in rows.items()],
    }
    bodies["live"] = bodies["hit"]
    paths = {}
    for name, documents in bodies.items():
        paths[name] = folder / name.replace(", ", " ")
        paths[name].write_text("".join(f"{json.dumps(one)}\n" for one in documents))
    return {"model": model, "store": store, "bodies": bodies, "paths": paths}


def check(asked: dict, running: dict[str, Running]) -> None:
    """Hits are hits, and all ways give the same scores and labels."""
    said = {
        name: one.ask([json.dumps(body).encode() for body in asked["bodies"][name][:CHECKED]])
        for name, one in running.items()
    }
    for name, answers in said.items():
        expected = "batch" if name.startswith("hit") else "stable"
        if {answer["route"] for answer in answers} != {expected}:
            raise SystemExit(f"{name}: not every answer is of the route {expected}")
        for mine, theirs in zip(answers, said["live"], strict=True):
            if (mine["score"], mine["label"]) != (theirs["score"], theirs["label"]):
                raise SystemExit(f"{name}: {mine} is not {theirs}")


def look_up(asked: dict) -> dict[str, float]:
    """What reading takes, what is held, and what one look-up takes."""
    artifact = cap.load_model(asked["model"])
    with cap.open_store(asked["store"]) as store, reading(store.engine) as connection:
        wanted = {"artifact": artifact.sha256, "since_day": "2000-01-01", "until_day": "9999-12-31"}
        begun = time.perf_counter()
        Nightly.read(connection, **wanted)
        read_s = time.perf_counter() - begun
        tracemalloc.start()
        nightly, _ = Nightly.read(connection, **wanted)
        held, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    cases = [one["id"] for one in asked["bodies"]["hit, id alone"]]
    took = []
    for _ in range(9):
        begun = time.perf_counter()
        for case in cases:
            nightly.find(case)
        took.append((time.perf_counter() - begun) / len(cases))
    return {
        "ids": len(nightly),
        "read_s": read_s,
        "held_mb": held / 1e6,
        "held_bytes_an_id": held / len(nightly),
        "while_reading_mb": most / 1e6,
        "look_up_us": median(took) * 1e6,
    }


def measure(folder: Path, n_ids: int, seconds: int, rounds: int) -> dict:
    asked = prepare(folder, n_ids)
    serve = (sys.executable, "-m", "capstone_lib", "serve", str(asked["model"]), "--port", "PORT",
             "--store", asked["store"])  # fmt: skip
    timings: dict[str, dict[str, list[dict]]] = {}
    with ExitStack() as stack:
        live = Running(Server("live", serve), folder / "live.txt")
        hybrid = Running(Server("hybrid", (*serve, "--hybrid", "2d")), folder / "hybrid.txt")
        for one in (live, hybrid):
            stack.callback(one.stop)
            one.wait_until_ready(json.dumps(asked["bodies"]["live"][0]).encode())
        running = {name: live if name == "live" else hybrid for name in asked["bodies"]}
        check(asked, running)
        for name, one in running.items():
            load(one.url, asked["paths"][name], 8, 1)  # warm
        for number in range(rounds):
            for connections in CONNECTIONS:
                turns = list(running.items())
                for name, one in turns if number % 2 == 0 else turns[::-1]:
                    found = turn(one, asked["paths"][name], connections, seconds, computing=False)
                    timings.setdefault(str(connections), {}).setdefault(name, []).append(found)
    return {"client": CLIENT, "look_up": look_up(asked), "timings": timings}


def summary(found: dict) -> list[dict]:
    named = found["timings"]["64"]
    return [
        {"what": f"req/s, {name} / {against}, 64 connections", "ratio": value,
         "bound": f"{sign} {bound:g}", "kept": value >= bound}
        for name, against, sign, bound in PROMISES
        for value in [ratio(named[name], named[against], "per_s")]
    ]  # fmt: skip


def show(found: dict) -> None:
    for connections, named in found["timings"].items():
        rows = {
            name: {
                "req/s": f"{median(t['per_s'] for t in turns):,.0f}",
                "of live": f"{ratio(turns, named['live'], 'per_s'):.2f}",
                "p50 ms": f"{median(t['p50_ms'] for t in turns):.2f}",
                "p99 ms": f"{median(t['p99_ms'] for t in turns):.2f}",
                "CPU µs/req": f"{median(t['cpu_us'] for t in turns):.1f}",
                "failed": sum(t["failures"] for t in turns),
            }
            for name, turns in named.items()
        }
        print(f"\n{connections} connections\n{pd.DataFrame(rows).T.to_string()}")
    print()
    for name, value in found["look_up"].items():
        print(f"{name:20} {value:12,.2f}")
    for one in summary(found):
        print(f"{one['what']:50} {one['ratio']:6.2f} {one['bound']:7} "
              f"{'kept' if one['kept'] else 'MISSED'}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ids", type=int, default=200_000)
    parser.add_argument("--seconds", type=int, default=3, help="of each turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # an exception, so that all servers are stopped
        signal.signal(number, lambda *_: sys.exit("interrupted"))
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), arguments.ids, arguments.seconds, arguments.rounds)
    found["cores"] = os.cpu_count()
    print(json.dumps(found | {"ratios": summary(found)}, indent=1)) if arguments.json else show(
        found
    )


if __name__ == "__main__":
    main()
