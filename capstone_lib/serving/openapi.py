"""The endpoint as an OpenAPI 3.1 document, made from the artifact that it serves.

It names every answer that an operation can give. The schemas of the bodies are in
:mod:`capstone_lib.serving.json_schema`.
"""

from typing import Any

from capstone_lib.artifact import Artifact
from capstone_lib.serving.inference import HEADER_LENGTH
from capstone_lib.serving.json_schema import components
from capstone_lib.serving.limits import Limits

__all__ = ["OPEN_PATHS", "describe"]

OPEN_PATHS = ("/", "/v2/health/live", "/v2/health/ready")
"""What is answered without a key: the page, which asks for it, and what a platform probes."""

_REASONS = {
    400: "The request cannot be read: malformed JSON, or a Host that is not served here.",
    401: "The key is missing or wrong.",
    404: "There is no such model; or nothing is known of a case that was asked about by its id "
    "alone.",
    408: "The body did not arrive in time.",
    413: "The body is larger than the endpoint accepts.",
    415: "The body is of another media type.",
    422: "The body can be read and does not fit: `errors` lists everything that is wrong.",
    503: "More is asked than can be answered in time; try again after `Retry-After` seconds.",
}
_HEADERS: dict[int, Any] = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
    503: {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}},
}
_WINDOW = {
    "name": "window_s",
    "in": "query",
    "description": "How far back the latencies go, in seconds.",
    "schema": {"type": "number", "exclusiveMinimum": 0, "maximum": 86_400, "default": 60},
}
_BODY_ERRORS = (400, 408, 413, 415, 422, 503)
_JSON = "application/json"
_BINARY = "application/octet-stream"


def describe(
    artifact: Artifact,
    *,
    limits: Limits | None = None,
    needs_key: bool = False,
    hybrid: bool = False,
) -> dict[str, Any]:
    """Describe the endpoint of an artifact.

    Parameters
    ----------
    artifact : Artifact
        What is served.
    limits : Limits, optional
        The bounds of the endpoint.
    needs_key : bool, default False
        Whether a bearer key is asked for.
    hybrid : bool, default False
        Whether nightly scores are passed on.

    Returns
    -------
    dict
        An OpenAPI 3.1 document, ready for JSON.
    """
    limits = limits or Limits()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{artifact.name} {artifact.version}",
            "version": artifact.version,
            "description": _introduction(artifact, limits),
        },
        "paths": _paths(artifact, needs_key=needs_key, hybrid=hybrid),
        "components": {
            "schemas": components(artifact, limits, hybrid=hybrid),
            "responses": _refusals("", "Problem") | _refusals("Protocol", "ProtocolProblem"),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}} if needs_key else {},
        },
    }


def _introduction(artifact: Artifact, limits: Limits) -> str:
    return (
        f"The model {artifact.name}, version {artifact.version}: one record or many at `/predict`, "
        "or tensors in the Open Inference Protocol v2. The same file scores batches, with the same "
        f"answers. A body has at most {limits.max_body_bytes:,} bytes and {limits.max_rows:,} rows."
    )


def _paths(artifact: Artifact, *, needs_key: bool, hybrid: bool) -> dict[str, Any]:
    model = "/v2/models/{name}"
    flag = {"type": "boolean"}
    gets = {
        "/v2": ("describeServer", "What the server is", _json("ServerMetadata"), ()),
        "/v2/health/live": ("isLive", "Whether the process answers", _inline(live=flag), ()),
        "/v2/health/ready": ("isReady", "Whether requests are taken", _inline(ready=flag), (503,)),
        model: ("describeModel", "Inputs and outputs", _json("ModelMetadata"), (404,)),
        model + "/ready": (
            "isModelReady",
            "Whether the model answers",
            _inline(name={"type": "string"}, ready=flag),
            (404, 503),
        ),
        "/status": ("readStatus", "Load, latency, rollout and models, now", _inline(), (422,)),
        "/metrics": ("readMetrics", "Figures for Prometheus", _text("text/plain"), ()),
        "/openapi.json": ("describe", "This document", _inline(), ()),
        "/": ("openPage", "A page to try a record on", _text("text/html"), ()),
    }
    paths: dict[str, Any] = {
        "/predict": {"post": _predict(artifact, hybrid=hybrid)},
        model + "/infer": {"post": _infer(), "parameters": [_name(artifact)]},
    }
    for path, (identity, summary, content, refusals) in gets.items():
        responses = {"200": {"description": summary, "content": content}}
        responses |= _refused(400, *refusals, protocol=path.startswith("/v2"))
        paths[path] = {
            "get": {"operationId": identity, "summary": summary, "responses": responses},
            **({"parameters": [_name(artifact)]} if "{name}" in path else {}),
        }
    paths["/status"]["get"]["parameters"] = [_WINDOW]
    if needs_key:
        _ask_for_key(paths)
    return paths


def _ask_for_key(paths: dict[str, Any]) -> None:
    for path in paths.keys() - OPEN_PATHS:
        for method in paths[path].keys() & {"get", "post"}:
            operation = paths[path][method]
            operation["security"] = [{"key": []}]
            operation["responses"] |= _refused(401, protocol=path.startswith("/v2"))


def _name(artifact: Artifact) -> dict[str, Any]:
    schema = {"type": "string", "enum": [artifact.name]}
    return {"name": "name", "in": "path", "required": True, "schema": schema}


def _predict(artifact: Artifact, *, hybrid: bool) -> dict[str, Any]:
    bodies = {"oneOf": [_ref("Record"), *([_ref("Case")] if hybrid else []), _ref("Records")]}
    answers = {"anyOf": [_ref("Answer"), _ref("Answers")]}
    model = {"operationId": "describeModel", "parameters": {"name": artifact.name}}
    return {
        "operationId": "predict",
        "summary": "Ask about one record, or about many",
        "requestBody": {"required": True, "content": {_JSON: {"schema": bodies}}},
        "responses": {
            "200": {
                "description": "An answer a record, in order.",
                "content": {_JSON: {"schema": answers}},
                "links": {"model": model},
            },
            **_refused(*_BODY_ERRORS, *((404,) if hybrid else ())),
        },
    }


def _infer() -> dict[str, Any]:
    return {
        "operationId": "infer",
        "summary": "Ask in tensors (Open Inference Protocol v2)",
        "description": "Tensors may also stand in binary behind the JSON part, whose length then "
        f"stands in the header `{HEADER_LENGTH}` (the media type may be `{_BINARY}`); "
        "`binary_data_output`, or `binary_data` of an output, asks for binary answers.",
        "requestBody": {"required": True, "content": _json("InferRequest")},
        "responses": {
            "200": {
                "description": "One tensor an output.",
                "content": {**_json("InferResponse"), **_text(_BINARY)},
            },
            **_refused(*_BODY_ERRORS, 404, protocol=True),
        },
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(name: str) -> dict[str, Any]:
    return {_JSON: {"schema": _ref(name)}}


def _text(media_type: str) -> dict[str, Any]:
    return {media_type: {"schema": {"type": "string"}}}


def _inline(**properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "required": list(properties), "properties": properties}
    return {_JSON: {"schema": schema}}


def _refused(*statuses: int, protocol: bool = False) -> dict[str, Any]:
    kind = "Protocol" if protocol else ""
    return {
        str(status): {"$ref": f"#/components/responses/{kind}Refused{status}"}
        for status in sorted(statuses)
    }


def _refusals(kind: str, schema: str) -> dict[str, Any]:
    return {
        f"{kind}Refused{status}": {
            "description": reason,
            "content": {"application/problem+json": {"schema": _ref(schema)}},
            **({"headers": _HEADERS[status]} if status in _HEADERS else {}),
        }
        for status, reason in _REASONS.items()
    }
