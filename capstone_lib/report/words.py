"""Numbers, windows and causes in words, the same in the summary, the tables and the pictures."""

from calendar import monthrange
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

__all__ = [
    "alert_named",
    "between",
    "cause_said",
    "count",
    "day",
    "listed",
    "named",
    "number",
    "of_unit",
    "plural",
    "share",
    "span_s",
    "window_label",
    "window_words",
]

UNKNOWN = "not known"


def number(value: float | None, *, digits: int = 3) -> str:
    """A number in as many digits as it deserves.

    Examples
    --------
    >>> number(0.123456), number(12345.6), number(7.0), number(None)
    ('0.123', '12,346', '7', 'not known')
    """
    if value is None:
        return UNKNOWN
    if abs(value) >= 1000 or (value == round(value) and abs(value) < 1e15):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def count(value: int | None) -> str:
    """A whole number.

    Examples
    --------
    >>> count(12345)
    '12,345'
    """
    return UNKNOWN if value is None else f"{value:,}"


def share(value: float | None, *, digits: int = 1) -> str:
    """A share in per cent.

    Examples
    --------
    >>> share(0.1234), share(1.0), share(0.00004)
    ('12.3 %', '100 %', '0.004 %')
    """
    if value is None:
        return UNKNOWN
    per_cent = 100 * value
    if per_cent in (0, 100):
        return f"{per_cent:.0f} %"
    return f"{per_cent:.{digits}f} %" if abs(per_cent) >= 0.1 else f"{per_cent:.1g} %"


def of_unit(value: float | None, unit: str) -> str:
    """A measured number with its unit.

    Examples
    --------
    >>> of_unit(0.5, "share"), of_unit(12.34, "ms"), of_unit(3, "rows")
    ('50.0 %', '12.3 ms', '3 rows')
    """
    if value is None:
        return UNKNOWN
    return share(value) if unit == "share" else f"{number(value)} {unit}".strip()


def between(low: float | None, high: float | None, unit: str = "") -> str:
    """An interval; an end may be open, and where there is none nothing is said.

    Examples
    --------
    >>> between(0.1, 0.2, "share"), between(3, None, "ms"), between(None, None)
    ('10.0 to 20.0 %', '3 ms or more', '')
    """
    if low is None and high is None:
        return ""
    if high is None:
        return f"{of_unit(low, unit)} or more"
    if low is None:
        return f"{of_unit(high, unit)} or less"
    bare = of_unit(low, unit).removesuffix("%" if unit == "share" else unit).strip()
    return f"{bare} to {of_unit(high, unit)}"


def plural(n: int, one: str, many: str = "") -> str:
    """So many of something.

    Examples
    --------
    >>> plural(1, "alert"), plural(2, "run"), plural(0, "gap between groups", "gaps between groups")
    ('1 alert', '2 runs', '0 gaps between groups')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def listed(words: Iterable[str], *, most: int = 4) -> str:
    """Some words in a row, and how many more there are.

    Examples
    --------
    >>> listed(["a", "b", "c"]), listed("abcdef", most=2)
    ('a, b and c', 'a, b and 4 more')
    """
    known = list(words)
    if len(known) > most:
        return f"{', '.join(known[:most])} and {len(known) - most:,} more"
    return " and ".join([", ".join(known[:-1]), known[-1]] if len(known) > 1 else known)


def named(name: str) -> str:
    """The name of a measurement as a reader says it.

    Examples
    --------
    >>> named("false_positive_rate"), named("auc"), named("true_positive_rate[late]")
    ('false-positive rate', 'AUC', 'true-positive rate of late')
    """
    name, _, label = name.partition("[")
    words = name.replace("_", " ")
    for said, meant in (
        ("false positive", "false-positive"), ("false negative", "false-negative"),
        ("true positive", "true-positive"), ("calibration in the large", "calibration error"),
    ):  # fmt: skip
        words = words.replace(said, meant)
    short = ("auc", "ece", "aurc", "psi")
    words = " ".join(word.upper() if word in short else word for word in words.split(" "))
    return f"{words} of {label.removesuffix(']')}" if label else words


def alert_named(alert: Mapping[str, Any]) -> str:
    """An alert by its rule and what it speaks of, of several columns all.

    Examples
    --------
    >>> alert = {"rule": "unequal_errors", "feature": "SEX", "group": "SEX=2", "causes": []}
    >>> alert_named(alert)
    'unequal errors of SEX=2'
    >>> causes = [{"feature": "SCHL"}, {"feature": "AGEP"}]
    >>> alert_named({"rule": "feature_drift", "feature": "SCHL", "group": "", "causes": causes})
    'feature drift of SCHL and AGEP'
    """
    rule = str(alert["rule"]).replace("_", " ")
    features = {str(one.get("feature", "")): None for one in alert["causes"]}
    about = alert["group"] or listed([one for one in features if one]) or alert["feature"]
    return f"{rule} of {about}" if about else rule


def cause_said(alert: Mapping[str, Any]) -> str:
    """What an alert's rule has seen, without the rule's name, which stands above it.

    Examples
    --------
    >>> cause_said({"rule": "slow", "title": "slow (critical): latency_p99: 180 ms"})
    'latency_p99: 180 ms'
    """
    title = str(alert["title"])
    rule, _, seen = title.partition(": ")
    return seen if rule.startswith(str(alert["rule"])) and seen else title


def day(moment: str | None) -> str:
    """A moment to the minute, or its day if it is midnight.

    Examples
    --------
    >>> day("2016-02-01T00:00:00.000+00:00"), day("2016-02-01T08:30:10"), day("")
    ('2016-02-01', '2016-02-01 08:30', '')
    """
    if not moment:
        return ""
    at = datetime.fromisoformat(moment)
    return f"{at:%Y-%m-%d}" if (at.hour, at.minute) == (0, 0) else f"{at:%Y-%m-%d %H:%M}"


def window_label(start: str, end: str) -> str:
    """A window's name, short enough for an axis.

    Examples
    --------
    >>> window_label("2016-02-01T00:00:00", "2016-03-01T00:00:00")
    '2016-02'
    >>> window_label("2016-02-01", "2016-02-02"), window_label("2016-01-01", "2017-01-01")
    ('2016-02-01', '2016')
    >>> window_label("2016-02-01", "2016-02-15"), window_label("", "2016-02-15")
    ('2016-02-01 to 2016-02-15', 'before 2016-02-15')
    """
    if not (start and end):
        return f"from {day(start)}" if start else f"before {day(end)}" if end else "all time"
    first, after = datetime.fromisoformat(start), datetime.fromisoformat(end)
    if first == first.replace(hour=0, minute=0, second=0, microsecond=0):
        if after - first == timedelta(days=1):
            return f"{first:%Y-%m-%d}"
        month = timedelta(days=monthrange(first.year, first.month)[1])
        if first.day == 1 and after - first == month:
            return f"{first:%Y-%m}"
        if (first.month, first.day) == (1, 1) and after == first.replace(year=first.year + 1):
            return f"{first:%Y}"
    return f"{day(start)} to {day(end)}"


def window_words(window: Any) -> str:
    """A window in a sentence: ``window`` has ``start`` and ``end``.

    Examples
    --------
    >>> window_words({"start": "2016-02-01T00:00:00", "end": "2016-03-01T00:00:00"})
    '2016-02-01 to before 2016-03-01'
    >>> window_words({"start": "", "end": ""})
    'all that the store holds'
    """
    start, end = day(window["start"]), day(window["end"])
    if start and end:
        return f"{start} to before {end}"
    if start:
        return f"from {start} on"
    return f"before {end}" if end else "all that the store holds"


def span_s(seconds: float | None) -> str:
    """A time in words.

    Examples
    --------
    >>> span_s(0.25), span_s(75), span_s(7200), span_s(200_000)
    ('0.25 seconds', '1.2 minutes', '2 hours', '2.3 days')
    """
    if seconds is None:
        return UNKNOWN
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} seconds"
