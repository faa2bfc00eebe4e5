import json
import re

import pandas as pd
import pytest
from jsonschema import Draft202012Validator
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import capstone_lib as cap
from capstone_lib.errors import SchemaError
from capstone_lib.serving.inference import (
    InferRequest,
    decode_infer,
    encode_infer,
    model_metadata,
    server_metadata,
)
from capstone_lib.serving.limits import Limits
from capstone_lib.serving.openapi import OPEN_PATHS, describe

BODIES = ("/predict", "/v2/models/{name}/infer")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    X = pd.DataFrame(
        {
            "age": [20, 30, 40, 50, 60, 70],
            "pay": [1.5, 2.5, 9.0, 4.0, 5.5, 6.0],
            "job": ["a", "b", "b", "a", "b", "a"],
        }
    )
    pipeline = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["job"]), remainder="passthrough"
        ),
        LogisticRegression(),
    ).fit(X, ["yes", "yes", "yes", "no", "no", "no"])
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    return cap.export_model(pipeline, X, path, name="work", version="1.0")


@pytest.fixture(scope="module")
def document(artifact):
    return json.loads(json.dumps(describe(artifact), allow_nan=False))


def validator(document, name):
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return Draft202012Validator(schema)


def operations(document):
    return {
        (path, method): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method != "parameters"
    }


def references(part):
    if isinstance(part, dict):
        found = [part["$ref"]] if "$ref" in part else []
        return found + [ref for value in part.values() for ref in references(value)]
    return [ref for value in part for ref in references(value)] if isinstance(part, list) else []


def test_every_reference_leads_somewhere(document):
    found = references(document)
    assert found
    for reference in found:
        part = document
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]


def test_the_schemas_are_schemas(document):
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_operation_names_its_answers(document):
    found = operations(document)
    assert len({operation["operationId"] for operation in found.values()}) == len(found)
    for (path, _), operation in found.items():
        statuses = set(operation["responses"])
        assert {"200", "400"} <= statuses
        if path in BODIES:
            assert {"413", "415", "422", "503"} <= statuses
        if "{name}" in path:
            assert "404" in statuses


def test_refusals_under_v2_carry_the_error_of_the_protocol(document):
    for (path, _), operation in operations(document).items():
        for status, response in operation["responses"].items():
            if status == "200":
                continue
            assert ("/Protocol" in response["$ref"]) == path.startswith("/v2")
    problem = document["components"]["schemas"]["ProtocolProblem"]
    assert "error" in problem["required"]


def test_a_key_is_asked_for_everywhere_but_where_a_platform_probes(artifact):
    for (path, _), operation in operations(describe(artifact, needs_key=True)).items():
        assert ("401" in operation["responses"]) == (path not in OPEN_PATHS)
        assert ("security" in operation) == (path not in OPEN_PATHS)
    assert "401" not in json.dumps(describe(artifact)["paths"])


def test_the_examples_are_answered(document, artifact):
    schemas = document["components"]["schemas"]
    (record,) = schemas["Record"]["examples"]
    assert validator(document, "Record").is_valid(record)
    one = artifact.predict({name: [value] for name, value in record["features"].items()})
    (request,) = schemas["InferRequest"]["examples"]
    assert validator(document, "InferRequest").is_valid(request)
    asked = decode_infer(json.dumps(request).encode(), {})
    assert artifact.predict(asked.columns).score.tolist() == one.score.tolist()


FEATURES = {"age": 40, "pay": 2.5, "job": "a"}


@pytest.mark.parametrize(
    ("body", "allowed"),
    [
        ({"features": FEATURES}, True),
        ({"features": {**FEATURES, "age": 16.0, "hobby": [1]}, "id": "x", "explain": True}, True),
        ({"features": {**FEATURES, "age": 5000, "job": "king"}, "id": None}, True),
        ({"instances": [{"features": FEATURES}] * 3}, True),
        ({"features": {"age": 40, "pay": 2.5}}, False),
        ({"features": {**FEATURES, "age": 16.5}}, False),
        ({"features": {**FEATURES, "age": "16"}}, False),
        ({"features": {**FEATURES, "pay": None}}, False),
        ({"features": FEATURES, "ids": "x"}, False),
        ({"features": FEATURES, "id": 7}, False),
        ({"features": FEATURES, "id": ""}, False),
        ({"features": FEATURES, "id": "x" * 201}, False),
        ({"features": FEATURES, "explain": 1}, False),
        ({"features": FEATURES, "instances": [{"features": FEATURES}]}, False),
        ({"instances": []}, False),
        ({"instances": [{"features": FEATURES}] * 4}, False),
        ({}, False),
        ([FEATURES], False),
    ],
)
def test_a_body_of_predict_is_one_record_or_many(artifact, body, allowed):
    document = describe(artifact, limits=Limits(max_rows=3))
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]
    schema = {**content["application/json"]["schema"], "components": document["components"]}
    assert Draft202012Validator(schema).is_valid(body) == allowed


@pytest.mark.parametrize(
    ("body", "allowed"),
    [
        ({"features": FEATURES, "id": "x"}, True),
        ({"features": FEATURES, "explain": True}, True),
        ({"id": "x"}, True),
        ({"id": "x", "explain": False}, True),
        ({"id": "x", "explain": True}, False),
        ({"id": "x" * 201}, False),
        ({"id": None}, False),
        ({"explain": False}, False),
        ({"instances": [{"id": "x"}, {"features": FEATURES}]}, True),
        ({"instances": [{"id": "x"}, {}]}, False),
        ({"instances": [{"id": "x"}] * 4}, False),
        ({}, False),
    ],
)
def test_where_nightly_scores_are_passed_on_an_id_alone_is_a_question(artifact, body, allowed):
    document = describe(artifact, limits=Limits(max_rows=3), hybrid=True)
    operation = document["paths"]["/predict"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    found = Draft202012Validator({**schema, "components": document["components"]}).is_valid(body)
    assert found == allowed
    assert "404" in operation["responses"]


def test_what_is_said_of_a_night_and_of_a_reviewer_is_described(artifact, document):
    answer = {"id": "x", "score": 0.5, "label": "yes", "uncertainty": 1.0, "prediction_set": [],
              "review": False, "model": "work", "version": "1.0", "route": "batch"}  # fmt: skip
    allowed = validator(document, "Answer").is_valid
    assert allowed(answer)
    assert allowed({**answer, "decided_by": "Ada", "as_of": "2016-01-31", "age_s": 3600.0})
    for wrong in ({"decided_by": 7}, {"age_s": -1}, {"as_of": 20160131}):
        assert not allowed({**answer, **wrong})


def test_a_tensor_request_is_allowed_if_it_is_answered(document, artifact):
    allowed = validator(document, "InferRequest").is_valid
    (example,) = document["components"]["schemas"]["InferRequest"]["examples"]
    for place, change in [
        (0, {"data": [16.5]}),
        (0, {"data": ["16"]}),
        (0, {"data": [2**63]}),
        (0, {"shape": [2]}),
        (0, {"extra": 1}),
        (0, {"parameters": {"binary_data_size": 8}}),
        (1, {"data": [None]}),
        (1, {"data": [1, 2]}),
        (2, {"data": [1]}),
        (2, {"name": "age"}),
    ]:
        request = json.loads(json.dumps(example))
        request["inputs"][place] |= change
        assert not allowed(request)
        with pytest.raises((SchemaError, ValueError)):
            artifact.predict(decode_infer(json.dumps(request).encode(), {}).columns)


def test_the_protocols_documents_are_as_described(document, artifact):
    answer = artifact.predict({name: [value] for name, value in FEATURES.items()})
    _, body = encode_infer(InferRequest("x", {}, 1), artifact, answer)
    for name, found in [
        ("InferResponse", json.loads(body)),
        ("ModelMetadata", model_metadata(artifact)),
        ("ServerMetadata", server_metadata()),
    ]:
        validator(document, name).validate(found)


def test_the_document_names_no_machine(document):
    assert not re.search(r"https?://|/home/|/tmp/", json.dumps(document))
