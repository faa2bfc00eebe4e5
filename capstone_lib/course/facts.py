"""What happened in a drill, as its test and whoever runs it want to know it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from capstone_lib.course.stream import Month

if TYPE_CHECKING:
    from capstone_lib.alerts import Alert
    from capstone_lib.alerts.records import ActionRecord
    from capstone_lib.review import Decision

__all__ = ["Facts", "Passed"]


@dataclass(frozen=True)
class Passed:
    """What came of one month.

    Attributes
    ----------
    month : Month
    n_measurements : int
    firing : tuple of str
        The rules that fired, each once.
    alerts : tuple of Alert
        Those that fired.
    done : tuple of ActionRecord
        What was done because of them.
    """

    month: Month
    n_measurements: int
    firing: tuple[str, ...]
    alerts: "tuple[Alert, ...]"
    done: "tuple[ActionRecord, ...]"

    def actions(self) -> tuple[str, ...]:
        """The actions that were done, in alphabetical order."""
        return tuple(sorted({one.action for one in self.done if one.state == "done"}))


@dataclass(frozen=True)
class Facts:
    """What happened in a drill.

    Attributes
    ----------
    months : mapping of str to Passed
        ``quiet``, ``broken``, ``mended`` and ``lost``.
    workers : tuple of int
        Process ids of the endpoint's workers.
    before, braked, recovered : tuple of dict
        What each worker says of the rollout: at first, after the alerts of the broken month, after
        a person has taken the degraded route back.
    braked_s, recovered_s, overridden_s : float
        Seconds until both workers had followed, from when the actions were begun, or the person's
        answer was written.
    degraded_answers : tuple of dict
        One of each worker while the route is degraded.
    cases : int
        In the queue after the audit.
    audited_group : str
    decisions : tuple of Decision
        Of the simulated reviewer.
    overridden : mapping of int to int
        The labels that it put in the model's place, by person.
    live_answers : mapping of int to tuple of dict
        What each worker then says of them.
    batch_answers : mapping of int to tuple
        What the store's batch readers then say: the label and who decided.
    acted_twice : int
        Actions that a second run of the same month did; 0 if none.
    """

    months: dict[str, Passed]
    workers: tuple[int, ...]
    before: tuple[dict[str, Any], ...]
    braked: tuple[dict[str, Any], ...]
    recovered: tuple[dict[str, Any], ...]
    braked_s: float
    recovered_s: float
    overridden_s: float
    degraded_answers: tuple[dict[str, Any], ...]
    cases: int
    audited_group: str
    decisions: "tuple[Decision, ...]"
    overridden: dict[int, int]
    live_answers: dict[int, tuple[dict[str, Any], ...]] = field(repr=False)
    batch_answers: dict[int, tuple[Any, str]] = field(repr=False)
    acted_twice: int = 0
