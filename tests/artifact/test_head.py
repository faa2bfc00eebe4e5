"""The decision head in every variant: nothing unused in the graph, so nothing to warn of."""

import subprocess
import sys

import numpy as np
import onnx
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import capstone_lib as cap

rng = np.random.default_rng(0)
X = pd.DataFrame({"age": rng.integers(17, 90, 400), "hours": rng.normal(35, 10, 400).round(1)})
GROUPS = rng.integers(0, 3, 400)
TRUTHS = {
    "numbers": (X["age"] + 9 * GROUPS > 60).astype(int).to_numpy(),
    "booleans": (X["age"] + 9 * GROUPS > 60).to_numpy(),
    "words": np.where(X["age"] + 9 * GROUPS > 60, "größer ☃", "no"),
    "three": np.array(["a", "b", "c"])[GROUPS],
}
CALIBRATION = {
    "no sets": {},
    "one quantile": {"coverage": 0.9},
    "a quantile a class": {"coverage": 0.9, "class_conditional": True},
    "a budget": {"coverage": 0.9, "review_budget": 0.1},
}
VARIANTS = [
    ("numbers", "no sets", None),
    ("words", "no sets", 0.3),
    ("booleans", "one quantile", 0.3),
    ("numbers", "a quantile a class", None),
    ("words", "a budget", None),
    ("three", "no sets", None),
    ("three", "a quantile a class", None),
    ("three", "a budget", None),
]
ENCODE = ColumnTransformer(
    [("codes", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["age"])],
    remainder="passthrough",
)
MODELS = {
    "scaled": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "encoded": lambda: make_pipeline(ENCODE, LogisticRegression(max_iter=5000)),
    "folded": lambda: make_pipeline(ENCODE, RandomForestClassifier(5, random_state=0)),
    "network": lambda: make_pipeline(StandardScaler(), MLPClassifier((4,), tol=0.1)),
    "forest": lambda: RandomForestClassifier(5, random_state=0),
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=5),
}
OPEN_ALL = """
import sys, onnxruntime
for path in sys.argv[1:]:
    print(path, flush=True)
    print(path, file=sys.stderr, flush=True)
    onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
"""


def export(model, path, truth, sets="one quantile", threshold=None):
    y = TRUTHS[truth]
    known = {} if sets == "no sets" else {"X_calibration": X[200:], "y_calibration": y[200:]}
    fitted = model.fit(X[:200], y[:200])
    cap.export_model(
        fitted, X[:200], path, name="work", version="1", threshold=threshold,
        **CALIBRATION[sets], **known,
    )  # fmt: skip
    return path


def test_onnxruntime_has_nothing_to_say_when_it_opens_the_file(tmp_path):
    heads = [
        export(LogisticRegression(), tmp_path / f"{number}.onnx", *variant)
        for number, variant in enumerate(VARIANTS)
    ]
    trunks = [export(make(), tmp_path / f"{name}.onnx", "three") for name, make in MODELS.items()]
    paths = [*heads, *trunks]
    done = subprocess.run(
        [sys.executable, "-c", OPEN_ALL, *map(str, paths)], capture_output=True, text=True
    )

    assert done.returncode == 0
    assert done.stderr.splitlines() == done.stdout.splitlines() == [str(path) for path in paths]
    for path in paths:
        graph = onnx.load(path).graph
        used = {name for node in graph.node for name in node.input}
        assert {constant.name for constant in graph.initializer} <= used
