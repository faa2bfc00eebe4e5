"""Live explanations: do they agree with SHAP, and what do they cost?

    python benchmarks/explain.py [--people 1000] [--seconds 3] [--rounds 5] [--json]

The course's reference model (notebook 01) explains people of 2016.

* *Agreement*: ranks of all 15 effects of each person (Spearman), against the shap library over the
  same model: ``PermutationExplainer`` on the artifact's own scores, and ``TreeExplainer`` on the
  scikit-learn model in units of the probability, its one-hot columns summed to the original ones.
  Both compare with 200 real people of the held-out households of 2015, of whom the artifact knows
  nothing. What the first of them says with 200 *other* real people shows how well any explanation
  could agree.
* *Artifact*: one explanation against one scored row, in one process, in turns.
* *Endpoint*: requests a second and latencies of ``capstone serve`` under a closed loop, the same
  people without and with ``"explain": true``, at the same numbers of connections, in turns.

Ratios are medians over the rounds.
"""

import argparse
import json
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from serving import CLIENT, load

import capstone_lib as cap
from capstone_lib.artifact.rows import RowScorer
from capstone_lib.course.reference import export_reference, train_employment_model
from capstone_lib.explain import Explainer

CONNECTIONS = (1, 8, 64)
REAL = 200
ORDERS = 4
CALLS = 400
BODIES = 1_000
AGREES, COSTS = 0.9, 20.0


def effects(artifact, people: pd.DataFrame, names: list[str]) -> np.ndarray:
    """Ours, of shape (n_people, n_columns)."""
    explain = Explainer(artifact, names=names)
    found = explain([row.tolist() for row in people[names].to_numpy()])
    return np.array([[one.effects[name] for name in names] for one in found])


def permutation_values(artifact, people, background, names) -> np.ndarray:
    import shap

    def score(matrix):
        return artifact.score(dict(zip(names, np.asarray(matrix, float).T, strict=True))).score

    masker = shap.maskers.Independent(background[names].to_numpy(float), max_samples=10**6)
    explain = shap.PermutationExplainer(score, masker, seed=0)
    evaluations = ORDERS * (2 * len(names) + 1)
    return explain(people[names].to_numpy(float), max_evals=evaluations, silent=True).values


def tree_values(pipeline, people, background, names) -> np.ndarray:
    import shap

    encode, trees = pipeline.steps[0][1], pipeline.steps[-1][1]
    explain = shap.TreeExplainer(
        trees, data=encode.transform(background), model_output="probability"
    )
    values = explain.shap_values(encode.transform(people), check_additivity=False)
    coded = encode.transformers_[0][2]
    whose = [
        next((name for name in coded if one.startswith(f"codes__{name}_")), one.split("__")[1])
        for one in encode.get_feature_names_out()
    ]
    summed = pd.DataFrame(np.asarray(values).T).groupby(np.array(whose)).sum().T
    return summed[names].to_numpy()


def ranks(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    each = np.array([spearmanr(a, b).statistic for a, b in zip(found, truth, strict=True)])
    top = np.abs(truth).argsort(axis=1)[:, ::-1][:, :5]
    among = [spearmanr(a[t], b[t]).statistic for a, b, t in zip(found, truth, top, strict=True)]
    low, tenth, middle = np.quantile(each, [0.05, 0.1, 0.5])
    first = np.abs(found).argmax(axis=1) == top[:, 0]
    return {
        "mean": float(each.mean()),
        "5 %": float(low),
        "10 %": float(tenth),
        "median": float(middle),
        "of the five strongest": float(np.nanmean(among)),
        "same strongest": float(first.mean()),
        "rms difference": float(np.sqrt(((found - truth) ** 2).mean())),
    }


def agreement(artifact, census, n_people: int) -> dict[str, dict[str, float]]:
    names = list(artifact.schema.names)
    people = census.frame(2016).sample(n_people, random_state=0)[census.features]
    held_out = census.split(2015)[1][census.features].sample(2 * REAL, random_state=1)
    one, other = held_out.iloc[:REAL], held_out.iloc[REAL:]
    ours = effects(artifact, people, names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the peers' own inside
        truth = permutation_values(artifact, people, one, names)
        again = permutation_values(artifact, people, other, names)
        pipeline = train_employment_model(census)
        trees = tree_values(pipeline, people[census.features], one[census.features], names)
    return {
        "ours, shap's permutations": ranks(ours, truth),
        "ours, shap's trees": ranks(ours, trees),
        "shap's trees, shap's permutations": ranks(trees, truth),
        "shap's permutations, of other people": ranks(again, truth),
    }


def artifact_cost(artifact, census, rounds: int) -> dict[str, float]:
    """Microseconds of one row scored and of one explained."""
    people = census.frame(2016).sample(CALLS, random_state=2)[list(artifact.schema.names)]
    rows = [row.tolist() for row in people.to_numpy()]
    score, explain = RowScorer(artifact), Explainer(artifact)
    found: dict[str, list[float]] = {"score": [], "explanation": []}
    for _ in range(rounds):
        for name, work in (("score", score), ("explanation", explain)):
            begin = time.perf_counter()
            for row in rows:
                work([row])
            found[name].append((time.perf_counter() - begin) / len(rows) * 1e6)
    ratio = median(a / b for a, b in zip(found["explanation"], found["score"], strict=True))
    return {name: median(times) for name, times in found.items()} | {"ratio": ratio}


def endpoint_cost(path: Path, census, folder: Path, seconds: int, rounds: int) -> dict:
    people = census.frame(2016).sample(BODIES, random_state=3)[census.features]
    places = {}
    for name, more in (("plain", {}), ("explained", {"explain": True})):
        places[name] = folder / name
        lines = [json.dumps({"features": row} | more) for row in people.to_dict("records")]
        places[name].write_text("\n".join(lines) + "\n")
    found: dict[int, dict[str, list[dict]]] = {one: {} for one in CONNECTIONS}
    with cap.serve(path, mode="process") as endpoint:
        for name in places:
            load(endpoint.url, places[name], 8, 1)  # warm
        for _ in range(rounds):
            for connections in CONNECTIONS:
                for name, place in places.items():
                    turn = load(endpoint.url, place, connections, seconds)
                    if turn["failures"]:
                        raise SystemExit(f"{name}: {turn['failures']} requests failed")
                    found[connections].setdefault(name, []).append(turn)
    return {connections: _ratios(named) for connections, named in found.items()}


def _ratios(named: dict[str, list[dict]]) -> dict[str, float]:
    out = {}
    for figure in ("per_s", "p50_ms", "p99_ms"):
        for name, turns in named.items():
            out[f"{name} {figure}"] = median(turn[figure] for turn in turns)
    pairs = list(zip(named["plain"], named["explained"], strict=True))
    out["cost"] = median(a["per_s"] / b["per_s"] for a, b in pairs)
    out["p50 ratio"] = median(b["p50_ms"] / a["p50_ms"] for a, b in pairs)
    return out


def measure(n_people: int, seconds: int, rounds: int) -> dict:
    census = cap.load_census()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        artifact = export_reference(folder / "reference.onnx")
        return {
            "people": n_people,
            "error": artifact.background.error,
            "artifact": artifact_cost(artifact, census, rounds),
            "endpoint": endpoint_cost(artifact.path, census, folder, seconds, rounds),
            "agreement": agreement(artifact, census, n_people),
        }


def show(found: dict) -> None:
    print(f"agreement over {found['people']:,} people (stated error {found['error']:.4f})")
    print(pd.DataFrame(found["agreement"]).T.round(4).to_string())
    cost = found["artifact"]
    print(
        f"\nartifact: {cost['score']:.1f} µs a scored row, {cost['explanation']:.1f} µs an "
        f"explanation: {cost['ratio']:.1f} times"
    )
    print(f"\nendpoint (client: {CLIENT})")
    print(pd.DataFrame(found["endpoint"]).T.round(2).to_string())
    mean = found["agreement"]["ours, shap's permutations"]["mean"]
    worst = max(cost["ratio"], *(one["cost"] for one in found["endpoint"].values()))
    print(f"\nrank correlation {mean:.3f} >= {AGREES}: {'kept' if mean >= AGREES else 'MISSED'}")
    print(f"cost {worst:.1f} <= {COSTS:g}: {'kept' if worst <= COSTS else 'MISSED'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=3, help="of each turn of the endpoint")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    arguments = parser.parse_args()
    found = measure(arguments.people, arguments.seconds, arguments.rounds)
    if arguments.json:
        json.dump(found, sys.stdout, indent=1)
    else:
        show(found)


if __name__ == "__main__":
    main()
