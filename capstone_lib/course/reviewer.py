"""A simulated reviewer, for where no person sits at the desk: it knows what became of people.

No real reviewer does. It stands in for one who is right most of the time, so that a script can go
through the whole loop; what it says of how much reviews help is what was put into it.
"""

import time
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from capstone_lib.data.hashing import hash_ids, unit_interval
from capstone_lib.store.ids import encode_id

if TYPE_CHECKING:
    from capstone_lib.review import Case, Decision, ReviewQueue
    from capstone_lib.store import Store

__all__ = ["SimulatedClock", "SimulatedReviewer"]

_BACK_S = 6 * 3_600
_NOTE = "simulated: knows the outcome, with some error"


class SimulatedClock:
    """Seconds since 1970 that pass only when somebody says so; for ``ReviewQueue(clock=)``.

    Parameters
    ----------
    at : float, optional
        Where it begins; the present unless told otherwise.
    """

    def __init__(self, at: float | None = None) -> None:
        self._at = time.time() if at is None else at

    def __call__(self) -> float:
        """What time it is."""
        return self._at

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._at += seconds


class SimulatedReviewer:
    """Decides cases by what became of people, and errs in a share of them.

    Parameters
    ----------
    outcomes : mapping of row id to label
        What became of whom; of others it cannot say.
    name : str
        Under which it decides.
    error : float, default 0.1
        The share of cases in which it says another label.
    seed : int, default 0
        In which ones.
    clock : SimulatedClock, optional
        Of its desk: 20 seconds to three minutes pass for each case, mostly about one. It begins six
        hours ago unless told otherwise, so that no real reviewer loses a case to it.

    Examples
    --------
    >>> SimulatedReviewer({7: 1}, error=0).label_of(7, classes=(0, 1))
    1
    """

    def __init__(
        self,
        outcomes: Mapping[Any, Any],
        *,
        name: str = "a simulated reviewer",
        error: float = 0.1,
        seed: int = 0,
        clock: SimulatedClock | None = None,
    ) -> None:
        if not 0 <= error <= 1:
            raise ValueError(f"error is a share between 0 and 1; seen {error!r}")
        self.name, self.error, self.seed = name, error, seed
        self.clock = SimulatedClock(time.time() - _BACK_S) if clock is None else clock
        self._outcomes = {encode_id(str(row_id)): label for row_id, label in outcomes.items()}

    def label_of(self, row_id: Any, *, classes: tuple[Any, ...]) -> Any:
        """What it says of somebody; None if it cannot say."""
        truth = self._outcomes.get(encode_id(str(row_id)))
        if truth is None:
            return None
        wrong = self._chance(row_id, "errs") < self.error
        return next(one for one in classes if one != truth) if wrong else truth

    def desk(self, store: "Store", **options: Any) -> "ReviewQueue":
        """The queue of a store, by this reviewer's clock; options as of ``ReviewQueue``."""
        from capstone_lib.review import ReviewQueue

        return ReviewQueue(store, clock=self.clock, **options)

    def decide(self, queue: "ReviewQueue", case: "Case") -> "Decision":
        """Decide a case that it was given."""
        queue.see(case)
        self.clock.wait(60 * 3 ** (2 * self._chance(case.row_id, "thinks") - 1))
        label = self.label_of(case.row_id, classes=tuple(case.classes))
        verdict = "cannot say" if label is None else queue.verdict_on(case.case_id, label)
        return queue.decide(
            case.case_id,
            reviewer=self.name,
            verdict=verdict,
            label=label if verdict == "override" else None,
            note=_NOTE,
        )

    def work(self, queue: "ReviewQueue", *, n: int = 10, overrides: int = 0) -> "list[Decision]":
        """Take cases and decide them, one after the other.

        Parameters
        ----------
        queue : ReviewQueue
        n : int, default 10
            How many; fewer if no more wait.
        overrides : int, default 0
            Go on until the store has at least so many overrides.
        """
        made: list[Decision] = []
        while len(made) < n or len(queue.store.overrides()) < overrides:
            case = queue.next(self.name)
            if case is None:
                break
            made.append(self.decide(queue, case))
        return made

    def _chance(self, row_id: Any, what: str) -> float:
        """A number from 0 to 1 that is the same for a person whenever it is asked for."""
        code = hash_ids(
            [zlib.crc32(str(row_id).encode())], seed=self.seed, purpose=f"reviewer {what}"
        )
        return float(unit_interval(code)[0])
