"""What an exercise answers: a state, a sentence, and a look that works in every theme.

The state also travels in the output under a MIME type of its own, where the runner finds it.
Nothing here knows what any exercise asks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from typing import Any

__all__ = ["MIME", "Feedback", "Hint", "Solution", "State", "harvest"]

MIME = "application/vnd.capstone.exercise+json"


class State(StrEnum):
    """Where a student stands with an exercise. Not attempted is not failed."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_ATTEMPTED = "not attempted"
    ERROR = "error"


# icon, word, badge colour: white on it reads at 4.5:1 or better, whatever the page's theme
_LOOK = {
    State.PASSED: ("✓", "Passed", "#00664f"),
    State.FAILED: ("✗", "Not yet", "#a33c00"),
    State.NOT_ATTEMPTED: ("○", "Not attempted", "#595959"),
    State.ERROR: ("!", "Error", "#8c1d40"),
}


@dataclass(frozen=True)
class Feedback:
    """The answer to one ``check``.

    Parameters
    ----------
    exercise
        The exercise's id, such as ``"01.2"``.
    state
        One of :class:`State`.
    message
        A sentence to the student: what was seen and what to do next.

    Examples
    --------
    >>> Feedback("01.2", State.FAILED, "threshold is 2.0: a probability lies between 0 and 1.")
    ✗ Not yet (01.2): threshold is 2.0: a probability lies between 0 and 1.
    """

    exercise: str
    state: State
    message: str

    @property
    def passed(self) -> bool:
        """Whether the exercise is solved."""
        return self.state is State.PASSED

    def __repr__(self) -> str:
        icon, word, _ = _LOOK[self.state]
        return f"{icon} {word} ({self.exercise}): {self.message}"

    def _repr_html_(self) -> str:
        icon, word, colour = _LOOK[self.state]
        badge = (
            f'<strong style="background:{colour};color:#fff;padding:.1em .5em;border-radius:.3em;'
            f'white-space:nowrap"><span aria-hidden="true">{icon}</span> {word}</strong>'
        )
        return (
            f'<div role="status" style="border-left:.3em solid {colour};padding:.4em .8em;'
            f'margin:.3em 0;color:inherit;line-height:1.6">{badge} '
            f'<span style="opacity:.8">{escape(self.exercise)}</span> {escape(self.message)}</div>'
        )

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, object]:
        record = {"exercise": self.exercise, "state": str(self.state), "message": self.message}
        return {"text/plain": repr(self), "text/html": self._repr_html_(), MIME: record}


@dataclass(frozen=True)
class Hint:
    """One of an exercise's hints; a notebook shows it as text."""

    number: int
    of: int
    text: str

    def __repr__(self) -> str:
        return f"Hint {self.number} of {self.of}: {self.text}"

    def _repr_markdown_(self) -> str:
        return f"**Hint {self.number} of {self.of}.** {self.text}"


@dataclass(frozen=True)
class Solution:
    """An exercise's solution as source code, and why it is right."""

    code: str
    because: str

    def __repr__(self) -> str:
        return f"{self.code}\n\n{self.because}"

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.code}\n```\n\n{self.because}"


def harvest(outputs: Iterable[Mapping[str, Any]], known: Iterable[str]) -> dict[str, State]:
    """Read the states of a notebook's exercises from its outputs, the last one of each counting.

    Parameters
    ----------
    outputs
        Outputs of a notebook's cells, in order, as nbformat stores them.
    known
        Ids of the exercises the notebook has. Any other id is ignored; an exercise that was never
        checked is *not attempted*.
    """
    states = dict.fromkeys(known, State.NOT_ATTEMPTED)
    valid = {str(state): state for state in State}
    for output in outputs:
        record = output.get("data", {}).get(MIME)
        if not isinstance(record, Mapping):
            continue
        exercise, state = record.get("exercise"), record.get("state")
        if not (isinstance(exercise, str) and isinstance(state, str)):
            continue
        if exercise in states and state in valid:
            states[exercise] = valid[state]
    return states
