"""Exercises of notebook 07: a figure counted again, an application's needs, the break-even."""

from dataclasses import replace
from typing import Any

import numpy as np

from capstone_lib.course.exercise import Examples, Exercise, Right, Wrong
from capstone_lib.decide import Prices, Speed, UseCase, Volume, advise, monthly_costs

_CLOSE = 0.05  # of the hours: nearer than any schedule is kept


def judge_again(again: Any, *, rows: Any) -> Right | Wrong:
    """Rows a second, of the runs that a source found: their median, or of all together."""
    value = float(again)
    read, seconds = rows["rows"] + rows["rejected"], rows["seconds"]
    median, together = float(np.median(read / seconds)), float(read.sum() / seconds.sum())
    if np.isclose(value, [median, together], rtol=1e-3).any():
        return Right(f"{value:,.0f} rows/s, counted again from {len(rows)} runs of your own.")
    if np.isclose(value, [1 / median, 1 / together, float(np.median(seconds / read))]).any():
        return Wrong("again is seconds a row: divide the rows by the seconds.")
    if np.isclose(value, [float(read.sum()), float(np.median(read))]).any():
        return Wrong("again counts rows, not rows a second: divide by the column seconds.")
    return Wrong(
        f"again = {value:,.4g}, but no run is like that: for each run rows and rejected together, "
        "divided by seconds; then the median."
    )


def judge_case(case: Any) -> Right | Wrong:
    """The housing office, as its text says; and then the advice."""
    if not isinstance(case, UseCase):
        return Wrong("case is a cap.UseCase: case = cap.UseCase('housing benefit', ...).")
    for holds, message in _needs(case):
        if not holds:
            return Wrong(message)
    advice = advise(case)
    review = ", and a person decides what the model is not sure of" if advice.review else ""
    return Right(f"the checklist says {advice.architecture}{review}: print(cap.advise(case)).")


def _needs(case: UseCase) -> list[tuple[bool, str]]:
    return [
        (
            1 <= case.answer_within_s <= 60,
            f"case.answer_within_s = {case.answer_within_s:g}: somebody is on the phone, and waits "
            "seconds. It counts in seconds.",
        ),
        (
            25 <= case.staleness_h <= 48,
            f"case.staleness_h = {case.staleness_h:g}: yesterday's facts will do: a day and a "
            "bit, in hours. A nightly answer is up to 25 hours old when it is read.",
        ),
        (
            0.65 <= case.known_ahead <= 0.75,
            f"case.known_ahead = {case.known_ahead:g}: seven of ten callers are known, as a share.",
        ),
        (
            case.stakes == "fairness",
            f"case.stakes = {case.stakes!r}: ask who is harmed. One group waits for its rent "
            "more often than another.",
        ),
    ]


def judge_hours(hours: Any, *, speed: Speed, volume: Volume, prices: Prices) -> Right | Wrong:
    """The fewest hours between two runs at which batch costs no more than an endpoint."""
    value = float(hours)
    if not 0 < value < float("inf"):
        return Wrong("hours is a number above 0: the time between two runs.")

    def cheaper(gap: float) -> bool:
        costs = monthly_costs(speed, replace(volume, runs_per_day=24 / gap), prices)
        return costs.batch <= costs.real_time

    if cheaper(value * (1 + _CLOSE)) and not cheaper(value * (1 - _CLOSE)):
        return Right(
            f"a run every {value * 60:,.3g} minutes costs what the endpoint costs. Whoever needs "
            "fresher answers pays less for the endpoint."
        )
    turned = 24 / value
    if cheaper(turned * (1 + _CLOSE)) and not cheaper(turned * (1 - _CLOSE)):
        return Wrong("hours counts runs a day: the time between two of them is 24 / runs.")
    if np.isclose(value / 60, _even(speed, volume, prices), rtol=_CLOSE):
        return Wrong("hours is in minutes: divide by 60.")
    if cheaper(value):
        return Wrong(
            f"with hours = {value:.3g} batch is cheaper than the endpoint: it could run more often."
        )
    return Wrong(
        f"with hours = {value:.3g} batch costs more than the endpoint already: less often, please."
    )


def _even(speed: Speed, volume: Volume, prices: Prices) -> float:
    daily = monthly_costs(speed, replace(volume, runs_per_day=1.0), prices)
    return 24 * daily.batch / daily.real_time


def _runs() -> Any:
    import pandas as pd

    return pd.DataFrame({"rows": [900, 1_800, 4_000], "rejected": [100, 200, 0],
                         "seconds": [0.5, 0.8, 1.0]})  # fmt: skip


ex_07_again = Exercise(
    "07.1",
    judge_again,
    starter="again = ...",
    hints=(
        "Each line of rows is a run: what it read is rows + rejected.",
        '((rows["rows"] + rows["rejected"]) / rows["seconds"]) is a rate for each run.',
    ),
    answer='again = ((rows["rows"] + rows["rejected"]) / rows["seconds"]).median()',
    because="The table's figure is the median run; its source is the question that found the runs.",
    examples=Examples(
        given=lambda: {"rows": _runs()},
        mistakes={
            'again = (rows["seconds"] / (rows["rows"] + rows["rejected"])).median()': (
                "seconds a row"
            ),
            'again = (rows["rows"] + rows["rejected"]).sum()': "not rows a second",
            'again = (rows["rows"] / rows["seconds"]).min()': "no run is like that",
            'again = "fast"': "cannot be checked",
        },
        also_right=(
            'again = (rows["rows"] + rows["rejected"]).sum() / rows["seconds"].sum()',
            "import numpy as np\nagain = np.median(rows.eval('(rows + rejected) / seconds'))",
        ),
    ),
)

_CASE = (
    "import capstone_lib as cap\ncase = cap.UseCase('housing benefit', answer_within_s={}, "
    "staleness_h={}, known_ahead={}, stakes='{}')"
)

ex_07_case = Exercise(
    "07.2",
    judge_case,
    starter="case = ...",
    hints=(
        "case = cap.UseCase('housing benefit', answer_within_s=..., staleness_h=..., "
        "known_ahead=..., stakes=...)",
        "Mind the units: seconds, hours, a share. And ask who is harmed by a wrong answer.",
    ),
    answer=_CASE.format(10, 36, 0.7, "fairness"),
    because="Most are known ahead and yesterday's facts will do, but three of ten would wait until "
    "tomorrow: so both ways, and a person for those of whom the model is not sure.",
    examples=Examples(
        mistakes={
            _CASE.format(86_400, 36, 0.7, "fairness"): "on the phone",
            _CASE.format(10, 1.5, 0.7, "fairness"): "in hours",
            _CASE.format(10, 36, 0.3, "fairness"): "seven of ten",
            _CASE.format(10, 36, 0.7, "none"): "who is harmed",
            "case = 'hybrid'": "is a cap.UseCase",
        },
        also_right=(
            _CASE.format(30, 25, 0.7, "fairness"),
            _CASE.format(5, 48, 0.7, "fairness").replace(", stakes", ", on_call=False, stakes"),
        ),
    ),
)

_GIVEN = {
    "speed": Speed(batch_rows_per_s=100_000, live_per_core_s=800),
    "volume": Volume(people=3_000_000, questions_per_day=20_000),
    "prices": Prices(),
}
_EVEN = "from capstone_lib.decide import break_even\n"

ex_07_hours = Exercise(
    "07.3",
    judge_hours,
    starter="hours = ...",
    hints=(
        "break_even(speed, volume, prices) says at how many runs a day both cost the same.",
        "So many runs in 24 hours are how many hours apart?",
    ),
    answer=f"{_EVEN}hours = 24 / break_even(speed, volume, prices)",
    because="A fresher answer from the batch costs one more run over everybody; the endpoint "
    "computes for those who ask, and its floor is paid anyway.",
    examples=Examples(
        given=lambda: dict(_GIVEN),
        mistakes={
            f"{_EVEN}hours = break_even(speed, volume, prices)": "runs a day",
            f"{_EVEN}hours = 24 * 60 / break_even(speed, volume, prices)": "in minutes",
            "hours = 24": "could run more often",
            "hours = 0.001": "costs more than the endpoint already",
            "hours = -1": "above 0",
            "hours = 'soon'": "cannot be checked",
        },
        also_right=(
            "from dataclasses import replace\nfrom capstone_lib.decide import monthly_costs\n"
            "hours = next(h / 1000 for h in range(1, 10**6) if (c := monthly_costs(speed, "
            "replace(volume, runs_per_day=24_000 / h), prices)).batch <= c.real_time)",
            "from capstone_lib.decide import monthly_costs\n"
            "c = monthly_costs(speed, volume, prices)\nhours = 24 * c.batch / c.real_time",
        ),
    ),
)
