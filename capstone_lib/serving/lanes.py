"""Where rows wait for their model: until the next turn of the event loop, or in a thread."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from capstone_lib.artifact.rows import Answer
from capstone_lib.explain import Explainer
from capstone_lib.serving.problems import Refusal
from capstone_lib.serving.record import Record
from capstone_lib.serving.routes import Model

__all__ = ["TOGETHER", "Lane", "score_aside"]

TOGETHER = 16
"""Rows that are explained in one call: more are not faster, and others would wait for them."""

_NO_REASONS = Refusal(
    "explain",
    "no_reasons",
    "explain: the model on this route has no reasons to give (it is the constant answer, or was "
    "exported by an older version)",
)


class Lane:
    """The rows that wait for one model until the next turn of the event loop."""

    def __init__(self, model: Model, key: int, settle: Callable[..., list[bytes]]) -> None:
        self.model, self.key = model, key
        self._settle = settle
        self.explainer = _explainer(model)
        self._waiting: list[tuple[Record, float, Any]] = []

    def ask(self, record: Record, started: float) -> "asyncio.Future[bytes]":
        """Queue a row; the future gives its reply."""
        future = asyncio.get_running_loop().create_future()
        self.queue(record, started, future)
        return future

    def queue(self, record: Record, started: float, ticket: Any) -> None:
        """Queue a row; the ticket, a future or what acts like one, is given its reply."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append((record, started, ticket))

    def lets_in(self, record: Record) -> bool:
        """Whether the model's own gate lets a row through that another's has seen."""
        assert self.model.artifact is not None
        columns = {name: [value] for name, value in record.features.items()}
        return not self.model.artifact.schema.check(columns).errors

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        waiting = [one for one in waiting if not one[2].done()]  # others gave up in the meantime
        if not waiting:
            return
        records, started, futures = zip(*waiting, strict=True)
        try:
            answers = self.model.score([record.values for record in records])
            replies = self._settle(self, records, answers, started)
        except Exception as error:  # a request must never wait for ever
            for future in futures:
                future.set_exception(error)
            return
        for future, reply in zip(futures, replies, strict=True):
            future.set_result(reply)


def _explainer(model: Model) -> Explainer | None:
    if model.artifact is None or model.artifact.background is None:
        return None
    return Explainer(model.artifact, names=[column.name for column in model.columns])


def score_aside(records: Sequence[Record], lanes: Sequence[Lane]) -> list[tuple[Answer, Any]]:
    """Score rows, each by its lane's model, and explain those that ask for it."""
    answers: list[Any] = [None] * len(records)
    for lane in dict.fromkeys(lanes):
        places = [place for place, one in enumerate(lanes) if one is lane]
        found = lane.model.score([records[place].values for place in places])
        for place, answer in zip(places, found, strict=True):
            answers[place] = (answer, None)
        asking = [place for place in places if records[place].explain]
        for place, why in zip(asking, _reasons(lane, records, answers, asking), strict=True):
            answers[place] = (answers[place][0], why)
    return answers


def _reasons(
    lane: Lane, records: Sequence[Record], answers: Sequence[Any], asking: Sequence[int]
) -> list[Any]:
    """Why these records were answered so, a few of them in one call of the model."""
    if not asking:
        return []
    if lane.explainer is None:
        for place in asking:
            records[place].warnings = (*records[place].warnings, _NO_REASONS)
        return [None] * len(asking)
    out: list[Any] = []
    for start in range(0, len(asking), TOGETHER):
        some = asking[start : start + TOGETHER]
        found = lane.explainer(
            [records[place].values for place in some],
            labels=[answers[place][0].label for place in some],
        )
        out += [one.to_dict() for one in found]
    return out
