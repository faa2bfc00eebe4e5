"""Where rows wait for their model: until the next turn of the event loop, or in a thread."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from capstone_lib.artifact.rows import Answer
from capstone_lib.explain import explain_row
from capstone_lib.serving.record import Record
from capstone_lib.serving.routes import Model

__all__ = ["Lane", "score_aside"]


class Lane:
    """The rows that wait for one model until the next turn of the event loop."""

    def __init__(self, model: Model, key: int, settle: Callable[..., list[bytes]]) -> None:
        self.model, self.key = model, key
        self._settle = settle
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


def score_aside(records: Sequence[Record], lanes: Sequence[Lane]) -> list[tuple[Answer, Any]]:
    """Score rows, each by its lane's model, and explain those that ask for it."""
    answers: list[Any] = [None] * len(records)
    for lane in dict.fromkeys(lanes):
        places = [place for place, one in enumerate(lanes) if one is lane]
        found = lane.model.score([records[place].values for place in places])
        for place, answer in zip(places, found, strict=True):
            model, values = lane.model, records[place].values
            why = (
                explain_row(model.score, model.columns, values) if records[place].explain else None
            )
            answers[place] = (answer, why)
    return answers
