import json
import struct

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import capstone_lib as cap
from capstone_lib.artifact import Predictions
from capstone_lib.schema import Column
from capstone_lib.serving.inference import (
    HEADER_LENGTH,
    OUTPUTS,
    InferRequest,
    ProtocolError,
    column_datatype,
    decode_infer,
    encode_infer,
    model_metadata,
    server_metadata,
)

NUMBERS = [
    name + width
    for name, widths in {
        "INT": ("8", "16", "32", "64"),
        "UINT": ("8", "16", "32", "64"),
        "FP": ("16", "32", "64"),
    }.items()
    for width in widths
]


def tensor(data, datatype="INT64", name="age", shape=None, **more):
    shape = [len(data)] if shape is None else shape
    return {"name": name, "shape": shape, "datatype": datatype, "data": data, **more}


def decode(*tensors, **members):
    return decode_infer(json.dumps({"inputs": tensors, **members}).encode(), {})


def binary_body(tensors, chunks, **members):
    head = json.dumps({"inputs": tensors, **members}).encode()
    return head + b"".join(chunks), {HEADER_LENGTH: str(len(head))}


def binary_tensor(chunk, datatype, n_rows, name="age"):
    parameters = {"binary_data_size": len(chunk)}
    return {"name": name, "shape": [n_rows], "datatype": datatype, "parameters": parameters}


def dtype_of(datatype):
    kind = datatype.rstrip("0123456789")
    return np.dtype({"INT": "int", "UINT": "uint", "FP": "float"}[kind] + datatype[len(kind) :])


@pytest.fixture(scope="module", params=["numbers", "words", "truth"])
def artifact(request, tmp_path_factory):
    X = pd.DataFrame({"age": [20, 30, 40, 50, 60, 70], "job": list("aabbab")})
    y = {
        "numbers": np.array([1, 1, 1, 0, 0, 0]),
        "words": np.array(["yes", "yes", "größer", "no", "no", "größer"]),
        "truth": np.array([True, True, True, False, False, False]),
    }[request.param]
    pipeline = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    return cap.export_model(pipeline.fit(X, y), X, path, name="work", version="1.0")


@pytest.mark.parametrize("datatype", NUMBERS)
def test_every_width_of_number_arrives_as_itself(datatype):
    dtype = dtype_of(datatype)
    limits = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    values = np.array([limits.min, 0, 1, limits.max], dtype=dtype)
    from_json = decode(tensor(values.tolist(), datatype)).columns["age"]
    body, headers = binary_body([binary_tensor(values.tobytes(), datatype, 4)], [values.tobytes()])
    from_bytes = decode_infer(body, headers).columns["age"]
    for found in (from_json, from_bytes):
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("datatype", [name for name in NUMBERS if "INT" in name])
def test_a_number_too_wide_for_its_datatype_is_refused(datatype):
    bounds = np.iinfo(dtype_of(datatype))
    for value in (int(bounds.max) + 1, int(bounds.min) - 1, 10**30):
        with pytest.raises(ProtocolError, match=f"age.*{datatype}"):
            decode(tensor([value], datatype))


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("INT64", 1.5), ("INT64", "1"), ("INT64", True), ("INT64", [1]), ("INT64", {}),
        ("FP64", "1"), ("FP64", False), ("FP32", "NaN"), ("BOOL", 1), ("BOOL", "true"),
        ("BYTES", 1), ("BYTES", True), ("BYTES", ["a"]),
    ],
)  # fmt: skip
def test_nothing_is_coerced(datatype, value):
    with pytest.raises(ProtocolError, match="input 'age': the data is not") as refused:
        decode(tensor([value], datatype))
    assert refused.value.status == 400


def test_a_whole_number_may_be_written_with_a_point():
    body = b'{"inputs": [{"name": "a", "shape": [2], "datatype": "INT64", "data": [16.0, 1e3]}]}'
    assert decode_infer(body, {}).columns["a"].tolist() == [16, 1000]


def test_null_is_a_missing_value():
    found = decode(
        tensor([1.5, None], "FP32", "a"),
        tensor([1, None], "INT64", "b"),
        tensor(["x", None], "BYTES", "c"),
        tensor([None, True], "BOOL", "d"),
    ).columns
    assert np.isnan(found["a"][1])
    assert found["a"].dtype == np.float32
    assert (found["b"], found["c"], found["d"]) == ([1, None], ["x", None], [None, True])


def test_a_column_may_be_a_matrix_of_one_column():
    for data in ([1, 2], [[1], [2]]):
        assert decode(tensor(data, shape=[2, 1])).columns["age"].tolist() == [1, 2]
    with pytest.raises(ProtocolError, match="not INT64"):
        decode(tensor([[1], [2]], shape=[2]))


@pytest.mark.parametrize(
    "shape", [[], [0], [-1], [2, 2], [1, 2], [2, 1, 1], [1, 1, 1], [2**31 + 1], [2**80], [0, 1]]
)
def test_a_shape_that_is_no_column_is_refused(shape):
    with pytest.raises(ProtocolError, match=r"shape must be|not an inference request"):
        decode(tensor([1, 2], shape=shape))


@pytest.mark.parametrize("n_rows", [1, 3, 2**31])
def test_a_shape_that_disagrees_with_the_data_is_refused(n_rows):
    with pytest.raises(ProtocolError):
        decode(tensor([1, 2], shape=[n_rows]))


def test_too_many_rows_are_told_as_such():
    body = json.dumps({"inputs": [tensor([1] * 11)]}).encode()
    assert decode_infer(body, {}, max_rows=11).n_rows == 11
    with pytest.raises(ProtocolError, match="11 rows are more than 10") as refused:
        decode_infer(body, {}, max_rows=10)
    assert refused.value.status == 413


def test_all_inputs_have_as_many_rows():
    with pytest.raises(ProtocolError, match="'job' has 1 rows, those before it 2"):
        decode(tensor([1, 2]), tensor(["a"], "BYTES", "job"))


@pytest.mark.parametrize(
    ("tensors", "members", "message"),
    [
        ([], {}, "no inputs"),
        ([tensor([1]), tensor([1])], {}, "'age' is there twice"),
        ([tensor([1], "FLOAT")], {}, "datatype 'FLOAT' is none of BOOL"),
        ([tensor([1], extra=1)], {}, "unknown field `extra`"),
        ([tensor([1])], {"extra": 1}, "unknown field `extra`"),
        ([tensor([1])], {"id": None}, "Expected `str`"),
        ([tensor([1])], {"id": "x" * 201}, "longer than 200"),
        ([tensor([1])], {"outputs": [{"name": "class"}]}, "no output 'class'; there are score"),
        ([tensor([1])], {"parameters": {"binary_data_output": 1}}, "must be true or false"),
        (
            [tensor([1])],
            {"outputs": [{"name": "label", "parameters": {"classification": 3}}]},
            "extension that is not offered",
        ),
        (
            [tensor([1], parameters={"shared_memory_region": "x"})],
            {},
            "'age': the parameter 'shared_memory_region'",
        ),
        ([tensor([1], parameters={"binary_data_size": 8})], {}, "both data and binary_data_size"),
        ([{"name": "age", "shape": [1], "datatype": "INT64"}], {}, "neither data nor"),
        ([binary_tensor(b"12345678", "INT64", 1)], {}, "needs the header"),
        ([{"name": "age", "shape": [1]}], {}, "missing required field `datatype`"),
    ],
)
def test_a_malformed_request_says_what_is_wrong(tensors, members, message):
    with pytest.raises(ProtocolError, match=message) as refused:
        decode(*tensors, **members)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b'{"inputs": 1}', b"\xff\xfe", b"[" * 100_000, b'"\\ud800"']
)
def test_what_is_no_request_is_refused(body):
    with pytest.raises(ProtocolError, match="not an inference request"):
        decode_infer(body, {})


@pytest.mark.parametrize("said", ["", "-1", "1.0", "x", "٣", "9" * 5000, "1_0", "99999"])
def test_a_header_length_that_cannot_be_is_refused(said):
    with pytest.raises(ProtocolError, match=HEADER_LENGTH):
        decode_infer(json.dumps({"inputs": [tensor([1])]}).encode(), {HEADER_LENGTH: said})


def test_the_header_is_found_in_any_case_of_letters():
    body, headers = binary_body([binary_tensor(b"\x01\x00", "BOOL", 2)], [b"\x01\x00"])
    found = decode_infer(body, {key.lower(): value for key, value in headers.items()})
    assert found.columns["age"].tolist() == [True, False]


@given(words=st.lists(st.text(), min_size=1, max_size=5), numbers=st.data())
def test_binary_tensors_stand_one_behind_the_other(words, numbers):
    n = len(words)
    floats = numbers.draw(st.lists(st.floats(width=32), min_size=n, max_size=n))
    text = b"".join(struct.pack("<I", len(w.encode())) + w.encode() for w in words)
    packed = struct.pack(f"<{n}f", *floats)
    body, headers = binary_body(
        [
            binary_tensor(text, "BYTES", n, "job"),
            tensor([7] * n),
            binary_tensor(packed, "FP32", n, "pay"),
        ],
        [text, packed],
    )
    found = decode_infer(body, headers).columns
    assert found["job"] == words
    assert found["age"].tolist() == [7] * n
    np.testing.assert_array_equal(found["pay"], np.array(floats, dtype=np.float32))


@pytest.mark.parametrize(
    ("chunk", "datatype", "n_rows", "message"),
    [
        (b"1234567", "INT64", 1, "1 values of INT64 are 8 bytes"),
        (b"\x02", "BOOL", 1, "0 or 1"),
        (b"\x01\x00\x00\x00\xff", "BYTES", 1, "not UTF-8"),
        (b"\x01\x00\x00", "BYTES", 1, "does not hold 1 pieces"),
        (b"\xff\xff\xff\xff", "BYTES", 1, "does not hold 1 pieces"),
        (b"\x00\x00\x00\x00" * 3, "BYTES", 2, "does not hold 2 pieces"),
        (b"\x00\x00\x00\x00", "BYTES", 2, "does not hold 2 pieces"),
    ],
)
def test_binary_data_of_the_wrong_size_is_refused(chunk, datatype, n_rows, message):
    body, headers = binary_body([binary_tensor(chunk, datatype, n_rows)], [chunk])
    with pytest.raises(ProtocolError, match=message):
        decode_infer(body, headers)


@pytest.mark.parametrize("size", [-1, 9, 2**70, True, "8", None, 8.0])
def test_a_binary_size_that_cannot_be_is_refused(size):
    one = binary_tensor(b"", "INT64", 1) | {"parameters": {"binary_data_size": size}}
    body, headers = binary_body([one], [b"12345678"])
    with pytest.raises(ProtocolError, match="binary_data_size is"):
        decode_infer(body, headers)


def test_bytes_left_over_are_refused():
    body, headers = binary_body([binary_tensor(b"12345678", "INT64", 1)], [b"12345678!"])
    with pytest.raises(ProtocolError, match="1 bytes are left over"):
        decode_infer(body, headers)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
NEARLY_A_TENSOR = st.fixed_dictionaries(
    {"name": st.text() | JSON},
    optional={
        "shape": st.lists(st.integers()) | st.just([1]) | JSON,
        "datatype": st.sampled_from(["INT64", "FP16", "BYTES", "BOOL", "UINT8"]) | JSON,
        "data": st.lists(JSON, max_size=2) | JSON,
        "parameters": st.fixed_dictionaries(
            {}, optional={"binary_data_size": st.integers(-2, 20) | JSON, "x": JSON}
        ),
    },
)
NEARLY_A_REQUEST = st.fixed_dictionaries(
    {"inputs": st.lists(NEARLY_A_TENSOR, max_size=2) | JSON},
    optional={"id": JSON, "outputs": st.lists(JSON) | JSON, "parameters": JSON},
)


@given(
    body=st.binary() | NEARLY_A_REQUEST.map(lambda document: json.dumps(document).encode()),
    rest=st.binary(max_size=24),
    said=st.none() | st.text() | st.integers(-2, 400).map(str) | st.just("exact"),
)
def test_no_body_and_no_header_causes_anything_but_a_refusal(body, rest, said):
    length = str(len(body)) if said == "exact" else said
    try:
        found = decode_infer(body + rest, {} if said is None else {HEADER_LENGTH: length})
    except ProtocolError as error:
        refused = error
    else:
        assert {len(values) for values in found.columns.values()} == {found.n_rows}
        return
    assert refused.status in (400, 413)
    assert len(refused.detail) < 1000


def test_messages_do_not_repeat_a_long_name():
    with pytest.raises(ProtocolError) as refused:
        decode(tensor([1.5], name="x" * 100_000))
    assert len(refused.value.detail) < 1000


def rows_of(artifact):
    return artifact.predict({"age": [20, 70, 35], "job": ["a", "b", "a"]})


def test_answers_hold_the_same_numbers_in_json(artifact):
    predictions = rows_of(artifact)
    headers, body = encode_infer(InferRequest("r-1", {}, 3), artifact, predictions)
    answer = json.loads(body)
    assert headers == {"Content-Type": "application/json"}
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("r-1", "work", "1.0")
    outputs = {one["name"]: one for one in answer["outputs"]}
    assert list(outputs) == list(OUTPUTS)
    for name, one in outputs.items():
        expected = getattr(predictions, name)
        found = np.array(one["data"]).reshape(one["shape"])
        np.testing.assert_array_equal(found.astype(expected.dtype), expected)


def test_answers_hold_the_same_numbers_in_binary(artifact):
    predictions = rows_of(artifact)
    request = InferRequest("", {}, 3, ("label", "score", "review"), frozenset({"label", "score"}))
    headers, body = encode_infer(request, artifact, predictions, parameters={"route": "stable"})
    length = int(headers[HEADER_LENGTH])
    answer, rest = json.loads(body[:length]), body[length:]
    assert headers["Content-Type"] == "application/octet-stream"
    assert "id" not in answer
    assert answer["parameters"] == {"route": "stable"}
    label, score, review = answer["outputs"]
    assert "data" not in label
    assert review["data"] == predictions.review.tolist()
    at = label["parameters"]["binary_data_size"]
    assert len(rest) == at + score["parameters"]["binary_data_size"]
    np.testing.assert_array_equal(np.frombuffer(rest[at:], "<f4"), predictions.score)
    if label["datatype"] == "BYTES":
        expected = b"".join(
            struct.pack("<I", len(w.encode())) + w.encode() for w in predictions.label
        )
    else:
        expected = predictions.label.astype(
            {"INT64": "<i8", "BOOL": "?"}[label["datatype"]]
        ).tobytes()
    assert rest[:at] == expected


def test_what_is_asked_for_is_answered():
    two = [{"name": "review"}, {"name": "score", "parameters": {"binary_data": True}}]
    assert decode(tensor([1]), outputs=[]).outputs == OUTPUTS
    found = decode(tensor([1]), outputs=two)
    assert (found.outputs, found.binary) == (("review", "score"), {"score"})
    found = decode(tensor([1]), outputs=two, parameters={"binary_data_output": True})
    assert found.binary == {"review", "score"}
    assert decode(tensor([1]), parameters={"binary_data_output": True}).binary == set(OUTPUTS)


def test_metadata_says_what_comes_in_and_out(artifact):
    found = model_metadata(artifact)
    assert (found["name"], found["versions"]) == ("work", ["1.0"])
    assert [one["name"] for one in found["inputs"]] == ["age", "job"]
    _, body = encode_infer(InferRequest("", {}, 3), artifact, rows_of(artifact))
    said = {one["name"]: one for one in found["outputs"]}
    for one in json.loads(body)["outputs"]:
        assert one["datatype"] == said[one["name"]]["datatype"]
        assert one["shape"] == [3, *said[one["name"]]["shape"][1:]]
    assert server_metadata()["extensions"] == ["binary_tensor_data"]


@pytest.mark.parametrize(
    ("column", "datatype"),
    [
        (Column("x", "integer"), "INT64"),
        (Column("x", "integer", nullable=True), "FP64"),
        (Column("x", "number"), "FP64"),
        (Column("x", "boolean"), "BOOL"),
        (Column("x", "category", categories=(1, 2)), "INT64"),
        (Column("x", "category", categories=("a",), nullable=True), "BYTES"),
    ],
)
def test_each_column_has_a_datatype_of_its_kind(column, datatype):
    assert column_datatype(column) == datatype


def test_what_comes_out_of_a_request_goes_through_the_gate(artifact):
    request = decode(tensor([20, 70, 35], "UINT8"), tensor(["a", "b", "a"], "BYTES", "job"), id="x")
    found, expected = artifact.predict(request.columns), rows_of(artifact)
    assert isinstance(found, Predictions)
    np.testing.assert_array_equal(found.score, expected.score)
    assert msgspec.json.decode(encode_infer(request, artifact, found)[1])["id"] == "x"
