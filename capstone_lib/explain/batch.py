"""Explaining a batch: SHAP values of a sample, by the shap library, on the artifact's own scores.

The people compared with are the background's made-up ones, all of them and alike, so that the
artifact is all one needs; live explanations go the way of a few of them that speak for all.
"""

import warnings
from importlib import import_module
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np

from capstone_lib.artifact import Artifact, load_model
from capstone_lib.artifact.mixtures import Mixtures
from capstone_lib.batch import BatchRun
from capstone_lib.errors import ArtifactError, MissingExtraError, RunError
from capstone_lib.explain.kept import Explanations
from capstone_lib.explain.sample import Sample, draw_sample
from capstone_lib.explain.table import BatchExplanation
from capstone_lib.store import RunRecord, Store, open_store

__all__ = ["explain_batch"]

_ORDERS = 4
"""Orders of the columns, each gone forwards and backwards, for each row."""


def explain_batch(
    run: Any,
    artifact: Artifact | str | Path,
    *,
    n: int = 500,
    seed: int = 0,
    store: Store | str | Path | None = None,
    source: Any = None,
    id: str = "",  # noqa: A002 - the column's role
) -> BatchExplanation:
    """Explain a seeded sample of a batch's rows.

    Parameters
    ----------
    run : BatchRun, str, path, DataFrame or Arrow table
        A run, or the id of one in ``store``: then reasons are kept beside its predictions. Or rows,
        as :func:`capstone_lib.score_batch` takes them.
    artifact : Artifact or path
        The one that scored the run.
    n : int
        How many rows, drawn from those that fit the schema.
    seed : int
        Of the sample, and of the orders in which columns change.
    store : Store or URL, optional
        Where a run's explanation is kept, a database; by default nowhere.
    source : path, DataFrame or Arrow table, optional
        A run's rows, if they are not where the run read them.
    id : str
        The column of row ids where rows are given; by default their numbers from 0.

    Returns
    -------
    BatchExplanation

    Raises
    ------
    RunError
        If there is no such run, another artifact scored it, or its rows are no longer the same.
    ArtifactError
        If an older version exported the artifact.
    SourceError, StoreError
        If rows cannot be read, or the store cannot be used.
    MissingExtraError
        If shap is not installed.
    """
    model = artifact if isinstance(artifact, Artifact) else load_model(artifact)
    if model.background is None:
        raise ArtifactError(
            f"{model.name} {model.version} carries nobody to compare a row with: it was exported "
            "by an older version of capstone_lib; export the model again"
        )
    if store is None or isinstance(store, Store):
        return _explain(run, model, n, seed, store, source, id)
    with open_store(store) as opened:
        return _explain(run, model, n, seed, opened, source, id)


def _explain(
    run: Any, model: Artifact, n: int, seed: int, store: Store | None, source: Any, id_column: str
) -> BatchExplanation:
    if n < 1:
        raise ValueError(f"n is {n}; explain one row at least")
    kept = None if store is None else Explanations(store)
    record = _record(run, kept)
    if record is None:
        return _shap(
            model, draw_sample(run, model.schema, id_column=id_column, n=n, seed=seed), seed
        )
    rows = _rows_of(record, model, record.source if source is None else source)
    drawn = draw_sample(rows, model.schema, id_column=record.identity.id_column, n=n, seed=seed)
    found = _shap(model, drawn, seed)
    return found if kept is None else kept.keep(found, record.run_id)


def _record(run: Any, kept: Explanations | None) -> RunRecord | None:
    """The record of a run, where one is meant rather than rows."""
    run_id = run.run_id if isinstance(run, BatchRun) else run
    if not isinstance(run_id, str) or (run is run_id and kept is None):
        return None
    if kept is None:
        with open_store(run.store) as opened:
            return Explanations(opened).run(run_id)
    return kept.run(run_id, required=isinstance(run, BatchRun) or not _is_place(run_id))


def _is_place(text: str) -> bool:
    return any(mark in text for mark in "/\\.*")


def _rows_of(record: RunRecord, model: Artifact, source: Any) -> Any:
    """The run's rows, the very same that were scored."""
    from capstone_lib.batch.source import open_source

    if record.identity.artifact != model.sha256:
        raise RunError(
            f"run {record.run_id} was scored by {record.identity.model} {record.identity.version} "
            f"({record.identity.artifact[:12]}…), not by this {model.name} {model.version} "
            f"({model.sha256[:12]}…); give the artifact that scored it"
        )
    if open_source(source).snapshot() != record.identity.snapshot:
        raise RunError(
            f"the rows of run {record.run_id} are no longer those that were scored: "
            f"{record.source} has another content now; give the original with source= (--source)"
        )
    return source


def _shap(model: Artifact, sample: Sample, seed: int) -> BatchExplanation:
    shap = _library()
    background = model.background
    assert background is not None
    codes = _Codes(model, sample)
    said = model.score(sample.columns)
    many = len(model.classes) > 2
    places = (
        np.array([model.classes.index(label) for label in said.label.tolist()])
        if many
        else np.ones(len(sample), dtype=int)
    )
    values = np.empty(codes.rows.shape)
    base = np.empty(len(sample))
    masker = shap.maskers.Independent(codes.people, max_samples=len(codes.people))
    for place in np.unique(places):
        mine = places == place
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the library's own inside
            explain = shap.PermutationExplainer(codes.scorer(int(place)), masker, seed=seed)
            evaluations = _ORDERS * (2 * len(background.names) + 1)
            found = explain(codes.rows[mine], max_evals=evaluations, silent=True)
        values[mine], base[mine] = found.values, found.base_values
    return BatchExplanation(
        columns=background.names,
        ids=tuple(sample.ids),
        values=values,
        base_values=base,
        scores=said.score.astype(np.float64),
        data={name: sample.columns[name] for name in background.names},
        schema=model.passport.features,
        labels=tuple(said.label.tolist()) if many else None,
        method={
            "name": "shap.PermutationExplainer",
            "version": installed("shap"),
            "orders": _ORDERS,
            "rows": len(sample),
            "artifact": model.sha256,
        },
        background=background.sha256,
        seed=seed,
    )


def _library() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of packages that it imports
            return import_module("shap")
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "explain") from error


class _Codes:
    """Rows as the shap library wants them, one matrix of numbers: words have a code each."""

    def __init__(self, model: Artifact, sample: Sample) -> None:
        background = model.background
        assert background is not None
        everybody = dict(zip(background.names, zip(*background.rows, strict=True), strict=True))
        self._mixtures = Mixtures(model, everybody)
        self._words: dict[int, list[Any]] = {}
        columns = []
        for place, column in enumerate(model.passport.features.columns):
            both = [*everybody[column.name], *sample.columns[column.name].tolist()]
            if column.is_text:
                words = self._words[place] = list(dict.fromkeys(both))
                both = [words.index(word) for word in both]
            columns.append(np.array(both, dtype=np.float64))
        matrix = np.column_stack(columns)
        self.people, self.rows = matrix[: len(background.rows)], matrix[len(background.rows) :]

    def scorer(self, place: int) -> Any:
        """A function of the matrix: the score, or with many classes one class's probability."""

        def score(matrix: np.ndarray) -> np.ndarray:
            columns = [self._decoded(matrix, column) for column in range(matrix.shape[1])]
            scores = self._mixtures.score([self._mixtures.plain(columns)])
            return np.asarray(scores[:, place if scores.shape[1] > 1 else 0])

        return score

    def _decoded(self, matrix: np.ndarray, column: int) -> Any:
        words = self._words.get(column)
        if words is None:
            return matrix[:, column]
        return [words[int(code)] for code in matrix[:, column]]
