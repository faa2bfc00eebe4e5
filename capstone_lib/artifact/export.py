"""From a fitted pipeline to one file: convert, prove, calibrate, seal.

Nothing is written unless the graph gives the pipeline's answers on every row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np

from capstone_lib.artifact import convert, parity
from capstone_lib.artifact.admission import (
    all_rows,
    ask_pipeline,
    check_arguments,
    check_columns,
    check_predict,
    check_sensitive,
    class_index,
    class_labels,
    known_codes,
    lenient,
)
from capstone_lib.artifact.conformal import Conformal, ReviewRule, calibrate, choose_review_cut
from capstone_lib.artifact.files import frame_sha256
from capstone_lib.artifact.group_proof import add_rule, check_rule, decided, prove_rule
from capstone_lib.artifact.group_rule import GroupThresholds
from capstone_lib.artifact.head import attach_head
from capstone_lib.artifact.model import Artifact, seal
from capstone_lib.artifact.passport import Passport
from capstone_lib.artifact.reference import reference_of, with_meaning
from capstone_lib.artifact.session import open_session
from capstone_lib.errors import ArtifactError, ConversionError, ParityError
from capstone_lib.schema import Schema

__all__ = ["export_model", "verify_parity"]

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
    group_thresholds: GroupThresholds | None = None,
    sensitive: Sequence[str] | Mapping[str, Sequence[float] | None] = (),
    schema: Schema | None = None,
    words: Schema | None = None,
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
        proved on them too, and later windows are compared with them. Without them the prediction
        set is the label alone, and the training rows are the reference.
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
    group_thresholds : GroupThresholds, optional
        With two classes a rule for each group in place of the threshold: read first what
        :class:`~capstone_lib.artifact.GroupThresholds` says of the law. A group column that is not
        one of the features must be in ``X_calibration``, and in every row that is scored; so must
        the case's number of a rule with a coin. The label may then leave the prediction set, which
        stays the probabilities' own.
    sensitive : sequence of str, or mapping of str to cuts, optional
        Columns of ``X_calibration`` by which fairness is watched, features or not: the file then
        carries counts of right and wrong decisions by group, :attr:`Artifact.reference_groups`, and
        with them how many such people there are in each group. Cuts put a number into bands:
        ``{"SEX": None, "AGEP": [25, 45, 65]}``.
    schema : Schema, optional
        If it is known better than training data shows it.
    words : Schema, optional
        Titles of columns and labels of codes, for whoever reads the passport, a form or an
        explanation: such as ``census.schema``.
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
    check_arguments(name, version, coverage, threshold, review_budget)
    classes = class_labels(pipeline, threshold)
    kept = X_train if X_calibration is None else X_calibration
    check_rule(group_thresholds, classes, threshold, kept)
    check_sensitive(sensitive, X_calibration, y_calibration)
    check_columns(pipeline, X_train)
    schema = lenient(known_codes(pipeline, schema or Schema.infer(X_train)))
    schema = schema if words is None else schema.with_words(words)
    rows = all_rows(X_train, X_calibration)
    schema.check(rows).raise_for_errors()
    expected = ask_pipeline(pipeline, rows, threshold)
    check_predict(pipeline, rows, expected, threshold)
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
    if group_thresholds is not None:
        passport = add_rule(passport, group_thresholds)
        prove_rule(_build(graph, passport), group_thresholds, pipeline, kept)
    known = None if X_calibration is None else y_calibration
    reference = reference_of(_build(graph, passport), kept, known, sensitive)
    passport = replace(passport, reference=reference)
    passport = with_meaning(passport, bare, X_calibration, y_calibration)
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
    features = X[list(artifact.passport.features.names)]
    expected = parity.expect(pipeline, features, threshold=artifact.threshold)
    expected = decided(artifact.passport, expected, X)
    return parity.compare(artifact, X, expected, tolerance=tolerance)


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
        group_rule=passport.group_rule,
    )
    return Artifact(seal(model, passport))


def _probabilities(graph: Any, passport: Passport) -> Any:
    """The artifact without its head: what it says before it decides."""
    session = open_session(graph.SerializeToString(), where="the graph")
    bare = _build(graph, passport)

    def ask(columns: Any) -> np.ndarray:
        n_rows = len(next(iter(columns.values())))
        tiles = [
            session.run(None, bare.feed(columns, start, min(start + 4096, n_rows)))[0]
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
        truth = class_index(passport.classes, y, len(X))
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
