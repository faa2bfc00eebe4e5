"""Which model answers: stable, canary or degraded; the rollout says, and a case stays with its own.

A canary's share is taken by a hash of the case's id, so one case always gets the same model as
long as the share does not shrink below it, in every process and after a restart.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import log2
from typing import Any

from capstone_lib.artifact import Artifact
from capstone_lib.artifact.rows import Answer, RowScorer
from capstone_lib.errors import ArtifactError
from capstone_lib.schema import Column, Schema
from capstone_lib.store.rollout import Rollout

__all__ = ["CONSTANT", "Model", "Routes", "draw", "passing_on"]

CONSTANT = "constant"


@dataclass(frozen=True)
class Model:
    """A model at work on a route.

    Attributes
    ----------
    route : str
        ``stable``, ``canary``, ``degraded``, ``shadow``, or ``batch`` for a nightly score.
    name, version, sha256, snapshot : str
        Which artifact, and the hash of the data it was trained on.
    score : callable
        Rows in the order of the stable schema's columns in, answers out.
    artifact : Artifact or None
        None for the constant answer.
    columns : tuple of Column
        What the model knows of each column, in the order of the rows.
    """

    route: str
    name: str
    version: str
    sha256: str
    snapshot: str
    score: Callable[[Sequence[Sequence[Any]]], list[Answer]]
    artifact: Artifact | None
    columns: tuple[Column, ...] = ()


class Routes:
    """The models of one endpoint.

    Parameters
    ----------
    stable : Artifact
        The model in charge. Its schema is the endpoint's.
    canary : Artifact, optional
        The model on trial: it answers a share, or is scored beside as a shadow.
    fallback : Artifact, optional
        The cheaper model of the degraded route. Without it that route gives a constant answer that
        knows nothing (all classes are possible) and asks for a person.

    Raises
    ------
    ArtifactError
        If the models do not take the same columns or do not know the same classes.
    """

    def __init__(
        self,
        stable: Artifact,
        *,
        canary: Artifact | None = None,
        fallback: Artifact | None = None,
    ) -> None:
        self.artifact = stable
        for other in (canary, fallback):
            if other is not None:
                _refuse_strangers(stable, other)
        self.stable = _model("stable", stable, stable.schema)
        self.canary = _model("canary", canary, stable.schema) if canary else None
        self.shadow = _model("shadow", canary, stable.schema) if canary else None
        self.degraded = (
            _model("degraded", fallback, stable.schema) if fallback else _constant(stable)
        )
        self.schema = _common([one for one in (stable, canary, fallback) if one])
        self._salt = f"{canary.name} {canary.version}" if canary else ""

    @property
    def models(self) -> list[Model]:
        """All that can answer or be scored beside."""
        found = (self.stable, self.canary, self.shadow, self.degraded)
        return [model for model in found if model is not None]

    def choose(self, rollout: Rollout, case: str) -> Model:
        """Say which model answers a case."""
        if rollout.route == "degraded":
            return self.degraded
        share = rollout.effective_share
        if self.canary is not None and share and draw(case, self._salt) < share:
            return self.canary
        return self.stable


def draw(case: str, salt: str) -> float:
    """A number in [0, 1) that belongs to a case: evenly spread over cases, the same every time.

    Examples
    --------
    >>> draw("17", "employment 2.0.0") == draw("17", "employment 2.0.0")
    True
    """
    digest = hashlib.blake2b(case.encode(), key=salt.encode()[:64], digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _model(route: str, artifact: Artifact, order: Schema) -> Model:
    scorer = RowScorer(artifact)
    places = [order.names.index(name) for name in artifact.schema.names]

    def reordered(rows: Sequence[Sequence[Any]]) -> list[Answer]:
        return scorer([[row[place] for place in places] for row in rows])

    return Model(
        route=route,
        name=artifact.name,
        version=artifact.version,
        sha256=artifact.sha256,
        snapshot=str(artifact.passport.training.get("sha256", "")),
        score=scorer if places == list(range(len(places))) else reordered,
        artifact=artifact,
        columns=tuple(artifact.schema[name] for name in order.names),
    )


def _constant(stable: Artifact) -> Model:
    """The answer of a model that knows nothing: every class is possible, a person decides."""
    n_classes = len(stable.classes)
    answer = Answer(1 / n_classes, stable.classes[0], log2(n_classes), list(stable.classes), True)
    return Model(
        route="degraded",
        name=CONSTANT,
        version="1",
        sha256="",
        snapshot="",
        score=lambda rows: [answer] * len(rows),
        artifact=None,
    )


def passing_on(stable: Model) -> Model:
    """The route of nightly scores: what stands in the place of a row is its answer already."""
    found: Callable[[Any], list[Answer]] = list
    return replace(stable, route="batch", score=found, artifact=None)


def _refuse_strangers(stable: Artifact, other: Artifact) -> None:
    kinds, theirs = ({c.name: _shape(c) for c in one.schema.columns} for one in (stable, other))
    if kinds != theirs:
        strange = sorted(name for name in {*kinds, *theirs} if kinds.get(name) != theirs.get(name))
        raise ArtifactError(
            f"{other.name} {other.version} cannot stand beside {stable.name} {stable.version}: "
            f"they differ in the columns {', '.join(strange[:5])}; models behind one address take "
            "the same columns of the same kinds"
        )
    if stable.classes != other.classes:
        raise ArtifactError(
            f"{other.name} {other.version} knows the classes {list(other.classes)}, but "
            f"{stable.name} {stable.version} knows {list(stable.classes)}; models behind one "
            "address answer the same question"
        )


def _shape(column: Column) -> tuple[str, bool]:
    return column.kind, column.is_text


def _common(artifacts: Sequence[Artifact]) -> Schema:
    """The rows that every model takes without a word: the endpoint's fast path admits just these.

    Anything else is checked against the schema of the model that is to answer.
    """
    columns = [
        _narrowest([artifact.schema[name] for artifact in artifacts])
        for name in artifacts[0].schema.names
    ]
    return Schema(tuple(columns), id=artifacts[0].schema.id)


def _narrowest(columns: Sequence[Column]) -> Column:
    first = columns[0]
    categories = first.categories
    if categories is not None:
        kept = tuple(c for c in categories if all(c in (one.categories or ()) for one in columns))
        if not kept:
            raise ArtifactError(
                f"the models know no common category of {first.name!r}; models behind one address "
                "take the same columns"
            )
        categories = kept
    return replace(
        first,
        nullable=all(one.nullable for one in columns),
        categories=categories,
        minimum=_bound(max, [one.minimum for one in columns]),
        maximum=_bound(min, [one.maximum for one in columns]),
        limit=_bound(min, [one.limit for one in columns]),
    )


def _bound(pick: Callable[[list[float]], float], values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return pick(known) if known else None
