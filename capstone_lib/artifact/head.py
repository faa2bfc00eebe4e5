"""The decision head: the last nodes of the graph, from probabilities to what is done about them.

The head is written as ONNX text and joined to whatever graph answers ``probabilities``. Its outputs
are ``score``, ``label``, ``uncertainty``, ``prediction_set`` and ``review``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, parser

from capstone_lib.artifact.conformal import Conformal, ReviewRule
from capstone_lib.artifact.group_head import group_inputs, group_lines
from capstone_lib.artifact.group_rule import GroupThresholds

__all__ = ["OUTPUTS", "attach_head", "class_values"]

OUTPUTS = ("score", "label", "uncertainty", "prediction_set", "review")
# How far below its cut a probability may lie and still count as equal to it: calibration rows come
# back in production, and rounding must not throw them out of their set. MAPIE allows as much.
_TIE: dict[int, float] = {TensorProto.DOUBLE: 1e-8, TensorProto.FLOAT: 1e-7}
_NAMES: dict[int, str] = {TensorProto.DOUBLE: "double", TensorProto.FLOAT: "float"}


def class_values(classes: Sequence[Any]) -> np.ndarray:
    """Class labels as the graph can hold them: whole numbers or text."""
    if all(isinstance(value, str) for value in classes):
        return np.array([value.encode() for value in classes], dtype=object)
    return np.array([int(value) for value in classes], dtype=np.int64)


def attach_head(
    model: onnx.ModelProto,
    *,
    classes: Sequence[Any],
    threshold: float | None,
    conformal: Conformal | None,
    review: ReviewRule,
    group_rule: GroupThresholds | None = None,
) -> onnx.ModelProto:
    """Join the decision head to a graph that answers ``probabilities``.

    Parameters
    ----------
    model : onnx.ModelProto
        Its only output is ``probabilities`` of shape (n_rows, n_classes).
    classes : sequence of int or str
        In the order of the probabilities.
    threshold : float, optional
        With two classes, the label is the second if its probability is at least this. Without a
        threshold the label is the class with the largest probability, the first of equals.
    conformal : Conformal, optional
        Without it the prediction set is the label alone.
    review : ReviewRule
        When a person is asked.
    group_rule : GroupThresholds, optional
        With two classes, a rule for each group in place of the threshold.
    """
    kind = _element_type(model)
    text, constants = _head(kind, len(classes), threshold, conformal, review, group_rule)
    head = parser.parse_graph(text)
    used = {name for node in head.node for name in node.input}
    names = class_values(classes)
    label_type = TensorProto.INT64 if names.dtype == np.int64 else TensorProto.STRING
    for output in head.output:
        if output.name == "label":
            output.type.tensor_type.elem_type = label_type
    graph = helper.make_graph(
        [*model.graph.node, *head.node],
        "capstone",
        [*model.graph.input, *(group_inputs(group_rule) if group_rule else ())],
        list(head.output),
        [
            *model.graph.initializer,
            *(numpy_helper.from_array(constants[name], name) for name in constants if name in used),
            _strings(names) if label_type == TensorProto.STRING else _whole(names),
        ],
    )
    joined = helper.make_model(
        graph, opset_imports=list(model.opset_import), ir_version=model.ir_version
    )
    onnx.checker.check_model(joined)
    return joined


def _head(
    kind: int,
    n_classes: int,
    threshold: float | None,
    conformal: Conformal | None,
    review: ReviewRule,
    group_rule: GroupThresholds | None,
) -> tuple[str, dict[str, np.ndarray]]:
    float_type = np.float64 if kind == TensorProto.DOUBLE else np.float32
    constants: dict[str, np.ndarray] = {
        "head.zero": np.array(0, np.float32),
        "head.log2": np.array(np.log(2), np.float32),
        "head.tiny": np.array(1e-38, np.float32),
        "head.last": np.array([1], dtype=np.int64),
        "head.flat": np.array([-1], dtype=np.int64),
        "head.classes": np.arange(n_classes, dtype=np.int64),
        "head.second": np.array(1, dtype=np.int64),
        "head.single": np.array(1, dtype=np.int64),
    }
    lines = [
        "head_p = Cast <to = 1> (probabilities)",
        "head_safe = Max (head_p, head.tiny)",
        "head_logs = Log (head_safe)",
        "head_parts = Mul (head_p, head_logs)",
        "head_nats = ReduceSum <keepdims = 0> (head_parts, head.last)",
        "head_bits = Div (head_nats, head.log2)",
        "head_minus = Sub (head.zero, head_bits)",
        "uncertainty = Max (head_minus, head.zero)",
    ]
    if n_classes == 2:
        lines.append("score = Gather <axis = 1> (head_p, head.second)")
    else:
        lines.append("score = ReduceMax <keepdims = 0> (head_p, head.last)")
    if group_rule is not None:
        lines += group_lines(group_rule, constants)
    elif threshold is None:
        lines.append("head_index = ArgMax <axis = 1, keepdims = 0> (probabilities)")
    else:
        constants["head.threshold"] = np.array(threshold, float_type)
        lines += [
            "head_exact = Gather <axis = 1> (probabilities, head.second)",
            "head_positive = GreaterOrEqual (head_exact, head.threshold)",
            "head_index = Cast <to = 7> (head_positive)",
        ]
    lines.append("label = Gather <axis = 0> (head.labels, head_index)")
    lines += _set_lines(conformal, float_type, _TIE[kind], constants)
    lines += _review_lines(review, constants)
    body = "\n".join(lines)
    outputs = (
        "float[N] score, int64[N] label, float[N] uncertainty, "
        f"bool[N, {n_classes}] prediction_set, bool[N] review"
    )
    text = f"head ({_NAMES[kind]}[N, {n_classes}] probabilities) => ({outputs}) {{\n{body}\n}}"
    for name in constants:
        text = text.replace(name, name.replace("head.", "headc_"))
    text = text.replace("head.labels", "headc_labels")
    return text, {name.replace("head.", "headc_"): value for name, value in constants.items()}


def _set_lines(
    conformal: Conformal | None, kind: Any, tie: float, constants: dict[str, np.ndarray]
) -> list[str]:
    if conformal is None:
        return [
            "head_column = Unsqueeze (head_index, head.last)",
            "prediction_set = Equal (head_column, head.classes)",
        ]
    cuts = [1 - quantile - tie for quantile in conformal.quantiles]
    constants["head.cuts"] = np.array([max(cut, -1.0) for cut in cuts], dtype=kind)
    return ["prediction_set = GreaterOrEqual (probabilities, head.cuts)"]


def _review_lines(review: ReviewRule, constants: dict[str, np.ndarray]) -> list[str]:
    if review.rule == "budget":
        constants["head.cut"] = np.array(review.cut, np.float32)
        return ["review = GreaterOrEqual (uncertainty, head.cut)"]
    if review.rule == "never":
        constants["head.never"] = np.array(np.inf, np.float32)
        return ["review = GreaterOrEqual (uncertainty, head.never)"]
    return [
        "head_members = Cast <to = 7> (prediction_set)",
        "head_size = ReduceSum <keepdims = 0> (head_members, head.last)",
        "head_alone = Equal (head_size, head.single)",
        "review = Not (head_alone)",
    ]


def _element_type(model: onnx.ModelProto) -> int:
    return int(model.graph.output[0].type.tensor_type.elem_type)


def _whole(values: np.ndarray) -> Any:
    return numpy_helper.from_array(values, "headc_labels")


def _strings(values: np.ndarray) -> Any:
    return helper.make_tensor("headc_labels", TensorProto.STRING, [len(values)], list(values))
