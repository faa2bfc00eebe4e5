"""Two routes side by side in the log: what an A/B test found, and how sure of it one can be."""

from dataclasses import dataclass
from html import escape
from math import hypot, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RouteComparison", "RouteResult", "compare_routes"]

Measure = Literal["review", "label", "score", "uncertainty", "latency_ms"]

_MEANS = {
    "score": "mean score",
    "uncertainty": "mean uncertainty, bits",
    "latency_ms": "mean latency, ms",
}


@dataclass(frozen=True)
class RouteResult:
    """What one route did.

    Attributes
    ----------
    route : str
    n : int
        Answers counted.
    value : float
        The share, or the mean.
    lower, upper : float
        Its confidence interval: Wilson's for a share, Student's for a mean.
    """

    route: str
    n: int
    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class RouteComparison:
    """The difference between two routes, and how sure of it one can be.

    Attributes
    ----------
    measure : str
        What was measured, in words.
    a, b : RouteResult
        The routes.
    difference : float
        The value of ``b`` minus that of ``a``; 0: no difference.
    lower, upper : float
        Its confidence interval.
    level : float
        The coverage of all intervals, such as 0.95.
    """

    measure: str
    a: RouteResult
    b: RouteResult
    difference: float
    lower: float
    upper: float
    level: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval leaves "no difference" out."""
        return not self.lower <= 0 <= self.upper

    def to_frame(self) -> "pd.DataFrame":
        """A row a route, and one for the difference (``n`` is missing there)."""
        import pandas as pd

        rows = [(r.route, r.n, r.value, r.lower, r.upper) for r in (self.a, self.b)]
        name = f"{self.b.route} - {self.a.route}"
        rows_and_difference = [*rows, (name, None, self.difference, self.lower, self.upper)]
        frame = pd.DataFrame(rows_and_difference, columns=["route", "n", "value", "lower", "upper"])
        return frame.astype({"n": "Int64"})

    def _repr_html_(self) -> str:
        cell = "<td style='text-align:right'>{}</td>".format
        body = "".join(
            f"<tr><th style='text-align:left'>{escape(r.route)}</th>{cell(f'{r.n:,}')}"
            f"{cell(f'{r.value:.4g}')}{cell(f'{r.lower:.4g} to {r.upper:.4g}')}</tr>"
            for r in (self.a, self.b)
        )
        body += (
            f"<tr><th style='text-align:left'>{escape(self.b.route)} &minus; "
            f"{escape(self.a.route)}</th><td></td>{cell(f'{self.difference:+.4g}')}"
            f"{cell(f'{self.lower:+.4g} to {self.upper:+.4g}')}</tr>"
        )
        said = (
            "Zero is outside the interval: the routes differ."
            if self.excludes_zero
            else "Zero is within the interval: there may be no difference."
        )
        head = f"<tr><th></th><th>answers</th><th>value</th><th>{self.level:.0%} interval</th></tr>"
        return (
            f"<p><b>{escape(self.measure)}</b></p><table><thead>{head}</thead><tbody>{body}</tbody>"
            f"</table><p>{said}</p>"
        )


def compare_routes(
    requests: "pd.DataFrame",
    *,
    a: str = "stable",
    b: str = "canary",
    measure: Measure = "review",
    label: Any = None,
    level: float = 0.95,
) -> RouteComparison:
    """Compare what two routes answered.

    Parameters
    ----------
    requests : DataFrame
        As :meth:`Store.requests` returns it. Answers are taken for independent: where the same
        people ask again and again, keep one answer each (``drop_duplicates(["route", "row_id"])``),
        or the interval is too narrow. And the two routes must have got the same kind of people:
        true of a canary, not of ``degraded``.
    a, b : str
        The routes.
    measure : str
        ``review``: the share handed to a person. ``label``: the share of one label. ``score``,
        ``uncertainty``, ``latency_ms``: the mean.
    label : int or str, optional
        Which label ``measure="label"`` counts; the last in order unless told otherwise.
    level : float
        The coverage of the intervals.

    Returns
    -------
    RouteComparison

    Raises
    ------
    ValueError
        If a route has no rows (for means: fewer than two), a column is missing, or an argument
        cannot be.

    Notes
    -----
    The interval for a difference of shares is the hybrid of Wilson's scores (method 10 in Newcombe,
    "Interval estimation for the difference between independent proportions", Statistics in Medicine
    17, 1998); for a difference of means Welch's (Biometrika 34, 1947).

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"route": ["stable"] * 80 + ["canary"] * 70,
    ...                     "review": [True] * 48 + [False] * 32 + [True] * 56 + [False] * 14})
    >>> found = compare_routes(log)
    >>> round(found.difference, 4), round(found.lower, 4), round(found.upper, 4)
    (0.2, 0.0524, 0.3339)
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level!r}; it must lie between 0 and 1, such as 0.95")
    values, words = _measured(requests, measure, label)
    routes = requests["route"].to_numpy(dtype=object)
    both = {name: values[(routes == name) & ~np.isnan(values)] for name in (a, b)}
    _check(both, a, b, routes, at_least=2 if measure in _MEANS else 1)
    interval = _means if measure in _MEANS else _shares
    first, second, lower, upper = interval(both, level)
    return RouteComparison(words, first, second, second.value - first.value, lower, upper, level)


def _measured(requests: "pd.DataFrame", measure: str, label: Any) -> tuple[np.ndarray, str]:
    """A number an answer (1 and 0 for shares, NaN for none), and what it is in words."""
    if measure not in ("review", "label", *_MEANS):
        known = ", ".join(("review", "label", *_MEANS))
        raise ValueError(f"measure is {measure!r}; it must be one of {known}")
    missing = [name for name in ("route", measure) if name not in requests.columns]
    if missing:
        raise ValueError(
            f"the log has no column {missing[0]!r}; give a frame such as store.requests() returns"
        )
    column = requests[measure]
    if measure == "label":
        return _is_label(column, label)
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return values, _MEANS.get(measure, "share handed to a person")


def _is_label(column: "pd.Series[Any]", label: Any) -> tuple[np.ndarray, str]:
    known = sorted(set(column.dropna().tolist()))
    if label is None and known:
        label = known[-1]
    if label not in known:
        raise ValueError(
            f"no answer has the label {label!r}; there are {', '.join(map(repr, known))}"
        )
    hits = (column == label).to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(column.isna(), np.nan, hits), f"share of label {label!r}"


def _check(
    both: dict[str, np.ndarray], a: str, b: str, routes: np.ndarray, *, at_least: int
) -> None:
    if a == b:
        raise ValueError(f"both routes are {a!r}; compare two different ones")
    for name, values in both.items():
        if len(values) < at_least:
            there = ", ".join(f"{r} {n:,}" for r, n in zip(*_counts(routes), strict=True))
            raise ValueError(
                f"the route {name!r} has {len(values)} answers to measure, and {at_least} are "
                f"needed; the log holds {there or 'no rows'}: send it some traffic, or name "
                "other routes"
            )


def _counts(routes: np.ndarray) -> tuple[list[str], list[int]]:
    names, counts = np.unique(routes.astype(str), return_counts=True)
    return names.tolist(), counts.tolist()


def _shares(
    both: dict[str, np.ndarray], level: float
) -> tuple[RouteResult, RouteResult, float, float]:
    """Newcombe: each bound from the distances of the two shares to their own bounds."""
    a, b = (_share(route, hits, level) for route, hits in both.items())
    difference = b.value - a.value
    below = hypot(b.value - b.lower, a.upper - a.value)
    above = hypot(b.upper - b.value, a.value - a.lower)
    return a, b, difference - below, difference + above


def _share(route: str, hits: np.ndarray, level: float) -> RouteResult:
    """With Wilson's score interval (Journal of the American Statistical Association, 1927)."""
    n, share = len(hits), float(hits.mean())
    z = NormalDist().inv_cdf((1 + level) / 2)
    weight = z * z / n
    middle = (share + weight / 2) / (1 + weight)
    half = z * sqrt(share * (1 - share) / n + weight / (4 * n)) / (1 + weight)
    return RouteResult(route, n, share, max(0.0, middle - half), min(1.0, middle + half))


def _means(
    both: dict[str, np.ndarray], level: float
) -> tuple[RouteResult, RouteResult, float, float]:
    """Welch: the variances may differ."""
    a, b = (_mean(route, values, level) for route, values in both.items())
    difference = b.value - a.value
    first, second = (float(values.var(ddof=1)) / len(values) for values in both.values())
    if not first + second:
        return a, b, difference, difference
    freedom = (first + second) ** 2 / (first**2 / (a.n - 1) + second**2 / (b.n - 1))
    half = _student(level, freedom) * sqrt(first + second)
    return a, b, difference - half, difference + half


def _mean(route: str, values: np.ndarray, level: float) -> RouteResult:
    n, mean = len(values), float(values.mean())
    half = _student(level, n - 1) * float(values.std(ddof=1)) / sqrt(n)
    return RouteResult(route, n, mean, mean - half, mean + half)


def _student(level: float, freedom: float) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + level) / 2, freedom))
