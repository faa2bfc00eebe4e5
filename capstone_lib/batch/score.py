"""One batch run, from source to published predictions."""

import os
import time
from contextlib import closing, nullcontext
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from capstone_lib.batch import steps
from capstone_lib.batch.pipeline import Clock, score_stretches
from capstone_lib.batch.run import BatchRun
from capstone_lib.batch.source import Source, open_source
from capstone_lib.batch.tally import Tally
from capstone_lib.errors import RunError, SourceError
from capstone_lib.progress import progress
from capstone_lib.store import Attempt, RunIdentity, RunRecord, Store, open_store, parse_day
from capstone_lib.store.run import now

if TYPE_CHECKING:
    from capstone_lib.artifact import Artifact
    from capstone_lib.schema import Schema

__all__ = ["score_batch"]

_USUAL_IDS = ("row_id", "id")
_ENGINES = ("local",)
_ERROR_LENGTH = 2_000


def score_batch(
    artifact: "Artifact | str | Path",
    source: Any,
    *,
    store: str | Path | Store,
    as_of: str | date,
    id: str | None = None,  # noqa: A002 - the column's role
    engine: str = "local",
    max_reject_share: float = 0.05,
    workers: int | None = None,
    show_progress: bool | None = None,
) -> BatchRun:
    """Score a source with an artifact and publish the predictions in a store.

    The same as-of date, source content and artifact leave exactly the same predictions however
    often this is called, and however it was interrupted before: nobody sees a run that is not
    finished, and a run that is published is not done again. If an artifact of the same version but
    with other content scores the same source, its predictions take the place of the earlier ones;
    another version's stand beside them.

    Parameters
    ----------
    artifact : Artifact or path
        The model.
    source : path, Arrow table or DataFrame
        A Parquet or CSV file, a folder or glob of them (read in the order of their names), or rows
        in memory. Columns that the model does not need are left alone.
    store : str, Path or Store
        Where predictions go; see :func:`capstone_lib.open_store`.
    as_of : str or date
        The day the predictions speak of, such as ``"2016-01-31"``.
    id : str, optional
        The column of row ids. By default the one that the schema names, else ``row_id``, else
        ``id``, else the row's number in the source, from 0.
    engine : {"local"}
        Where the work is done.
    max_reject_share : float, default 0.05
        Rows that do not fit the schema, or repeat an id, go to the store's rejects. If their share
        is larger than this, the run fails and nothing is published.
    workers : int, optional
        Threads that score; one a processor by default.
    show_progress : bool, optional
        Rows, rows a second, time left; by default in notebooks and terminals.

    Returns
    -------
    BatchRun
        Counts, steps with their times, and what the gate found.

    Raises
    ------
    SourceError
        If the source cannot be read, or has no rows.
    SchemaError
        If a column is missing, or has the wrong type altogether.
    RunError
        If too many rows were rejected.
    StoreError
        If the store cannot be opened.
    ValueError
        If an argument makes no sense.
    """
    day = parse_day(as_of)
    n_workers = _checked_arguments(engine, max_reject_share, workers)
    clock, started = Clock(), time.perf_counter()
    with clock.measure("load_model"):
        model = steps.load_model(artifact)
    with clock.measure("extract"):
        opened = open_source(source)
    tally = Tally(opened.n_rows, max_reject_share)
    found = model.schema.check(opened.empty(), parse_text=opened.untyped).problems
    id_column = _id_column(id, model.passport.features, opened)
    tally.note(problem for problem in found if problem.column != id_column)
    with clock.measure("extract"):
        snapshot = opened.snapshot()
    identity = RunIdentity(day, snapshot, model.name, model.version, model.sha256, id_column)
    record = RunRecord(
        identity, "running", opened.description, engine, tuple(model.classes), scored_at=now()
    )
    with nullcontext(store) if isinstance(store, Store) else open_store(store) as target:
        attempt = target.begin(record)
        if isinstance(attempt, RunRecord):
            _check_reused(attempt, max_reject_share)
            return BatchRun.of(attempt, status="reused", store=target.url)
        job = _Job(attempt, record, opened, model, clock, tally, started)
        done = job.run(n_workers, show_progress)
        won = done.scored_at == record.scored_at
        return BatchRun.of(done, status="published" if won else "reused", store=target.url)


@dataclass(frozen=True)
class _Job:
    """An attempt with all it needs."""

    attempt: Attempt
    record: RunRecord
    source: Source
    model: "Artifact"
    clock: Clock
    tally: Tally
    started: float

    def run(self, workers: int, show_progress: bool | None) -> RunRecord:
        """Do the work and publish it, or leave nothing but the record of a failure."""
        try:
            self._score(workers, show_progress)
            if not self.tally.rows + self.tally.rejected:
                raise SourceError(f"{self.source.description} holds no rows; nothing to score")
            self.tally.check(self.record.run_id, at_end=True)
            return self.attempt.publish(self._finished("published"))
        except BaseException as error:
            self._give_up(error)
            raise

    def _score(self, workers: int, show_progress: bool | None) -> None:
        identity = self.record.identity
        scored_in_order = score_stretches(
            self.source,
            self.model,
            id_column=identity.id_column,
            workers=workers,
            clock=self.clock,
        )
        with (
            progress(
                self.source.n_rows, desc=f"{identity.model} {identity.version}", show=show_progress
            ) as bar,
            closing(scored_in_order) as results,
        ):
            for scored in results:
                with self.clock.measure("write", len(scored.batch)):
                    late = steps.write(self.attempt, scored.batch)
                self.tally.add(scored)
                self.tally.add_late(late)
                self.tally.check(self.record.run_id, at_end=False)
                bar.update(scored.n_rows)
            with self.clock.measure("write"):
                self.tally.add_late(self.attempt.flush())

    def _give_up(self, error: BaseException) -> None:
        said = f"{type(error).__name__}: {error}"[:_ERROR_LENGTH]
        try:
            self.attempt.fail(self._finished("failed", error=said))
        except Exception as second:
            error.add_note(f"The run could not be marked as failed either: {second}")

    def _finished(
        self, status: Literal["published", "failed"], *, error: str | None = None
    ) -> RunRecord:
        return self.record.finished(
            status,
            rows=self.tally.rows,
            rejected=self.tally.rejected,
            seconds=time.perf_counter() - self.started,
            steps=self.clock.steps(),
            problems=self.tally.problems(),
            error=error,
        )


def _checked_arguments(engine: str, max_reject_share: float, workers: int | None) -> int:
    if engine not in _ENGINES:
        raise ValueError(f"engine must be one of {', '.join(_ENGINES)}; seen {engine!r}")
    if not 0 <= max_reject_share <= 1:
        raise ValueError(f"max_reject_share must lie between 0 and 1; seen {max_reject_share!r}")
    if workers is None:
        usable = getattr(os, "sched_getaffinity", None)
        return len(usable(0)) if usable else os.cpu_count() or 1
    if workers < 1:
        raise ValueError(f"workers must be at least 1; seen {workers!r}")
    return workers


def _id_column(asked: str | None, schema: "Schema", source: Source) -> str:
    """The column of row ids; empty for row numbers."""
    if asked is not None and asked not in source.names:
        raise SourceError(
            f"{source.description} has no column {asked!r} to take row ids from; there are "
            f"{', '.join(map(str, source.names[:20]))}"
        )
    if source.n_rows == 0:
        raise SourceError(f"{source.description} holds no rows; nothing to score")
    wanted = [schema.id, *_USUAL_IDS] if asked is None else [asked]
    found = [
        name
        for name in wanted
        if name is not None and name in source.names and name not in schema.names
    ]
    if asked is not None and not found:
        raise SourceError(f"{asked!r} is a feature of the model; it cannot be the row id as well")
    if found and source.names.count(found[0]) > 1:
        raise SourceError(f"{source.description} has the column {found[0]!r} more than once")
    return str(found[0]) if found else ""


def _check_reused(record: RunRecord, max_reject_share: float) -> None:
    rows, rejected = record.rows or 0, record.rejected or 0
    if rejected > max_reject_share * (rows + rejected):
        raise RunError(
            f"run {record.run_id} was published with {rejected:,} of {rows + rejected:,} rows "
            f"rejected, and at most {max_reject_share:.1%} may be; mend the source, or allow more "
            "with max_reject_share="
        )
