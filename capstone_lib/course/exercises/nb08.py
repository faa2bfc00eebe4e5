"""Exercises of notebook 08: a threshold, a rule and a decision of one's own, with the reasons.

There is no right number here. What is judged is whether the choice follows from what was measured
and from what the student says matters.
"""

import re
from functools import cache
from typing import Any

import numpy as np

from capstone_lib.course.exercise import Examples, Exercise, Right, Wrong

_WORDS, _MANY_WORDS = 12, 25
_FAULT = "outcomes"


def judge_threshold(harm: Any, threshold: Any, *, mistakes: Any) -> Right | Wrong:
    """A threshold that follows from what each mistake is said to cost."""
    from capstone_lib.course.project.price import price_of

    names = [str(name) for name in mistakes.columns]
    table = dict(harm)
    if set(table) != set(names):
        return Wrong(f"harm needs one number for each of {' and '.join(map(repr, names))}.")
    costs = [float(table[name]) for name in names]
    if not all(0 < cost < float("inf") for cost in costs):
        return Wrong("harm: each mistake costs something, so give numbers above 0.")
    chosen = float(threshold)
    if not 0 < chosen < 1:
        return Wrong(f"threshold is {chosen:g}: scores lie between 0 and 1, and so must it.")
    price = price_of(mistakes, dict(zip(names, costs, strict=True)), chosen)
    said = f"at {chosen:g} a thousand cases do harm of {price.here:,.0f}"
    if not price.is_near:
        way = "lower" if chosen > price.best else "higher"
        return Wrong(
            f"threshold: {said}, and there is one with {price.least:,.0f}, if harm is what you "
            f"say. Look {way}, or say another harm."
        )
    return Right(
        f"{said}, by your own weights {costs[0]:g} to {costs[1]:g}; none does much less. Who bears "
        "that harm should have a say in the weights."
    )


def judge_rule(own_rule: Any, *, trial: Any) -> Right | Wrong:
    """A rule that hears what only outcomes tell, and is silent when nothing happens."""
    from capstone_lib.course.project.rules import read_rules
    from capstone_lib.errors import PlaybookError

    if not isinstance(own_rule, str):
        return Wrong("own_rule is TOML, as a text in three quotation marks: [[rule]] and so on.")
    try:
        rules = read_rules(own_rule)
    except PlaybookError as error:
        first = error.problems[0][1] if error.problems else str(error).partition(": ")[2]
        return Wrong(f"own_rule is refused: {' '.join(str(first).split())[:200]}.")
    if not len(rules):
        return Wrong("own_rule holds no rule: begin with [[rule]].")
    result = trial.judge(rules)
    if result.false_alarms:
        return Wrong(
            f"own_rule cries wolf: {', '.join(result.false_alarms)} fires in a quiet window. Use "
            "an end of the interval, or a larger threshold."
        )
    if not result.found[_FAULT]:
        return Wrong(
            "own_rule sleeps: when outcomes change and columns do not, it does not fire. Which "
            "measurement knows outcomes, and is the threshold within reach?"
        )
    return Right(
        f"{', '.join(result.found[_FAULT])} fires when only outcomes change, and is silent in "
        f"{len(trial.quiet)} quiet windows."
    )


def judge_decision(decision: Any, because: Any, would_change: Any, *, advice: Any) -> Right | Wrong:
    """A decision with a reason that has a figure in it, and what would overturn it."""
    from capstone_lib.decide.checklist import ARCHITECTURES

    if decision not in ARCHITECTURES:
        return Wrong(f"decision is one of {', '.join(map(repr, ARCHITECTURES))}.")
    if not isinstance(because, str) or len(because.split()) < _WORDS:
        return Wrong(f"because is a text of {_WORDS} words or more: what speaks for it here?")
    if not re.search(r"\d", because):
        return Wrong("because has no figure in it: quote one that you have measured.")
    known = sorted({one.answer for one in advice.changes} | set(vars(advice.case)))
    turning = sorted({one.answer for one in advice.changes})
    if would_change not in known:
        return Wrong(f"would_change names a question of the checklist: {', '.join(known)}.")
    if decision == advice.architecture:
        if turning and would_change not in turning:
            return Wrong(
                f"would_change = {would_change!r} would not change it: see advice.changes "
                f"({', '.join(turning)})."
            )
        return Right(f"{decision}, as the checklist says; another {would_change} overturns it.")
    if len(because.split()) < _MANY_WORDS:
        return Wrong(
            f"decision: the checklist says {advice.architecture!r}. You may decide otherwise: "
            f"then argue it in {_MANY_WORDS} words or more."
        )
    return Right(
        f"{decision}, against the checklist's {advice.architecture}: a person will read why."
    )


@cache
def _mistakes() -> Any:
    import pandas as pd

    steps = np.round(np.arange(0.05, 0.96, 0.05), 2)
    table = {"wrongly_yes": 400 * (1 - steps) ** 2, "wrongly_no": 400 * steps**2}
    return pd.DataFrame(table, index=pd.Index(steps, name="threshold"))


@cache
def _trial() -> Any:
    from capstone_lib.course.project.trial import Trial
    from capstone_lib.store.measurement import Measurement

    def window(place: int, change: float) -> tuple[Any, ...]:
        about: dict[str, Any] = {"model": "m", "version": "1", "traffic": "batch", "n": 2_000}
        about |= {"window_start": f"2026-01-0{place}", "window_end": f"2026-01-0{place + 1}"}
        low, high = change - 0.02, change + 0.02
        return (Measurement("accuracy_change", change, low, high, **about),)

    quiet = tuple(window(place, 0.01 * (-1) ** place) for place in range(1, 5))
    broken = tuple(one for place in (2, 3) for one in window(place, -0.2))
    return Trial(quiet, {"outcomes": broken}, 2_000)


@cache
def _advice() -> Any:
    from capstone_lib.decide import UseCase, advise

    case = UseCase(
        "letters", answer_within_s=60, staleness_h=48, known_ahead=0.8, stakes="fairness"
    )
    return advise(case)


_RULE = '''own_rule = """
[[rule]]
name = "outcomes_changed"
measurement = "{measurement}"
comparison = "<"
use = "{use}"
threshold = {threshold}
owner = "{owner}"
why = "The model is wrong more often than when it was admitted."
what_to_do = "If no column drifts, the world has changed: train again."
"""'''


def _rule(**other: Any) -> str:
    usual = {"measurement": "accuracy_change", "use": "high", "threshold": -0.05, "owner": "me"}
    return _RULE.format(**(usual | other))


_WHY = (
    'because = "Four of five cases are known ahead, and a nightly score of 25 hours is fresh '
    'enough for them."'
)

ex_08_threshold = Exercise(
    "08.1",
    judge_threshold,
    starter="harm = ...\nthreshold = ...",
    hints=(
        "Which mistake would you rather be the victim of? Give that one the larger number.",
        "For each threshold the harm is the sum over both mistakes of how many times how bad.",
        "(mistakes * pd.Series(harm)).sum(axis=1).idxmin() is the threshold with the least.",
    ),
    answer=(
        "import pandas as pd\nharm = dict(zip(mistakes.columns, (2, 1)))\n"
        "threshold = (mistakes * pd.Series(harm)).sum(axis=1).idxmin()"
    ),
    because="A threshold is a price list: it says how many of one mistake you give for another.",
    examples=Examples(
        given=lambda: {"mistakes": _mistakes()},
        mistakes={
            'harm, threshold = {"wrongly_yes": 5, "wrongly_no": 1}, 0.5': "Look higher",
            'harm, threshold = {"wrongly_yes": 1, "wrongly_no": 5}, 0.5': "Look lower",
            'harm, threshold = {"wrongly_yes": 1}, 0.5': "one number for each",
            'harm, threshold = {"wrongly_yes": 1, "wrongly_no": 0}, 0.9': "above 0",
            'harm, threshold = {"wrongly_yes": 1, "wrongly_no": 1}, 50': "between 0 and 1",
            "harm, threshold = 5, 0.5": "cannot be checked",
        },
        also_right=(
            'harm, threshold = {"wrongly_yes": 1, "wrongly_no": 1}, 0.5',
            'harm, threshold = {"wrongly_yes": 5, "wrongly_no": 1}, 0.83',
        ),
    ),
)

ex_08_rule = Exercise(
    "08.2",
    judge_rule,
    starter="own_rule = ...",
    hints=(
        "Columns do not tell it, so the measurement must know outcomes: accuracy_change is right "
        "answers now less those on the held-out rows.",
        'comparison = "<", a threshold below 0, and use = "high": even the upper end is below it.',
        "Begin with that of the default playbook: cap.load_playbook()['accuracy_lost'] shows it.",
    ),
    answer=_rule(),
    because="The upper end of the interval is below the threshold only if chance does not explain "
    "it; a small window then stays silent.",
    examples=Examples(
        given=lambda: {"trial": _trial()},
        mistakes={
            _rule(threshold=0.2): "cries wolf",
            _rule(threshold=-0.9): "sleeps",
            _rule(measurement="acuracy_change"): "refused",
            'own_rule = "fire when it is bad"': "no TOML",
            'own_rule = ""': "refused",
            "own_rule = 3": "three quotation marks",
        },
        also_right=(_rule(use="value", threshold=-0.1), _rule(use="low", threshold=-0.15)),
    ),
)

ex_08_decision = Exercise(
    "08.3",
    judge_decision,
    starter="decision = ...\nbecause = ...\nwould_change = ...",
    hints=(
        "advice.architecture is what the checklist says; you may decide otherwise, with reasons.",
        "advice.changes lists the answers that would overturn it: would_change is one's name.",
    ),
    answer=(
        "decision = advice.architecture\n"
        + _WHY
        + '\nwould_change = advice.changes[0].answer if advice.changes else "stakes"'
    ),
    because="A decision without what would change it cannot be looked at again.",
    examples=Examples(
        given=lambda: {"advice": _advice()},
        mistakes={
            f'{_WHY}\ndecision, would_change = "cloud", "stakes"': "decision is one of",
            'decision, because, would_change = "hybrid", "it is modern", "stakes"': "12 words",
            'decision, would_change = "hybrid", "stakes"\nbecause = "It is what all of us here '
            'have always wanted, and it is what everybody does today."': "no figure",
            f'{_WHY}\ndecision, would_change = "hybrid", "weather"': "question of the checklist",
            f'{_WHY}\ndecision, would_change = "hybrid", "cases_per_day"': "would not change it",
            f'{_WHY}\ndecision, would_change = "batch", "staleness_h"': "argue it in",
        },
        also_right=(
            f'{_WHY}\ndecision, would_change = "hybrid", "staleness_h"',
            'decision, would_change = "batch", "on_call"\nbecause = "Only 20 in a hundred are new, '
            "and our office opens at nine: they can wait for the next run, as nobody is on call at "
            'night and 2 people cannot run an endpoint."',
        ),
    ),
)
