"""schemathesis, with all its checks, against the endpoints of small models: no failure.

It reads ``/openapi.json`` and asks over a real socket: the examples, every boundary of every
schema, made-up requests right and wrong, and sequences along the links of the answers.
"""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import capstone_lib as cap

TOOL = Path(sys.executable).with_name("schemathesis")
KEY = "a-key-that-is-long-enough"
RNG = np.random.default_rng(0)
N = 240
NUMBERS = {"age": RNG.integers(16, 90, N), "pay": RNG.uniform(0, 9, N).round(2)}
CODES = {"sex": RNG.choice([1, 2], N), "state": RNG.choice([4, 6, 48, 72], N)}
TEXT = {"job": RNG.choice(["clerk", "cook", "größe", "a b/c~d"], N)}
NULLABLE = {"wage": np.where(RNG.random(N) < 0.2, np.nan, RNG.uniform(0, 9, N).round(1))}
TRUTH = {"veteran": RNG.choice([True, False], N)}
encode = OneHotEncoder(handle_unknown="ignore")
WORDS = np.where(NUMBERS["age"] > 60, "old", np.where(NUMBERS["age"] > 30, "middle", "young"))

MODELS = {
    "numbers": (NUMBERS, [StandardScaler()], NUMBERS["age"] > 50),
    "categories": (CODES, [encode], CODES["sex"] == 2),
    "text": ({**TEXT, **NUMBERS}, [make_column_transformer((encode, ["job"]),
             remainder="passthrough")], WORDS),
    "nullable": (NULLABLE, [SimpleImputer()], NUMBERS["age"] > 50),
    "booleans": ({**TRUTH, **CODES}, [make_column_transformer((encode, ["sex", "state"]),
                 remainder="passthrough")], TRUTH["veteran"]),
}  # fmt: skip


@pytest.fixture(scope="module", params=list(MODELS))
def artifact(request, tmp_path_factory):
    columns, steps, labels = MODELS[request.param]
    X = pd.DataFrame(columns)
    labels = labels.astype(int) if labels.dtype == bool and request.param != "booleans" else labels
    pipeline = make_pipeline(*steps, LogisticRegression(max_iter=500)).fit(X, labels)
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    return cap.export_model(pipeline, X, path, name=request.param, version="1.0")


def run(url, n_examples, folder, *options):
    """Run schemathesis; return how many cases it made, or fail with what it says."""
    command = [TOOL, "run", f"{url}/openapi.json", "--checks=all", "--mode=all", "--seed=1",
               "--phases=examples,coverage,fuzzing,stateful", f"--max-examples={n_examples}",
               "--generation-database=none", "--request-timeout=60", "--no-color",
               "--max-failures=5", *options]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=900, check=False, cwd=folder
    )
    said = re.sub(r"(.{2000}).*", r"\1 …", done.stdout + done.stderr)
    assert done.returncode == 0, said[-20_000:]
    assert re.search(r"API Links: +[1-9]", said), said  # sequences were made
    found = re.search(r"([\d,]+) generated, ([\d,]+) passed", said)
    assert found, said
    assert found[1] == found[2]
    return int(found[1].replace(",", ""))


def test_the_interface_is_as_it_is_described(artifact, tmp_path, capfd):
    limits = cap.Limits(max_rows=20, timeout_s=30)
    with cap.serve(artifact, store=tmp_path / "store.db", limits=limits) as endpoint:
        assert run(endpoint.url, 3, tmp_path) > 200
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("artifact", ["text"], indirect=True)
def test_passing_nightly_scores_on_it_is_as_it_is_described(artifact, tmp_path, capfd):
    limits = cap.Limits(max_rows=20, timeout_s=30)
    people = pd.DataFrame({**MODELS["text"][0], "row_id": ["0", "case-1", *"abcdefgh"] * 24})
    people = people.drop_duplicates("row_id")
    with cap.open_store(tmp_path / "store.db") as store:
        day = datetime.now(UTC).date()
        cap.score_batch(artifact, people, store=store, as_of=day, id="row_id")
        with cap.serve(artifact, store=store, limits=limits, hybrid="7d") as endpoint:
            assert run(endpoint.url, 3, tmp_path) > 200
        assert (store.requests()["route"] == "batch").any()
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_the_interface_is_as_it_is_described_in_thousands_of_cases(artifact, tmp_path, capfd):
    # schemathesis does not count 413 among the refusals, so its largest bodies are let in
    limits = cap.Limits(max_rows=300, max_body_bytes=30_000_000, timeout_s=60)
    with cap.serve(artifact, store=tmp_path / "store.db", limits=limits) as endpoint:
        assert run(endpoint.url, 150, tmp_path) > 1_000
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_behind_a_key_the_interface_is_as_it_is_described(artifact, tmp_path, capfd):
    limits = cap.Limits(max_rows=20, timeout_s=30)
    with cap.serve(artifact, key=KEY, limits=limits) as endpoint:
        url = endpoint.url
        header = f"--header=Authorization: Bearer {KEY}"
        assert run(url, 10, tmp_path, header) > 200
    assert capfd.readouterr().err == ""
