"""The endpoint against what it cannot beat, and against what tutorials do.

    python benchmarks/serving.py [--seconds 3] [--rounds 5] [--only WORD …] [--json]

One HistGradientBoosting pipeline of the 2015 census behind ``POST /predict``, asked for people of
2016 over kept-alive connections, each of which sends its next request as soon as it is answered
(a closed loop). All servers stay up and are measured in turns:

* *floor*: a bare ASGI app under plain uvicorn with the same settings; it parses the body and
  returns a constant (ours may come close to it, or past it, where it takes shorter ways than ASGI);
* *ours*: ``capstone serve``, its metrics on, without and with the log of requests (SQLite); and
  ``cap.serve`` in a live kernel, whose main thread waits or computes in pure Python;
* *FastAPI*: a typed body, and behind it onnxruntime (with our file) or ``predict_proba`` on a data
  frame of one row, each as a ``def`` and an ``async def`` endpoint: the better counts. It lives in
  an environment of its own, which is made at the first run and kept in a cache.

The client is ``wrk`` where it is installed, else a small one in Python. Every server's answers are
compared with the pipeline's before anything is timed. Ratios are medians over the rounds.
"""

import argparse
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

import joblib
import pandas as pd
from batch import census, export
from serving_peers.environment import fastapi_python, versions_of
from serving_peers.servers import HERE, Running, servers

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
CONNECTIONS = (1, 8, 64)
BODIES = 4_096
CHECKED = 200
TOLERANCE = 1e-6
COMPUTING = "ours, in a computing kernel"
CLIENT = "wrk" if shutil.which("wrk") else "Python"
# at how many connections, whose, which figure, against whom, and what the ratio has to be
PROMISES = [
    (64, "ours", "per_s", "floor", ">=", 0.6),
    (64, "ours, log on", "per_s", "floor", ">=", 0.5),
    (64, "ours", "per_s", "FastAPI + onnxruntime", ">=", 4.0),
    (64, "ours", "per_s", "FastAPI + predict_proba", ">=", 100.0),
    (64, "ours", "p99_ms", "floor", "<=", 2.0),
    (64, "ours, log on", "p99_ms", "floor", "<=", 2.0),
    (64, "ours, in a kernel", "per_s", "ours", "", 0.0),
    (64, COMPUTING, "per_s", "ours", "", 0.0),
]


def prepare(folder: Path) -> dict:
    """The model in both forms, what is asked, and what the pipeline says to it."""
    frame, features, target = census()
    pipeline, model = export("hgb", folder, frame, features, target)
    joblib.dump(pipeline, folder / "hgb.joblib")
    people = frame[frame["year"] == 2016].sample(BODIES, random_state=0)
    bodies = [
        json.dumps({"features": row, "id": f"2016-{row_id}"}).encode()
        for row_id, row in zip(
            people["row_id"], people[features].to_dict(orient="records"), strict=True
        )
    ]
    (folder / "bodies").write_bytes(b"\n".join(bodies) + b"\n")
    truth = pipeline.predict_proba(people[features])[:, 1].tolist()
    passport = {"model": "employment-hgb", "version": "1.0.0", "route": "stable"}
    answer = {"id": "2016-123456", "score": 0.1234567, "label": 0, "uncertainty": 0.5391234}
    answer |= {"prediction_set": [0], "review": False} | passport
    return {
        "features": features,
        "model": model,
        "pipeline": folder / "hgb.joblib",
        "answer": json.dumps(answer, separators=(",", ":")),
        "bodies": bodies,
        "path": folder / "bodies",
        "truth": truth,
    }


def check(running: Running, asked: dict) -> None:
    """No server is timed that answers anything else than the pipeline does."""
    answers = running.ask(asked["bodies"][:CHECKED])
    if running.server.name == "floor":
        return
    worst = max(
        abs(answer["score"] - truth) for answer, truth in zip(answers, asked["truth"], strict=False)
    )
    if worst > TOLERANCE:
        raise SystemExit(f"{running.server.name}: a score is {worst:.1e} from the pipeline's")


def load(url: str, path: Path, connections: int, seconds: int) -> dict[str, float]:
    """What the client saw, and how much of one core it took itself."""
    place = f"{url}/predict"
    if CLIENT == "wrk":
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
        command += ["-s", str(HERE / "client.lua"), place, "--", str(path)]
    else:
        client = str(HERE / "client.py")
        command = [sys.executable, client, place, str(path), str(connections), str(seconds)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = json.loads(out.splitlines()[-1])
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found["client_cpu"] = cpu_s / found["seconds"]
    found["per_s"] = (found["requests"] - found["failures"]) / found["seconds"]
    return found


def turn(running: Running, path: Path, connections: int, seconds: int, *, computing: bool) -> dict:
    """One server, one number of connections; the processor time includes what it does after."""
    before = running.cpu_s()
    if computing:
        running.compute(seconds + 0.5)
    found = load(running.url, path, connections, seconds)
    if computing:
        running.wait_until_computed()
    running.settle()
    found["cpu_us"] = (running.cpu_s() - before) / max(found["requests"], 1) * 1e6
    return found


def measure(folder: Path, seconds: int, rounds: int, only: list[str]) -> dict:
    fastapi = fastapi_python() if not only or any("FastAPI" in word for word in only) else None
    asked = prepare(folder)
    chosen = [
        server
        for server in servers(asked, folder / "requests.db", fastapi)
        if not only or any(word in server.name for word in ["floor", *only])
    ]
    timings: dict[str, dict[str, list[dict]]] = {}
    with ExitStack() as stack:
        turns = []
        for server in chosen:
            running = Running(server, folder / f"{server.name}.txt")
            stack.callback(running.stop)
            running.wait_until_ready(asked["bodies"][0])
            check(running, asked)
            load(running.url, asked["path"], 8, 1)  # warm
            turns.append((server.name, running))
            turns += [(COMPUTING, running)] if server.is_kernel else []
        for number in range(rounds):
            for connections in CONNECTIONS:
                for name, running in turns if number % 2 == 0 else turns[::-1]:
                    computing = name == COMPUTING
                    found = turn(running, asked["path"], connections, seconds, computing=computing)
                    timings.setdefault(str(connections), {}).setdefault(name, []).append(found)
                    print(
                        f"{connections:3} {name:34} {found['per_s']:9,.0f} req/s "
                        f"p99 {found['p99_ms']:8.2f} ms",
                        file=sys.stderr,
                        flush=True,
                    )
    check_log(folder / "requests.db", timings)
    return {
        "client": CLIENT,
        "cores": CORES,
        "seconds": seconds,
        "fastapi": versions_of(fastapi) if fastapi else {},
        "timings": timings,
    }


def check_log(path: Path, timings: dict) -> None:
    """The log is not fast by leaving out: it holds whatever was answered."""
    turns = [turn for named in timings.values() for turn in named.get("ours, log on", [])]
    if not turns:
        return
    with closing(sqlite3.connect(path)) as store:
        (logged,) = store.execute("SELECT count(*) FROM requests").fetchone()
    answered = sum(turn["requests"] - turn["failures"] for turn in turns)
    if logged < answered:
        raise SystemExit(f"answered {answered:,} requests, of which the log holds {logged:,}")


def best(named: dict[str, list[dict]], name: str) -> list[dict] | None:
    """The turns of a server; of its ways, if it has several, those of the fastest."""
    ways = [turns for key, turns in named.items() if key == name or key.startswith(f"{name} (")]
    return max(ways, key=lambda turns: median(turn["per_s"] for turn in turns), default=None)


def ratio(mine: list[dict], theirs: list[dict], figure: str) -> float:
    """The median over the rounds, so that a machine that grows slow hurts both alike."""
    return median(a[figure] / b[figure] for a, b in zip(mine, theirs, strict=True))


def summary(found: dict) -> list[dict]:
    """The ratios that count, and whether each is as it was promised."""
    kept = []
    for connections, name, figure, against, sign, bound in PROMISES:
        named = found["timings"][str(connections)]
        mine, theirs = named.get(name), best(named, against)
        if mine is None or theirs is None:
            continue
        value = ratio(mine, theirs, figure)
        words = f"{'req/s' if figure == 'per_s' else 'p99'}, {name} / {against}"
        promise = {"what": f"{words}, {connections} connections", "ratio": value}
        if sign:
            promise["bound"] = f"{sign} {bound:g}"
            promise["kept"] = value >= bound if sign == ">=" else value <= bound
        kept.append(promise)
    return kept


def table(named: dict[str, list[dict]]) -> pd.DataFrame:
    rows = {}
    for name, turns in named.items():
        middle = pd.DataFrame(turns).median()
        rows[name] = {
            "req/s": f"{middle['per_s']:,.0f}",
            "of floor": f"{ratio(turns, named['floor'], 'per_s'):.4f}",
            "p50 ms": f"{middle['p50_ms']:.2f}",
            "p99 ms": f"{middle['p99_ms']:.2f}",
            "p99 / floor's": f"{ratio(turns, named['floor'], 'p99_ms'):.2f}",
            "CPU µs/req": "" if name == COMPUTING else f"{middle['cpu_us']:,.1f}",
            "client CPU": f"{middle['client_cpu']:.2f}",
            "failed": f"{sum(turn['failures'] for turn in turns):,}",
        }
    return pd.DataFrame(rows).T


def show(found: dict) -> None:
    print(
        f"{found['cores']} cores, client: {found['client']}, {found['seconds']} s a turn; medians"
    )
    if found["fastapi"]:
        print(", ".join(f"{name} {version}" for name, version in found["fastapi"].items()))
    for connections, named in found["timings"].items():
        print(f"\n{connections} connections\n{table(named).to_string()}")
    print()
    for promise in summary(found):
        verdict = {True: "kept", False: "MISSED", None: ""}[promise.get("kept")]
        print(
            f"{promise['what']:66} {promise['ratio']:8.2f} {promise.get('bound', ''):7} {verdict}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=3, help="of each turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="WORD", help="servers named so, beside the floor"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # an exception, so that all servers are stopped
        signal.signal(number, lambda *_: sys.exit("interrupted"))
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), arguments.seconds, arguments.rounds, arguments.only)
    if arguments.json:
        print(json.dumps(found | {"ratios": summary(found)}, indent=1))
    else:
        show(found)


if __name__ == "__main__":
    main()
