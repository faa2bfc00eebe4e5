"""Pieces of ONNX graphs: inputs, the tree node, joining. All answer ``probabilities``."""

from typing import Any

import numpy as np
import onnx.compose
from onnx import TensorProto, helper, numpy_helper

from capstone_lib.artifact.fold import TEXT_MISSING_CODE, TEXT_UNKNOWN_CODE, text_code
from capstone_lib.artifact.trees import Ensemble
from capstone_lib.schema import Schema

__all__ = [
    "IR_VERSION",
    "NUMBERS",
    "OPSET",
    "TEXT_MISSING",
    "code_columns",
    "gather_inputs",
    "text_input",
    "tree_nodes",
]

OPSET = 21
IR_VERSION = 10
NUMBERS = "capstone.numbers"  # the one input that carries all columns that are not text
TEXT_MISSING = "<missing>"  # what stands for a missing text in the graph


def text_input(name: str) -> str:
    """The graph input that carries the text column ``name``."""
    return f"capstone.text.{name}"


def _opsets(ml: int) -> list[Any]:
    return [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ml)]


def split_names(schema: Schema) -> tuple[list[str], list[str]]:
    """Names of the columns that enter as numbers and of those that enter as text."""
    text = [column.name for column in schema.columns if column.is_text]
    return [name for name in schema.names if name not in text], text


def _inputs(schema: Schema, kind: int) -> list[Any]:
    numbers, text = split_names(schema)
    inputs = [helper.make_tensor_value_info(NUMBERS, kind, [None, len(numbers)])] if numbers else []
    return inputs + [
        helper.make_tensor_value_info(text_input(name), TensorProto.STRING, [None, 1])
        for name in text
    ]


def code_columns(schema: Schema) -> tuple[list[Any], str, list[int]]:
    """Nodes that turn text into codes and put all columns into one matrix of doubles.

    Returns
    -------
    nodes, matrix, places
        ``places[i]`` is the matrix column of the schema's column ``i``.
    """
    numbers, text = split_names(schema)
    order = [*numbers, *text]
    places = [order.index(name) for name in schema.names]
    if not text:
        return [], NUMBERS, places
    nodes, parts = [], [NUMBERS] if numbers else []
    for name in text:
        words = [str(word) for word in schema[name].categories or ()]
        keys, codes = [*words, TEXT_MISSING], [text_code(schema, name, w) for w in words]
        coded, part = f"coded.{name}", f"double.{name}"
        nodes += [
            helper.make_node(
                "LabelEncoder",
                [text_input(name)],
                [coded],
                domain="ai.onnx.ml",
                keys_strings=keys,
                values_floats=[*codes, TEXT_MISSING_CODE],
                default_float=TEXT_UNKNOWN_CODE,
            ),
            helper.make_node("Cast", [coded], [part], to=TensorProto.DOUBLE),
        ]
        parts.append(part)
    nodes.append(helper.make_node("Concat", parts, ["capstone.matrix"], axis=1))
    return nodes, "capstone.matrix", places


def tree_nodes(ensemble: Ensemble, matrix: str) -> tuple[list[Any], list[Any]]:
    """The nodes and initializers from a matrix of doubles to ``probabilities``."""
    nodes: list[Any] = []
    if ensemble.float32_first:
        nodes += [
            helper.make_node("Cast", [matrix], ["capstone.single"], to=TensorProto.FLOAT),
            helper.make_node("Cast", ["capstone.single"], ["capstone.rounded"], to=11),
        ]
        matrix = "capstone.rounded"
    nodes.append(_ensemble_node(ensemble, matrix))
    nodes.append(helper.make_node("Add", ["capstone.sums", "capstone.base"], ["capstone.raw"]))
    constants = [numpy_helper.from_array(ensemble.base.astype(np.float64), "capstone.base")]
    if ensemble.link == "sigmoid":
        constants.append(numpy_helper.from_array(np.array(1.0), "capstone.one"))
        nodes += [
            helper.make_node("Sigmoid", ["capstone.raw"], ["capstone.second"]),
            helper.make_node("Sub", ["capstone.one", "capstone.second"], ["capstone.first"]),
            helper.make_node(
                "Concat", ["capstone.first", "capstone.second"], ["probabilities"], axis=1
            ),
        ]
    elif ensemble.link == "softmax":
        nodes.append(helper.make_node("Softmax", ["capstone.raw"], ["probabilities"], axis=1))
    else:
        divisor = np.array(float(ensemble.divisor))
        constants.append(numpy_helper.from_array(divisor, "capstone.divisor"))
        nodes.append(
            helper.make_node("Div", ["capstone.raw", "capstone.divisor"], ["probabilities"])
        )
    return nodes, constants


def _ensemble_node(e: Ensemble, matrix: str) -> Any:
    double = {"nodes_splits": e.splits, "leaf_weights": e.leaf_weights}
    if e.members:
        double["membership_values"] = e.members
    tensors = {
        key: numpy_helper.from_array(np.array(values, np.float64), key)
        for key, values in double.items()
    }
    return helper.make_node(
        "TreeEnsemble",
        [matrix],
        ["capstone.sums"],
        domain="ai.onnx.ml",
        n_targets=e.n_outputs,
        aggregate_function=1,
        post_transform=0,
        tree_roots=e.roots,
        nodes_featureids=e.feature_ids,
        nodes_modes=numpy_helper.from_array(np.array(e.modes, np.uint8), "nodes_modes"),
        nodes_truenodeids=e.true_ids,
        nodes_falsenodeids=e.false_ids,
        nodes_trueleafs=e.true_leaf,
        nodes_falseleafs=e.false_leaf,
        nodes_missing_value_tracks_true=e.missing_true,
        leaf_targetids=e.leaf_targets,
        **tensors,
    )


def folded_trees(schema: Schema, ensemble: Ensemble) -> onnx.ModelProto:
    """A whole graph from raw columns to ``probabilities`` whose splits stand on the raw columns."""
    coding, matrix, places = code_columns(schema)
    ensemble.feature_ids = [places[i] for i in ensemble.feature_ids]
    nodes, constants = tree_nodes(ensemble, matrix)
    return _model([*coding, *nodes], _inputs(schema, TensorProto.DOUBLE), constants, ml=5)


def append_trees(model: onnx.ModelProto, ensemble: Ensemble) -> onnx.ModelProto:
    """Put the trees behind a graph that prepares their matrix as its only output."""
    prepared = model.graph.output[0]
    cast = helper.make_node("Cast", [prepared.name], ["capstone.prepared"], to=TensorProto.DOUBLE)
    nodes, constants = tree_nodes(ensemble, "capstone.prepared")
    constants = [*model.graph.initializer, *constants]
    return _model([*model.graph.node, cast, *nodes], list(model.graph.input), constants, ml=5)


def _model(nodes: list[Any], inputs: list[Any], constants: list[Any], ml: int) -> onnx.ModelProto:
    output = helper.make_tensor_value_info("probabilities", TensorProto.DOUBLE, [None, None])
    graph = helper.make_graph(nodes, "capstone", inputs, [output], constants)
    return helper.make_model(graph, opset_imports=_opsets(ml), ir_version=IR_VERSION)


def gather_inputs(
    model: onnx.ModelProto, schema: Schema, *, placeholders: list[str], kind: int
) -> onnx.ModelProto:
    """Give a converted graph our inputs: one matrix of numbers, and each text column by itself.

    Parameters
    ----------
    model : onnx.ModelProto
        Its inputs are ``placeholders``, one a column of the schema, or one for the whole matrix.
    schema : Schema
        The raw columns.
    placeholders : list of str
        The names under which the converter took its inputs.
    kind : int
        The element type of numbers.
    """
    numbers, text = split_names(schema)
    model = onnx.compose.add_prefix(model, "model.", rename_outputs=False)
    placeholders = [f"model.{name}" for name in placeholders]
    if len(placeholders) == 1 and len(schema.names) > 1:
        front = [helper.make_node("Identity", [NUMBERS], placeholders)]
    else:
        by_name = dict(zip(schema.names, placeholders, strict=True))
        outs = [by_name[name] for name in numbers]
        front = [helper.make_node("Identity", [text_input(n)], [by_name[n]]) for n in text]
        if len(outs) == 1:
            front.append(helper.make_node("Identity", [NUMBERS], outs))
        elif outs:
            front.append(helper.make_node("Split", [NUMBERS], outs, axis=1, num_outputs=len(outs)))
    graph = helper.make_graph(
        [*front, *model.graph.node],
        "capstone",
        _inputs(schema, kind),
        list(model.graph.output),
        list(model.graph.initializer),
    )
    opsets = [*_opsets(3), *(o for o in model.opset_import if o.domain not in ("", "ai.onnx.ml"))]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
