"""What an explanation is, and how it is told and kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

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
    reasons : tuple of Reason
        One for each column of the model, the strongest first.
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
    reasons: tuple[Reason, ...]
    error: float
    background: str
    seed: int
    label: Any = None

    @property
    def effects(self) -> dict[str, float]:
        """The effects by column, the strongest first."""
        return {reason.feature: reason.effect for reason in self.reasons}

    def to_dict(self, *, top: int = TOP) -> dict[str, Any]:
        """Ready for JSON, as answers and the log have it.

        Parameters
        ----------
        top : int
            How many reasons are told; the effects of the rest are added up in ``others``.
        """
        return {
            "method": METHOD,
            "version": VERSION,
            "base": self.base,
            "background": self.background,
            "seed": self.seed,
            "error": self.error,
            "reasons": [_told(reason) for reason in self.reasons[:top]],
            "others": sum(reason.effect for reason in self.reasons[top:]),
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
