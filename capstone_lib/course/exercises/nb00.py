"""Exercises of notebook 00: who is at work, and which error does the harm."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from capstone_lib.course.exercise import Examples, Exercise, Right, Wrong

_SEX = {1: "male", 2: "female"}


@cache
def _people() -> Any:
    from capstone_lib.data import load_census

    return load_census().frame(2015)


@cache
def _shares() -> dict[int, float]:
    at_work = _people().groupby("SEX")["employed"].mean()
    return {code: float(at_work[code]) for code in _SEX}


def _by_sex(at_work: Any) -> dict[int, float] | None:
    table: Mapping[Any, Any] = dict(at_work)
    for keys in (list(_SEX), list(_SEX.values())):
        if set(table) == set(keys):
            return {code: float(table[key]) for code, key in zip(_SEX, keys, strict=True)}
    return None


def judge_at_work(at_work: Any) -> Right | Wrong:
    """The share of people at work, for each of the two codes of SEX, from 2015's adults."""
    seen = _by_sex(at_work)
    if seen is None:
        return Wrong("at_work needs one number for each code of SEX: group the people by 'SEX'.")
    if all(share > 100 for share in seen.values()):
        return Wrong("at_work holds counts of people: take the mean of 'employed', not its sum.")
    if any(share > 1 for share in seen.values()):
        return Wrong("at_work holds percentages: leave them as shares between 0 and 1.")
    if all(abs(seen[code] - share) < 0.001 for code, share in _shares().items()):
        return Right(
            f"{seen[1]:.1%} of the men and {seen[2]:.1%} of the women were at work. "
            "A model learns this difference whether or not it is told who is who."
        )
    if abs(sum(seen.values()) - 1) < 0.001:
        return Wrong(
            "at_work adds up to 1: it tells how one group of people splits into men and women. "
            "Group by 'SEX' first, then take the mean of 'employed'."
        )
    return Wrong(
        f"at_work says {seen[1]:.3f} for men (1) and {seen[2]:.3f} for women (2), which is not "
        "what the adults of 2015 give: use all rows of census.frame(2015)."
    )


def judge_harm(harm: Any) -> Right | Wrong:
    """Which of the two errors leaves a person without the letter they need."""
    word = str(harm).strip().lower().replace("-", " ").replace("_", " ").removesuffix("s")
    if word in {"false positive", "fp"}:
        return Right(
            "A person without work whom the model calls employed gets no letter. "
            "The rate of false positives, group by group, is what this course watches."
        )
    if word in {"false negative", "fn"}:
        return Wrong(
            "harm = 'false negative' is a person at work who gets a letter they do not need: "
            "a stamp is lost, nobody is forgotten. Look at the other error."
        )
    return Wrong(f"harm is {str(harm)[:40]!r}: answer with 'false positive' or 'false negative'.")


ex_00_at_work = Exercise(
    "00.1",
    judge_at_work,
    starter="at_work = ...",
    hints=(
        "'employed' is 1 for a person at work and 0 otherwise: its mean is the share at work.",
        "A frame is split with people.groupby('SEX').",
        "people.groupby('SEX')['employed'] has a mean() for each group.",
    ),
    answer="at_work = people.groupby('SEX')['employed'].mean()",
    because="The mean of a column of zeros and ones is the share of ones, here within each group.",
    examples=Examples(
        given=lambda: {"people": _people()},
        mistakes={
            "at_work = people.groupby('SEX')['employed'].sum()": "holds counts",
            "at_work = people[people.employed == 1]['SEX'].value_counts(normalize=True)": "adds up",
            "at_work = people['employed'].mean()": "cannot be checked",
            "at_work = people.groupby('SEX')['employed'].mean() * 100": "percentages",
            "at_work = people.groupby('MAR')['employed'].mean()": "for each code of SEX",
            "at_work = people[people.AGEP > 30].groupby('SEX')['employed'].mean()": "use all rows",
        },
        also_right=(
            "at_work = {1: 0.63403, 2: 0.57853}",
            "at_work = {'male': 0.63403, 'female': 0.57853}",
            "at_work = people.groupby('SEX').employed.agg(lambda e: e.sum() / len(e))",
        ),
    ),
)

ex_00_harm = Exercise(
    "00.2",
    judge_harm,
    starter="harm = ...",
    hints=(
        "The letter goes to people whom the model takes to be without work. Who misses it?",
        "'Positive' means: the model says employed.",
    ),
    answer='harm = "false positive"',
    because="Said to be employed, in truth without work: that person never gets the letter.",
    examples=Examples(
        mistakes={
            'harm = "false negative"': "a stamp is lost",
            'harm = "accuracy"': "answer with",
        },
        also_right=('harm = "False-Positives"', 'harm = "FP"'),
    ),
)
