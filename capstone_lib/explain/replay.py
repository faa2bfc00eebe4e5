"""Doing an explanation again from the log, to the last bit, or saying what is not the same."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from capstone_lib.artifact import Artifact
from capstone_lib.artifact.rows import RowScorer
from capstone_lib.errors import ArtifactError, SchemaError, StoreError
from capstone_lib.explain.explanation import METHOD, VERSION, Explanation
from capstone_lib.explain.live import Explainer
from capstone_lib.store import Store
from capstone_lib.store.engine import engine_of, reading
from capstone_lib.store.entries import encode
from capstone_lib.store.ids import encode_id
from capstone_lib.store.tables import request_rows, served_models

__all__ = ["LoggedAnswer", "Replay", "logged_answers", "replay"]


@dataclass(frozen=True)
class LoggedAnswer:
    """One answer in the log of requests.

    Attributes
    ----------
    key : int
        Its number in the log.
    id : str
        The case's.
    received_at : str
        ISO time, UTC.
    model, version, artifact, route : str
        Who answered; ``artifact`` is the SHA-256 of the file.
    features : mapping of str to value
    score : float or None
        None if no model gave one.
    label : Any
    explanation : mapping or None
        As it was given, if it was asked for.
    """

    key: int
    id: str
    received_at: str
    model: str
    version: str
    artifact: str
    route: str
    features: Mapping[str, Any]
    score: float | None
    label: Any
    explanation: Mapping[str, Any] | None

    def __str__(self) -> str:
        asked = "with" if self.explanation else "without"
        return (
            f"answer {self.key}: {self.received_at}, {self.model} {self.version} ({self.route}), "
            f"{asked} an explanation"
        )


@dataclass(frozen=True)
class Replay:
    """An explanation that was made again.

    Attributes
    ----------
    answer : LoggedAnswer
        What is explained.
    explanation : Explanation
        As it is now.
    differences : tuple of str
        What is not as it was; empty if every bit is the same.
    """

    answer: LoggedAnswer
    explanation: Explanation
    differences: tuple[str, ...]

    @property
    def status(self) -> str:
        """``identical``, ``differs``, or ``new``: then nothing had been explained before."""
        if self.differences:
            return "differs"
        return "new" if self.answer.explanation is None else "identical"

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "status": self.status,
            "differences": list(self.differences),
            "answer": asdict(self.answer),
            "explanation": self.explanation.to_dict(),
        }


def logged_answers(store: Store, case: Any) -> list[LoggedAnswer]:
    """All answers that were given for an id, the newest last.

    Raises
    ------
    StoreError
        If the store is a folder, or cannot be read.
    """
    rows, models = request_rows.c, served_models.c
    query = (
        select(
            rows.request_key, rows.received_at, rows.route, rows.features, rows.score, rows.label,
            rows.explanation, models.name, models.version, models.artifact,
        )
        .join(served_models)
        .where(rows.row_id == encode_id(case))
        .order_by(rows.received_at, rows.request_key)
    )  # fmt: skip
    with reading(engine_of(store, who="explanations are done again from the log of")) as connection:
        return [
            LoggedAnswer(
                key=row.request_key,
                id=str(case),
                received_at=datetime.fromtimestamp(row.received_at, UTC).isoformat(),
                model=row.name,
                version=row.version,
                artifact=row.artifact,
                route=row.route,
                features=json.loads(row.features),
                score=row.score,
                label=row.label,
                explanation=json.loads(row.explanation) if row.explanation else None,
            )
            for row in connection.execute(query)
        ]


def replay(answer: LoggedAnswer, artifact: Artifact) -> Replay:
    """Explain a logged answer again, with the artifact that gave it.

    Parameters
    ----------
    answer : LoggedAnswer
    artifact : Artifact
        If it is another than the answer's, this stands among the differences.

    Raises
    ------
    ArtifactError
        If it cannot be done: the answer came from no model, or the explanation was made by another
        method or version.
    StoreError
        If the log has not the values of the model's columns.
    """
    _refuse_strangers(answer)
    names = artifact.schema.names
    missing = [name for name in names if name not in answer.features]
    if missing:
        raise StoreError(
            f"answer {answer.key} cannot be explained: the log has no value of "
            f"{', '.join(missing[:5])}; a score that was passed on is explained with its batch run"
        )
    columns = {name: [answer.features[name]] for name in names}
    try:
        checked = artifact.schema.check(columns)
        checked.raise_for_errors()
    except SchemaError as error:
        raise ArtifactError(
            f"answer {answer.key} does not fit {artifact.name} {artifact.version}: {error}"
        ) from error
    row = [checked.columns[name].tolist()[0] for name in names]
    label = _label(answer.label, artifact)
    found = Explainer(artifact)([row], labels=None if label is None else [label])[0]
    return Replay(answer, found, tuple(_differences(answer, artifact, row, found)))


def _refuse_strangers(answer: LoggedAnswer) -> None:
    if not answer.artifact:
        raise ArtifactError(
            f"answer {answer.key} came from no model ({answer.model}, route {answer.route}): there "
            "are no reasons to give"
        )
    kept = answer.explanation
    if kept is not None and (kept.get("method"), kept.get("version")) != (METHOD, VERSION):
        raise ArtifactError(
            f"answer {answer.key} was explained by {kept.get('method')} version "
            f"{kept.get('version')}; this capstone-lib has {METHOD} version {VERSION}: use the "
            "capstone-lib of that time"
        )


def _label(kept: Any, artifact: Artifact) -> Any:
    """The model's own label, from what the log has (text in some databases)."""
    return {str(int(one) if isinstance(one, bool) else one): one for one in artifact.classes}.get(
        str(kept)
    )


def _differences(
    answer: LoggedAnswer, artifact: Artifact, row: list[Any], found: Explanation
) -> list[str]:
    out = []
    if answer.artifact != artifact.sha256:
        out.append(
            f"artifact: the answer came from {answer.model} {answer.version} "
            f"({answer.artifact[:12]}…), this is {artifact.name} {artifact.version} "
            f"({artifact.sha256[:12]}…)"
        )
    scorer = RowScorer(artifact)
    now = scorer([row])[0].score
    # a linear model rounds otherwise where many rows were scored together
    if answer.score not in (now, scorer([row, row])[0].score):
        out.append(f"score: was {answer.score!r}, is {now!r}")
    if answer.explanation is not None:
        out += _changes(answer.explanation, json.loads(encode(found.to_dict())), "")
    return out


def _changes(before: Any, after: Any, where: str) -> list[str]:
    """Every leaf that is not the same; numbers to the last bit."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            one
            for name in dict.fromkeys([*before, *after])
            for one in _changes(before.get(name), after.get(name), f"{where}.{name}".lstrip("."))
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [one for k, (was, now) in pairs for one in _changes(was, now, f"{where}[{k}]")]
    return [] if before == after else [f"{where}: was {before!r}, is {after!r}"]
