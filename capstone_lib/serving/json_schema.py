"""What a body may be, as JSON Schema: made from an artifact's schema, as strict as its gate.

What the gate only warns of (a value outside the range of training, a category never seen that the
model can bear, a column it does not know) is not forbidden here either; it stands in annotations,
``x-seen`` and ``x-labels``, which validators pass over.
"""

import math
from typing import Any

from capstone_lib.artifact import Artifact
from capstone_lib.schema import Column, Schema
from capstone_lib.serving.inference import OUTPUTS, column_datatype
from capstone_lib.serving.limits import Limits
from capstone_lib.serving.record import LONGEST_ID

__all__ = ["column_schema", "components", "example_record"]

_INT64 = {"minimum": -(2**63), "maximum": 2**63 - 1}
_EXACT = 2.0**53  # every whole number up to here is itself as a double
_TYPES = {"integer": "integer", "number": "number", "boolean": "boolean"}
_TEXT: dict[str, Any] = {"type": "string"}
_FOREIGN: dict[str, Any] = {"classification": False, "shared_memory_region": False}


def components(artifact: Artifact, limits: Limits, *, hybrid: bool = False) -> dict[str, Any]:
    """Every named schema of the document: what is sent, what is answered, what is refused."""
    schema = artifact.schema
    return {
        "Features": _features(schema),
        "Record": _record(schema),
        **({"Case": _case()} if hybrid else {}),
        "Records": _records(limits, hybrid=hybrid),
        "Answer": _answer(artifact),
        "Answers": _object({"predictions": _list(_ref("Answer"), minItems=1)}),
        "Explanation": _explanation(artifact),
        "Reason": _reason(),
        "Warning": _refusal("Something the model can bear."),
        "Refusal": _refusal("One thing that is wrong."),
        "Problem": _problem(),
        "ProtocolProblem": _protocol_problem(),
        "InferRequest": _infer_request(schema),
        "InferResponse": _infer_response(),
        "ModelMetadata": _object(
            {
                "name": _TEXT,
                "versions": _list(_TEXT),
                "platform": _TEXT,
                "inputs": _list(_ref("TensorMetadata")),
                "outputs": _list(_ref("TensorMetadata")),
            },
            optional=("versions",),
        ),
        "TensorMetadata": _object(
            {"name": _TEXT, "datatype": _TEXT, "shape": _list({"type": "integer"})}
        ),
        "ServerMetadata": _object({"name": _TEXT, "version": _TEXT, "extensions": _list(_TEXT)}),
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: dict[str, Any], **bounds: int) -> dict[str, Any]:
    return {"type": "array", "items": items, **bounds}


def _object(
    properties: dict[str, Any], *, optional: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties, **more}


def column_schema(column: Column) -> dict[str, Any]:
    """What one value of a column may be.

    Examples
    --------
    >>> column_schema(Column("sex", "category", categories=(1, 2), labels={"1": "Male"}))
    {'description': 'one of 1, 2', 'x-labels': {'1': 'Male'}, 'type': 'integer', 'enum': [1, 2]}
    """
    out: dict[str, Any] = {"title": column.title} if column.title else {}
    out["description"] = column.describe()
    if column.minimum is not None and column.maximum is not None:
        out["x-seen"] = {"minimum": column.minimum, "maximum": column.maximum}
    if column.labels:
        out["x-labels"] = dict(column.labels)
    return out | _values(column)


def _values(column: Column) -> dict[str, Any]:
    """The values that the gate lets through; nobody writes numbers too large for a double."""
    kind = "string" if column.is_text else _TYPES.get(column.kind, "integer")
    out: dict[str, Any] = {"type": [kind, "null"] if column.nullable else kind}
    if column.categories is not None and column.on_unknown == "reject":
        return out | {"enum": [*column.categories, *([None] if column.nullable else [])]}
    if column.limit is not None and kind in ("integer", "number"):
        bound = _last_below(column.limit, whole=kind == "integer")
        out |= {"minimum": -bound, "maximum": bound}
    return out


def _last_below(limit: float, *, whole: bool) -> float:
    """The largest number that is not beyond the limit once it is read as a double."""
    if limit < _EXACT:
        return math.floor(limit) if whole else limit
    last = int(limit) + int(math.ulp(limit)) // 2
    return last if float(last) <= limit else last - 1


def _features(schema: Schema) -> dict[str, Any]:
    return _object(
        {column.name: column_schema(column) for column in schema.columns},
        description="One value a column. A column that the model does not know is left out, with a "
        "warning.",
        additionalProperties=True,
    )


def _record(schema: Schema) -> dict[str, Any]:
    return _object(
        {
            "features": _ref("Features"),
            "id": {
                "type": ["string", "null"],
                "minLength": 1,
                "maxLength": LONGEST_ID,
                "description": "The case: it comes back in the answer and stands in the log. The "
                "same id is always answered by the same route.",
            },
            "explain": {"type": "boolean", "default": False, "description": "Say why, too."},
        },
        optional=("id", "explain"),
        additionalProperties=False,
        examples=[{"features": example_record(schema), "id": "case-1"}],
    )


def _case() -> dict[str, Any]:
    return _object(
        {
            "id": {**_TEXT, "minLength": 1, "maxLength": LONGEST_ID},
            "explain": {"const": False},
        },
        optional=("explain",),
        additionalProperties=False,
        description="A case by its id alone: the answer is its nightly score, if that is fresh.",
        examples=[{"id": "case-1"}],
    )


def _records(limits: Limits, *, hybrid: bool) -> dict[str, Any]:
    one = {"oneOf": [_ref("Record"), _ref("Case")]} if hybrid else _ref("Record")
    instances = _list(one, minItems=1, maxItems=limits.max_rows)
    return _object({"instances": instances}, additionalProperties=False)


def example_record(schema: Schema) -> dict[str, Any]:
    """One record that the gate lets through: the middle of each range, the first category."""
    return {column.name: _example(column) for column in schema.columns}


def _example(column: Column) -> Any:
    if column.categories is not None:
        return column.categories[0]
    if column.kind == "boolean":
        return True
    if column.minimum is None or column.maximum is None:
        return 1
    middle = column.minimum / 2 + column.maximum / 2
    if column.kind == "integer" or column.maximum - column.minimum > 10:
        return int(middle)
    short = float(f"{middle:.3g}")
    return short if column.minimum <= short <= column.maximum else middle


def _answer(artifact: Artifact) -> dict[str, Any]:
    label = _label(artifact.classes)
    two = len(artifact.classes) == 2
    return _object(
        {
            "id": {**_TEXT, "description": "The case: as it was sent, or a name made up for it."},
            "score": {
                "type": "number",
                "description": f"The probability of {artifact.classes[1]!r}, from 0 to 1."
                if two
                else "The largest probability, from 0 to 1.",
            },
            "label": {**label, "description": "The decision."},
            "uncertainty": {
                "type": "number",
                "minimum": 0,
                "description": "Entropy in bits: 0 is certain.",
            },
            "prediction_set": {
                **_list(label),
                "description": "The labels that cannot be ruled out.",
            },
            "review": {"type": "boolean", "description": "Whether a person should decide."},
            "model": _TEXT,
            "version": _TEXT,
            "route": {
                **_TEXT,
                "description": "Which model answered: stable, canary or degraded; or batch, where "
                "a nightly score is passed on.",
            },
            "explanation": _ref("Explanation"),
            "warnings": _list(_ref("Warning")),
            "decided_by": {
                **_TEXT,
                "description": "The reviewer whose label stands here in the place of the model's.",
            },
            "as_of": {
                **_TEXT,
                "format": "date",
                "description": "The day that a nightly score speaks of.",
            },
            "age_s": {
                "type": "number",
                "minimum": 0,
                "description": "Seconds since the start of that day (UTC).",
            },
        },
        optional=("explanation", "warnings", "decided_by", "as_of", "age_s"),
    )


def _explanation(artifact: Artifact) -> dict[str, Any]:
    number = {"type": "number"}
    return _object(
        {
            "method": _TEXT,
            "version": {"type": "integer", "description": "Of the method."},
            "base": {**number, "description": "The score of the people compared with, on average."},
            "background": {**_TEXT, "description": "The SHA-256 of the people compared with."},
            "seed": {"type": "integer"},
            "error": {
                **number,
                "minimum": 0,
                "description": "How far off an effect is (root mean square, measured at export).",
            },
            "reasons": {
                **_list(_ref("Reason")),
                "description": "What moved the score most, the strongest first.",
            },
            "others": {
                **number,
                "description": "The effects of all other columns: base, reasons and others add up "
                "to the score.",
            },
            "label": {**_label(artifact.classes), "description": "Whose probability is explained."},
        },
        optional=("label",),
        description="Why the score is what it is, if it was asked for.",
    )


def _reason() -> dict[str, Any]:
    number = {"type": "number"}
    return _object(
        {
            "feature": _TEXT,
            "value": {},
            "effect": {**number, "description": "In units of the score."},
            "error": {**number, "minimum": 0},
            "text": _TEXT,
        }
    )


def _label(classes: tuple[Any, ...]) -> dict[str, Any]:
    if isinstance(classes[0], bool):
        return {"type": "boolean"}
    return {"type": "string" if isinstance(classes[0], str) else "integer", "enum": list(classes)}


def _refusal(description: str) -> dict[str, Any]:
    return _object(
        {
            "field": {**_TEXT, "description": "The column or member concerned."},
            "code": {**_TEXT, "description": "A word for programs, such as unknown_category."},
            "message": {**_TEXT, "description": "A sentence for people."},
            "pointer": {**_TEXT, "description": "Where it stands in the body (RFC 6901)."},
        },
        optional=("pointer",),
        description=description,
    )


def _problem(**more: Any) -> dict[str, Any]:
    return _object(
        {
            "type": {**_TEXT, "format": "uri-reference"},
            "title": _TEXT,
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": _TEXT,
            "errors": _list(_ref("Refusal")),
            "errors_left_out": {"type": "integer", "minimum": 1},
            **more,
        },
        optional=("errors", "errors_left_out"),
        description="What was wrong (RFC 9457).",
    )


def _protocol_problem() -> dict[str, Any]:
    return _problem(error={**_TEXT, "description": "The same as detail, as the protocol has it."})


def _infer_request(schema: Schema) -> dict[str, Any]:
    flag = {"type": "boolean"}
    return _object(
        {
            "id": {**_TEXT, "maxLength": LONGEST_ID},
            "parameters": {"type": "object", "properties": {"binary_data_output": flag}},
            "inputs": {
                "type": "array",
                "description": "One tensor a column. Shown for one row, and in the schema's order, "
                "because a JSON schema cannot say that all lengths agree: n rows have the shape "
                "[n] or [n, 1] in every tensor, and any order will do. Other datatypes of the same "
                "kind are read too. null is a missing value.",
                "prefixItems": [_tensor(column) for column in schema.columns],
                "minItems": len(schema.columns),
                "maxItems": len(schema.columns),
            },
            "outputs": _list(
                _object(
                    {
                        "name": {"enum": list(OUTPUTS)},
                        "parameters": {
                            "type": "object",
                            "properties": {"binary_data": flag, **_FOREIGN},
                        },
                    },
                    optional=("parameters",),
                    additionalProperties=False,
                )
            ),
        },
        optional=("id", "parameters", "outputs"),
        additionalProperties=False,
        examples=[{"inputs": [_example_tensor(column) for column in schema.columns]}],
    )


def _tensor(column: Column) -> dict[str, Any]:
    datatype = column_datatype(column)
    value = _values(column)
    if datatype == "INT64" and "enum" not in value and value.get("maximum", math.inf) > 2**63:
        value |= _INT64
    one = _list(value, minItems=1, maxItems=1)
    parameters = {"type": "object", "properties": {"binary_data_size": False, **_FOREIGN}}
    return _object(
        {
            "name": {"const": column.name},
            "datatype": {"const": datatype},
            "shape": {"const": [1]},
            "data": one,
            "parameters": parameters,
        },
        optional=("parameters",),
        additionalProperties=False,
    )


def _example_tensor(column: Column) -> dict[str, Any]:
    datatype = column_datatype(column)
    return {"name": column.name, "shape": [1], "datatype": datatype, "data": [_example(column)]}


def _infer_response() -> dict[str, Any]:
    tensor = _object(
        {
            "name": {"enum": list(OUTPUTS)},
            "datatype": {"enum": ["FP32", "INT64", "BYTES", "BOOL"]},
            "shape": _list({"type": "integer", "minimum": 1}, minItems=1, maxItems=2),
            "parameters": {"type": "object"},
            "data": {"type": "array"},
        },
        optional=("parameters", "data"),
    )
    return _object(
        {
            "model_name": _TEXT,
            "model_version": _TEXT,
            "id": _TEXT,
            "parameters": {"type": "object"},
            "outputs": _list(tensor, minItems=1),
        },
        optional=("id", "parameters"),
    )
