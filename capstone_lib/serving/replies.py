"""What an endpoint says of a row, and what its log keeps: the model's answer, and who decided."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from capstone_lib.artifact import Predictions
from capstone_lib.artifact.rows import Answer
from capstone_lib.serving.problems import Refusal
from capstone_lib.serving.record import Record
from capstone_lib.serving.routes import Model

__all__ = ["Reply", "Ruling", "predictions_of", "ruled", "said_beside", "write_replies"]


class Ruling(NamedTuple):
    """What a reviewer decided about an id."""

    key: int
    label: Any
    reviewer: str


class Reply(msgspec.Struct, omit_defaults=True):
    """One answer of ``POST /predict``; see :class:`capstone_lib.Predictions` for its members.

    ``decided_by`` is there where a reviewer's label stands in the place of the model's, ``as_of``
    and ``age_s`` where a nightly score is passed on.
    """

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
    decided_by: str | None = None
    as_of: str | None = None
    age_s: float | None = None


_ENCODE = msgspec.json.Encoder().encode


def ruled(answer: Answer, ruling: Ruling | None) -> Answer:
    """The answer with a reviewer's label, which nobody needs to look at again."""
    return answer if ruling is None else answer._replace(label=ruling.label, review=False)


def write_replies(
    model: Model,
    records: Sequence[Record],
    answers: Sequence[Answer],
    *,
    reasons: Iterable[Any],
    rulings: Sequence[Ruling | None] | None,
) -> list[bytes]:
    """Write one reply a row."""
    name, version, route = model.name, model.version, model.route
    replies = [
        Reply(record.id, *answer, name, version, route, reason, record.warnings)
        for record, answer, reason in zip(records, answers, reasons, strict=False)
    ]
    if route == "batch":
        for reply, record in zip(replies, records, strict=True):
            if record.hit is not None:
                reply.as_of, reply.age_s = record.hit.as_of, round(record.hit.age_s, 3)
    for reply, ruling in zip(replies, rulings or (), strict=False):
        if ruling is not None:
            reply.label, reply.review, reply.decided_by = ruling.label, False, ruling.reviewer
    return [_ENCODE(reply) for reply in replies]


def predictions_of(answers: Sequence[Answer], classes: tuple[Any, ...]) -> Predictions:
    """Answers column by column."""
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


def said_beside(
    model: Model, records: Sequence[Record], rulings: Sequence[Ruling | None] | None
) -> dict[str, str | float]:
    """What the Open Inference Protocol has no tensor for: who answered, and who decided."""
    said: dict[str, str | float] = {"route": model.route, "model": model.name}
    hit = records[0].hit
    if hit is not None:
        said |= {"as_of": hit.as_of, "age_s": round(hit.age_s, 3)}
    decided = [(row, one.reviewer) for row, one in enumerate(rulings or ()) if one is not None]
    if decided:
        said["decided_by"] = ", ".join(dict.fromkeys(name for _, name in decided))
        said["decided_rows"] = ",".join(str(row) for row, _ in decided)
    return said
