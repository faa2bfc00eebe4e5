"""Rows that ask why wait together, and none of them for ever."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from capstone_lib.artifact.rows import Answer
from capstone_lib.serving.explained import Explained
from capstone_lib.serving.lanes import TOGETHER, Lane
from capstone_lib.serving.record import Record
from capstone_lib.serving.routes import Model


class Scoring:
    """Scores a row by its first value; a negative one is more than it can bear."""

    def __init__(self):
        self.calls = []

    def __call__(self, rows):
        self.calls.append(len(rows))
        if any(row[0] < 0 for row in rows):
            raise ArithmeticError("a row that no model can bear")
        return [Answer(float(row[0]), 1, 0.0, [1], False) for row in rows]


def lane_of(score, name):
    return Lane(Model("stable", name, "1", "", "", score, None), 0, settle)


def record(value):
    return Record([value], {"x": value}, str(value), explain=True)


def settle(lane, records, answers, started, reasons):
    return [f"{lane.model.name}:{answer.score:g}".encode() for answer in answers]


def run(work):
    async def within():
        with ThreadPoolExecutor(1) as helper:
            return await work(Explained(helper, settle), helper)

    return asyncio.run(within())


def test_each_gets_its_own_answer_and_many_share_a_call():
    model = Scoring()
    first, second = lane_of(model, "a"), lane_of(model, "b")

    async def work(explained, _):
        asked = [explained.ask(second if k % 2 else first, record(k), 0.0) for k in range(50)]
        return await asyncio.gather(*asked)

    assert run(work) == [f"{'b' if k % 2 else 'a'}:{k}".encode() for k in range(50)]
    assert sum(model.calls) == 50
    assert len(model.calls) <= 2 * (50 // TOGETHER + 1)


def test_who_gave_up_is_neither_scored_nor_settled():
    model = Scoring()
    lane, settled = lane_of(model, "a"), []

    async def within():
        def note(lane, records, *more):
            settled.extend(one.id for one in records)
            return settle(lane, records, *more)

        with ThreadPoolExecutor(1) as helper:
            explained = Explained(helper, note)
            asked = [explained.ask(lane, record(k), 0.0) for k in range(3)]
            asked[1].cancel()
            return await asyncio.gather(asked[0], asked[2])

    assert asyncio.run(within()) == [b"a:0", b"a:2"]
    assert settled == ["0", "2"]
    assert model.calls == [2]


def test_a_failure_reaches_those_of_its_call_and_nobody_after():
    lane = lane_of(Scoring(), "a")

    async def work(explained, _):
        with pytest.raises(ArithmeticError):
            await explained.ask(lane, record(-1), 0.0)
        return await explained.ask(lane, record(5), 0.0)

    assert run(work) == b"a:5"


def test_once_the_thread_has_ended_a_row_is_refused_and_does_not_wait():
    lane = lane_of(Scoring(), "a")

    async def work(explained, helper):
        helper.shutdown()
        for _ in range(2):
            with pytest.raises(RuntimeError):
                await explained.ask(lane, record(1), 0.0)

    run(work)
