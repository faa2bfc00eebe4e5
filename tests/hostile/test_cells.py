"""One bad value among good ones: 48 values in each of five columns of Python objects.

The value is refused under its own name, or scored as scikit-learn scores it.
"""

import datetime as dt
import itertools
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from capstone_lib.errors import SchemaError

ROW = 5  # where the bad value stands
FEATURES = ["age", "hours", "job", "sector", "married"]
NAN, INF = float("nan"), float("inf")

CELLS = {
    "none": None,
    "nan": NAN,
    "numpy nan": np.float32("nan"),
    "pandas NA": pd.NA,
    "not a time": pd.NaT,
    "decimal nan": Decimal("NaN"),
    "infinity": INF,
    "minus infinity": -INF,
    "decimal infinity": Decimal("Infinity"),
    "a googol": 10**100,
    "ten to the 400": 10**400,
    "minus ten to the 400": -(10**400),
    "2^64": 2**64,
    "2^63 as uint64": np.uint64(2**63),
    "ten to the 29": 10**29,
    "largest float": 1.7e308,
    "smallest float": 5e-324,
    "minus zero": -0.0,
    "a half": 2.5,
    "float of a whole": 5.0,
    "decimal fraction": Decimal("1.5"),
    "half precision": np.float16(2),
    "long double": np.longdouble(2),
    "one": 1,
    "negative": -7,
    "true": True,
    "numpy false": np.False_,
    "text of a number": "42",
    "word": "cook",
    "other word": "king ☃",
    "empty text": "",
    "text nan": "nan",
    "nul text": "a\x00b",
    "half a surrogate": "\ud83d",
    "long text": "x" * 100_000,
    "bytes": b"cook",
    "complex": 1 + 2j,
    "date": dt.date(2016, 1, 31),
    "moment": pd.Timestamp("2016-01-31", tz="Europe/Berlin"),
    "duration": dt.timedelta(days=1),
    "list": [1],
    "empty list": [],
    "array": np.array([1.0]),
    "dictionary": {"a": 1},
    "tuple": (1, 2),
    "set": {1},
    "object": object(),
    "type": int,
    "function": len,
}
CASES = list(itertools.product(FEATURES, CELLS))


def put(frame, column, value):
    """The frame with one value replaced, whatever it is."""
    values = frame[column].astype(object).tolist()
    values[ROW] = value
    return frame.assign(**{column: pd.Series(values, dtype=object)})


def is_missing(value):
    number = isinstance(value, float | Decimal | np.floating)
    return value is None or value is pd.NA or value is pd.NaT or (number and value != value)


def verdict(column, value):
    """What should become of a value, read off the words of the schema; empty if it is scored."""
    number = isinstance(value, int | float | Decimal | np.number) and not isinstance(value, bool)
    if is_missing(value):
        return "" if column == "hours" else "null"
    if column == "job":
        fits = isinstance(value, str) and value != "\ud83d"
        return "" if fits else "wrong_type"
    if column == "married":
        return "" if isinstance(value, bool | np.bool_) else "wrong_type"
    if not number:
        return "wrong_type"
    value = INF if abs(int(value) if isinstance(value, int) else 0) > 10**308 else float(value)
    if abs(value) == INF:
        return "infinite"
    if column != "hours" and value != int(value):
        return "fractional"
    if column == "sector":
        return "" if value in (1, 2, 5) else "unknown_category"
    return "too_large" if abs(value) > 1e30 else ""


@pytest.mark.parametrize(("column", "name"), CASES, ids=lambda part: part)
def test_a_bad_value_is_a_counted_reject(judge, people, column, name):
    value = CELLS[name]
    why = verdict(column, value)
    source = put(people, column, value)
    if why:
        judge.scores(source, people.drop(index=ROW), rejects=[f"^{column}: {why}$"])
        with pytest.raises(SchemaError, match=rf"1 of 24 rows(.|\n)*error: {column}: "):
            judge.artifact.predict(source)
        return

    truth = put(people, column, NAN if is_missing(value) else value)
    judge.scores(source, truth)
    predicted = judge.artifact.predict(source)
    judge.compare(truth, predicted.score, predicted.label)
