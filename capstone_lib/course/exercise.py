"""What an exercise is: an ask, a check of a property, hints in order, a solution that is tested.

The check is a pure function of the values that the student passes in; it returns :class:`Right`
or :class:`Wrong` with a sentence. :meth:`Exercise.check` adds what every exercise needs: *not
attempted* is told from *wrong*, and nothing that a student passes can make a notebook stop.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from capstone_lib.course.feedback import Feedback, Hint, Solution, State

__all__ = ["Examples", "Exercise", "Right", "Wrong"]


@dataclass(frozen=True)
class Right:
    """The verdict on a right answer, with a sentence that says what has been shown."""

    message: str


@dataclass(frozen=True)
class Wrong:
    """The verdict on a wrong answer, with a sentence that names the variable and the next step."""

    message: str


def _nothing() -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class Examples:
    """What the generic test runs for an exercise: snippets of code as a student would type them.

    Parameters
    ----------
    mistakes
        A typical wrong answer → a part of the message it must get. Two at least, and their messages
        must differ.
    also_right
        Other answers that must pass. One at least.
    given
        Returns the names that the notebook has defined by then; the snippets see them.
    """

    mistakes: Mapping[str, str]
    also_right: tuple[str, ...]
    given: Callable[[], Mapping[str, Any]] = _nothing


class Exercise:
    """One exercise of one notebook.

    Parameters
    ----------
    id
        Notebook and place in it: ``"01.2"`` is the second exercise of notebook 01.
    judge
        ``judge(value, …) -> Right | Wrong``; its parameters carry the names of the student's
        variables. It checks a property and may raise: the student is then told that the value is
        not of the right kind. A keyword-only parameter is something that the notebook hands over,
        such as what was measured there: the answer is judged by it.
    starter
        The code that the notebook starts with; each variable is ``...``.
    hints
        Sentences in order, from a nudge to nearly the answer.
    answer
        Code that defines the variables rightly; :meth:`solution` shows it.
    because
        Why that is right, in a sentence or two.
    examples
        What the tests run.

    Examples
    --------
    >>> def judge(share):
    ...     if not 0 <= share <= 1:
    ...         return Wrong(f"share is {share}: divide by the number of people.")
    ...     return Right("that is a share.")
    >>> exercise = Exercise(
    ...     "99.1", judge, starter="share = ...", hints=("Divide.",), answer="share = 1 / 2",
    ...     because="A share lies between 0 and 1.",
    ...     examples=Examples(
    ...         mistakes={"share = 2": "divide", "share = '2'": "cannot be checked"},
    ...         also_right=("share = 0",),
    ...     ),
    ... )
    >>> exercise.check(...)
    ○ Not attempted (99.1): Put your answer in place of the ... for share and run the cell again.
    >>> exercise.check(2)
    ✗ Not yet (99.1): share is 2: divide by the number of people.
    >>> exercise.check(0.5).passed
    True
    """

    def __init__(
        self,
        id: str,  # noqa: A002 - the field's word for it
        judge: Callable[..., Right | Wrong],
        *,
        starter: str,
        hints: tuple[str, ...],
        answer: str,
        because: str,
        examples: Examples,
    ) -> None:
        self.id, self.judge = id, judge
        self.starter, self.hints, self.answer, self.because = starter, hints, answer, because
        self.examples = examples
        parameters = inspect.signature(judge).parameters.values()
        self.variables = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        self.given = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
        self._hints_shown = 0

    def __repr__(self) -> str:
        return f"Exercise {self.id}: {self._call}, hint(), solution()"

    @property
    def notebook(self) -> str:
        """The number of the notebook it stands in, such as ``"01"``."""
        return self.id.partition(".")[0]

    def check(self, *values: object, **given: object) -> Feedback:
        """Judge the student's values. Never raises, whatever they are."""
        if len(values) != len(self.variables) or given.keys() != set(self.given):
            count = len(values) + len(given)
            return self._say(State.ERROR, f"Call {self._call}: it was given {count} value(s).")
        open_ = [n for n, v in zip(self.variables, values, strict=True) if v is None or v is ...]
        if open_:
            names = " and ".join(open_)
            return self._say(
                State.NOT_ATTEMPTED,
                f"Put your answer in place of the ... for {names} and run the cell again.",
            )
        try:
            return self._verdict(self.judge(*values, **given))
        except Exception as error:  # a student's value may do anything; the notebook goes on
            return self._say(State.ERROR, self._excuse(values, error))

    def hint(self) -> Hint:
        """Give the next hint; after the last one, the last one again."""
        self._hints_shown = min(self._hints_shown + 1, len(self.hints))
        return Hint(self._hints_shown, len(self.hints), self.hints[self._hints_shown - 1])

    def solution(self) -> Solution:
        """Show the solution's code, and why it is right."""
        return Solution(self.answer, self.because)

    @property
    def _call(self) -> str:
        return f"check({', '.join([*self.variables, *(f'{name}={name}' for name in self.given)])})"

    def _verdict(self, verdict: Right | Wrong) -> Feedback:
        state = State.PASSED if isinstance(verdict, Right) else State.FAILED
        return self._say(state, verdict.message)

    def _excuse(self, values: tuple[object, ...], error: Exception) -> str:
        kinds = ", ".join(
            f"{name} is of type {type(value).__name__}"
            for name, value in zip(self.variables, values, strict=True)
        )
        return (
            f"{kinds}, which cannot be checked ({_one_line(error)}). "
            "Compare it with what the text above asks for."
        )

    def _say(self, state: State, message: str) -> Feedback:
        return Feedback(self.id, state, message.encode("utf-8", "backslashreplace").decode())


def _one_line(error: Exception) -> str:
    name = type(error).__name__
    try:
        first = str(error).strip().partition("\n")[0]
    except Exception:  # an error whose text cannot be made is still an error with a name
        return name
    return f"{name}: {first[:120]}" if first else name
