"""From a fitted pipeline to one file: convert, prove, calibrate, seal.

Nothing is written unless the graph gives the pipeline's answers on every row.
"""

import re
from dataclasses import replace
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np

from capstone_lib.artifact import convert, fold, parity
from capstone_lib.artifact.conformal import Conformal, ReviewRule, calibrate, choose_review_cut
from capstone_lib.artifact.files import frame_sha256
from capstone_lib.artifact.head import attach_head
from capstone_lib.artifact.model import Artifact, seal
from capstone_lib.artifact.passport import Passport
from capstone_lib.errors import ArtifactError, ConversionError, ParityError
from capstone_lib.schema import Schema

__all__ = ["export_model", "verify_parity"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LIBRARIES = ("capstone-lib", "scikit-learn", "skl2onnx", "onnx", "onnxruntime", "numpy")


def export_model(
    pipeline: Any,
    X_train: Any,
    path: str | Path,
    *,
    name: str,
    version: str,
    X_calibration: Any = None,
    y_calibration: Any = None,
    coverage: float | None = 0.9,
    class_conditional: bool = False,
    threshold: float | None = None,
    review_budget: float | None = None,
    schema: Schema | None = None,
    tolerance: float = 1e-5,
) -> Artifact:
    """Export a fitted scikit-learn classifier as one ONNX file that can be trusted.

    The file holds the preprocessing, the model, the decision head and the passport. Exporting the
    same inputs twice gives the same bytes.

    Parameters
    ----------
    pipeline : fitted scikit-learn classifier or Pipeline
        With ``predict_proba``; two or more classes.
    X_train : pandas.DataFrame of shape (n_rows, n_columns)
        What it was fitted on: the schema is read off it, and parity is proved on all of it.
    path : str or path
        Where the file goes; an existing file is replaced at once, or not at all.
    name, version : str
        What predictions are stored under: letters, digits, dots, dashes and underscores.
    X_calibration, y_calibration : DataFrame and array, optional
        Rows the pipeline was *not* fitted on, with their labels, for the prediction sets. Parity is
        proved on them too. Without them the prediction set is the label alone.
    coverage : float or None, default 0.9
        The share of people whose true class should be in their prediction set.
    class_conditional : bool, default False
        Whether that share should hold within each class.
    threshold : float, optional
        With two classes: the label is the second if its probability is at least this. By default
        the class with the largest probability, as ``pipeline.predict`` decides.
    review_budget : float, optional
        Ask a person about at most this share of rows, the most uncertain ones. By default a person
        is asked when the prediction set is not a single label.
    schema : Schema, optional
        If it is known better than training data shows it.
    tolerance : float, default 1e-5
        The largest difference of a score that counts as equal.

    Returns
    -------
    Artifact

    Raises
    ------
    ParityError
        If no way of converting gives the pipeline's answers; ``report`` says where. No file is
        written.
    ConversionError
        If the pipeline cannot be converted at all, or is not a fitted classifier.
    SchemaError
        If the training frame cannot be described, or calibration rows do not fit it.
    ArtifactError
        If a name, version, coverage, threshold or budget makes no sense, or the file cannot be
        written.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> from pathlib import Path
    >>> from sklearn.linear_model import LogisticRegression
    >>> X = pd.DataFrame({"age": [20, 30, 40, 50, 60, 70], "sex": [1, 2, 1, 2, 1, 2]})
    >>> model = LogisticRegression().fit(X, [1, 1, 1, 0, 0, 0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     artifact = export_model(model, X, Path(folder) / "m.onnx", name="work", version="1.0")
    >>> artifact.predict({"sex": [1], "age": [25]}).label
    array([1]...)
    """
    _check_arguments(name, version, coverage, threshold, review_budget)
    classes = _classes(pipeline, threshold)
    _check_columns(pipeline, X_train)
    schema = _lenient(_known_codes(pipeline, schema or Schema.infer(X_train)))
    rows = _all_rows(X_train, X_calibration)
    schema.check(rows).raise_for_errors()
    expected = _expect(pipeline, rows, threshold)
    _check_predict(pipeline, rows, expected, threshold)
    passport = Passport(
        name=name,
        version=version,
        pipeline=convert.describe(pipeline),
        conversion="",
        schema=schema,
        classes=classes,
        threshold=threshold,
        conformal=None,
        review=ReviewRule("never"),
        training={"rows": len(X_train), "sha256": frame_sha256(X_train)},
        calibration=None,
        libraries={library: installed(library) for library in _LIBRARIES},
    )
    graph, passport, report = _convert(pipeline, rows, expected, passport, tolerance)
    bare = _build(graph, passport)
    schema, cases = parity.try_edges(
        bare, pipeline, X_train, threshold=threshold, tolerance=tolerance
    )
    passport = replace(
        passport,
        schema=schema,
        parity={
            "rows": report.n_rows,
            "labels_wrong": report.labels_wrong,
            "max_difference": report.max_difference,
            "tolerance": tolerance,
            "edge_cases": [case.to_list() for case in cases],
        },
    )
    if X_calibration is not None and (coverage is not None or review_budget is not None):
        passport = _calibrated(
            _probabilities(graph, passport),
            passport,
            X_calibration,
            y_calibration,
            coverage=coverage,
            class_conditional=class_conditional,
            review_budget=review_budget,
            uncertainty=bare.score(schema.check(X_calibration).columns).uncertainty,
        )
    artifact = _build(graph, passport)
    artifact.save(path)
    artifact.path = Path(path)
    return artifact


def verify_parity(
    artifact: Artifact, pipeline: Any, X: Any, *, tolerance: float = 1e-5
) -> parity.ParityReport:
    """Compare an artifact with its pipeline on more rows, without raising when they differ.

    Parameters
    ----------
    artifact : Artifact
    pipeline : fitted scikit-learn classifier
        The one it was exported from.
    X : pandas.DataFrame of shape (n_rows, n_columns)
    tolerance : float, default 1e-5

    Returns
    -------
    ParityReport

    Raises
    ------
    SchemaError
        If rows do not fit the schema.
    """
    artifact.schema.check(X).raise_for_errors()
    X = X[list(artifact.schema.names)]
    expected = parity.expect(pipeline, X, threshold=artifact.threshold)
    return parity.compare(artifact, X, expected, tolerance=tolerance)


def _check_arguments(
    name: str,
    version: str,
    coverage: float | None,
    threshold: float | None,
    review_budget: float | None,
) -> None:
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


def _classes(pipeline: Any, threshold: float | None) -> tuple[Any, ...]:
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


def _check_columns(pipeline: Any, X: Any) -> None:
    known = getattr(pipeline, "feature_names_in_", None)
    if known is None or not hasattr(X, "columns"):
        return
    if list(known) != list(X.columns):
        raise ConversionError(
            f"the pipeline was fitted on the columns {list(known)}; X_train has "
            f"{list(X.columns)}: pass the same columns in the same order"
        )


def _lenient(schema: Schema) -> Schema:
    """Let unknown categories through for now: parity decides which the model can bear."""
    return schema.with_columns([replace(column, on_unknown="warn") for column in schema.columns])


def _expect(pipeline: Any, rows: Any, threshold: float | None) -> parity.Expected:
    try:
        return parity.expect(pipeline, rows, threshold=threshold)
    except (ValueError, TypeError) as error:
        raise ConversionError(
            f"the pipeline itself cannot score the rows it was given: {convert.shorten(error)}"
        ) from error


def _check_predict(
    pipeline: Any, X: Any, expected: parity.Expected, threshold: float | None
) -> None:
    sample = X.iloc[:1000]
    if threshold is None and (pipeline.predict(sample) != expected.label[:1000]).any():
        raise ConversionError(
            "this pipeline's predict does not follow from its predict_proba, so the label to "
            "export is ambiguous: pass the operating threshold"
        )


def _all_rows(X_train: Any, X_calibration: Any) -> Any:
    import pandas as pd

    if X_calibration is None:
        return X_train
    missing = [column for column in X_train.columns if column not in X_calibration.columns]
    if missing:
        raise ArtifactError(f"X_calibration lacks the columns {missing} that X_train has")
    return pd.concat([X_train, X_calibration[list(X_train.columns)]], ignore_index=True)


def _known_codes(pipeline: Any, schema: Schema) -> Schema:
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


def _convert(
    pipeline: Any, rows: Any, expected: parity.Expected, passport: Passport, tolerance: float
) -> tuple[Any, Passport, parity.ParityReport]:
    """The first way of converting that passes the gate."""
    refused: list[str] = []
    reports: list[parity.ParityReport] = []
    for plan in convert.plans(pipeline, passport.schema):
        candidate = replace(passport, conversion=plan.name)
        try:
            graph = plan.build()
            report = parity.compare(_build(graph, candidate), rows, expected, tolerance=tolerance)
        except (ConversionError, ArtifactError) as error:
            refused.append(f"{plan.name}: {error}")
            continue
        except Exception as error:  # onnxruntime's errors have no common base
            refused.append(f"{plan.name}: the graph fails on rows given: {convert.shorten(error)}")
            continue
        if report.ok:
            return graph, candidate, report
        reports.append(report)
    if reports:
        raise _parity_error(min(reports, key=lambda r: r.labels_wrong), pipeline, rows)
    raise ConversionError(
        f"{convert.describe(pipeline)} cannot be converted to ONNX:\n  "
        + "\n  ".join(refused)
        + "".join(f"\nLikely cause: {cause}" for cause in parity.likely_causes(pipeline, rows))
        + "\nReplace the step that is named, or export a simpler pipeline. No file was written."
    )


def _parity_error(report: parity.ParityReport, pipeline: Any, rows: Any) -> ParityError:
    lines = [f"the converted graph does not give the pipeline's answers: {report}"]
    lines += [f"  {line}" for line in report.worst_lines()]
    lines += [f"Likely cause: {cause}" for cause in parity.likely_causes(pipeline, rows)]
    lines.append("No file was written.")
    return ParityError("\n".join(lines), report)


def _build(graph: Any, passport: Passport) -> Artifact:
    model = attach_head(
        graph,
        classes=passport.classes,
        threshold=passport.threshold,
        conformal=passport.conformal,
        review=passport.review,
    )
    return Artifact(seal(model, passport))


def _probabilities(graph: Any, passport: Passport) -> Any:
    """The artifact without its head: what it says before it decides."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    bare = _build(graph, passport)

    def ask(columns: Any) -> np.ndarray:
        n_rows = len(next(iter(columns.values())))
        tiles = [
            session.run(None, bare._feed(columns, start, min(start + 4096, n_rows)))[0]
            for start in range(0, n_rows, 4096)
        ]
        return np.concatenate(tiles)

    return ask


def _calibrated(
    ask: Any,
    passport: Passport,
    X: Any,
    y: Any,
    *,
    coverage: float | None,
    class_conditional: bool,
    review_budget: float | None,
    uncertainty: np.ndarray,
) -> Passport:
    checked = passport.schema.check(X)
    checked.raise_for_errors()
    conformal: Conformal | None = None
    if coverage is not None:
        truth = _class_index(passport.classes, y, len(X))
        conformal = calibrate(
            ask(checked.columns), truth, coverage=coverage, class_conditional=class_conditional
        )
    review = ReviewRule("set" if conformal else "never")
    if review_budget is not None:
        cut = float(np.float32(choose_review_cut(uncertainty, review_budget)))
        review = ReviewRule("budget", review_budget, cut)
    return replace(
        passport,
        conformal=conformal,
        review=review,
        calibration={"rows": len(X), "sha256": frame_sha256(X)},
    )


def _class_index(classes: tuple[Any, ...], y: Any, n_rows: int) -> np.ndarray:
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
