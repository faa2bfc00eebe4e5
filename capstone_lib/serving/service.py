"""The endpoint's work without HTTP: rows in, answers out, every answer counted and logged.

Rows that arrive in one turn of the event loop are scored together in the next: nobody waits for a
batch to fill, and under load batches form by themselves.
"""

import asyncio
import itertools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np

from capstone_lib.artifact import Predictions
from capstone_lib.artifact.rows import Answer
from capstone_lib.errors import SchemaError
from capstone_lib.schema import Schema
from capstone_lib.serving.lanes import Lane, score_aside
from capstone_lib.serving.limits import Limits
from capstone_lib.serving.metrics import Gauges, Metrics
from capstone_lib.serving.problems import ProblemError, Refusal, field_errors
from capstone_lib.serving.record import Record, RecordReader
from capstone_lib.serving.routes import Model, Routes
from capstone_lib.serving.row_gate import scorable
from capstone_lib.store.rollout import Rollout

if TYPE_CHECKING:
    from capstone_lib.serving.audit import AuditLog

__all__ = ["Reply", "Service"]

_ON_THE_LOOP = 64  # rows; more are scored in a thread, so that single rows do not wait for them
_READ_ON_THE_LOOP = 32_768  # bytes
_RETRY = {"Retry-After": "1"}
Found = TypeVar("Found")


class Reply(msgspec.Struct, omit_defaults=True):
    """One answer of ``POST /predict``; see :class:`capstone_lib.Predictions` for its members."""

    id: str
    score: float
    label: Any
    uncertainty: float
    prediction_set: list[Any]
    review: bool
    model: str
    version: str
    route: str
    explanation: Any = None
    warnings: Sequence[Refusal] = ()


_ENCODE = msgspec.json.Encoder().encode


class Service:
    """What an endpoint does with rows.

    Parameters
    ----------
    routes : Routes
        The models.
    log : AuditLog, optional
        Where answers are remembered.
    keys : mapping of str to int
        The models' keys in the log, by route.
    """

    def __init__(
        self,
        routes: Routes,
        *,
        metrics: Metrics,
        limits: Limits,
        log: "AuditLog | None" = None,
        keys: dict[str, int] | None = None,
    ) -> None:
        self.routes, self.metrics, self.limits, self.log = routes, metrics, limits, log
        self.rollout = Rollout()
        self.in_flight = 0
        self.reader = RecordReader(routes.schema, gate=self._gate, max_rows=limits.max_rows)
        keys = keys or {}
        self._lanes = {
            model.route: Lane(model, keys.get(model.route, 0), self._settle)
            for model in routes.models
        }
        self._helper = ThreadPoolExecutor(1, thread_name_prefix="capstone-scoring")

    def _gate(self, case: str) -> Schema:
        model = self.routes.choose(self.rollout, case)
        return (model.artifact or self.routes.artifact).schema

    def _lane(self, record: Record) -> Lane:
        """Where a row is scored. A gate that the row has passed stays the one that counts."""
        lane = self._lanes[self.routes.choose(self.rollout, record.id).route]
        artifact = lane.model.artifact
        if record.schema is None or artifact is None or artifact.schema is record.schema:
            return lane
        return next(
            one
            for one in self._lanes.values()
            if one.model.artifact is not None and one.model.artifact.schema is record.schema
        )

    def admit(self) -> None:
        """Refuse at once what could not be answered in time, or not be remembered.

        Raises
        ------
        ProblemError
            With status 503 and ``Retry-After``.
        """
        if self.in_flight >= self.limits.max_in_flight:
            self.metrics.shed("in_flight")
            raise ProblemError(
                503,
                f"{self.in_flight} requests are being answered, which is the bound of this "
                "endpoint; try again in a second",
                headers=_RETRY,
            )
        if self.log is not None and self.log.is_full:
            self.metrics.shed("log_full")
            raise ProblemError(
                503,
                "answers cannot be written to the log as fast as they are given "
                f"{self.log.failing}; try again in a second",
                headers=_RETRY,
            )

    def ask_shortly(self, body: bytes, ticket: Any) -> bool:
        """Queue a body that holds one record with nothing unusual, or return False.

        Parameters
        ----------
        body : bytes
            The body of ``POST /predict``.
        ticket : object
            Like a future; ``started`` says when the request began.
        """
        if self.in_flight >= self.limits.max_in_flight or (self.log and self.log.is_full):
            return False
        record = self.reader.read_quickly(body)
        if record is None or record.explain:
            return False
        self.in_flight += 1
        self._lane(record).queue(record, ticket.started, ticket)
        return True

    async def predict(self, body: bytes, started: float) -> bytes:
        """Answer the body of ``POST /predict``.

        Parameters
        ----------
        body : bytes
            One record, or many under ``instances``.
        started : float
            When the request began, by :func:`time.perf_counter`.
        """
        self.admit()
        self.in_flight += 1
        try:
            if len(body) <= _READ_ON_THE_LOOP:
                found = self.reader.read(body)
            else:
                loop = asyncio.get_running_loop()
                found = await loop.run_in_executor(self._helper, self.reader.read, body)
            if isinstance(found, Record):
                if found.explain:
                    return (await self._aside([found], started))[0]
                return await _kept(self._lane(found).ask(found, started))
            replies = await self.answer_all(found, started)
            return b'{"predictions":[' + b",".join(replies) + b"]}"
        finally:
            self.in_flight -= 1

    async def answer_all(self, records: list[Record], started: float) -> list[bytes]:
        """Answer many rows in order: few on the loop, many (or explained ones) aside."""
        if len(records) > _ON_THE_LOOP or any(record.explain for record in records):
            return await self._aside(records, started)
        asked = (self._lane(record).ask(record, started) for record in records)
        return await _kept(asyncio.gather(*asked))

    async def _aside(self, records: list[Record], started: float) -> list[bytes]:
        """Score in a thread, so that the single rows of others do not wait."""
        lanes = [self._lane(record) for record in records]
        loop = asyncio.get_running_loop()
        answers = await loop.run_in_executor(self._helper, score_aside, records, lanes)
        replies: list[bytes] = [b""] * len(records)
        for lane in dict.fromkeys(lanes):
            places = [place for place, one in enumerate(lanes) if one is lane]
            settled = self._settle(
                lane,
                [records[place] for place in places],
                [answers[place][0] for place in places],
                [started] * len(places),
                [answers[place][1] for place in places],
            )
            for place, reply in zip(places, settled, strict=True):
                replies[place] = reply
        return replies

    async def infer(self, columns: Any, case: str, started: float) -> tuple[Model, Predictions]:
        """Answer many rows given column by column, as the Open Inference Protocol has them.

        Parameters
        ----------
        columns : mapping of str to array
            Past no gate yet.
        case : str
            The request's id, which decides the route of all its rows; if empty, a new one.
        started : float
            When the request began.

        Returns
        -------
        (Model, Predictions)
            Who answered, and what.

        Raises
        ------
        ProblemError
            With status 422 and every problem of every row, or 503.
        """
        self.admit()
        self.in_flight += 1
        try:
            case = case or self.reader.new_id()
            lane = self._lanes[self.routes.choose(self.rollout, case).route]
            records = self._records(
                columns, case, (lane.model.artifact or self.routes.artifact).schema
            )
            loop = asyncio.get_running_loop()
            rows = [record.values for record in records]
            if len(rows) > _ON_THE_LOOP:
                answers = await loop.run_in_executor(self._helper, lane.model.score, rows)
            else:
                answers = lane.model.score(rows)
            self._note(lane, records, answers, [started] * len(records))
            return lane.model, _predictions(answers, self.routes.artifact.classes)
        finally:
            self.in_flight -= 1

    def _records(self, columns: Any, case: str, schema: Schema) -> list[Record]:
        """Rows of a table that passed the gate as a whole."""
        try:
            checked = schema.check(columns)
            checked.raise_for_errors()
        except SchemaError as error:
            refused = [problem for problem in error.problems if problem.severity == "error"]
            raise ProblemError(
                422,
                "the request does not fit the model's schema",
                errors=field_errors(refused, pointer="/inputs"),
            ) from error
        names = self.routes.schema.names
        table = [checked.columns[name].tolist() for name in names]
        many = len(checked) > 1
        return [
            Record(
                [scorable(value) for value in row],
                dict(zip(names, row, strict=True)),
                f"{case}/{place}" if many else case,
                schema=schema,
            )
            for place, row in enumerate(zip(*table, strict=True))
        ]

    def _settle(
        self,
        lane: Lane,
        records: Sequence[Record],
        answers: Sequence[Answer],
        started: Sequence[float],
        reasons: Sequence[Any] | None = None,
    ) -> list[bytes]:
        """Count and log answers, and write the replies."""
        self._note(lane, records, answers, started, reasons)
        name, version, route = lane.model.name, lane.model.version, lane.model.route
        return [
            _ENCODE(Reply(record.id, *answer, name, version, route, reason, record.warnings))
            for record, answer, reason in zip(
                records, answers, reasons or itertools.repeat(None), strict=reasons is not None
            )
        ]

    def _note(
        self,
        lane: Lane,
        records: Sequence[Record],
        answers: Sequence[Answer],
        started: Sequence[float],
        reasons: Sequence[Any] | None = None,
    ) -> None:
        """Count answers, hand them to the log, and have them scored beside if that is asked."""
        model = lane.model
        now = time.perf_counter()
        seconds = [now - one for one in started]
        self.metrics.answered(
            model.route,
            model.name,
            model.version,
            seconds=seconds,
            scores=[answer.score for answer in answers],
            reviews=sum(answer.review for answer in answers),
        )
        if self.log is None:
            return
        clock = time.time()
        self.log.put(
            [
                (record.id, clock - took, lane.key, model.route, record.features, answer.score,
                 answer.label, answer.uncertainty, answer.prediction_set, answer.review,
                 took * 1000, reason)
                for record, answer, took, reason in zip(
                    records, answers, seconds, reasons or itertools.repeat(None), strict=False
                )
            ]
        )  # fmt: skip
        if self.rollout.shadow and model.route == "stable" and "shadow" in self._lanes:
            asyncio.get_running_loop().call_soon(self._shadow, list(records))

    def _shadow(self, records: list[Record]) -> None:
        """Score beside, for the log alone: rows that the shadow's own gate lets through."""
        lane = self._lanes["shadow"]
        fit = [record for record in records if record.schema is None or lane.lets_in(record)]
        if fit and self.log is not None and not self.log.is_full:
            begun = time.perf_counter()
            answers = lane.model.score([record.values for record in fit])
            self._note(lane, fit, answers, [begun] * len(fit))

    def gauges(self) -> Gauges:
        """What goes up and down, now."""
        if self.log is None:
            return Gauges(self.in_flight)
        return Gauges(self.in_flight, self.log.waiting, self.log.written)

    def close(self) -> None:
        """Let go of the helping thread."""
        self._helper.shutdown(wait=True, cancel_futures=True)


async def _kept(answer: "asyncio.Future[Found]") -> "Found":
    """Wait for an answer. Once it is given it stands in the log: then it is too late to cancel."""
    try:
        return await answer
    except asyncio.CancelledError:
        if answer.done() and not answer.cancelled():
            return answer.result()
        raise


def _predictions(answers: Sequence[Answer], classes: tuple[Any, ...]) -> Predictions:
    labels = [answer.label for answer in answers]
    return Predictions(
        score=np.array([answer.score for answer in answers], dtype=np.float32),
        label=np.array(labels, dtype=object if isinstance(classes[0], str) else None),
        uncertainty=np.array([answer.uncertainty for answer in answers], dtype=np.float32),
        prediction_set=np.array(
            [[name in answer.prediction_set for name in classes] for answer in answers]
        ),
        review=np.array([answer.review for answer in answers]),
        classes=classes,
    )
