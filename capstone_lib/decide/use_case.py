"""An application as its owner describes it: the answers to the checklist, checked."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

__all__ = ["HOUR_S", "Stakes", "UseCase", "span_text"]

Stakes = Literal["none", "fairness", "safety"]
HOUR_S = 3_600.0


@dataclass(frozen=True)
class UseCase:
    """An application, as its owner answers the checklist.

    Attributes
    ----------
    name : str
        What it is.
    answer_within_s : float
        How soon after the question an answer is needed, in seconds.
    staleness_h : float
        How old what is known of the case may be when it is judged, in hours.
    known_ahead : float
        The share of cases whose id and features are known when the batch runs, 0 to 1.
    stakes : {"none", "fairness", "safety"}
        Whom a wrong answer hurts: nobody much, one group more than another, or somebody's safety.
    cases_per_day : float
        How many questions there are.
    review_share : float
        The share of answers that the artifact hands to a person, 0 to 1.
    reviews_per_day : float
        How many a team of reviewers can decide.
    on_call : bool
        Whether somebody is there when an endpoint fails at night.
    batch_every_h : float
        Hours between two batch runs.
    batch_takes_h : float
        How long one takes until its answers can be read.
    budget : float or None
        What the architecture may cost a month; None if nobody minds.
    cost : mapping of str to float, or None
        What each would cost a month (see :func:`capstone_lib.decide.cost.monthly_costs`); needed
        with a budget.

    Raises
    ------
    ValueError
        If an answer cannot be: it says which, what was seen and what is possible.
    """

    name: str
    answer_within_s: float
    staleness_h: float
    known_ahead: float = 1.0
    stakes: Stakes = "none"
    cases_per_day: float = 1_000.0
    review_share: float = 0.0
    reviews_per_day: float = 0.0
    on_call: bool = True
    batch_every_h: float = 24.0
    batch_takes_h: float = 1.0
    budget: float | None = None
    cost: dict[str, float] | None = None

    def __post_init__(self) -> None:
        for name in ("known_ahead", "review_share"):
            _expect(name, getattr(self, name), 0 <= getattr(self, name) <= 1, "0 to 1, a share")
        for name in ("answer_within_s", "staleness_h", "cases_per_day", "reviews_per_day"):
            _expect(name, getattr(self, name), getattr(self, name) >= 0, "0 or more")
        for name in ("batch_every_h", "batch_takes_h"):
            _expect(name, getattr(self, name), getattr(self, name) > 0, "more than 0")
        _expect("stakes", self.stakes, self.stakes in get_args(Stakes), "none, fairness or safety")
        if self.budget is not None:
            _expect("budget", self.budget, self.budget >= 0, "0 or more, or None")
            costs = self.cost or {}
            missing = [one for one in ("batch", "hybrid", "real time") if one not in costs]
            _expect("cost", self.cost, not missing, f"a cost of {', '.join(missing)}, too")

    @property
    def oldest_h(self) -> float:
        """How old a batch answer is at most when it is read: one period and the time of a run."""
        return self.batch_every_h + self.batch_takes_h

    @property
    def reviews_needed(self) -> float:
        """Answers a day that a person should see."""
        return self.cases_per_day * self.review_share


def span_text(seconds: float) -> str:
    """A time in words.

    Examples
    --------
    >>> span_text(0.1), span_text(90), span_text(3600), span_text(86400 * 3)
    ('0.1 seconds', '2 minutes', '60 minutes', '3 days')
    """
    if seconds < 60:
        return f"{seconds:g} seconds"
    if seconds < 2 * HOUR_S:
        return f"{seconds / 60:.0f} minutes"
    if seconds < 2 * 24 * HOUR_S:
        return f"{seconds / HOUR_S:.0f} hours"
    return f"{seconds / 24 / HOUR_S:.0f} days"


def _expect(name: str, seen: Any, holds: bool, expected: str) -> None:
    if not holds:
        raise ValueError(f"{name} must be {expected}; seen {seen!r}")
