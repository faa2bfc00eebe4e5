"""From a fitted pipeline to ONNX: the ways there are, best first.

Each plan is a way to convert; the parity gate (:mod:`capstone_lib.artifact.parity`) decides which
of them may be used. Trees have their own exact way; everything else goes through skl2onnx, first
in single and then in double precision.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from capstone_lib.artifact import fold, graph
from capstone_lib.artifact.trees import Feature, UnsupportedModelError, read_ensemble
from capstone_lib.errors import ConversionError
from capstone_lib.schema import Schema

__all__ = ["Plan", "describe", "flatten", "parts_of", "plans", "shorten"]


@dataclass(frozen=True)
class Plan:
    """One way to convert: its name for the passport, and the work."""

    name: str
    build: Callable[[], onnx.ModelProto]


def plans(pipeline: Any, schema: Schema) -> Iterator[Plan]:
    """The ways to convert ``pipeline``, best first."""
    *steps, model = flatten(pipeline)
    yield Plan("trees on raw codes", lambda: _folded(steps, model, schema))
    if steps:
        for kind, words in ((TensorProto.DOUBLE, "double"), (TensorProto.FLOAT, "single")):
            build = partial(_trees_behind, steps, model, schema, kind)
            yield Plan(f"trees behind skl2onnx, {words} precision", build)
    yield Plan("skl2onnx, single precision", lambda: _skl2onnx(pipeline, schema, TensorProto.FLOAT))
    yield Plan(
        "skl2onnx, double precision", lambda: _skl2onnx(pipeline, schema, TensorProto.DOUBLE)
    )


def flatten(pipeline: Any) -> list[Any]:
    """The fitted steps of a pipeline, nested pipelines opened, the model last."""
    from sklearn.pipeline import Pipeline

    if not isinstance(pipeline, Pipeline):
        return [pipeline]
    steps = (step for _, step in pipeline.steps)
    return [
        inner
        for step in steps
        if step is not None and not isinstance(step, str)
        for inner in flatten(step)
    ]


def describe(pipeline: Any) -> str:
    """The pipeline's steps by name: ``ColumnTransformer → LogisticRegression``."""
    return " → ".join(type(step).__name__ for step in flatten(pipeline))


def _folded(steps: list[Any], model: Any, schema: Schema) -> onnx.ModelProto:
    try:
        ensemble = read_ensemble(
            model,
            fold.trace(steps, schema),
            code_of=lambda index, category: fold.code(schema, schema.names[index], category),
        )
    except (UnsupportedModelError, fold.NotFoldableError) as reason:
        raise ConversionError(str(reason)) from reason
    return graph.folded_trees(schema, ensemble)


def _trees_behind(steps: list[Any], model: Any, schema: Schema, kind: int) -> onnx.ModelProto:
    from sklearn.pipeline import Pipeline

    try:
        ensemble = read_ensemble(model, [Feature(i) for i in range(model.n_features_in_)])
    except (UnsupportedModelError, ValueError) as reason:
        raise ConversionError(str(reason)) from reason
    front = Pipeline([(f"step{i}", step) for i, step in enumerate(steps)])
    prepared = _skl2onnx(front, schema, kind)
    return graph.append_trees(prepared, ensemble)


def _skl2onnx(pipeline: Any, schema: Schema, kind: int) -> onnx.ModelProto:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    number = FloatTensorType if kind == TensorProto.FLOAT else DoubleTensorType
    by_column, pipeline = _by_position(pipeline, schema)
    if by_column:
        types = [
            (f"column{i}", StringTensorType([None, 1]) if column.is_text else number([None, 1]))
            for i, column in enumerate(schema.columns)
        ]
    else:
        types = [("columns", number([None, len(schema.names)]))]
    options = {"zipmap": False} if hasattr(flatten(pipeline)[-1], "classes_") else None
    try:
        model = convert_sklearn(
            pipeline,
            initial_types=types,
            options=options,
            custom_conversion_functions=_corrected(kind),
        )
    except Exception as error:  # a converter may raise anything at all
        raise ConversionError(shorten(error)) from error
    if options:
        _keep_probabilities(model)
    return graph.gather_inputs(model, schema, placeholders=[name for name, _ in types], kind=kind)


def _corrected(kind: int) -> dict[Any, Any]:
    """Converters of skl2onnx that need a correction."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.preprocessing import StandardScaler

    corrected: dict[Any, Any] = {HistGradientBoostingClassifier: _convert_histogram}
    if kind == TensorProto.DOUBLE:
        corrected[StandardScaler] = _convert_scaler
    return corrected


def _convert_scaler(scope: Any, operator: Any, container: Any) -> None:
    """Scale in double precision: the converter's own way rounds to single before a tree splits."""
    from skl2onnx.algebra.onnx_ops import OnnxDiv, OnnxSub

    step, opset = operator.raw_operator, container.target_opset
    width = step.n_features_in_
    mean = np.zeros(width) if step.mean_ is None else step.mean_
    scale = np.ones(width) if step.scale_ is None else step.scale_
    shifted = OnnxSub(operator.inputs[0], mean.reshape(1, -1), op_version=opset)
    scaled = OnnxDiv(
        shifted, scale.reshape(1, -1), op_version=opset, output_names=operator.outputs[:1]
    )
    scaled.add_to(scope, container)


def _convert_histogram(scope: Any, operator: Any, container: Any) -> None:
    """Write truth values as the whole numbers that ONNX asks for."""
    from skl2onnx.common._registration import get_converter

    add_node = container.add_node

    def add_whole(*args: Any, **attributes: Any) -> None:
        key = "nodes_missing_value_tracks_true"
        if key in attributes:
            attributes[key] = [int(flag) for flag in attributes[key]]
        add_node(*args, **attributes)

    container.add_node = add_whole
    try:
        get_converter("SklearnHistGradientBoostingClassifier")(scope, operator, container)
    finally:
        container.add_node = add_node


def _by_position(pipeline: Any, schema: Schema) -> tuple[bool, Any]:
    """Whether columns enter one by one, and a copy that the converter understands.

    In the copy columns are chosen by place, and a missing text is the word that stands for it.
    """
    pipeline = copy.deepcopy(pipeline)
    nested = [part for part in parts_of(pipeline) if hasattr(part, "transformers_")]
    for part in nested:
        known = list(part.feature_names_in_)
        part.transformers_ = [
            (name, _for_text(step, columns, known, schema), _places(columns, known))
            for name, step, columns in part.transformers_
        ]
    first = flatten(pipeline)[0]
    text = any(column.is_text for column in schema.columns)
    return text or hasattr(first, "transformers_"), pipeline


def _for_text(step: Any, columns: Any, known: list[str], schema: Schema) -> Any:
    """Let imputers and encoders of text know the word that stands for a missing value."""
    names = [known[place] for place in _places(columns, known)]
    if isinstance(step, str) or not all(name in schema.names for name in names):
        return step
    if not any(schema[name].is_text for name in names):
        return step
    for part in parts_of(step):
        if hasattr(part, "missing_values"):
            part.missing_values = graph.TEXT_MISSING
        if hasattr(part, "categories_"):
            part.categories_ = [
                np.array([graph.TEXT_MISSING if _missing(c) else c for c in known_words], object)
                for known_words in part.categories_
            ]
    return step


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def parts_of(step: Any) -> Iterator[Any]:
    """A fitted step and everything fitted inside it."""
    yield step
    inner = [part for _, part in getattr(step, "steps", [])]
    inner += [entry[1] for entry in getattr(step, "transformers_", [])]
    inner += [part for _, part in getattr(step, "transformer_list", [])]
    inner += list(getattr(step, "calibrated_classifiers_", []))
    for name in ("estimator", "base_estimator", "best_estimator_"):
        inner += [getattr(step, name)] if hasattr(step, name) else []
    for part in inner:
        if part is not None and not isinstance(part, str):
            yield from parts_of(part)


def _places(columns: Any, known: list[str]) -> list[int]:
    if isinstance(columns, slice):
        return list(range(len(known)))[columns]
    return [known.index(name) for name in fold.column_names(columns, known)]


def _keep_probabilities(model: onnx.ModelProto) -> None:
    """Leave the probabilities as the only output, under that name."""
    name = model.graph.output[-1].name
    del model.graph.output[:-1]
    for node in model.graph.node:
        for place, output in enumerate(node.output):
            if output == name:
                node.output[place] = "probabilities"
        for place, value in enumerate(node.input):
            if value == name:
                node.input[place] = "probabilities"
    model.graph.output[0].name = "probabilities"


def shorten(error: Exception, *, width: int = 240) -> str:
    """A converter's error in one line: some are thirty thousand characters long."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: " + (text if len(text) <= width else text[: width - 1] + "…")
