"""The same file gives the same numbers, whichever way it is asked: batch, one by one, by many, v2.

Trees compute each row alone, so their scores agree to the last bit. A linear model adds up a row's
terms in an order that depends on how many rows are multiplied at once: there the score may differ
by one rounding of the float32 sum, and labels, sets and review flags are still identical.
"""

import concurrent.futures
import contextlib
import http.client
import json

import numpy as np
import pytest

import capstone_lib as cap

HEADER_LENGTH = "Inference-Header-Content-Length"
PARTS = 300  # rows in one request of many
TENSOR_ROWS = 4000


def pipeline(kind, features):
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    codes = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    places = [name for name in features if name != "AGEP"]
    age = StandardScaler() if kind == "linear" else "passthrough"
    model = (
        LogisticRegression(max_iter=200)
        if kind == "linear"
        else HistGradientBoostingClassifier(max_iter=30)
    )
    return make_pipeline(make_column_transformer((codes, places), (age, ["AGEP"])), model)


@pytest.fixture(scope="module")
def census():
    return cap.load_census()


@pytest.fixture(scope="module", params=["trees", "linear"])
def model(request, census, tmp_path_factory):
    train, held_out = census.split(2015)
    train, held_out = train.sample(3000, random_state=0), held_out.sample(2000, random_state=0)
    artifact = cap.export_model(
        pipeline(request.param, census.features).fit(train[census.features], train["employed"]),
        train[census.features],
        tmp_path_factory.mktemp("same") / f"{request.param}.onnx",
        name="employment",
        version="1",
        X_calibration=held_out[census.features],
        y_calibration=held_out["employed"],
    )
    return request.param, artifact


@pytest.fixture(scope="module")
def year(census):
    return census.frame(2016, adults=True)


@pytest.fixture
def endpoint(model, tmp_path):
    """In a process of its own, as a service is; without a log, of which other tests speak."""
    with cap.serve(model[1], mode="process") as found:
        yield found


@contextlib.contextmanager
def connected(endpoint):
    connection = http.client.HTTPConnection(endpoint.url.removeprefix("http://"), timeout=60)
    with contextlib.closing(connection):
        yield connection


def ask(connection, path, body, headers=None):
    connection.request("POST", path, body, {"Content-Type": "application/json", **(headers or {})})
    reply = connection.getresponse()
    content = reply.read()
    assert reply.status == 200, content[:500]
    return content, reply.headers


def in_batch(artifact, people, folder):
    """By ``score_batch``, read back from the store in the order of the rows."""
    people.to_parquet(folder / "people.parquet")
    store = f"sqlite:///{folder}/batch.db"
    run = cap.score_batch(
        artifact,
        folder / "people.parquet",
        store=store,
        as_of="2016-12-31",
        id="row_id",
        show_progress=False,
    )
    assert run.rejected == 0
    with cap.open_store(store) as opened:
        found = opened.predictions().set_index("row_id").loc[people["row_id"]]
    return {
        "score": found["score"].to_numpy(),
        "label": found["label"].to_numpy(),
        "review": found["review"].to_numpy(bool),
        "prediction_set": [tuple(json.loads(text)) for text in found["prediction_set"]],
    }


def by_answers(answers):
    return {
        "score": np.array([one["score"] for one in answers]),
        "label": np.array([one["label"] for one in answers]),
        "review": np.array([one["review"] for one in answers]),
        "prediction_set": [tuple(one["prediction_set"]) for one in answers],
    }


def records(people, features):
    columns = [people[name].tolist() for name in features]
    return [dict(zip(features, row, strict=True)) for row in zip(*columns, strict=True)]


def by_many(endpoint, people, features):
    rows, answers = records(people, features), []
    with connected(endpoint) as connection:
        for start in range(0, len(rows), PARTS):
            many = {"instances": [{"features": row} for row in rows[start : start + PARTS]]}
            answers += json.loads(ask(connection, "/predict", json.dumps(many))[0])["predictions"]
    return by_answers(answers)


def one_by_one(endpoint, people, features):
    """Over several open connections at once, so that batches of all sizes form."""
    rows = records(people, features)

    def share(part):
        with connected(endpoint) as connection:
            return [
                json.loads(ask(connection, "/predict", json.dumps({"features": row}))[0])
                for row in part
            ]

    size = -(-len(rows) // 8)
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        return by_answers([one for found in threads.map(share, parts) for one in found])


def by_tensors(endpoint, people, features, *, binary):
    parts = []
    with connected(endpoint) as connection:
        for start in range(0, len(people), TENSOR_ROWS):
            part = people[features].iloc[start : start + TENSOR_ROWS]
            parts.append(_tensors(connection, part, binary=binary))
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    sets = [tuple(np.flatnonzero(row).tolist()) for row in found["prediction_set"]]
    return {**found, "prediction_set": sets}


def _tensors(connection, part, *, binary):
    inputs, chunks = [], []
    for name in part:
        one = {"name": name, "shape": [len(part)], "datatype": "INT64"}
        if binary:
            chunks.append(part[name].to_numpy("<i8").tobytes())
            one["parameters"] = {"binary_data_size": len(chunks[-1])}
        else:
            one["data"] = part[name].tolist()
        inputs.append(one)
    asked = {"inputs": inputs, "parameters": {"binary_data_output": binary}}
    head = json.dumps(asked).encode()
    said = {HEADER_LENGTH: str(len(head))} if binary else {}
    body, headers = ask(connection, "/v2/models/employment/infer", head + b"".join(chunks), said)
    if not binary:
        return {
            one["name"]: np.array(one["data"]).reshape(one["shape"])
            for one in json.loads(body)["outputs"]
        }
    size = int(headers[HEADER_LENGTH])
    outputs, place, found = json.loads(body[:size])["outputs"], size, {}
    kinds = {"FP32": "<f4", "INT64": "<i8", "BOOL": "?"}
    for one in outputs:
        end = place + one["parameters"]["binary_data_size"]
        values = np.frombuffer(body[place:end], kinds[one["datatype"]])
        found[one["name"]], place = values.reshape(one["shape"]), end
    assert place == len(body)
    return found


def assert_same(found, expected, kind):
    assert len(found["score"]) == len(expected["score"])
    for name in ("label", "review"):
        assert (np.asarray(found[name]) == np.asarray(expected[name])).all(), name
    assert list(found["prediction_set"]) == list(expected["prediction_set"])
    ours, theirs = (np.asarray(one["score"], np.float64) for one in (found, expected))
    assert (ours.astype(np.float32) == ours).all()
    if kind == "trees":
        assert (ours == theirs).all()
    else:  # a rounding is 2**-24 of the sum; its terms add up to some 8, each order rounds anew
        assert np.abs(ours - theirs).max() <= 4 * np.finfo(np.float32).eps
    print(f"{kind}: {len(ours):,} rows, largest difference {np.abs(ours - theirs).max():.2g}")


def compare(model, endpoint, people, census, tmp_path, *, n_single):
    kind, artifact = model
    expected = in_batch(artifact, people, tmp_path)
    features = census.features
    assert_same(by_many(endpoint, people, features), expected, kind)
    for binary in (False, True):
        assert_same(by_tensors(endpoint, people, features, binary=binary), expected, kind)
    first = {name: values[:n_single] for name, values in expected.items()}
    assert_same(one_by_one(endpoint, people.head(n_single), features), first, kind)


def test_a_sample_of_a_year_is_the_same_by_every_way(model, endpoint, year, census, tmp_path):
    sample = year.sample(3000, random_state=0)
    compare(model, endpoint, sample, census, tmp_path, n_single=400)


@pytest.mark.slow
def test_a_whole_year_is_the_same_by_every_way(model, endpoint, year, census, tmp_path):
    assert len(year) > 50_000
    compare(model, endpoint, year, census, tmp_path, n_single=5000)
