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

from capstone_lib.artifact import Predictions
from capstone_lib.artifact.rows import Answer
from capstone_lib.schema import Schema
from capstone_lib.serving.explained import Explained
from capstone_lib.serving.hybrid import Hybrid, no_score
from capstone_lib.serving.lanes import Lane, score_aside
from capstone_lib.serving.limits import Limits
from capstone_lib.serving.metrics import Gauges, Metrics
from capstone_lib.serving.problems import ProblemError
from capstone_lib.serving.record import Record, RecordReader
from capstone_lib.serving.replies import Ruling, predictions_of, ruled, said_beside, write_replies
from capstone_lib.serving.routes import Model, Routes, passing_on
from capstone_lib.serving.table_rows import records_of
from capstone_lib.store.rollout import Rollout

if TYPE_CHECKING:
    from capstone_lib.serving.audit import AuditLog

__all__ = ["Service"]

_ON_THE_LOOP = 64  # rows; more are scored in a thread, so that single rows do not wait for them
_READ_ON_THE_LOOP = 32_768  # bytes
_RETRY = {"Retry-After": "1"}
Found = TypeVar("Found")


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
    hybrid : Hybrid, optional
        The nightly scores that are passed on.

    Attributes
    ----------
    rollout : Rollout
        In force.
    rulings : dict of str to Ruling
        What reviewers decided, by id; replaced when it changes.
    replicas_wanted : int or None
        How many processes somebody has asked for.
    """

    def __init__(
        self,
        routes: Routes,
        *,
        metrics: Metrics,
        limits: Limits,
        log: "AuditLog | None" = None,
        keys: dict[str, int] | None = None,
        hybrid: Hybrid | None = None,
    ) -> None:
        self.routes, self.metrics, self.limits, self.log = routes, metrics, limits, log
        self.hybrid = hybrid
        self.rollout = Rollout()
        self.rulings: dict[str, Ruling] = {}
        self.replicas_wanted: int | None = None
        self.in_flight = 0
        self.reader = RecordReader(
            routes.schema,
            gate=self._gate,
            max_rows=limits.max_rows,
            may_look_up=hybrid is not None,
        )
        keys = keys or {}
        self._lanes = {
            model.route: Lane(model, keys.get(model.route, 0), self._settle)
            for model in routes.models
        }
        self._nightly = Lane(passing_on(routes.stable), keys.get("stable", 0), self._settle)
        self._helper = ThreadPoolExecutor(1, thread_name_prefix="capstone-scoring")
        self._explained = Explained(self._helper, self._settle)

    def _gate(self, case: str) -> Schema:
        model = self.routes.choose(self.rollout, case)
        return (model.artifact or self.routes.artifact).schema

    def _lane(self, record: Record) -> Lane | None:
        """Where a row is answered; None if that takes features, and there are none.

        A gate that the row has passed stays the one that counts.
        """
        model = self.routes.choose(self.rollout, record.id)
        if self.hybrid is not None:
            found = self.hybrid.find(record, model)
            if not isinstance(found, str):
                record.hit, record.values = found, found.answer
                return self._nightly
            record.miss = found
            if not record.values:
                return None
        lane = self._lanes[model.route]
        artifact = model.artifact
        if record.schema is None or artifact is None or artifact.schema is record.schema:
            return lane
        return next(
            one
            for one in self._lanes.values()
            if one.model.artifact is not None and one.model.artifact.schema is record.schema
        )

    def _lanes_of(self, records: Sequence[Record], *, pointer: str) -> list[Lane]:
        """Where rows are answered; ``pointer`` says where a row stands in the body."""
        lanes = [self._lane(record) for record in records]
        lacking = [
            no_score(record, pointer=pointer.format(place))
            for place, record in enumerate(records)
            if lanes[place] is None
        ]
        if lacking:
            raise ProblemError(
                404,
                "there is no fresh nightly score of what was asked about without features: "
                f"{len(lacking):,} of {len(records):,}",
                errors=lacking,
            )
        return [lane for lane in lanes if lane is not None]

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
        lane = self._lane(record)
        if lane is None:
            return False
        self.in_flight += 1
        lane.queue(record, ticket.started, ticket)
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
                (lane,) = self._lanes_of([found], pointer="")
                if found.explain:
                    return await _kept(self._explained.ask(lane, found, started))
                return await _kept(lane.ask(found, started))
            replies = await self.answer_all(found, started)
            return b'{"predictions":[' + b",".join(replies) + b"]}"
        finally:
            self.in_flight -= 1

    async def answer_all(self, records: list[Record], started: float) -> list[bytes]:
        """Answer many rows in order: few on the loop, many (or explained ones) aside."""
        lanes = self._lanes_of(records, pointer="/instances/{}")
        if len(records) > _ON_THE_LOOP or any(record.explain for record in records):
            return await self._aside(records, lanes, started)
        pairs = zip(lanes, records, strict=True)
        return await _kept(asyncio.gather(*(lane.ask(record, started) for lane, record in pairs)))

    async def _aside(self, records: list[Record], lanes: list[Lane], started: float) -> list[bytes]:
        """Score in a thread, so that the single rows of others do not wait."""
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

    async def infer(
        self, columns: Any, case: str, started: float
    ) -> tuple[Model, Predictions, dict[str, Any]]:
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
        (Model, Predictions, dict)
            Who answered, what, and what else is to be said of it.

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
            schema = (lane.model.artifact or self.routes.artifact).schema
            records = records_of(columns, case, schema=schema, names=self.routes.schema.names)
            lane = self._lane_of_table(records, lane)
            loop = asyncio.get_running_loop()
            rows = [record.values for record in records]
            if len(rows) > _ON_THE_LOOP:
                answers = await loop.run_in_executor(self._helper, lane.model.score, rows)
            else:
                answers = lane.model.score(rows)
            rulings = self._rulings(records)
            self._note(lane, records, answers, [started] * len(records), rulings=rulings)
            pairs = zip(answers, rulings or itertools.repeat(None), strict=rulings is not None)
            given = predictions_of([ruled(*pair) for pair in pairs], self.routes.artifact.classes)
            return lane.model, given, said_beside(lane.model, records, rulings)
        finally:
            self.in_flight -= 1

    def _lane_of_table(self, records: list[Record], lane: Lane) -> Lane:
        """One nightly score is passed on here too; of a table's rows nobody knows any."""
        if self.hybrid is None:
            return lane
        found = [self.hybrid.find(record, lane.model) for record in records]
        if len(records) == 1 and not isinstance(found[0], str):
            records[0].hit, records[0].values = found[0], found[0].answer
            return self._nightly
        for record, one in zip(records, found, strict=True):
            record.miss = one if isinstance(one, str) else "unknown"
        return lane

    def _settle(
        self,
        lane: Lane,
        records: Sequence[Record],
        answers: Sequence[Answer],
        started: Sequence[float],
        reasons: Sequence[Any] | None = None,
    ) -> list[bytes]:
        """Count and log answers, and write the replies."""
        rulings = self._rulings(records)
        self._note(lane, records, answers, started, reasons, rulings=rulings)
        why = reasons or itertools.repeat(None)
        return write_replies(lane.model, records, answers, reasons=why, rulings=rulings)

    def _rulings(self, records: Sequence[Record]) -> list[Ruling | None] | None:
        """What reviewers decided about these rows; None if there is no ruling at all."""
        rulings = self.rulings
        return [rulings.get(record.id) for record in records] if rulings else None

    def _note(
        self,
        lane: Lane,
        records: Sequence[Record],
        answers: Sequence[Answer],
        started: Sequence[float],
        reasons: Sequence[Any] | None = None,
        rulings: Sequence[Ruling | None] | None = None,
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
            reviews=sum(answer.review for answer in answers)
            if rulings is None
            else sum(ruled(*pair).review for pair in zip(answers, rulings, strict=True)),
        )
        is_answer = model.route != "shadow"
        if self.hybrid is not None and is_answer:
            self.metrics.looked_up([(record.hit, record.miss) for record in records])
        if self.log is None:
            return
        clock = time.time()
        self.log.put(
            [
                (record.id, clock - took, lane.key, model.route, record.features, answer.score,
                 answer.label, answer.uncertainty, answer.prediction_set, answer.review,
                 took * 1000, reason, record.hit and record.hit.run_key,
                 record.miss if is_answer else None, ruling and ruling.key)
                for record, answer, took, reason, ruling in zip(
                    records, answers, seconds, reasons or itertools.repeat(None),
                    rulings or itertools.repeat(None), strict=False,
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
        """Let go of the helping threads."""
        self._helper.shutdown(wait=True, cancel_futures=True)
        if self.hybrid is not None:
            self.hybrid.close()


async def _kept(answer: "asyncio.Future[Found]") -> "Found":
    """Wait for an answer. Once it is given it stands in the log: then it is too late to cancel."""
    try:
        return await answer
    except asyncio.CancelledError:
        if answer.done() and not answer.cancelled():
            return answer.result()
        raise
