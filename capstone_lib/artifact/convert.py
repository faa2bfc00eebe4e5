"""From a fitted pipeline to ONNX: the ways there are, best first.

Each plan is a way to convert; the parity gate (:mod:`capstone_lib.artifact.parity`) decides which
of them may be used. Trees have their own exact way; everything else goes through skl2onnx, first
in single and then in double precision.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import TensorProto

from capstone_lib.artifact import fold, graph
from capstone_lib.artifact.trees import Feature, UnsupportedModelError, read_ensemble
from capstone_lib.errors import ConversionError
from capstone_lib.schema import Schema

__all__ = ["Plan", "describe", "flatten", "plans", "shorten"]


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
        yield Plan("trees behind skl2onnx", lambda: _trees_behind(steps, model, schema))
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


def _trees_behind(steps: list[Any], model: Any, schema: Schema) -> onnx.ModelProto:
    from sklearn.pipeline import Pipeline

    try:
        ensemble = read_ensemble(model, [Feature(i) for i in range(model.n_features_in_)])
    except (UnsupportedModelError, ValueError) as reason:
        raise ConversionError(str(reason)) from reason
    front = Pipeline([(f"step{i}", step) for i, step in enumerate(steps)])
    prepared = _skl2onnx(front, schema, TensorProto.DOUBLE)
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
            target_opset={"": graph.OPSET, "ai.onnx.ml": 3},
        )
    except Exception as error:  # a converter may raise anything at all
        raise ConversionError(shorten(error)) from error
    if options:
        _keep_probabilities(model)
    return graph.gather_inputs(model, schema, placeholders=[name for name, _ in types], kind=kind)


def _by_position(pipeline: Any, schema: Schema) -> tuple[bool, Any]:
    """Whether columns enter one by one, and the pipeline with column names turned into places.

    The fitted pipeline is left as it is: only what changes is copied.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    if isinstance(pipeline, ColumnTransformer):
        known = list(pipeline.feature_names_in_)
        changed = copy.copy(pipeline)
        changed.transformers_ = [
            (name, step, [schema.names.index(known[i]) for i in _places(columns, known)])
            for name, step, columns in pipeline.transformers_
        ]
        return True, changed
    if isinstance(pipeline, Pipeline):
        by_column, first = _by_position(pipeline.steps[0][1], schema)
        changed = copy.copy(pipeline)
        changed.steps = [(pipeline.steps[0][0], first), *pipeline.steps[1:]]
        return by_column, changed
    return any(column.is_text for column in schema.columns), pipeline


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
