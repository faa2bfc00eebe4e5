"""Single rows that ask why: they wait while a thread explains those before, and then go together.

An explanation takes as long as a dozen answers. On the event loop it would hold up everybody else;
in a thread of its own call it would spend more time on changing threads than on explaining.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

from capstone_lib.serving.lanes import TOGETHER, Lane, score_aside
from capstone_lib.serving.record import Record

__all__ = ["Explained"]

_Waiting = tuple[Lane, Record, float, "asyncio.Future[bytes]"]


class Explained:
    """The rows that wait for an answer with its reasons.

    Parameters
    ----------
    helper : Executor
        The thread.
    settle : callable
        Counts and logs answers of one lane, and writes their replies.
    """

    def __init__(self, helper: Executor, settle: Callable[..., list[bytes]]) -> None:
        self._helper, self._settle = helper, settle
        self._waiting: list[_Waiting] = []
        self._busy = False

    def ask(self, lane: Lane, record: Record, started: float) -> "asyncio.Future[bytes]":
        """Queue a row; the future gives its reply."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes] = loop.create_future()
        self._waiting.append((lane, record, started, future))
        if not self._busy:
            self._busy = True
            loop.call_soon(self._next)  # what arrives in the same turn goes together
        return future

    def _next(self) -> None:
        """Hand some rows to the thread, without those whose clients gave up."""
        waiting = [one for one in self._waiting if not one[3].done()]
        some, self._waiting = waiting[:TOGETHER], waiting[TOGETHER:]
        self._busy = bool(some)
        if not some:
            return
        lanes, records, _, _ = zip(*some, strict=True)
        loop = asyncio.get_running_loop()
        try:
            job = loop.run_in_executor(self._helper, score_aside, records, lanes)
        except RuntimeError as error:  # the endpoint stops
            self._busy = False
            _fail(some, error)
            return
        job.add_done_callback(lambda done: self._answer(some, done))

    def _answer(self, some: Sequence[_Waiting], job: "asyncio.Future[Any]") -> None:
        self._next()  # first, so that the thread has work while replies are written
        if job.cancelled() or job.exception() is not None:
            _fail(some, asyncio.CancelledError() if job.cancelled() else job.exception())
            return
        try:
            self._reply([(*one, found) for one, found in zip(some, job.result(), strict=True)])
        except Exception as error:  # a request must never wait for ever
            _fail(some, error)

    def _reply(self, answered: Sequence[tuple[Lane, Record, float, Any, Any]]) -> None:
        heard = [one for one in answered if not one[3].done()]
        for lane in dict.fromkeys(one[0] for one in heard):
            mine = [one for one in heard if one[0] is lane]
            _, records, started, futures, found = zip(*mine, strict=True)
            answers, reasons = zip(*found, strict=True)
            replies = self._settle(lane, records, answers, started, reasons)
            for future, reply in zip(futures, replies, strict=True):
                future.set_result(reply)


def _fail(some: Sequence[_Waiting], error: BaseException | None) -> None:
    for *_, future in some:
        if not future.done():
            if error is None or isinstance(error, asyncio.CancelledError):
                future.cancel()
            else:
                future.set_exception(error)
