"""The checklist and the costs with controls: answer, turn, and see what follows.

Where no kernel runs, the advice and the picture of the last answers stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from html import escape
from importlib import import_module
from typing import Any

from capstone_lib.decide.checklist import Advice, advise
from capstone_lib.decide.cost import Prices, Speed, Volume, break_even, draw_costs, monthly_costs
from capstone_lib.decide.use_case import UseCase
from capstone_lib.errors import MissingExtraError
from capstone_lib.widgets.explore import Explorer, explore

__all__ = ["Checklist", "explore_costs"]

_WIDE = {"width": "min(100%, 44em)"}
_STYLE = {"description_width": "20em"}

_SPANS_S = {
    "0.1 seconds": 0.1,
    "1 second": 1,
    "10 seconds": 10,
    "a minute": 60,
    "an hour": 3_600,
    "a day": 86_400,
    "two days": 2 * 86_400,
    "a week": 7 * 86_400,
}
_AGES_H = {
    "no age at all": 0,
    "an hour": 1,
    "6 hours": 6,
    "a day": 24,
    "two days": 48,
    "a week": 168,
    "30 days": 720,
}
_EVERY_H = {
    "15 minutes": 0.25,
    "an hour": 1,
    "6 hours": 6,
    "12 hours": 12,
    "a day": 24,
    "a week": 168,
}
_SHARES = {f"{k} %": k / 100 for k in (0, 1, 2, 5, 10, 25, 50, 75, 90, 99, 100)}
_COUNTS = {f"{k:,}": k for k in (0, 10, 100, 1_000, 10_000, 100_000, 1_000_000)}
_STAKES = {
    "nobody much": "none",
    "one group more than another": "fairness",
    "somebody's safety": "safety",
}

_QUESTIONS: dict[str, tuple[str, Mapping[str, Any], str]] = {
    "answer_within_s": ("An answer is needed within", _SPANS_S, "{:g} seconds"),
    "staleness_h": ("Its facts may be as old as", _AGES_H, "{:g} hours"),
    "known_ahead": ("Cases known when the batch runs", _SHARES, "{:.3%}"),
    "stakes": ("A wrong answer hurts", _STAKES, "{}"),
    "cases_per_day": ("Cases a day", _COUNTS, "{:,g}"),
    "review_share": ("Share handed to a person", _SHARES, "{:.3%}"),
    "reviews_per_day": ("Cases a day that people decide", _COUNTS, "{:,g}"),
    "batch_every_h": ("A batch can run every", _EVERY_H, "{:g} hours"),
    "on_call": ("Somebody is on call at night", {"no": False, "yes": True}, "{}"),
}
"""Of each answer: the question, what can be chosen, and how any other value is written."""


class Checklist:
    """The checklist of one application; show it as the last line of a cell.

    Parameters
    ----------
    case : UseCase
        The answers to begin with.

    Attributes
    ----------
    case : UseCase
        The answers as they stand.
    controls : dict of str to ipywidgets.Widget
        One a question, by the name of the answer; empty without ipywidgets.

    Examples
    --------
    >>> shown = Checklist(UseCase("fraud", answer_within_s=0.1, staleness_h=0, known_ahead=0))
    >>> shown.advice.architecture
    'real time'
    """

    def __init__(self, case: UseCase) -> None:
        self.case = case
        self.controls: dict[str, Any] = {}
        try:
            self._widget = self._make(import_module("ipywidgets"))
        except ModuleNotFoundError:
            self._widget = None

    @property
    def advice(self) -> Advice:
        """What follows from the answers as they stand."""
        return advise(self.case)

    def _make(self, widgets: Any) -> Any:
        for name, (question, choices, other) in _QUESTIONS.items():
            self.controls[name] = self._control(widgets, name, question, choices, other)
        if self.case.cost is not None:
            budget = () if self.case.budget is None else (self.case.budget,)
            prices = sorted({*self.case.cost.values(), *budget})
            budgets = {"does not matter": None, **{f"{one:,.2f}": one for one in prices}}
            self.controls["budget"] = self._control(
                widgets, "budget", "It may cost a month", budgets, "{:,g}"
            )
        for name, one in self.controls.items():
            one.observe(lambda change, name=name: self._answer(name, change["new"]), names="value")
        self._told = widgets.HTML(self._page())
        return widgets.VBox([*self.controls.values(), self._told])

    def _control(
        self, widgets: Any, name: str, question: str, choices: Mapping[str, Any], other: str
    ) -> Any:
        now = getattr(self.case, name)
        options = list(choices.items())
        if now not in choices.values():
            options = sorted([*options, (other.format(now), now)], key=lambda one: one[1])
        about = {"options": options, "value": now, "description": question}
        return widgets.Dropdown(**about, layout=_WIDE, style=_STYLE)

    def _answer(self, name: str, value: Any) -> None:
        self.case = replace(self.case, **{name: value})
        self._told.value = self._page()

    def _page(self) -> str:
        return f"<div role='status' aria-live='polite'>{self.advice._repr_html_()}</div>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        said = "While the notebook runs, the answers can be changed here."
        shown: dict[str, Any] = {}
        if self._widget is None:
            said = f"There is nothing to choose: {MissingExtraError('ipywidgets', 'notebook')}"
        else:
            shown = self._widget._repr_mimebundle_()
        still = f"{_answers(self.case)}{self.advice._repr_html_()}<p><em>{escape(said)}</em></p>"
        return {**shown, "text/plain": str(self.advice), "text/html": still}


def explore_costs(
    speed: Speed, volume: Volume, prices: Prices | None = None, *, currency: str = ""
) -> Explorer:
    """Show what each architecture costs a month, and sliders for what decides it.

    Parameters
    ----------
    speed : Speed
        As measured, such as ``table.speed()``.
    volume, prices
        Where the sliders start.
    currency : str
        Of the prices, for the words.

    Returns
    -------
    Explorer
        A notebook shows it; where no kernel runs, the picture stays.
    """
    prices = prices or Prices()

    def draw(
        questions: float = _whole(volume.questions_per_day),
        people: float = _whole(volume.people),
        floor_cores: int = prices.floor_cores,
        busy_share: float = prices.duty,
    ) -> str:
        asked = replace(volume, questions_per_day=questions, people=people)
        assumed = replace(prices, floor_cores=floor_cores, duty=busy_share)
        draw_costs(speed, asked, assumed)
        return _costs_in_words(speed, asked, assumed, currency)

    return explore(
        draw,
        alt="Cost a month against the time between two batch runs, on logarithmic axes: batch "
        "falls as runs get rarer, real time is level, hybrid lies above both.",
        questions=_choices(volume.questions_per_day, 2_000, 100_000, 2_000_000, 20_000_000),
        people=_choices(volume.people, 10_000, 1_000_000, 100_000_000),
        floor_cores=(0, max(8, prices.floor_cores)),
        busy_share=(0.1, 1.0, 0.1),
    )


def _costs_in_words(speed: Speed, volume: Volume, prices: Prices, currency: str) -> str:
    costs = monthly_costs(speed, volume, prices)
    runs = break_even(speed, volume, prices)
    idle = replace(volume, questions_per_day=0)
    floor = monthly_costs(speed, idle, prices).real_time
    money = "{:,.2f}" + f" {currency}".rstrip()
    words = (
        f"Batch {money.format(costs.batch)}, real time {money.format(costs.real_time)}, hybrid "
        f"{money.format(costs.hybrid)} a month; {money.format(floor)} of real time is the floor, "
        "asked or not. "
    )
    if runs == float("inf"):
        return words + "Runs cost nothing."
    if runs < 1:
        return (
            words + f"Even one run a day costs more than the endpoint ({runs:.2g} would be even)."
        )
    minutes = 24 * 60 / runs
    gap = f"{minutes / 60:.1f} hours" if minutes >= 120 else f"{minutes:.2g} minutes"
    return words + f"Batch and real time cost the same with a run every {gap}."


def _answers(case: UseCase) -> str:
    """All answers as a table, for where there are no controls."""
    rows = []
    for field in fields(case):
        if field.name in _QUESTIONS:
            question, choices, other = _QUESTIONS[field.name]
            value = getattr(case, field.name)
            words = {one: word for word, one in choices.items()}
            said = words.get(value, other.format(value))
            rows.append(f"<tr><td>{question}</td><td>{escape(said)}</td></tr>")
    cells = "".join(rows).replace("<td>", "<td style='text-align:left'>")
    return f"<table><tbody>{cells}</tbody></table>"


def _choices(now: float, *others: float) -> Sequence[float]:
    return sorted({*others, _whole(now)})


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value
