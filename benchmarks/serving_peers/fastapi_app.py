"""The usual ways: FastAPI with a typed body, and onnxruntime or ``predict_proba`` behind it.

Runs in an environment of its own (`environment.py`), in which Capstone is not installed. The
onnxruntime way is given Capstone's own file, so that both run the same graph.
"""

import os

from fastapi import FastAPI
from pydantic import BaseModel, create_model

NAMES = os.environ["BENCH_FEATURES"].split(",")
MODEL = os.environ["BENCH_MODEL"]
Features = create_model("Features", **dict.fromkeys(NAMES, (int, ...)))
app = FastAPI()


class Record(BaseModel):
    features: Features
    id: str | None = None


class Answer(BaseModel):
    id: str | None
    score: float
    label: int
    uncertainty: float | None = None
    prediction_set: list[int] | None = None
    review: bool | None = None


def with_onnxruntime():
    """The session as ``InferenceSession(path)`` gives it."""
    import numpy as np
    import onnxruntime as ort

    session = ort.InferenceSession(MODEL)
    (matrix,) = session.get_inputs()
    kind = {"tensor(float)": np.float32, "tensor(double)": np.float64}[matrix.type]
    outputs = [output.name for output in session.get_outputs()]

    def answer(record: Record) -> Answer:
        row = np.array([[getattr(record.features, name) for name in NAMES]], dtype=kind)
        values = session.run(None, {matrix.name: row})
        found = dict(zip(outputs, values, strict=True))
        return Answer(
            id=record.id,
            score=found["score"].item(),
            label=found["label"].item(),
            uncertainty=found["uncertainty"].item(),
            prediction_set=np.flatnonzero(found["prediction_set"][0]).tolist(),
            review=found["review"].item(),
        )

    return answer


def with_predict_proba():
    """The pipeline as joblib gives it back, asked with a data frame of one row."""
    import joblib
    import pandas as pd

    pipeline = joblib.load(MODEL)

    def answer(record: Record) -> Answer:
        row = pd.DataFrame([record.features.model_dump()])
        score = float(pipeline.predict_proba(row)[0, 1])
        return Answer(id=record.id, score=score, label=int(score >= 0.5))

    return answer


answer = with_predict_proba() if MODEL.endswith(".joblib") else with_onnxruntime()

if os.environ["BENCH_ENDPOINT"] == "async def":

    @app.post("/predict")
    async def predict(record: Record) -> Answer:
        return answer(record)

else:

    @app.post("/predict")
    def predict(record: Record) -> Answer:
        return answer(record)
