"""Exercises of notebook 03: a p99, the bound that keeps a promise, a question to the log."""

import math
import sqlite3
from functools import cache
from typing import Any

import numpy as np

from capstone_lib.course.exercise import Examples, Exercise, Right, Wrong

_REVIEWED = {"stable": (2, 8), "canary": (3, 4), "degraded": (1, 2)}  # reviewed, of how many
_STEPS = 1_000_000  # of SQLite's machine; a question without an end is broken off
_MOST = 10_000_000  # latencies that are looked at; a student's range may be endless
_READING = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}


def judge_p99(p99: Any, *, latencies: Any) -> Right | Wrong:
    """The time within which ninety-nine of a hundred of these answers came."""
    if len(latencies) > _MOST:
        return Wrong("p99 is judged by the latencies of the log: pass those, and not so many.")
    times, value = np.sort(np.asarray(latencies, dtype=float)), float(p99)
    place = math.ceil(0.99 * len(times)) - 1
    lowest, highest = times[max(place - 1, 0)], times[min(place + 1, len(times) - 1)]
    if lowest <= value <= highest:
        return Right(
            f"99 of 100 answers came within {value:.3g} ms. The mean is {times.mean():.3g} ms, and "
            "says nothing of the slowest."
        )
    if math.isclose(value, times.mean(), rel_tol=1e-6):
        return Wrong("p99 is the mean: a few slow answers vanish in it. Ask for a percentile.")
    if value >= times[-1]:
        return Wrong("p99 is the slowest answer of all, or more: leave out the slowest hundredth.")
    if math.isclose(value * 1000, np.percentile(times, 99), rel_tol=0.01):
        return Wrong("p99 is in seconds: the latencies are in milliseconds, so keep them as such.")
    return Wrong(
        f"p99 = {value:.4g} ms, and {np.mean(times <= value):.1%} of the latencies are within it; "
        "it should be 99 % of them. np.percentile counts from 0 to 100."
    )


def judge_bound(bound: Any, *, trials: Any, promise_ms: Any) -> Right | Wrong:
    """The largest of the bounds that were tried whose p99 kept the promise."""
    measured = dict(zip(trials["max_in_flight"].tolist(), trials["p99_ms"].tolist(), strict=True))
    if bound not in measured:
        return Wrong(f"bound is one of those that were tried: {', '.join(map(str, measured))}.")
    kept = [one for one, p99_ms in measured.items() if p99_ms <= promise_ms]
    if bound not in kept:
        return Wrong(
            f"bound = {bound} breaks the promise: p99 was {measured[bound]:.3g} ms, more than "
            f"{promise_ms:.3g} ms. Too many may wait at once."
        )
    if bound != max(kept):
        return Wrong(
            f"bound = {bound} keeps the promise, and turns away more people than it must: a larger "
            "bound keeps it too."
        )
    return Right(
        f"with {bound} in flight p99 was {measured[bound]:.3g} ms, within {promise_ms:.3g} ms. "
        "Whoever is turned away knows it at once, and may come again."
    )


def judge_review_sql(review_sql: Any) -> Right | Wrong:
    """A question to the log: for each route, which share of its answers a person should see."""
    if not isinstance(review_sql, str):
        return Wrong("review_sql is SQL, as a text in quotation marks.")
    try:
        rows = _ask(review_sql)
    except sqlite3.Error as error:
        return Wrong(f"review_sql cannot be answered; SQLite says: {error}.")
    found = {one: row for row in rows for one in row if one in _REVIEWED}
    if not found:
        return Wrong("review_sql does not say which route a row speaks of: SELECT route, …")
    if len(rows) < len(_REVIEWED):
        return Wrong(
            f"review_sql gives {len(rows)} row for {len(_REVIEWED)} routes: one row a route, "
            "GROUP BY route."
        )
    if len(rows) > len(_REVIEWED):
        return Wrong(f"review_sql gives {len(rows)} rows for {len(_REVIEWED)} routes: GROUP BY.")
    if all(_holds(found[route], reviewed / of) for route, (reviewed, of) in _REVIEWED.items()):
        return Right("a share for each route, from the log itself.")
    if all(_holds(found[route], reviewed // of) for route, (reviewed, of) in _REVIEWED.items()):
        return Wrong("review_sql divides whole numbers, which SQL rounds down; avg() does not.")
    return Wrong(
        "review_sql has a row a route, but not the share of answers with review = 1: the mean of "
        "ones and zeros is a share."
    )


def _ask(question: str) -> list[tuple[Any, ...]]:
    """Ask a small log, in memory, that nobody can change."""
    log = sqlite3.connect(":memory:")
    try:
        log.execute(
            "CREATE TABLE requests (request_key INTEGER, row_id TEXT, received_at REAL, "
            "route TEXT, model TEXT, version TEXT, snapshot TEXT, features TEXT, score REAL, "
            "label INTEGER, uncertainty REAL, prediction_set TEXT, review BOOLEAN, "
            "latency_ms REAL, explanation TEXT)"
        )
        log.executemany(
            "INSERT INTO requests (row_id, received_at, route, score, label, review, latency_ms) "
            "VALUES (?, ?, ?, 0.5, ?, ?, 1.0)",
            _small_log(),
        )
        log.set_progress_handler(lambda: True, _STEPS)
        log.set_authorizer(
            lambda action, *_: sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY
        )
        return log.execute(question).fetchmany(100)
    finally:
        log.close()


def _small_log() -> list[tuple[Any, ...]]:
    return [
        (f"{route}-{place}", 1e9 + place, route, place % 2, place < reviewed)
        for route, (reviewed, of) in _REVIEWED.items()
        for place in range(of)
    ]


def _holds(row: tuple[Any, ...], share: float) -> bool:
    """Whether a row has this share in it, or the same in percent, rounded or not."""
    numbers = [float(one) for one in row if isinstance(one, int | float)]
    return any(abs(one - share) < 0.005 or abs(one - 100 * share) < 0.5 for one in numbers)


@cache
def _latencies() -> Any:
    return np.random.default_rng(0).lognormal(0, 1, 5_000)


@cache
def _trials() -> Any:
    import pandas as pd

    return pd.DataFrame({"max_in_flight": [2, 8, 32, 128], "p99_ms": [5.0, 11.0, 9.0, 2_900.0]})


ex_03_p99 = Exercise(
    "03.1",
    judge_p99,
    starter="p99 = ...",
    hints=(
        "Sort the latencies in your mind: the p99 is where the slowest hundredth begins.",
        "NumPy can do it: np.percentile(values, which).",
    ),
    answer="import numpy as np\np99 = np.percentile(latencies, 99)",
    because="Ninety-nine of a hundred answers were as quick as this, or quicker.",
    examples=Examples(
        given=lambda: {"latencies": _latencies()},
        mistakes={
            "p99 = latencies.mean()": "the mean",
            "p99 = max(latencies)": "slowest answer of all",
            "import numpy as np\np99 = np.percentile(latencies, 0.99)": "from 0 to 100",
            "import numpy as np\np99 = np.percentile(latencies, 99) / 1000": "in seconds",
            'p99 = "slow"': "cannot be checked",
        },
        also_right=(
            "p99 = sorted(latencies)[int(0.99 * len(latencies))]",
            "import numpy as np\np99 = np.quantile(latencies, 0.99, method='higher')",
            "import pandas as pd\np99 = pd.Series(latencies).quantile(0.99)",
        ),
    ),
)

ex_03_bound = Exercise(
    "03.2",
    judge_bound,
    starter="bound = ...",
    hints=(
        "Which rows of trials have a p99_ms within promise_ms?",
        "Of those, the largest bound turns the fewest people away.",
    ),
    answer='bound = trials[trials["p99_ms"] <= promise_ms]["max_in_flight"].max()',
    because="A smaller bound sheds more; a larger one makes those wait who were let in.",
    examples=Examples(
        given=lambda: {"trials": _trials(), "promise_ms": 15.0},
        mistakes={
            "bound = 128": "breaks the promise",
            "bound = 2": "a larger bound keeps it too",
            "bound = 64": "one of those that were tried",
            "bound = [32]": "cannot be checked",
        },
        also_right=("bound = 32", "bound = 32.0"),
    ),
)

ex_03_review_sql = Exercise(
    "03.3",
    judge_review_sql,
    starter="review_sql = ...",
    hints=(
        "One row a route: SELECT route, … FROM requests GROUP BY route.",
        "review is 1 or 0, so its mean is the share: avg(review).",
    ),
    answer='review_sql = "SELECT route, avg(review) FROM requests GROUP BY route"',
    because="The mean of ones and zeros is the share of ones.",
    examples=Examples(
        mistakes={
            'review_sql = "SELECT route, avg(revue) FROM requests GROUP BY route"': "SQLite says",
            'review_sql = "SELECT avg(review) FROM requests GROUP BY route"': "which route",
            'review_sql = "SELECT route, avg(review) FROM requests"': "1 row for 3",
            'review_sql = "SELECT route, review FROM requests"': "14 rows for 3",
            'review_sql = "SELECT route, sum(review) FROM requests GROUP BY route"': "the mean of",
            'review_sql = "SELECT route, sum(review) / count(*) FROM requests GROUP BY route"': (
                "divides whole numbers"
            ),
            'review_sql = "DELETE FROM requests"': "not authorized",
            "review_sql = 1": "quotation marks",
        },
        also_right=(
            'review_sql = "select count(*), round(100.0 * sum(review) / count(*), 1) pct, route '
            'from requests group by 3 order by 2"',
            "review_sql = '''SELECT route, model, AVG(CASE WHEN review THEN 1.0 ELSE 0 END) AS "
            "share\nFROM requests\nGROUP BY route, model;'''",
        ),
    ),
)
