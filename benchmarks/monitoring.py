"""Drift and fairness against the tools that people use for them.

    python benchmarks/monitoring.py [--rounds 5] [--only WORD …] [--replicates 2] [--json]

*Drift*: all 15 features of the census, 56,093 people of 2015 as the reference against the 170,798
of 2016 to 2018, from tables in memory to a verdict for each column. Ours (with every measure, its
noise floor, and the 105 pairs of columns) from DataFrames and from Arrow, and against a reference
that is already counted, as an artifact carries it; *Evidently*, *NannyML* and *alibi-detect*, each
in an environment of its own, which is made at the first run and kept in a cache, with the methods
they choose and with cheaper or fuller ones; and pandas and *SciPy* by hand.

*Fairness*: five rates by SEX × RAC1P × DIS over the 170,798 with intervals from 1,000 replicates:
ours, and Fairlearn's MetricFrame, whose time for 1,000 is scaled from a few.

All stay up and take turns; before anything is timed they must agree on what they measure. Ratios
are medians over the rounds. Whoever cannot be installed or does not run is named, with the reason.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import environments
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

import capstone_lib as cap

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
HERE = Path(__file__).parent / "monitoring_peers"
REPLICATES = 1_000
OURS = "ours, two DataFrames"
COUNTED = "ours, a DataFrame against counts"
COLUMNS = "ours, a DataFrame against counts, no pairs"  # nobody else looks at pairs
# who had a release in the year before this was written (November 2026); NannyML's is of July 2025
MAINTAINED = ("Evidently", "alibi-detect")
# whose, against whom (the fastest of their ways), which ratio of seconds is promised
PROMISES = [
    (mine, theirs, bound if mine == OURS else 0.0)
    for mine in (OURS, COUNTED, COLUMNS)
    for theirs, bound in (
        (("Evidently",), 50.0),
        (MAINTAINED, 8.0),
        (("NannyML",), 0.0),
        (("SciPy",), 0.0),
    )
]
FAIRNESS_RATIO, FAIRNESS_S = 1_000.0, 0.1


@dataclass(frozen=True)
class Peer:
    """Somebody to compare with: the script that runs it, and what its environment holds."""

    name: str
    script: str
    packages: list[str] = field(default_factory=list)  # none: our own environment
    shown: tuple[str, ...] = ()

    def python(self) -> Path:
        if not self.packages:
            return Path(sys.executable)
        return environments.python_of(self.name, self.packages)


PEERS = [
    Peer("ours", "run_ours.py", shown=("capstone-lib", "numpy", "pandas", "pyarrow")),
    Peer("SciPy", "run_scipy.py", shown=("scipy", "pandas")),
    # Evidently imports what pandas 3 no longer has; NannyML does not name statsmodels
    Peer("Evidently", "run_evidently.py", ["evidently==0.7.23", "pandas<3"], ("evidently",)),
    Peer("NannyML", "run_nannyml.py", ["nannyml==0.13.1", "statsmodels"], ("nannyml",)),
    Peer("alibi-detect", "run_alibi_detect.py", ["alibi-detect==0.13.0"], ("alibi-detect",)),
]
FAIRNESS = Peer("fairness", "run_fairness.py", shown=("fairlearn",))


class Running:
    """A competitor that is up and waits for its turn."""

    def __init__(self, peer: Peer, arguments: list[str], errors: Path) -> None:
        python = peer.python()
        self.versions = environments.versions_of(python, list(peer.shown))
        self.errors = errors
        with errors.open("w") as stderr:
            self.process = subprocess.Popen(
                [python, HERE / peer.script, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                bufsize=1,
            )
        try:
            self.jobs = self._answer()["jobs"]
        except RuntimeError:
            self.stop()
            raise

    def turn(self, job: str) -> dict:
        print(job, file=self.process.stdin)
        return self._answer()

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            said = self.errors.read_text().strip().splitlines() or ["it said nothing"]
            raise RuntimeError(said[-1])
        return json.loads(line)

    def stop(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def prepare(folder: Path) -> list[str]:
    """The rows as plain arrays, which every version of everything can read."""
    census = cap.load_census()
    reference = census.frame(2015)
    current = pd.concat([census.frame(year) for year in census.years[1:]], ignore_index=True)
    model = HistGradientBoostingClassifier(random_state=0)
    model.fit(reference[census.features], reference["employed"])
    current["label"] = model.predict(current[census.features])
    for name, frame, columns in (
        ("reference", reference, census.features),
        ("current", current, census.features),
        ("decided", current, [*census.features, "employed", "label"]),
    ):
        np.savez(folder / f"{name}.npz", **{column: frame[column] for column in columns})
    return [str(folder / f"{name}.npz") for name in ("reference", "current", "decided")]


def measure(folder: Path, rounds: int, replicates: int, only: list[str]) -> dict:
    reference, current, decided = prepare(folder)
    wanted = [
        peer
        for peer in [*PEERS, FAIRNESS]
        if not only or any(word.lower() in peer.name.lower() for word in ["ours", *only])
    ]
    left_out, versions, timings = {}, {}, {}
    with ExitStack() as stack:
        up: dict[str, Running] = {}
        for peer in wanted:
            files = (
                [decided, decided, str(replicates)] if peer is FAIRNESS else [reference, current]
            )
            try:
                running = Running(peer, files, folder / f"{peer.name}.txt")
            except RuntimeError as error:
                left_out[peer.name] = str(error)
                continue
            except subprocess.CalledProcessError:
                left_out[peer.name] = f"pip cannot install {' '.join(peer.packages)} here"
                continue
            stack.callback(running.stop)
            up[peer.name] = running
            versions |= running.versions
        turns = [(name, job) for name, running in up.items() for job in running.jobs]
        found = {}
        for name, job in turns:  # warm, and heard
            found[f"{name}, {job}"] = up[name].turn(job)["found"]
        check(found)
        for number in range(rounds):
            for name, job in turns if number % 2 == 0 else turns[::-1]:
                took = up[name].turn(job)
                timings.setdefault(f"{name}, {job}", []).append(
                    {"s": took["s"], "cpu_s": took["cpu_s"]}
                )
                print(f"{name}, {job}: {took['s']:.4f} s", file=sys.stderr, flush=True)
    return {
        "cores": CORES,
        "rounds": rounds,
        "replicates": replicates,
        "versions": versions,
        "left_out": left_out,
        "timings": timings,
    }


def check(found: dict[str, dict]) -> None:
    """Nobody is timed who measures something else."""
    right = found[OURS]
    for name, values in found.items():
        first = found["fairness, ours"] if name.startswith("fairness") else right
        for key, value in values.items():
            if not np.isclose(value, first[key], rtol=1e-6, atol=0):
                raise SystemExit(f"{name}: {key} is {value!r}, and ours is {first[key]!r}")


def seconds(found: dict, name: str) -> list[float]:
    return [turn["s"] for turn in found["timings"][name]]


def ratio(found: dict, theirs: str, mine: str) -> float:
    """The median over the rounds, so that a machine that grows slow hurts both alike."""
    pairs = zip(seconds(found, theirs), seconds(found, mine), strict=True)
    return median(a / b for a, b in pairs)


def fastest(found: dict, names: tuple[str, ...]) -> str | None:
    """The fastest way of all that these have."""
    ways = [way for way in found["timings"] if way.split(",")[0] in names]
    return min(ways, key=lambda way: median(seconds(found, way)), default=None)


def summary(found: dict) -> list[dict]:
    """The ratios that count, and whether each is as it was promised."""
    rows = []
    for mine, names, bound in PROMISES:
        theirs = fastest(found, names)
        if theirs is None:
            continue
        row = {"what": f"{theirs} / {mine}", "ratio": ratio(found, theirs, mine)}
        rows.append(row | (verdict(row["ratio"] >= bound, f">= {bound:g}") if bound else {}))
    if "fairness, ours" in found["timings"]:
        ours, none, few = (seconds(found, f"fairness, {job}") for job in ("ours", "none", "few"))
        each = [(b - a) / found["replicates"] for a, b in zip(none, few, strict=True)]
        whole = [a + REPLICATES * b for a, b in zip(none, each, strict=True)]
        times = median(a / b for a, b in zip(whole, ours, strict=True))
        what = f"MetricFrame / ours, {REPLICATES:,} replicates (scaled)"
        rows.append({"what": what, "ratio": times} | verdict(times >= FAIRNESS_RATIO, ">= 1000"))
        took = median(ours)
        what = "ours, seconds of an audit"
        rows.append({"what": what, "ratio": took} | verdict(took <= FAIRNESS_S, "<= 0.1"))
    return rows


def verdict(kept: bool, bound: str) -> dict:
    return {"bound": bound, "kept": bool(kept)}


def show(found: dict) -> None:
    print(f"{found['cores']} cores, {found['rounds']} rounds; medians")
    print(", ".join(f"{name} {version}" for name, version in found["versions"].items()))
    for name, why in found["left_out"].items():
        print(f"left out: {name} ({why})")
    print(f"{'':66}{'ms':>10}{'CPU ms':>10}   times {OURS}; against counts; without pairs")
    for name, turns in found["timings"].items():
        took, cpu = (median(turn[key] for turn in turns) for key in ("s", "cpu_s"))
        mine = [] if name.startswith("fairness") else [OURS, COUNTED, COLUMNS]
        times = "".join(f"{ratio(found, name, way):10.2f}" for way in mine)
        print(f"  {name:64}{took * 1e3:10,.1f}{cpu * 1e3:10,.1f}   {times}")
    print("ratios of seconds")
    for row in summary(found):
        said = {True: "kept", False: "MISSED", None: ""}[row.get("kept")]
        print(f"  {row['what']:92} {row['ratio']:10.2f} {row.get('bound', ''):8} {said}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="WORD", help="who is named so, beside ours"
    )
    parser.add_argument(
        "--replicates", type=int, default=2, help="of MetricFrame, from which 1,000 are scaled"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # an exception, so that all are stopped
        signal.signal(number, lambda *_: sys.exit("interrupted"))
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), arguments.rounds, arguments.replicates, arguments.only)
    if arguments.json:
        print(json.dumps(found | {"ratios": summary(found)}, indent=1, ensure_ascii=False))
    else:
        show(found)


if __name__ == "__main__":
    main()
