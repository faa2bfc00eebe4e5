"""Questions to a store about one model: its runs, its answers, its load tests, its reviews.

A question is put once, and comes back with the source that names it: later rows do not change what
the source finds.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, Select, and_, case, func, select

from capstone_lib.decide.figure import Source
from capstone_lib.store.engine import engine_of, reading
from capstone_lib.store.review_tables import case_decisions, cases
from capstone_lib.store.tables import (
    decisions,
    measurements,
    prediction_rows,
    request_rows,
    runs,
    served_models,
)

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.artifact import Artifact
    from capstone_lib.store import Store

__all__ = ["HYBRID", "LIVE", "Asked", "Questions", "load_words"]

LIVE = and_(
    request_rows.c.route.not_in(["shadow", "batch"]),
    request_rows.c.miss.is_(None),
)
"""Answers of an endpoint that computes each."""

HYBRID = and_(
    request_rows.c.route != "shadow",
    request_rows.c.miss.is_not(None) | (request_rows.c.route == "batch"),
)
"""Answers of an endpoint that passes nightly scores on, and computes the others."""


@dataclass(frozen=True)
class Asked:
    """What came back, and the question that finds the same again; no rows, no source."""

    rows: "pd.DataFrame"
    source: Source | None

    def __len__(self) -> int:
        return len(self.rows)


class Questions:
    """What a store knows of one model, since a moment.

    Parameters
    ----------
    store : Store
        A database.
    artifact : Artifact
        Its name and version are looked for.
    since : datetime or None
        Runs, requests and decisions before it do not count.

    Raises
    ------
    StoreError
        If the store is a folder.
    """

    def __init__(self, store: "Store", artifact: "Artifact", *, since: datetime | None) -> None:
        self._engine: Engine = engine_of(store, who="the table of architectures needs")
        self._name, self._version, self._since = artifact.name, artifact.version, since

    def runs(self) -> Asked:
        """Batch runs that have ended, the oldest first."""
        query = select(
            runs.c.run_key, runs.c.run_id, runs.c.status, runs.c.as_of, runs.c.scored_at,
            runs.c.rows, runs.c.rejected, runs.c.seconds,
        ).where(
            runs.c.model == self._name, runs.c.version == self._version, runs.c.status != "running"
        )  # fmt: skip
        if self._since is not None:
            query = query.where(runs.c.scored_at >= self._since.isoformat(timespec="milliseconds"))
        rows = self._read(query.order_by(runs.c.run_key))
        if rows.empty:
            return Asked(rows, None)
        pinned = query.where(runs.c.run_key.in_(rows["run_key"].tolist()))
        return Asked(rows, Source("runs", _run_words(rows["run_id"].tolist()), self._sql(pinned)))

    def reviewed_by_run(self) -> Asked:
        """Of each published run: its predictions, and how many of them ask for a person."""
        mine = runs.join(prediction_rows, prediction_rows.c.run_key == runs.c.run_key).join(
            decisions,
            and_(
                decisions.c.run_key == prediction_rows.c.run_key,
                decisions.c.decision == prediction_rows.c.decision,
            ),
        )
        query = (
            select(
                runs.c.run_key,
                runs.c.run_id,
                func.count().label("predictions"),
                func.sum(case((decisions.c.review, 1), else_=0)).label("reviewed"),
            )
            .select_from(mine)
            .where(
                runs.c.model == self._name,
                runs.c.version == self._version,
                runs.c.status == "published",
            )
            .group_by(runs.c.run_key, runs.c.run_id)
        )
        if self._since is not None:
            query = query.where(runs.c.scored_at >= self._since.isoformat(timespec="milliseconds"))
        rows = self._read(query.order_by(runs.c.run_key))
        if rows.empty:
            return Asked(rows, None)
        pinned = query.where(runs.c.run_key.in_(rows["run_key"].tolist()))
        words = f"predictions of {_run_words(rows['run_id'].tolist())}"
        return Asked(rows, Source("runs", words, self._sql(pinned)))

    def requests(self, which: Any) -> Asked:
        """Answers that were logged, the oldest first; ``which`` is LIVE or HYBRID."""
        query = (
            select(
                request_rows.c.request_key, request_rows.c.received_at, request_rows.c.route,
                request_rows.c.latency_ms, request_rows.c.review, request_rows.c.miss, runs.c.as_of,
            )
            .select_from(request_rows.join(served_models).outerjoin(runs))
            .where(served_models.c.name == self._name, served_models.c.version == self._version)
            .where(which)
        )  # fmt: skip
        if self._since is not None:
            query = query.where(request_rows.c.received_at >= self._since.timestamp())
        rows = self._read(query.order_by(request_rows.c.request_key))
        if rows.empty:
            return Asked(rows, None)
        last = int(rows["request_key"].iloc[-1])
        first_at, last_at = rows["received_at"].min(), rows["received_at"].max()
        words = f"{len(rows):,} requests, {_moment(first_at)} to {_moment(last_at)} UTC"
        pinned = query.where(request_rows.c.request_key <= last)
        return Asked(rows, Source("requests", words, self._sql(pinned)))

    def load_steps(self) -> "pd.DataFrame":
        """Measurements of load tests, a row each; :meth:`load_source` names one step's."""
        query = self._load_query()
        if self._since is not None:
            since = self._since.replace(tzinfo=None).isoformat()
            query = query.where(measurements.c.window_start >= since)
        return self._read(query)

    def load_source(self, step: Any) -> Source:
        """Where one step of a load test is to be found."""
        table = measurements.c
        query = self._load_query().where(
            table.window_start == step["window_start"],
            table.group == step["group"],
            table.feature == step["feature"],
        )
        return Source("load test", load_words(step), self._sql(query))

    @property
    def database(self) -> str:
        """The name of the database, for people."""
        return PurePath(self._engine.url.database or "").name

    def reviews(self, *, named: bool = False) -> Asked:
        """Decisions of reviewers on this model's cases; ``named``: the source says where."""
        query = (
            select(
                case_decisions.c.decision_key, case_decisions.c.case_id, case_decisions.c.reviewer,
                case_decisions.c.verdict, case_decisions.c.seconds, case_decisions.c.decided_at,
            )
            .select_from(case_decisions.join(cases))
            .where(cases.c.model == self._name, cases.c.version == self._version)
        )  # fmt: skip
        if self._since is not None:
            query = query.where(
                case_decisions.c.decided_at >= self._since.isoformat(timespec="milliseconds")
            )
        rows = self._read(query.order_by(case_decisions.c.decision_key))
        if rows.empty:
            return Asked(rows, None)
        last = int(rows["decision_key"].iloc[-1])
        people = rows["reviewer"].nunique()
        words = f"{len(rows):,} decisions of {people} reviewer{'' if people == 1 else 's'}"
        words += f", in {self.database}" if named else ""
        pinned = query.where(case_decisions.c.decision_key <= last)
        return Asked(rows, Source("reviews", words, self._sql(pinned)))

    def _load_query(self) -> Select[Any]:
        table = measurements.c
        names = ["load_test_p50", "load_test_p99", "load_test_rate", "load_test_error_rate"]
        columns = [column for column in measurements.columns if column.name != "recorded_at"]
        return select(*columns).where(
            table.name.in_(names), table.model == self._name, table.version == self._version
        )

    def _read(self, query: Select[Any]) -> "pd.DataFrame":
        import pandas as pd

        with reading(self._engine) as connection:
            result = connection.execute(query)
            return pd.DataFrame(result.fetchall(), columns=list(result.keys()))

    def _sql(self, query: Select[Any]) -> str:
        options = {"literal_binds": True}
        return str(query.compile(self._engine, compile_kwargs=options))


def load_words(step: Any) -> str:
    """Which load test, for people."""
    began = str(step["window_start"])[:16].replace("T", " ")
    return f"load test of {began} UTC, {step['group']}" if began else f"load test, {step['group']}"


def _run_words(run_ids: list[str]) -> str:
    if len(run_ids) == 1:
        return f"batch run {run_ids[0]}"
    return f"{len(run_ids):,} batch runs, {run_ids[0]} to {run_ids[-1]}"


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
