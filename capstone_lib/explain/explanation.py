"""What an explanation is, and how it is told and kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from capstone_lib.explain.words import say_effect
from capstone_lib.schema import Column

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["METHOD", "TOP", "VERSION", "Explanation", "Reason"]

METHOD = "shapley-chains"
VERSION = 1
"""Of the method: an explanation of another version is not redone, but refused."""
TOP = 5


@dataclass(frozen=True)
class Reason:
    """What one value does to the score.

    Attributes
    ----------
    feature : str
    value : Any
        As the schema has it; None where missing.
    effect : float
        In units of the score: 0.1 means that the score is 0.1 higher than it would be if nothing
        were known of this column. 0: the value makes no difference.
    error : float
        How far off such an effect is, as a root mean square, measured at export.
    text : str
        The same in words.
    """

    feature: str
    value: Any
    effect: float
    error: float
    text: str


@dataclass(frozen=True)
class Explanation:
    """Why one score is what it is: ``score = base + the sum of all effects``.

    Attributes
    ----------
    score : float
        What is explained: with two classes the probability of the second, else of the label.
    base : float
        The score of the people compared with, on average.
    columns : tuple of Column
        The columns of the model.
    values : tuple
        The row's, in their order; None where missing.
    moves : tuple of float
        The effects, in their order.
    errors : mapping of str to float
        By column how far off such an effect is.
    error : float
        How far off an effect is, over all columns.
    background : str
        The SHA-256 of the people compared with.
    seed : int
        Of the draw of these people.
    label : Any
        With more than two classes the one whose probability is explained, else None.
    """

    score: float
    base: float
    columns: tuple[Column, ...] = field(repr=False)
    values: tuple[Any, ...] = field(repr=False)
    moves: tuple[float, ...] = field(repr=False)
    errors: Mapping[str, float] = field(repr=False)
    error: float
    background: str
    seed: int
    label: Any = None

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """One for each column of the model, the strongest first."""
        return tuple(self._reason(place) for place in self._strongest())

    @property
    def effects(self) -> dict[str, float]:
        """The effects by column, the strongest first."""
        return {self.columns[place].name: self.moves[place] for place in self._strongest()}

    def _strongest(self) -> list[int]:
        """The columns' places, by the size of their effects; of equals the first."""
        return sorted(range(len(self.moves)), key=lambda place: -abs(self.moves[place]))

    def _reason(self, place: int) -> Reason:
        column, value, effect = self.columns[place], self.values[place], self.moves[place]
        about = "the score" if self.label is None else f"the score of {self.label}"
        return Reason(
            feature=column.name,
            value=value,
            effect=effect,
            error=self.errors[column.name],
            text=say_effect(column, value, effect, about=about),
        )

    def to_dict(self, *, top: int = TOP) -> dict[str, Any]:
        """Ready for JSON, as answers and the log have it.

        Parameters
        ----------
        top : int
            How many reasons are told; the effects of the rest are added up in ``others``.
        """
        places = self._strongest()  # words are made only for what is told: they take time
        return {
            "method": METHOD,
            "version": VERSION,
            "base": self.base,
            "background": self.background,
            "seed": self.seed,
            "error": self.error,
            "reasons": [_told(self._reason(place)) for place in places[:top]],
            "others": sum(self.moves[place] for place in places[top:]),
            **({} if self.label is None else {"label": self.label}),
        }

    def to_frame(self) -> "pd.DataFrame":
        """One row a column: ``feature``, ``value``, ``effect``, ``error`` and ``text``."""
        import pandas as pd

        columns = ["feature", "value", "effect", "error", "text"]
        return pd.DataFrame([_told(reason) for reason in self.reasons], columns=columns)

    def __str__(self) -> str:
        lines = [reason.text for reason in self.reasons[:TOP]]
        return "\n".join([f"score {self.score:.4f}, on average {self.base:.4f}", *lines])

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{escape(one.text)}</li>" for one in self.reasons[:TOP])
        return (
            f"<p>The score is {self.score:.4f}; on average it is {self.base:.4f}.</p>"
            f"<ol>{items}</ol>"
        )


def _told(reason: Reason) -> Mapping[str, Any]:
    return {
        "feature": reason.feature,
        "value": reason.value,
        "effect": reason.effect,
        "error": reason.error,
        "text": reason.text,
    }
