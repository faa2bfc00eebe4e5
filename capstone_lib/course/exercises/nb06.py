"""Exercises of notebook 06: gaps that are known, a rule that wakes when it should, what ten say."""

from functools import cache
from itertools import pairwise
from typing import Any

from capstone_lib.course.exercise import Examples, Exercise, Right, Wrong

_MOST_FALSE, _FEWEST_HEARD, _WITHIN = 0.1, 0.9, 4
_VERDICTS = ("they help", "they harm", "not known")


def judge_known(known: Any, *, alerts: Any) -> Right | Wrong:
    """The columns whose gap rings in a quiet month, and no others."""
    ringing = {one.feature for one in alerts if one.rule.name == "unequal_errors"}
    if isinstance(known, str) or not all(isinstance(name, str) for name in known):
        return Wrong('known is a list of columns, such as ["SEX", "RAC1P"].')
    missing = sorted(ringing - set(known))
    if missing:
        return Wrong(
            f"known leaves {', '.join(missing)} out: the rule would ring every month for a gap "
            "that notebook 04 has audited. Read the column feature of the alerts."
        )
    deaf = sorted(set(known) - ringing)
    if deaf:
        return Wrong(
            f"known names {', '.join(deaf)}, which does not ring: of a new gap there you would "
            "never hear. Leave it in the rule's sight."
        )
    return Right(
        f"{' and '.join(sorted(ringing))} are passed over from now on, by a decision that stands "
        "in the playbook; all other columns are still watched."
    )


def judge_rule(threshold: Any, for_windows: Any, *, unseen: Any) -> Right | Wrong:
    """A rule that neither cries wolf nor sleeps, in weeks that it has not seen."""
    if not 0 < threshold < 1:
        return Wrong(f"threshold = {threshold!r}: a gap between shares is between 0 and 1.")
    if for_windows != int(for_windows) or not 1 <= for_windows <= 12:
        return Wrong(f"for_windows = {for_windows!r}: it is a whole number of weeks, 1 to 12.")
    trial = unseen.try_rule(threshold=threshold, for_windows=for_windows)
    heard = trial.heard(_WITHIN)
    seen = (
        f"in weeks it has not seen, it cries wolf in {trial.false_alarms:.0%} of the quiet "
        f"stretches, and hears {heard:.0%} of the crises within {_WITHIN} weeks"
    )
    if trial.false_alarms > _MOST_FALSE:
        cure = "Raise threshold, or have it hold for more windows."
        return Wrong(f"The rule cries wolf: {seen}. {cure}")
    if heard < _FEWEST_HEARD:
        alone = unseen.try_rule(threshold=threshold, for_windows=1).heard(_WITHIN)
        cure = "It waits too long: lower for_windows." if alone >= _FEWEST_HEARD else ""
        cure = cure or "It hears too little: lower threshold."
        return Wrong(f"The rule sleeps: {seen}. {cure}")
    return Right(f"{seen[0].upper()}{seen[1:]}.")


def judge_helped(after_ten: Any, after_all: Any, *, ten: Any, everything: Any) -> Right | Wrong:
    """What an interval allows to be said, of few cases and of many."""
    asked = (("after_ten", after_ten, ten), ("after_all", after_all, everything))
    for name, said, measured in asked:
        if said not in _VERDICTS:
            return Wrong(f"{name} is one of {', '.join(map(repr, _VERDICTS))}; you say {said!r}.")
        true = _verdict(measured)
        if said == true:
            continue
        interval = f"from {measured.low:+.2f} to {measured.high:+.2f}"
        if true == "not known":
            return Wrong(f"{name}: the interval {interval} has 0 in it: chance alone may do that.")
        side = "above" if true == "they help" else "below"
        return Wrong(f"{name}: the whole interval, {interval}, is {side} 0.")
    return Right(
        f"{ten.n:.0f} cases say {_verdict(ten)!r}, {everything.n:.0f} say "
        f"{_verdict(everything)!r}: what is worth knowing of reviews takes more than ten."
    )


def _verdict(measured: Any) -> str:
    if measured.low > 0:
        return "they help"
    return "they harm" if measured.high < 0 else "not known"


@cache
def _alerts() -> Any:
    from capstone_lib.alerts import evaluate_alerts
    from capstone_lib.store.measurement import Measurement

    about: dict[str, Any] = {
        "n": 4_700,
        "traffic": "live",
        "model": "employment",
        "version": "1.0.0",
    }
    values = {"AGEP": 0.21, "DIS": 0.14, "SEX": 0.0, "RAC1P": 0.04}
    name = "false_positive_rate_lower_bound"
    found = [Measurement(name, value, feature=c, **about) for c, value in values.items()]
    return [one for one in evaluate_alerts(None, found) if one.state == "firing"]


@cache
def _weeks() -> Any:
    """Made up: gaps that tremble around 0.1, and others around 0.28."""
    import numpy as np

    from capstone_lib.course.weeks import Weeks
    from capstone_lib.store.measurement import Measurement

    rng = np.random.default_rng(1)
    days = [f"2018-{month:02}-01" for month in range(1, 12)]

    def stretches(middle: float) -> Any:
        return tuple(
            tuple(
                Measurement(
                    "false_positive_rate_difference",
                    abs(float(rng.normal(middle, 0.06))),
                    feature="SEX",
                    n=500,
                    window_start=start,
                    window_end=end,
                )
                for start, end in pairwise(days)
            )
            for _ in range(30)
        )

    return Weeks(stretches(0.08), stretches(0.28))


@cache
def _helps() -> Any:
    from capstone_lib.store.measurement import Measurement

    ten = Measurement("review_help", 0.2, -0.12, 0.47, n=10)
    return {"ten": ten, "everything": Measurement("review_help", 0.15, 0.06, 0.24, n=130)}


ex_06_known = Exercise(
    "06.1",
    judge_known,
    starter="known = ...",
    hints=(
        "An alert has a feature: the column between whose groups errors differ.",
        '[one.feature for one in alerts if one.rule.name == "unequal_errors"] lists them.',
    ),
    answer='known = sorted(one.feature for one in alerts if one.rule.name == "unequal_errors")',
    because="A rule may pass over what somebody has looked at and decided; nothing else.",
    examples=Examples(
        given=lambda: {"alerts": _alerts()},
        mistakes={
            'known = ["AGEP"]': "leaves DIS out",
            'known = ["AGEP", "DIS", "SEX"]': "names SEX, which does not ring",
            'known = "AGEP"': "known is a list of columns",
            "known = 2": "cannot be checked",
        },
        also_right=('known = ("DIS", "AGEP")', 'known = {"AGEP", "DIS"}'),
    ),
)

ex_06_rule = Exercise(
    "06.2",
    judge_rule,
    starter="threshold = ...\nfor_windows = ...",
    hints=(
        "Turn the dial: for one week alone chance goes far. What may a threshold be that has to "
        "hold for two or three?",
        "Look at the right of the picture: the blue line is to stay below 10 %, and the other one "
        "above 90 % at week 4.",
    ),
    answer="threshold, for_windows = 0.18, 2",
    because="Chance seldom goes far twice in a row, so a patient rule can listen more closely.",
    examples=Examples(
        given=lambda: {"unseen": _weeks()},
        mistakes={
            "threshold, for_windows = 0.05, 1": "cries wolf",
            "threshold, for_windows = 0.6, 2": "sleeps",
            "threshold, for_windows = 0.2, 8": "sleeps",
            "threshold, for_windows = 18, 2": "between 0 and 1",
            "threshold, for_windows = 0.2, 0": "whole number of weeks",
        },
        also_right=("threshold, for_windows = 0.2, 2", "threshold, for_windows = 0.15, 3.0"),
    ),
)

ex_06_helped = Exercise(
    "06.3",
    judge_helped,
    starter="after_ten = ...\nafter_all = ...",
    hints=(
        "Above 0 reviews help: they mend more than they spoil. Look at low and high, not at value.",
        "If 0 lies between low and high, it is not known.",
    ),
    answer='after_ten, after_all = ("they help" if one.low > 0 else "they harm" if one.high < 0 '
    'else "not known" for one in (ten, everything))',
    because="The value says what happened to these cases; the interval, what it says of others.",
    examples=Examples(
        given=_helps,
        mistakes={
            'after_ten, after_all = "they help", "they help"': "has 0 in it",
            'after_ten, after_all = "not known", "they harm"': "is above 0",
            'after_ten, after_all = "yes", "yes"': "after_ten is one of",
        },
        also_right=('after_ten, after_all = "not known", "they help"',),
    ),
)
