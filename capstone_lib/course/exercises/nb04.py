"""Exercises of notebook 04: the rate that harms, gaps that are real, a threshold that costs none.

Each is judged by the people, or the audit, that the notebook hands over.
"""

from collections.abc import Mapping
from functools import cache
from itertools import islice
from typing import Any

import numpy as np

from capstone_lib.course.exercise import Examples, Exercise, Right, Wrong

_RATE = "false_positive_rate"
_CLOSE = 0.01  # of two false-positive rates; a few people of a thousand
_PLAIN = 0.5
_MOST = 1_000  # columns that are looked at; a student's range may be endless


def judge_missed(missed: Any, *, people: Any) -> Right | Wrong:
    """Of the people without work the share without a letter, for each value of disability."""
    without, called = people["employed"] == 0, people["label"] == 1
    by = people["disability"]
    shares = _shares(called[without], by[without])
    table: Mapping[Any, Any] = dict(missed)
    if set(table) != set(shares):
        names = " and ".join(map(repr, shares))
        return Wrong(f"missed needs one number for each of {names}: group by 'disability'.")
    seen = {key: float(table[key]) for key in shares}
    if _alike(seen, shares):
        said = ", ".join(f"{share:.1%} {key} a disability" for key, share in shares.items())
        return Right(f"of those without work get no letter: {said}. That is the rate that harms.")
    if _alike(seen, {key: 100 * share for key, share in shares.items()}):
        return Wrong("missed holds percentages: leave them as shares between 0 and 1.")
    if any(share > 1 for share in seen.values()):
        return Wrong("missed holds counts of people: a rate is a share, so take the mean.")
    if _alike(seen, _shares(~called[~without], by[~without])):
        return Wrong("missed speaks of those at work who get a letter: that is the other error.")
    if _alike(seen, _shares(called, by)):
        return Wrong("missed counts everybody: keep only those with employed equal to 0.")
    if _alike(seen, _shares(called & without, by)):
        return Wrong(
            "missed divides by everybody: the whole is the people without work, so keep only "
            "those before you take the mean."
        )
    if _alike(seen, _shares(without[called], by[called])):
        return Wrong(
            "missed turns it round: it is the share without work among those with no letter. "
            "Start from the people without work."
        )
    if _alike(seen, {key: 1 - share for key, share in shares.items()}):
        return Wrong("missed is the share who do get a letter: label is 1 for those without.")
    return Wrong(
        "missed is not what these people give: keep those with employed equal to 0, group them "
        "by 'disability', and take the mean of 'label'."
    )


def _shares(hits: Any, by: Any) -> dict[Any, float]:
    return {key: float(share) for key, share in hits.groupby(by).mean().items()}


def _alike(seen: Mapping[Any, float], other: Mapping[Any, float]) -> bool:
    return seen.keys() == other.keys() and all(abs(seen[key] - other[key]) < 0.001 for key in seen)


def judge_real(real: Any, *, office: Any) -> Right | Wrong:
    """The columns whose gap in false-positive rates is more than chance."""
    gaps = {gap.over[0]: gap for gap in office.gaps if gap.name == _RATE}
    chosen = {real} if isinstance(real, str) else set(islice(real, _MOST))
    strange = sorted(str(name) for name in chosen - gaps.keys())
    if strange:
        return Wrong(f"real holds {', '.join(strange)[:60]}: the columns are {', '.join(gaps)}.")
    shown = {name for name, gap in gaps.items() if gap.is_real}
    if chosen == shown:
        others = ", ".join(name for name in gaps if name not in shown)
        some = "of these gaps something is left even at their lower bound." if shown else "none."
        more = f" What is seen over {others} may be chance, or too few people." if others else ""
        return Right(some + more)
    noise = sorted(chosen - shown)
    if noise:
        gap = gaps[noise[0]]
        return Wrong(
            f"real holds {noise[0]}, where the difference is {gap.difference:.3f} and the lower "
            "bound 0: chance alone may explain it. A difference is never negative."
        )
    return Wrong(
        f"real lacks {', '.join(sorted(shown - chosen))}: a lower bound above 0 says that there "
        "is more than chance, be it little."
    )


def judge_for_women(for_women: Any, *, held: Any) -> Right | Wrong:
    """The threshold at which as large a share of women without work gets no letter as of men."""
    threshold = float(for_women)
    if not 0 <= threshold <= 1:
        return Wrong(f"for_women is {threshold:.4g}: scores, and so thresholds, lie from 0 to 1.")
    score, sex, at_work = (held[name].to_numpy() for name in ("score", "SEX", "employed"))
    women, men = (score[(sex == code) & (at_work == 0)] for code in (2, 1))
    rates = {"women": float(np.mean(women >= threshold)), "men": float(np.mean(men >= _PLAIN))}
    now = f"{rates['women']:.1%} of the women and {rates['men']:.1%} of the men without work"
    if abs(rates["women"] - rates["men"]) <= _CLOSE:
        moved = (sex == 2) & (score >= _PLAIN) & (score < threshold)
        needed = int((moved & (at_work == 0)).sum())
        return Right(
            f"{now} get no letter, and nobody has lost one. The price: {int(moved.sum()):,} more "
            f"letters among {len(score):,} people, {needed:,} of them to women without work."
        )
    if threshold == _PLAIN:
        return Wrong(f"for_women is what it was, and {now} get no letter: move it.")
    if threshold < _PLAIN:
        return Wrong(
            f"for_women = {threshold:.4g} calls more women employed, so more of them go without: "
            f"{now}. Which way must it go?"
        )
    if rates["women"] < rates["men"]:
        return Wrong(f"for_women = {threshold:.4g} goes too far: {now} get no letter.")
    return Wrong(f"for_women = {threshold:.4g} does not go far enough: {now} get no letter.")


@cache
def _people() -> Any:
    import pandas as pd

    draw = np.random.default_rng(0)
    disability = np.where(draw.random(2_000) < 0.3, "with", "without")
    at_work = draw.random(2_000) < np.where(disability == "with", 0.3, 0.7)
    called = draw.random(2_000) < np.where(at_work, 0.8, 0.35) - 0.25 * (disability == "with")
    return pd.DataFrame(
        {"disability": disability, "employed": at_work.astype(int), "label": called.astype(int)}
    )


@cache
def _office() -> Any:
    from capstone_lib.monitoring.fairness import audit_fairness

    people = _people()
    columns = {
        "disability": people["disability"],
        "sex": np.resize(["female", "male"], len(people)),
        "race": np.resize(["a", "b", "b"], len(people)),
    }
    return audit_fairness(
        people["employed"], people["label"], sensitive_features=columns, intersections=False
    )


@cache
def _held() -> Any:
    import pandas as pd

    draw = np.random.default_rng(0)
    sex, at_work = draw.integers(1, 3, 8_000), draw.integers(0, 2, 8_000)
    score = np.clip(draw.normal(0.4 + 0.25 * at_work + 0.05 * (sex == 2), 0.2), 0, 1)
    return pd.DataFrame({"SEX": sex, "employed": at_work, "score": score})


_GROUPED = "people[people['employed'] == 0].groupby('disability')['label']"
_WOMEN = "held.loc[(held['SEX'] == 2) & (held['employed'] == 0), 'score']"
_MEN = "held.loc[(held['SEX'] == 1) & (held['employed'] == 0), 'score']"

ex_04_missed = Exercise(
    "04.1",
    judge_missed,
    starter="missed = ...",
    hints=(
        "First keep only the people without work: employed is 0.",
        "label is 1 for those who get no letter, so its mean is their share.",
        "people[people['employed'] == 0].groupby('disability') has what you need.",
    ),
    answer=f"missed = {_GROUPED}.mean()",
    because="The whole is the people without work; of them, the share that was called employed.",
    examples=Examples(
        given=lambda: {"people": _people()},
        mistakes={
            "missed = people.groupby('disability')['label'].mean()": "counts everybody",
            f"missed = {_GROUPED}.sum()": "holds counts",
            f"missed = {_GROUPED}.mean() * 100": "percentages",
            "missed = 1 - people[people.employed == 1].groupby('disability')['label'].mean()": (
                "the other error"
            ),
            "missed = 1 - people[people.label == 1].groupby('disability')['employed'].mean()": (
                "turns it round"
            ),
            "missed = (people.label > people.employed).groupby(people.disability).mean()": (
                "divides by everybody"
            ),
            f"missed = 1 - {_GROUPED}.mean()": "do get a letter",
            "missed = {'with': 0.9, 'without': 0.9}": "not what these people give",
            "missed = {'with': 0.1}": "for each of",
            "missed = 0.3": "cannot be checked",
        },
        also_right=(
            f"missed = dict({_GROUPED}.mean().round(4))",
            "missed = {key: ((rows.employed == 0) & (rows.label == 1)).sum() / "
            "(rows.employed == 0).sum() for key, rows in people.groupby('disability')}",
        ),
    ),
)

ex_04_real = Exercise(
    "04.2",
    judge_real,
    starter="real = ...",
    hints=(
        "The difference is never 0. Which column says what is there at least?",
        "A gap is more than chance if its lower_bound is above 0.",
    ),
    answer=(
        "real = {gap.over[0] for gap in office.gaps "
        "if gap.name == 'false_positive_rate' and gap.is_real}"
    ),
    because="A lower bound above 0 is what chance alone would hardly show.",
    examples=Examples(
        given=lambda: {"office": _office()},
        mistakes={
            "real = {'disability', 'sex', 'race'}": "chance alone may explain it",
            "real = set()": "real lacks disability",
            "real = {'income'}": "the columns are",
            "real = 3": "cannot be checked",
        },
        also_right=("real = 'disability'", "real = ['disability']"),
    ),
)

ex_04_for_women = Exercise(
    "04.3",
    judge_for_women,
    starter="for_women = ...",
    hints=(
        "A higher threshold calls fewer women employed, so more of them get a letter.",
        "Of the men without work, which share has a score of 0.5 or more? Call it share.",
        "Of the scores of women without work, that share must lie above: quantile(1 - share).",
    ),
    answer=f"share = ({_MEN} >= 0.5).mean()\nfor_women = {_WOMEN}.quantile(1 - share)",
    because=(
        "Above that quantile lies just the share that goes without a letter among the men. The "
        "men's own threshold has not moved."
    ),
    examples=Examples(
        given=lambda: {"held": _held()},
        mistakes={
            "for_women = 0.5": "what it was",
            "for_women = 0.45": "Which way",
            "for_women = 0.7": "goes too far",
            "for_women = 0.51": "not go far enough",
            "for_women = 55": "from 0 to 1",
            "for_women = 'higher'": "cannot be checked",
        },
        also_right=(
            f"import numpy as np\nshare = ({_MEN} >= 0.5).mean()\nwomen = {_WOMEN}\n"
            "for_women = min(np.linspace(0.5, 0.7, 401), "
            "key=lambda t: abs((women >= t).mean() - share))",
            "for_women = 0.55",
        ),
    ),
)
