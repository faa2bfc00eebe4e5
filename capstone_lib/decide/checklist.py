"""The checklist: what an application needs, and which architecture that asks for.

Only rules, in an order that can be read. What would change the answer is not written down: it is
found by asking again with each answer changed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from html import escape
from typing import Any, Literal, get_args

from capstone_lib.decide.use_case import HOUR_S, Stakes, UseCase, span_text

__all__ = ["ARCHITECTURES", "Advice", "Change", "Reason", "advise"]

Architecture = Literal["batch", "hybrid", "real time", "real time with review"]
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
"""From the one that answers latest to the one that answers at once, and to one that may not."""

_MOST = 0.5


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
    return case.known_ahead < 1 and case.answer_within_s < case.oldest_h * HOUR_S


def _too_old(case: UseCase) -> bool:
    return case.staleness_h < case.oldest_h


def _soon(case: UseCase) -> Reason:
    question = "How soon is an answer needed?"
    within = f"within {span_text(case.answer_within_s)}"
    if _too_slow(case):
        return Reason(
            question,
            within,
            f"{1 - case.known_ahead:.0%} of cases are new, and would wait up to "
            f"{span_text(case.oldest_h * HOUR_S)} for the next run: they need an endpoint",
        )
    if case.known_ahead >= 1:
        return Reason(question, within, "everybody is known ahead, and a stored answer is read")
    return Reason(question, within, "the next run is soon enough")


def _fresh(case: UseCase) -> Reason:
    question, may = "How old may its facts be?", f"up to {span_text(case.staleness_h * HOUR_S)}"
    oldest = span_text(case.oldest_h * HOUR_S)
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


def _hours(hours: float) -> str:
    return span_text(hours * HOUR_S)


_WORDS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "answer_within_s": ("an answer needed within", span_text),
    "staleness_h": ("facts that may be as old as", _hours),
    "known_ahead": ("cases known ahead:", "{:.0%}".format),
    "stakes": ("at stake:", str),
    "batch_every_h": ("a batch run every", _hours),
    "budget": ("a budget of", "{:,.0f}".format),
}
