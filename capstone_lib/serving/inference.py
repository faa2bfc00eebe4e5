"""The Open Inference Protocol v2: requests read, answers written, the documents it fixes.

One input a column, named as in the schema, of shape ``[n]`` or ``[n, 1]``; outputs named as the
decision head's. The binary tensor extension is understood in both directions. Nothing here scores,
and nothing here knows a server: bytes in, bytes out.

Source: the Open Inference Protocol (KServe's "v2") and Triton's binary tensor data extension.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from capstone_lib.artifact import Artifact, Predictions
from capstone_lib.schema import Column
from capstone_lib.serving.tensors import (
    DATATYPES,
    ProtocolError,
    from_bytes,
    from_json,
    to_bytes,
    to_json,
)

__all__ = [
    "EXTENSIONS",
    "HEADER_LENGTH",
    "OUTPUTS",
    "InferRequest",
    "ProtocolError",
    "column_datatype",
    "decode_infer",
    "encode_infer",
    "model_metadata",
    "server_metadata",
]

OUTPUTS = ("score", "label", "uncertainty", "prediction_set", "review")
EXTENSIONS = ("binary_tensor_data",)
HEADER_LENGTH = "Inference-Header-Content-Length"
_MAX_ID = 200
# extensions of other servers that change what a tensor means: ignoring them would be an answer to
# a question nobody asked
_FOREIGN = ("classification", "shared_memory_region")


class _Tensor(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = {}
    data: msgspec.Raw = msgspec.Raw()


class _Output(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    parameters: dict[str, Any] = {}


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    inputs: list[_Tensor]
    id: str = ""
    parameters: dict[str, Any] = {}
    outputs: list[_Output] = []


_DECODER = msgspec.json.Decoder(_Request)


@dataclass(frozen=True)
class InferRequest:
    """One request of the protocol, read.

    Attributes
    ----------
    id : str
        The caller's name for the request; empty when there is none.
    columns : dict of str to numpy.ndarray or list
        One value a row, for :meth:`capstone_lib.schema.Schema.check`; None or NaN where missing.
    n_rows : int
        Rows, at least one.
    outputs : tuple of str
        The outputs to answer with, in this order; one that is asked for twice is there once.
    binary : frozenset of str
        Those of them that are answered in binary.
    """

    id: str
    columns: "dict[str, np.ndarray | list[Any]]"
    n_rows: int
    outputs: tuple[str, ...] = OUTPUTS
    binary: frozenset[str] = frozenset()


def decode_infer(body: bytes, headers: Mapping[str, str], *, max_rows: int = 4096) -> InferRequest:
    """Read the body of ``POST /v2/models/{name}/infer``.

    Parameters
    ----------
    body : bytes
        JSON, or JSON followed by binary tensors.
    headers : mapping of str to str
        Only ``Inference-Header-Content-Length`` matters, in any case of letters.
    max_rows : int, default 4096
        More rows in one request are refused.

    Returns
    -------
    InferRequest
        Inputs that the model does not know are among the columns, and those it misses are not: the
        schema gate says so, with everything else that is wrong.

    Raises
    ------
    ProtocolError
        For whatever is not a request of the protocol; ``status`` is 400, or 413 for too many rows.

    Examples
    --------
    >>> body = b'{"inputs": [{"name": "age", "shape": [2], "datatype": "INT64", "data": [31, 62]}]}'
    >>> decode_infer(body, {}).columns
    {'age': array([31, 62])}
    """
    length = _json_length(headers, len(body))
    request = _decode(body if length is None else body[:length])
    if len(request.id) > _MAX_ID:
        raise ProtocolError(400, f"the id is longer than {_MAX_ID} characters")
    if not request.inputs:
        raise ProtocolError(400, "there are no inputs; send one a column")
    n_rows = _count_rows(request.inputs, max_rows)
    rest = None if length is None else memoryview(body)[length:]
    columns = _read_columns(request.inputs, rest, n_rows)
    outputs, binary = _wanted(request)
    return InferRequest(request.id, columns, n_rows, outputs, binary)


def _json_length(headers: Mapping[str, str], n_bytes: int) -> int | None:
    """How much of the body is JSON, if the rest is binary."""
    found = [value for key, value in headers.items() if key.lower() == HEADER_LENGTH.lower()]
    if not found:
        return None
    text = found[0].strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= 12) or int(text) > n_bytes:
        raise ProtocolError(
            400, f"{HEADER_LENGTH} must be the number of bytes of the JSON part, at most "
            f"{n_bytes}; seen {_short(text)}",
        )  # fmt: skip
    return int(text)


def _decode(text: bytes) -> _Request:
    try:
        return _DECODER.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        said = (str(error).splitlines() or ["nested too deeply"])[0][:200]
        raise ProtocolError(400, f"the body is not an inference request: {said}") from error


def _count_rows(inputs: list[_Tensor], max_rows: int) -> int:
    """The number of rows that all inputs agree on."""
    seen: set[str] = set()
    n_rows = 0
    for tensor in inputs:
        where = f"input {_short(tensor.name)}"
        if tensor.name in seen:
            raise ProtocolError(400, f"{where} is there twice")
        seen.add(tensor.name)
        if tensor.datatype not in DATATYPES:
            raise ProtocolError(
                400, f"{where}: the datatype {_short(tensor.datatype)} is none of "
                f"{', '.join(DATATYPES)}",
            )  # fmt: skip
        rows = _rows_of(tensor.shape, where)
        if n_rows and rows != n_rows:
            raise ProtocolError(
                400, f"{where} has {rows} rows, those before it {n_rows}; all must have the same"
            )
        n_rows = rows
    if n_rows > max_rows:
        raise ProtocolError(413, f"{n_rows} rows are more than {max_rows}; send several requests")
    return n_rows


def _rows_of(shape: list[int], where: str) -> int:
    is_column = len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
    if not is_column or shape[0] < 1 or shape[0] > 2**31:
        raise ProtocolError(
            400, f"{where}: the shape must be [n] or [n, 1] with n at least 1; seen "
            f"{_short(shape[:4])}",
        )  # fmt: skip
    return shape[0]


def _read_columns(
    inputs: list[_Tensor], rest: memoryview | None, n_rows: int
) -> "dict[str, np.ndarray | list[Any]]":
    columns: dict[str, np.ndarray | list[Any]] = {}
    place = 0
    for tensor in inputs:
        where = f"input {_short(tensor.name)}: "
        try:
            _refuse_foreign(tensor.parameters)
            size = _binary_size(tensor, rest, place)
            if size is None:
                nested = len(tensor.shape) == 2
                values = from_json(tensor.data, tensor.datatype, n_rows=n_rows, nested=nested)
            else:
                chunk = bytes(rest[place : place + size]) if rest is not None else b""
                values = from_bytes(chunk, tensor.datatype, n_rows=n_rows)
                place += size
        except ProtocolError as error:
            raise ProtocolError(error.status, where + error.detail) from error
        columns[tensor.name] = values
    if rest is not None and place != len(rest):
        raise ProtocolError(
            400, f"{len(rest) - place} bytes are left over behind the binary data; the "
            "binary_data_size of the inputs must add up to what follows the JSON part",
        )  # fmt: skip
    return columns


def _binary_size(tensor: _Tensor, rest: memoryview | None, place: int) -> int | None:
    """How many bytes of the rest are this tensor's; None when its data is JSON."""
    has_data = len(bytes(tensor.data)) > 0
    if "binary_data_size" not in tensor.parameters:
        if not has_data:
            raise ProtocolError(400, "there is neither data nor binary_data_size")
        return None
    size = tensor.parameters["binary_data_size"]
    if has_data:
        raise ProtocolError(400, "there are both data and binary_data_size; send one of them")
    if rest is None:
        raise ProtocolError(400, f"binary data needs the header {HEADER_LENGTH}")
    if type(size) is not int or not 0 <= size <= len(rest) - place:
        raise ProtocolError(
            400, f"binary_data_size is {_short(size)}, and {len(rest) - place} bytes are left"
        )
    return size


def _wanted(request: _Request) -> tuple[tuple[str, ...], frozenset[str]]:
    default = _flag(request.parameters, "binary_data_output", otherwise=False)
    if not request.outputs:
        return OUTPUTS, frozenset(OUTPUTS if default else ())
    wanted: dict[str, bool] = {}
    for output in request.outputs:
        if output.name not in OUTPUTS:
            raise ProtocolError(
                400, f"there is no output {_short(output.name)}; there are {', '.join(OUTPUTS)}"
            )
        _refuse_foreign(output.parameters)
        wanted[output.name] = _flag(output.parameters, "binary_data", otherwise=default)
    return tuple(wanted), frozenset(name for name, binary in wanted.items() if binary)


def _flag(parameters: dict[str, Any], name: str, *, otherwise: bool) -> bool:
    value = parameters.get(name, otherwise)
    if not isinstance(value, bool):
        raise ProtocolError(400, f"{name} must be true or false; seen {_short(value)}")
    return value


def _refuse_foreign(parameters: dict[str, Any]) -> None:
    for name in _FOREIGN:
        if name in parameters:
            raise ProtocolError(
                400, f"the parameter {name!r} belongs to an extension that is not offered here; "
                f"offered: {', '.join(EXTENSIONS)}",
            )  # fmt: skip


def _short(value: Any) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < 2**64 else "a huge number"
    return text if len(text) <= 60 else f"{text[:57]}…"


def encode_infer(
    request: InferRequest,
    artifact: Artifact,
    predictions: Predictions,
    *,
    parameters: Mapping[str, str | int | float | bool] | None = None,
) -> tuple[dict[str, str], bytes]:
    """Write the answer to a request.

    Parameters
    ----------
    request : InferRequest
        Whose id, outputs and binary outputs are wanted.
    artifact : Artifact
        Who answered: name and version are in the answer.
    predictions : Predictions
        One row per row of the request.
    parameters : mapping, optional
        Said of the answer as a whole, for example the route.

    Returns
    -------
    headers : dict of str to str
        ``Content-Type`` and, with binary outputs, ``Inference-Header-Content-Length``.
    body : bytes
    """
    tensors, chunks = [], []
    for name in request.outputs:
        values = np.asarray(getattr(predictions, name))
        datatype = _output_datatype(name, artifact.classes)
        tensor: dict[str, Any] = {"name": name, "datatype": datatype, "shape": list(values.shape)}
        if name in request.binary:
            chunks.append(to_bytes(values, datatype))
            tensor["parameters"] = {"binary_data_size": len(chunks[-1])}
        else:
            tensor["data"] = to_json(values)
        tensors.append(tensor)
    answer: dict[str, Any] = {"id": request.id} if request.id else {}
    answer |= {"model_name": artifact.name, "model_version": artifact.version}
    answer |= {"parameters": dict(parameters)} if parameters else {}
    head = msgspec.json.encode(answer | {"outputs": tensors})
    if not request.binary:
        return {"Content-Type": "application/json"}, head
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(head))}
    return headers, b"".join([head, *chunks])


def _output_datatype(name: str, classes: tuple[Any, ...]) -> str:
    if name in ("score", "uncertainty"):
        return "FP32"
    if name != "label" or isinstance(classes[0], bool):
        return "BOOL"
    return "BYTES" if isinstance(classes[0], str) else "INT64"


def column_datatype(column: Column) -> str:
    """The datatype that a column is declared with: the narrowest that holds all it may hold.

    Any other datatype of the same kind is read too. Whole numbers that may be missing are declared
    FP64, in which NaN says so; missing text and true/false are null, in JSON only.
    """
    if column.is_text:
        return "BYTES"
    if column.kind == "boolean":
        return "BOOL"
    return "FP64" if column.kind == "number" or column.nullable else "INT64"


def model_metadata(artifact: Artifact) -> dict[str, Any]:
    """The document of ``GET /v2/models/{name}``."""
    n_classes = len(artifact.classes)
    return {
        "name": artifact.name,
        "versions": [artifact.version],
        "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": column.name, "datatype": column_datatype(column), "shape": [-1]}
            for column in artifact.schema.columns
        ],
        "outputs": [
            {
                "name": name,
                "datatype": _output_datatype(name, artifact.classes),
                "shape": [-1, n_classes] if name == "prediction_set" else [-1],
            }
            for name in OUTPUTS
        ],
    }


def server_metadata() -> dict[str, Any]:
    """The document of ``GET /v2``."""
    from capstone_lib import __version__

    return {"name": "capstone", "version": __version__, "extensions": list(EXTENSIONS)}
