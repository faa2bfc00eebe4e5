"""What export is given, checked before any work is done.

Every refusal names what was seen, what was expected and what to do.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from capstone_lib.artifact import convert, fold, parity
from capstone_lib.errors import ArtifactError, ConversionError
from capstone_lib.schema import Schema

__all__ = [
    "all_rows",
    "ask_pipeline",
    "check_arguments",
    "check_columns",
    "check_predict",
    "check_sensitive",
    "class_index",
    "class_labels",
    "known_codes",
    "lenient",
]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_arguments(
    name: str,
    version: str,
    coverage: float | None,
    threshold: float | None,
    review_budget: float | None,
) -> None:
    """Refuse names, versions and shares that make no sense."""
    for what, text in (("name", name), ("version", version)):
        if not isinstance(text, str) or not _NAME.fullmatch(text):
            raise ArtifactError(
                f"the {what} {text!r} is not usable: it names files and tables, so write up to 64 "
                "letters, digits, dots, dashes or underscores, beginning with a letter or digit"
            )
    for what, share in (("coverage", coverage), ("threshold", threshold)):
        if share is not None and not 0 < share < 1:
            raise ArtifactError(f"the {what} must lie between 0 and 1; seen {share!r}")
    if review_budget is not None and not 0 <= review_budget <= 1:
        raise ArtifactError(f"the review budget is a share from 0 to 1; seen {review_budget!r}")


def class_labels(pipeline: Any, threshold: float | None) -> tuple[Any, ...]:
    """The classes of a fitted classifier, as the graph and the passport can hold them."""
    if not hasattr(pipeline, "predict_proba") or not hasattr(pipeline, "classes_"):
        raise ConversionError(
            "export_model takes a fitted classifier with predict_proba; seen "
            f"{type(pipeline).__name__}: fit it first, or choose a classifier that gives "
            "probabilities"
        )
    classes = tuple(np.asarray(pipeline.classes_).tolist())
    if all(isinstance(value, float) and value.is_integer() for value in classes):
        classes = tuple(int(value) for value in classes)
    if len({type(value) for value in classes}) != 1 or not isinstance(classes[0], int | str):
        raise ConversionError(
            f"classes must be whole numbers, text or true/false; seen {classes[:3]}"
        )
    if len(classes) < 2:
        raise ConversionError(f"a classifier needs two classes or more; seen {classes}")
    if threshold is not None and len(classes) != 2:
        raise ArtifactError(
            f"a threshold needs exactly two classes; this model has {len(classes)}: leave it out"
        )
    return classes


def check_columns(pipeline: Any, X: Any) -> None:
    """Refuse a frame whose columns are not those the pipeline was fitted on."""
    known = getattr(pipeline, "feature_names_in_", None)
    if known is None or not hasattr(X, "columns"):
        return
    if list(known) != list(X.columns):
        raise ConversionError(
            f"the pipeline was fitted on the columns {list(known)}; X_train has "
            f"{list(X.columns)}: pass the same columns in the same order"
        )


def lenient(schema: Schema) -> Schema:
    """Let unknown categories through for now: parity decides which the model can bear."""
    return schema.with_columns([replace(column, on_unknown="warn") for column in schema.columns])


def ask_pipeline(pipeline: Any, rows: Any, threshold: float | None) -> parity.Expected:
    """What the pipeline itself says of the rows."""
    try:
        return parity.expect(pipeline, rows, threshold=threshold)
    except (ValueError, TypeError) as error:
        raise ConversionError(
            f"the pipeline itself cannot score the rows it was given: {convert.shorten(error)}"
        ) from error


def check_predict(
    pipeline: Any, X: Any, expected: parity.Expected, threshold: float | None
) -> None:
    """Refuse a pipeline whose labels do not follow from its probabilities."""
    sample = X.iloc[:1000]
    if threshold is None and (pipeline.predict(sample) != expected.label[:1000]).any():
        raise ConversionError(
            "this pipeline's predict does not follow from its predict_proba, so the label to "
            "export is ambiguous: pass the operating threshold"
        )


def check_sensitive(
    sensitive: Sequence[str] | Mapping[str, Any], X_calibration: Any, y_calibration: Any
) -> None:
    """Refuse sensitive columns that held-out rows with labels do not have."""
    if isinstance(sensitive, str):
        raise ArtifactError(f"sensitive is a list of columns; write [{sensitive!r}]")
    if not sensitive:
        return
    if X_calibration is None or y_calibration is None:
        raise ArtifactError(
            "fairness is counted on rows that the model was not fitted on: pass X_calibration and "
            "y_calibration, or leave out sensitive"
        )
    missing = [column for column in sensitive if column not in X_calibration]
    if missing:
        raise ArtifactError(f"X_calibration lacks the sensitive columns {missing}")


def all_rows(X_train: Any, X_calibration: Any) -> Any:
    """Training and calibration rows together: parity is proved on all of them."""
    import pandas as pd

    if X_calibration is None:
        return X_train
    missing = [column for column in X_train.columns if column not in X_calibration.columns]
    if missing:
        raise ArtifactError(f"X_calibration lacks the columns {missing} that X_train has")
    return pd.concat([X_train, X_calibration[list(X_train.columns)]], ignore_index=True)


def known_codes(pipeline: Any, schema: Schema) -> Schema:
    """Columns of whole numbers that a fitted encoder takes as codes become categories."""
    codes = fold.encoded_columns(pipeline, schema)
    return schema.with_columns(
        [
            replace(
                column, kind="category", categories=codes[column.name], minimum=None, maximum=None
            )
            for column in schema.columns
            if column.kind == "integer" and column.name in codes
        ]
    )


def class_index(classes: tuple[Any, ...], y: Any, n_rows: int) -> np.ndarray:
    """Each calibration label as its place among the classes."""
    if y is None or len(y) != n_rows:
        raise ArtifactError(
            f"X_calibration has {n_rows:,} rows and y_calibration "
            f"{'is missing' if y is None else f'{len(y):,}'}: pass one label a row"
        )
    place = {value: index for index, value in enumerate(classes)}
    values = np.asarray(y).tolist()
    strangers = sorted({str(value) for value in values if value not in place})
    if strangers:
        raise ArtifactError(
            f"y_calibration holds labels the model does not know: {strangers[:5]}; "
            f"known are {list(classes)}"
        )
    return np.array([place[value] for value in values], dtype=np.int64)
