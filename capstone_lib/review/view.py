"""What a reviewer is shown of a case: the person in words, the answer, its reasons, the like.

Nothing is hidden but what ``blind`` says: then only the person's values are shown before the
decision, and neither the model's answer nor anything that gives it away.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from capstone_lib.errors import ArtifactError, SchemaError
from capstone_lib.review.case import Case
from capstone_lib.review.similar import Similar, similar_cases
from capstone_lib.schema import Column

if TYPE_CHECKING:
    from capstone_lib.artifact.model import Artifact
    from capstone_lib.review.queue import ReviewQueue

__all__ = ["CaseView", "Choice", "Reason", "Value", "view_case"]


@dataclass(frozen=True)
class Value:
    """One column of the person: its title, the value in words, and what is odd about it."""

    name: str
    title: str
    words: str
    odd: str = ""


@dataclass(frozen=True)
class Reason:
    """What a value does to the score, in the score's units."""

    text: str
    effect: float


@dataclass(frozen=True)
class Choice:
    """One thing that a reviewer can say, and what stands on its button."""

    verdict: str
    label: Any
    words: str


@dataclass(frozen=True)
class CaseView:
    """All that the page of one case shows.

    Attributes
    ----------
    case : Case
    values : tuple of Value
        In the order of the model's columns.
    labels : mapping of str to str
        The classes in words, by the class as text.
    cut : float or None
        From where on the score means the second class; None with more than two classes.
    reasons : tuple of Reason
        The strongest first.
    reasons_note : str
        What they are compared with, or why there are none.
    similar : tuple of Similar
    differences : tuple of str
        Of each similar case, in words, where it differs.
    blind : bool
        Whether the model's answer is hidden until the decision.
    """

    case: Case
    values: tuple[Value, ...]
    labels: Mapping[str, str]
    cut: float | None
    reasons: tuple[Reason, ...]
    reasons_note: str
    similar: tuple[Similar, ...]
    differences: tuple[str, ...]
    blind: bool

    def words(self, label: Any) -> str:
        """A label in words."""
        return self.labels.get(str(label), str(label))

    def choices(self) -> tuple[Choice, ...]:
        """What can be said. Blind, nothing in it tells which is the model's answer."""
        case = self.case
        if self.blind:
            found = [
                Choice("accept" if name == case.label else "override", name, self.words(name))
                for name in case.classes
            ]
        else:
            others = [name for name in case.classes if name != case.label]
            found = [Choice("accept", case.label, f"Accept: {self.words(case.label)}")]
            found += [Choice("override", name, f"Override: {self.words(name)}") for name in others]
        return (*found, Choice("cannot say", None, "Cannot say"))


def view_case(
    case: Case,
    queue: "ReviewQueue",
    *,
    artifact: "Artifact | None" = None,
    words: Mapping[Any, str] | None = None,
) -> CaseView:
    """Put together what a reviewer is shown.

    Parameters
    ----------
    case : Case
        From :meth:`ReviewQueue.next`.
    queue : ReviewQueue
        Where the like are found, and where an explanation is kept once it was made.
    artifact : Artifact, optional
        The model, for words and reasons; without it values stand as they are.
    words : mapping, optional
        The labels in words, such as ``{0: "without work", 1: "at work"}``.
    """
    columns = _columns(case, artifact)
    by_name = {column.name: column for column in columns}
    reasons, note = _reasons(case, queue, artifact)
    like = () if queue.blind else similar_cases(case, queue.decisions(), columns)
    return CaseView(
        case=case,
        values=tuple(_value(column, case.features.get(column.name)) for column in columns),
        labels={str(_plain(name)): text for name, text in (words or {}).items()},
        cut=_cut(artifact) if len(case.classes) == 2 else None,
        reasons=() if queue.blind else reasons,
        reasons_note=note,
        similar=like,
        differences=tuple(_difference(one, by_name) for one in like),
        blind=queue.blind,
    )


def _columns(case: Case, artifact: "Artifact | None") -> Sequence[Column]:
    if artifact is not None and set(artifact.schema.names) == set(case.features):
        return artifact.schema.columns
    kinds = {bool: "boolean", int: "integer", float: "number"}
    return [
        Column(name, kinds[type(value)])  # type: ignore[arg-type]  # one of the kinds
        if type(value) in kinds
        else Column(name, "category", categories=(str(value),))
        for name, value in case.features.items()
    ]


def _value(column: Column, value: Any) -> Value:
    return Value(
        column.name, column.title or column.name, _words(column, value), _odd(column, value)
    )


def _words(column: Column, value: Any) -> str:
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(column.labels.get(str(value), f"{value:,g}" if type(value) is float else value))


def _odd(column: Column, value: Any) -> str:
    if column.categories is not None:
        unknown = value is not None and value not in column.categories
        return "not known to the model" if unknown else ""
    if not isinstance(value, int | float) or column.minimum is None or column.maximum is None:
        return ""
    if column.minimum <= value <= column.maximum:
        return ""
    return f"training saw {column.minimum:g} to {column.maximum:g}"


def _difference(one: Similar, columns: Mapping[str, Column]) -> str:
    if not one.differing:
        return "alike in every value"
    shown = [
        f"{columns[name].title or name}: {_words(columns[name], one.features.get(name))}"
        for name in one.differing[:3]
    ]
    more = len(one.differing) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")


def _cut(artifact: "Artifact | None") -> float | None:
    if artifact is None:
        return None
    return 0.5 if artifact.threshold is None else float(artifact.threshold)


def _reasons(
    case: Case, queue: "ReviewQueue", artifact: "Artifact | None"
) -> tuple[tuple[Reason, ...], str]:
    """The explanation that is kept with the case, or else one that is made and kept now.

    Beside the reasons stands what else is to be said of them, or why there are none.
    """
    kept = case.reasons
    if kept is None:
        if artifact is None:
            return (), "No reasons: no model is at hand to give them."
        mine, theirs = (artifact.name, artifact.version), (case.model, case.version)
        if mine != theirs:
            said = f"the answer is of {' '.join(theirs)}, and at hand is {' '.join(mine)}"
            return (), f"No reasons: {said}."
        from capstone_lib.explain import explain_row

        try:
            kept = explain_row(artifact, case.features).to_dict()
        except (ArtifactError, SchemaError) as error:
            return (), f"No reasons: {error}"
        queue.keep_reasons(case.case_id, json.dumps(kept, ensure_ascii=False))
    reasons = tuple(Reason(str(one["text"]), float(one["effect"])) for one in kept["reasons"])
    base, others = kept.get("base"), kept.get("others")
    if base is None or others is None:
        return reasons, ""
    rest = (
        f"; the other values together: {others:+.2f}" if len(reasons) < len(case.features) else ""
    )
    return reasons, f"Everybody's mean is {base:.2f}{rest}."


def _plain(label: Any) -> Any:
    return int(label) if isinstance(label, bool) else label
