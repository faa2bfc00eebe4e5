"""What happens between the question and the answer, on the event loop itself."""

import asyncio
import json
import time

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import capstone_lib as cap
from capstone_lib.serving.build import Plan, build

ONE = {"features": {"a": 1.0}, "id": "one"}


@pytest.fixture
def service(tmp_path):
    X = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0] * 5})
    pipeline = LogisticRegression().fit(X, (X["a"] > 1).astype(int))
    artifact = cap.export_model(pipeline, X, tmp_path / "m.onnx", name="work", version="1.0")
    found = build(Plan(artifact)).service
    yield found
    found.close()


@pytest.mark.parametrize("document", [ONE, {"instances": [ONE, ONE]}])
@pytest.mark.parametrize("turns", range(6))
def test_what_was_counted_as_answered_is_answered_though_its_time_is_up(service, document, turns):
    async def ask():
        task = asyncio.create_task(service.predict(json.dumps(document).encode(), time.time()))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            return None

    answer = asyncio.run(ask())

    counted = sum(service.metrics.counts.answers.values())
    assert counted == (0 if answer is None else len(document.get("instances", [ONE])))
    assert service.in_flight == 0
