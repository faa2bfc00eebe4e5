"""A case: one answer of the model about one person, to be judged by another person."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["VERDICTS", "Case", "Decision", "read_case"]

VERDICTS = ("accept", "override", "cannot say")
"""What can be said: the model is right, it is another label, or it cannot be told."""

SOURCES = {
    "uncertainty": "the model is not sure of this answer",
    "audit": "some answers are checked by hand, and this is one of them",
    "appeal": "the person objects",
}
"""Where cases come from, in the words a reviewer sees: an audit does not say whom it is about."""


@dataclass(frozen=True)
class Case:
    """One answer that a reviewer has in hand.

    Attributes
    ----------
    case_id : str
    row_id : str
        Whose it is.
    source : str
        ``uncertainty``, ``audit`` or ``appeal``.
    reason : str
        Why it is here, in words.
    model, version : str
        Who answered.
    features : mapping of str to value
        What was asked.
    classes : tuple of str or int
        The labels there are.
    score, uncertainty : float
    label : str or int
        What the model said.
    prediction_set : tuple
        The labels that it could not exclude.
    reasons : mapping or None
        The explanation, as it was given or first shown.
    reviewer : str
        Who has it.
    held_until : float
        Seconds since 1970; from then on somebody else may get it.
    seen_at : float or None
        When the reviewer first saw it.
    """

    case_id: str
    row_id: str
    source: str
    reason: str
    model: str
    version: str
    features: Mapping[str, Any]
    classes: tuple[Any, ...]
    score: float
    label: Any
    uncertainty: float
    prediction_set: tuple[Any, ...]
    reasons: Any
    reviewer: str
    held_until: float
    seen_at: float | None


@dataclass(frozen=True)
class Decision:
    """What a reviewer said.

    Attributes
    ----------
    case_id, row_id, reviewer, verdict, note : str
    label : str, int or None
        What holds for this person in the reviewer's eyes; None if that cannot be said.
    model_label : str or int
        What the model had said.
    seconds : float or None
        From seen to decided; None if it was not seen before.
    counts : bool
        Whether it is the first word on the case. A second one only measures agreement.
    """

    case_id: str
    row_id: str
    reviewer: str
    verdict: str
    label: Any
    model_label: Any
    note: str
    seconds: float | None
    counts: bool

    def in_words(self, words: Mapping[str, str] | None = None) -> str:
        """Say it in a sentence or two, with the labels in words where they are given."""
        named = words or {}
        model = named.get(str(self.model_label), str(self.model_label))
        said = {
            "accept": f"Decided: {model}, as the model says.",
            "override": f"Decided: {named.get(str(self.label), str(self.label))}. The model says "
            f"{model}.",
            "cannot say": f"You cannot say. The model says {model}.",
        }[self.verdict]
        return said if self.counts else f"{said} It is a second opinion: the first one counts."


def read_case(row: Any) -> Case:
    """A case from a row of the table."""
    classes = tuple(json.loads(row.classes))
    known = {str(name): name for name in classes}
    return Case(
        case_id=row.case_id,
        row_id=str(row.row_id),
        source=row.source,
        reason=row.reason,
        model=row.model,
        version=row.version,
        features=json.loads(row.features),
        classes=classes,
        score=row.score,
        label=known[str(row.label)],
        uncertainty=row.uncertainty,
        prediction_set=tuple(known[str(name)] for name in json.loads(row.prediction_set)),
        reasons=json.loads(row.reasons) if row.reasons else None,
        reviewer=row.reviewer or "",
        held_until=row.held_until or 0.0,
        seen_at=row.seen_at,
    )
