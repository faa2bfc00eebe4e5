"""Exercises of notebook 02: what makes another run, which rows are refused, how old a score is."""

from datetime import date
from functools import cache
from itertools import islice
from typing import Any

from capstone_lib.course.exercise import Examples, Exercise, Right, Wrong

_IDENTITY = {"as_of", "content", "version"}
_OTHERS = {
    "file_name": "the file's name: the run knows the file by its content",
    "workers": "the number of workers: they change how fast the rows come, not what is said",
}
_SCORED, _NEXT = date(2016, 1, 31), date(2016, 2, 29)
_DAYS = 90
_ENOUGH = 100  # words that are looked at; a student's range may be endless


@cache
def _rows() -> Any:
    from capstone_lib.data import load_census

    return load_census().frame(2016).head(200)


def judge_other_run(other_run: Any) -> Right | Wrong:
    """Which changes make another run, and which are the same run again."""
    if isinstance(other_run, str):
        return Wrong("other_run is one text: give a set of texts, in curly brackets.")
    seen = {str(word).strip() for word in islice(other_run, _ENOUGH)}
    strange = sorted(seen - _IDENTITY - _OTHERS.keys())
    if strange:
        known = ", ".join(sorted(_IDENTITY | _OTHERS.keys()))
        return Wrong(f"other_run holds {strange[0][:40]!r}: choose among {known}.")
    for word, why in _OTHERS.items():
        if word in seen:
            return Wrong(f"other_run must do without {word!r}, {why}.")
    if len(seen) < len(_IDENTITY):
        return Wrong(
            f"other_run has {len(seen)} of the changes that count. Ask of each: could the "
            "predictions be different, or speak of something else?"
        )
    return Right(
        "The day, the content and the model make a run. The rest may change, and nothing is "
        "done twice."
    )


def judge_refused(three_refused: Any) -> Right | Wrong:
    """A frame of which the schema refuses exactly three rows, and no more than a part."""
    from capstone_lib.data import load_census

    schema = load_census().schema
    checked = schema.check(three_refused)
    refused = int((~checked.valid).sum())
    if len(three_refused) <= refused:
        return Wrong("three_refused has no good row left: keep the others, and spoil three.")
    if refused == 3:
        return Right(f"three rows are refused, for example: {checked.reasons()[0][1]}.")
    borne = sum(one.count for one in checked.problems if one.severity == "warning")
    if not refused and borne:
        return Wrong(
            f"three_refused has {borne} odd values that the model can bear: they are warnings, "
            "and the rows are scored. Take a value away altogether."
        )
    if not refused:
        return Wrong("three_refused has only good rows: spoil a value in three of them.")
    return Wrong(
        f"three_refused has {refused} rows that are refused, and it should have 3: "
        "mind that .loc[0:3] takes four rows."
    )


def judge_asked_on(asked_on: Any) -> Right | Wrong:
    """A day on which January's scores are older than ninety days, and February's are not yet."""
    text = asked_on if isinstance(asked_on, str) else f"{asked_on:%Y-%m-%d}"
    day = date.fromisoformat(text.strip())
    january, february = ((day - scored).days for scored in (_SCORED, _NEXT))
    if january <= _DAYS:
        return Wrong(
            f"asked_on = {day} is too early: January's scores are {january} days old by then, "
            f"not yet more than {_DAYS}."
        )
    if february > _DAYS:
        return Wrong(
            f"asked_on = {day} is too late: February's scores are {february} days old by then "
            "as well."
        )
    return Right(
        f"on {day} a score of January is {january} days old, one of February {february}. A score "
        "has no best-before date of its own: somebody has to ask."
    )


ex_02_other_run = Exercise(
    "02.2",
    judge_other_run,
    starter="other_run = ...",
    hints=(
        "What does the run's id follow from? Look at the columns of store.runs().",
        "A copy of a file under another name holds the same people.",
        "There are three: when, who, and what answers.",
    ),
    answer='other_run = {"as_of", "content", "version"}',
    because="A run is its as-of date, the SHA-256 of its rows, and the model that answers.",
    examples=Examples(
        mistakes={
            'other_run = {"as_of", "content", "version", "file_name"}': "by its content",
            'other_run = {"as_of", "version", "workers"}': "how fast",
            'other_run = {"as_of", "version"}': "2 of the changes",
            'other_run = "as_of"': "a set of texts",
            'other_run = {"as_of", "weather"}': "choose among",
        },
        also_right=(
            'other_run = ["version", "content", "as_of"]',
            'other_run = ("as_of", "content", "version", "version")',
        ),
    ),
)

ex_02_refused = Exercise(
    "02.3",
    judge_refused,
    starter="three_refused = ...",
    hints=(
        "Begin with three_refused = rows.copy(), so that the good rows stay good.",
        "A missing value is refused; an age above those of the training data is not.",
        "three_refused.loc[0:2, 'AGEP'] = None takes the age from the first three rows.",
    ),
    answer=(
        'three_refused = rows.astype({"AGEP": "Float64"})\nthree_refused.loc[0:2, "AGEP"] = None'
    ),
    because="A model cannot say anything about a person of no age; the other rows are scored.",
    examples=Examples(
        given=lambda: {"rows": _rows()},
        mistakes={
            "three_refused = rows": "only good rows",
            "three_refused = rows.copy()\nthree_refused.loc[0:2, 'AGEP'] = 120": "can bear",
            "three_refused = rows.astype({'AGEP': float})\n"
            "three_refused.loc[0:3, 'AGEP'] = None": "has 4 rows",
            "three_refused = rows.head(3).assign(AGEP=float('nan'))": "no good row left",
            "three_refused = 3": "cannot be checked",
        },
        also_right=(
            "three_refused = rows.astype({'MAR': float})\n"
            "three_refused.loc[[5, 7, 9], 'MAR'] = float('nan')",
            "three_refused = rows.astype({'AGEP': float})\n"
            "three_refused.loc[0:2, 'AGEP'] = float('inf')",
        ),
    ),
)

ex_02_asked_on = Exercise(
    "02.1",
    judge_asked_on,
    starter="asked_on = ...",
    hints=(
        "January was scored as of 2016-01-31, February as of 2016-02-29.",
        "Count ninety days from the end of January: you are at the end of April.",
    ),
    answer='asked_on = "2016-05-15"',
    because="Ninety days after 31 January it is 30 April; ninety after 29 February it is 29 May.",
    examples=Examples(
        mistakes={
            'asked_on = "2016-04-30"': "too early",
            'asked_on = "2016-12-31"': "too late",
            'asked_on = "May"': "cannot be checked",
        },
        also_right=(
            'asked_on = "2016-05-01"',
            "import datetime\nasked_on = datetime.date(2016, 5, 29)",
        ),
    ),
)
