"""The checklist: what an application needs, and which architecture that asks for.

Only rules, in an order that can be read. What would change the answer is not written down: it is
found by asking again with each answer changed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from html import escape
from typing import Any, Literal, get_args

__all__ = ["ARCHITECTURES", "Advice", "Change", "Reason", "UseCase", "advise"]

Architecture = Literal["batch", "hybrid", "real time", "real time with review"]
Stakes = Literal["none", "fairness", "safety"]
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
"""From the one that answers latest to the one that answers at once, and to one that may not."""

_HOUR_S = 3_600.0
_MOST = 0.5


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


@dataclass(frozen=True)
class Reason:
    """One step of the advice: what was asked, what was answered, what follows."""

    question: str
    answer: str
    therefore: str


@dataclass(frozen=True)
class Change:
    """What would change the advice: one answer, and to what."""

    answer: str
    now: Any
    then: Any
    advice: str

    def __str__(self) -> str:
        words, shown = _WORDS[self.answer]
        return f"{words} {shown(self.then)} instead of {shown(self.now)} → {self.advice}"


@dataclass(frozen=True)
class Advice:
    """What the checklist says.

    Attributes
    ----------
    case : UseCase
        Whom it is for.
    architecture : str
        One of :data:`ARCHITECTURES`.
    review : bool
        Whether a person decides what the artifact hands over.
    reasons : tuple of Reason
        In the order in which they counted.
    risks : tuple of str
        What stays open, and what to do about it.
    """

    case: UseCase
    architecture: Architecture
    review: bool
    reasons: tuple[Reason, ...]
    risks: tuple[str, ...]

    @property
    def changes(self) -> tuple[Change, ...]:
        """What would change the answer: of each question the nearest answer that does."""
        return tuple(_changes(self.case, self.architecture))

    def __str__(self) -> str:
        lines = [f"{self.case.name}: {self.architecture}{', with review' * self._says_review}"]
        lines += [f"- {one.question} {one.answer}: {one.therefore}" for one in self.reasons]
        lines += [f"- open: {risk}" for risk in self.risks]
        return "\n".join(lines)

    @property
    def _says_review(self) -> bool:
        return self.review and "review" not in self.architecture

    def to_dict(self) -> dict[str, Any]:
        """The advice as JSON can say it."""
        return {
            "name": self.case.name,
            "case": {field.name: getattr(self.case, field.name) for field in fields(self.case)},
            "architecture": self.architecture,
            "review": self.review,
            "reasons": [vars(one) for one in self.reasons],
            "risks": list(self.risks),
            "changes": [str(one) for one in self.changes],
        }

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(one.question)}</td><td>{escape(one.answer)}</td>"
            f"<td>{escape(one.therefore)}</td></tr>"
            for one in self.reasons
        )
        lists = _list("Open risks", self.risks) + _list("What would change it", self.changes)
        names = ("asked", "answered", "therefore")
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in names)
        cells = rows.replace("<td>", "<td style='text-align:left;vertical-align:top'>")
        return (
            f"<p>{escape(self.case.name)}: <b>{self.architecture}"
            f"{', with review' * self._says_review}</b></p>"
            f"<table><thead><tr>{head}</tr></thead>"
            f"<tbody>{cells}</tbody></table>{lists}"
        )


def _list(title: str, lines: tuple[Any, ...]) -> str:
    items = "".join(f"<li>{escape(str(line))}</li>" for line in lines)
    return f"<p><b>{title}</b></p><ul>{items}</ul>" if items else ""


def advise(case: UseCase) -> Advice:
    """Say which architecture an application asks for, and why.

    Parameters
    ----------
    case : UseCase
        The checklist, answered.

    Returns
    -------
    Advice

    Notes
    -----
    A need for quicker answers or fresher facts, or fewer cases that are known ahead, never moves
    the advice towards batch; higher stakes never take the review away; a smaller budget never
    chooses what costs more.

    Examples
    --------
    >>> letters = UseCase("letters to people without work", answer_within_s=86_400, staleness_h=720)
    >>> print(advise(letters))  # doctest: +ELLIPSIS
    letters to people without work: batch
    - How soon is an answer needed? within 24 hours: ...
    >>> advise(UseCase("fraud", answer_within_s=0.1, staleness_h=0, known_ahead=0)).architecture
    'real time'
    """
    able = _able(case)
    choice, money = _affordable(case, able)
    reasons = [_soon(case), _fresh(case), *_ahead(case, able), *money, _stakes(case)]
    review = case.stakes != "none"
    if review and choice == "real time":
        choice = "real time with review"
    return Advice(case, choice, review, tuple(reasons), tuple(_risks(case, choice)))


def _able(case: UseCase) -> list[Architecture]:
    """Those that meet the needs, the best first."""
    able: list[Architecture] = ["real time"]
    if not _too_old(case):
        able.insert(0 if case.known_ahead >= _MOST else 1, "hybrid")
        if not _too_slow(case):
            able.insert(0, "batch")
    return able


def _affordable(case: UseCase, able: list[Architecture]) -> tuple[Architecture, tuple[Reason, ...]]:
    """The best that can be paid, and the cheapest if none can."""
    if case.budget is None or case.cost is None:
        return able[0], ()
    price, budget = case.cost, case.budget
    paid = [one for one in able if price[one] <= budget]
    choice = paid[0] if paid else min(able, key=lambda one: price[one])
    words = f"{choice} costs {price[choice]:,.0f}"
    if not paid:
        words += ", and nothing that meets the needs costs less"
    elif choice != able[0]:
        words += f", and {able[0]} would cost {price[able[0]]:,.0f}"
    return choice, (Reason("What may it cost a month?", f"{budget:,.0f}", words),)


def _too_slow(case: UseCase) -> bool:
    """Whether somebody would wait for the next run: only those whom the last one did not know."""
    return case.known_ahead < 1 and case.answer_within_s < case.oldest_h * _HOUR_S


def _too_old(case: UseCase) -> bool:
    return case.staleness_h < case.oldest_h


def _soon(case: UseCase) -> Reason:
    question = "How soon is an answer needed?"
    within = f"within {_span(case.answer_within_s)}"
    if _too_slow(case):
        return Reason(
            question,
            within,
            f"{1 - case.known_ahead:.0%} of cases are new, and would wait up to "
            f"{_span(case.oldest_h * _HOUR_S)} for the next run: they need an endpoint",
        )
    if case.known_ahead >= 1:
        return Reason(question, within, "everybody is known ahead, and a stored answer is read")
    return Reason(question, within, "the next run is soon enough")


def _fresh(case: UseCase) -> Reason:
    question, may = "How old may its facts be?", f"up to {_span(case.staleness_h * _HOUR_S)}"
    oldest = _span(case.oldest_h * _HOUR_S)
    if _too_old(case):
        return Reason(question, may, f"a stored answer is up to {oldest} old: it must be computed")
    return Reason(question, may, f"a stored answer is at most {oldest} old")


def _ahead(case: UseCase, able: list[Architecture]) -> Iterator[Reason]:
    if able[0] == "batch":
        return
    if _too_old(case):
        therefore = "it does not help: the night's answers are too old"
    elif able[0] == "hybrid":
        therefore = "the night's answers serve them, and the endpoint all others"
    else:
        therefore = "too few for a second way of answering to be worth its trouble"
    yield Reason("Who is known ahead?", f"{case.known_ahead:.0%} of cases", therefore)


def _stakes(case: UseCase) -> Reason:
    question = "Whom does a wrong answer hurt?"
    if case.stakes == "none":
        return Reason(question, "nobody much", "the model may decide alone")
    whom = "one group more than another" if case.stakes == "fairness" else "somebody's safety"
    return Reason(question, whom, "a person decides what the model is not sure of")


def _risks(case: UseCase, choice: Architecture) -> Iterator[str]:
    if choice != "batch" and not case.on_call:
        way_out = "" if _too_old(case) else ", or serve the night's answers when it is down"
        yield (
            "nobody is on call, and an endpoint fails at night too: agree who is, or buy it as a "
            f"service{way_out}"
        )
    if case.stakes != "none" and case.reviews_needed > case.reviews_per_day:
        yield (
            f"{case.reviews_needed:,.0f} cases a day are handed to a person, and "
            f"{case.reviews_per_day:,.0f} can be decided: more reviewers, a smaller review share "
            "(`review_budget=` of export_model), or a plain answer while a case waits"
        )
    if case.stakes != "none" and choice != "batch" and case.answer_within_s < 120:
        yield (
            "a person needs about two minutes and the answer is due sooner: say what is answered "
            "while the case waits"
        )
    if case.budget is not None and case.cost is not None:
        price = case.cost[choice.removesuffix(" with review")]
        if price > case.budget:
            yield (
                f"it costs {price:,.0f} a month and {case.budget:,.0f} are there: ask for more, or "
                "let answers be older"
            )


def _changes(case: UseCase, now: Architecture) -> Iterator[Change]:
    for name, values in _others(case):
        for value in values:
            then = advise(replace(case, **{name: value})).architecture
            if then != now:
                yield Change(name, getattr(case, name), value, then)
                break


def _others(case: UseCase) -> Iterator[tuple[str, list[Any]]]:
    """Other answers to each question, the nearest first."""
    spans_s = [0.1, 1, 10, 60, 600, 3_600, 6 * 3_600, 86_400, 2 * 86_400, 7 * 86_400, 30 * 86_400]
    yield "answer_within_s", _nearest(spans_s, case.answer_within_s)
    yield "staleness_h", _nearest([0, 1, 6, 12, 24, 25, 48, 168, 720], case.staleness_h)
    shares = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0]
    yield "known_ahead", _nearest(shares, case.known_ahead)
    yield "stakes", [one for one in get_args(Stakes) if one != case.stakes]
    yield "batch_every_h", _nearest([0.25, 1, 6, 12, 24, 168], case.batch_every_h)
    if case.budget is not None and case.cost is not None:
        yield "budget", _nearest(sorted({*case.cost.values(), 0.0}), case.budget)


def _nearest(values: list[float], value: float) -> list[float]:
    """The other values by their distance in rank, so that a second and an hour both count one."""
    order = sorted({*values, value})
    here = order.index(value)
    return sorted((v for v in order if v != value), key=lambda v: abs(order.index(v) - here))


def _expect(name: str, seen: Any, holds: bool, expected: str) -> None:
    if not holds:
        raise ValueError(f"{name} must be {expected}; seen {seen!r}")


def _span(seconds: float) -> str:
    """A time in words.

    Examples
    --------
    >>> _span(0.1), _span(90), _span(3600), _span(86400 * 3)
    ('0.1 seconds', '2 minutes', '60 minutes', '3 days')
    """
    if seconds < 60:
        return f"{seconds:g} seconds"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / 60:.0f} minutes"
    if seconds < 2 * 24 * _HOUR_S:
        return f"{seconds / _HOUR_S:.0f} hours"
    return f"{seconds / 24 / _HOUR_S:.0f} days"


def _hours(hours: float) -> str:
    return _span(hours * _HOUR_S)


_WORDS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "answer_within_s": ("an answer needed within", _span),
    "staleness_h": ("facts that may be as old as", _hours),
    "known_ahead": ("cases known ahead:", "{:.0%}".format),
    "stakes": ("at stake:", str),
    "batch_every_h": ("a batch run every", _hours),
    "budget": ("a budget of", "{:,.0f}".format),
}
