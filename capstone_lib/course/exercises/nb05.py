"""Exercises of notebook 05: a window large enough, windows that tell no tale, a blind test."""

from functools import cache
from typing import Any

import numpy as np

from capstone_lib.course.exercise import Examples, Exercise, Right, Wrong

_FEWEST, _MOST = 6, 60  # windows that a year is cut into
_CHANCE = 1e-6  # windows that differ more than this says are no sample of one year
_KINDS = ("world", "coding", "pipeline")


def judge_smallest(smallest: Any, *, floors: Any, column: Any) -> Right | Wrong:
    """The smallest window in which chance alone does not reach a PSI of 0.1."""
    measured = dict(zip(floors.index.tolist(), floors[column].tolist(), strict=True))
    if smallest not in measured:
        known = ", ".join(f"{size:,}" for size in measured)
        return Wrong(f"smallest is one of the sizes in floors: {known}.")
    quiet = [size for size, floor in measured.items() if floor < 0.1]
    if smallest not in quiet:
        return Wrong(
            f"smallest = {smallest:,}: there chance alone reaches a PSI of "
            f"{measured[smallest]:.2g}, so the rule of thumb cries wolf. Take more rows."
        )
    if smallest != min(quiet):
        return Wrong(
            f"smallest = {smallest:,} is quiet, but a smaller window is quiet too: find the first "
            "floor below 0.1."
        )
    return Right(
        f"from {smallest:,} rows on a PSI of 0.1 in {column} is more than chance. With more "
        "categories it would take more rows."
    )


def judge_windows(windows: Any, *, people: Any) -> Right | Wrong:
    """A window for each person, so that no window is a stretch of the file."""
    known = {name: people[name].to_numpy() for name in ("AGEP", "RELP", "SEX")}
    if not hasattr(windows, "__len__"):
        return Wrong("windows is a single value: give each person in people a window.")
    if len(windows) != len(people):
        return Wrong(
            f"windows has {len(windows):,} entries for {len(people):,} people: give each person "
            "one."
        )
    _, place = np.unique(np.asarray(windows), return_inverse=True)
    size = np.bincount(place)
    if not _FEWEST <= len(size) <= _MOST:
        return Wrong(
            f"windows makes {len(size):,} windows: cut the year into {_FEWEST} to {_MOST}, "
            "such as its months."
        )
    if size.min() < 200:
        return Wrong(f"windows leaves {size.min():,} people in one window: too few to judge.")
    if np.corrcoef(place, np.arange(len(place)))[0, 1] ** 2 > 0.5:
        return Wrong(
            "windows still follows the file: its first people are in one window, its last in "
            "another. When did they arrive?"
        )
    for name, values in known.items():
        if _differ(place, values):
            return Wrong(
                f"windows sorts people: {name} differs between them far more than chance allows. "
                "Who goes where must have nothing to do with who they are."
            )
    return Right(
        f"{len(size)} windows, and people in group quarters are in each as often as in the others. "
        "The dramatic drift was in the cutting."
    )


def judge_broken(month: Any, column: Any, kind: Any, *, blind: Any) -> Right | Wrong:
    """Which month is broken, where it shows first, and what changed."""
    truth = blind.truth.scenario
    if month not in blind.months:
        return Wrong(f"month is one of {', '.join(blind.months)}; you say {month!r}.")
    if month != blind.broken:
        return Wrong(
            f"month = {month!r} is as it should be. Compare each month with the artifact: "
            "which report has alarms?"
        )
    if column not in truth.columns:
        return Wrong(
            f"column = {column!r} is not what was changed. The largest alarm names it; "
            "of a pair, the column that both of the largest pairs share."
        )
    if kind not in _KINDS:
        return Wrong(f"kind is one of {', '.join(map(repr, _KINDS))}; you say {kind!r}.")
    if kind != truth.kind:
        return Wrong(
            f"kind = {kind!r} does not fit. Draw the column: the world moves people from value to "
            "value, another coding makes values that were never seen, a pipeline loses, repeats or "
            "mixes up values."
        )
    return Right(f"{truth.what}.")


def _differ(place: Any, values: Any) -> bool:
    """Whether values differ between windows by far more than chance (χ²)."""
    from scipy.stats import chi2_contingency

    _, kinds = np.unique(values, return_inverse=True)
    groups = kinds if kinds.max() < 20 else kinds * 8 // (kinds.max() + 1)
    table = np.zeros((place.max() + 1, groups.max() + 1))
    np.add.at(table, (place, groups), 1)
    return bool(chi2_contingency(table).pvalue < _CHANCE)


@cache
def _floors() -> Any:
    import pandas as pd

    sizes = [100, 200, 500, 1_000, 5_000]
    return pd.DataFrame(
        {"SEX": [0.05, 0.02, 0.01, 0.005, 0.001], "RELP": [0.3, 0.15, 0.06, 0.03, 0.006]},
        index=sizes,
    )


@cache
def _people() -> Any:
    from capstone_lib.data import load_census

    return load_census().frame(2017)


@cache
def _blind() -> Any:
    from capstone_lib.course.blind import BlindTest
    from capstone_lib.data import load_census, scenarios

    months = BlindTest.of(load_census()).months
    broken, truth = scenarios.apply("relp_recoded_2019", months["2016-02"])
    return BlindTest({**months, "2016-02": broken}, "2016-02", truth)


ex_05_smallest = Exercise(
    "05.1",
    judge_smallest,
    starter="smallest = ...",
    hints=(
        "Go down the column in floors: where does chance stop reaching 0.1?",
        "floors.index[floors[column] < 0.1] are the sizes that are quiet.",
    ),
    answer="smallest = floors.index[floors[column] < 0.1].min()",
    because="Below it a PSI of 0.1 says how small the window is, and nothing of the people.",
    examples=Examples(
        given=lambda: {"floors": _floors(), "column": "RELP"},
        mistakes={
            "smallest = 200": "cries wolf",
            "smallest = 5_000": "a smaller window is quiet too",
            "smallest = 300": "one of the sizes",
            "smallest = [500]": "cannot be checked",
        },
        also_right=("smallest = 500", "smallest = 500.0"),
    ),
)

ex_05_windows = Exercise(
    "05.2",
    judge_windows,
    starter="windows = ...",
    hints=(
        "The file's order says how the survey was stored. Which column says when people came?",
        'people["arrived_at"].dt.month is a number for each person.',
    ),
    answer='windows = people["arrived_at"].dt.month',
    because="Months of arrival have nothing to do with the place in the file.",
    examples=Examples(
        given=lambda: {"people": _people()},
        mistakes={
            "windows = [k * 12 // len(people) for k in range(len(people))]": "follows the file",
            'windows = people["AGEP"] // 10': "AGEP differs between them",
            'windows = people["arrived_at"].dt.year': "makes 1 windows",
            "windows = range(12)": "12 entries for",
            "windows = 12": "a single value",
        },
        also_right=(
            'windows = people["arrived_at"].dt.strftime("%Y-%m").tolist()',
            "import numpy as np\nwindows = np.random.default_rng(1).permutation(len(people)) % 12",
            'windows = people["row_id"] % 12',
        ),
    ),
)

ex_05_broken = Exercise(
    "05.3",
    judge_broken,
    starter="month = ...\ncolumn = ...\nkind = ...",
    hints=(
        "cap.detect_drift(artifact, blind.months[name]).alarms is empty in a month that is well.",
        "The report of the broken month: report.plot(column) shows how the values moved.",
        "Values never seen: coding. Missing, frozen or mixed up: pipeline. Other people: world.",
    ),
    answer="month, column, kind = blind.broken, blind.truth.scenario.columns[0], "
    "blind.truth.scenario.kind",
    because="The answers are in blind.truth; what counts is how you found them: which window, then "
    "which column, then a look at its values.",
    examples=Examples(
        given=lambda: {"blind": _blind()},
        mistakes={
            'month, column, kind = "2016-03", "RELP", "coding"': "as it should be",
            'month, column, kind = "2016-02", "AGEP", "coding"': "not what was changed",
            'month, column, kind = "2016-02", "RELP", "world"': "does not fit",
            'month, column, kind = "2016-02", "RELP", "code"': "kind is one of",
            'month, column, kind = 2, "RELP", "coding"': "month is one of",
        },
        also_right=('month, column, kind = "2016-02", "RELP", "coding"',),
    ),
)
