"""Hybrid: a nightly score is passed on while it is fresh; what is stale or unknown is computed.

Which scores there are is read from the store when a run is published, in a thread of its own;
a request only looks them up. The rollout comes first: a case that the canary or the degraded model
answers is given no nightly score of the model in charge.
"""

import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Engine

from capstone_lib.artifact import Artifact
from capstone_lib.artifact.rows import Answer
from capstone_lib.serving.problems import Refusal
from capstone_lib.serving.record import Record
from capstone_lib.serving.routes import Model
from capstone_lib.store.engine import reading
from capstone_lib.store.nightly import Nightly

__all__ = ["MISSES", "Hit", "Hybrid", "no_score", "parse_age"]

MISSES = {
    "unknown": "there is no nightly score of it",
    "stale": "its nightly score is too old",
    "other_version": "its nightly score is another version's",
    "route": "another model answers it now",
    "explained": "an explanation is made from the features",
}
"""Why a row was computed live, in words."""

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)")
_UNITS = {"d": 86_400, "h": 3600, "min": 60, "m": 60, "s": 1}
_STOP_S = 10.0


class Hit(NamedTuple):
    """A nightly score that is passed on."""

    answer: Answer
    run_key: int
    as_of: str
    age_s: float


class Hybrid:
    """The nightly scores of one artifact.

    Parameters
    ----------
    engine : Engine
        Of the store that batch runs write to.
    artifact : Artifact
        The model in charge: only what this very file scored is passed on.
    max_age : timedelta
        Scores count while they are younger, from the start of their as-of date (UTC) on.
    clock : callable
        Gives the present in seconds since 1970.
    """

    def __init__(
        self,
        engine: Engine,
        artifact: Artifact,
        *,
        max_age: timedelta,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine, self._artifact, self._clock = engine, artifact, clock
        self.max_age_s = max_age.total_seconds()
        self._nightly, self._others = Nightly(), Nightly()
        self._wanted: Any = None
        self._closed = False
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._nightly)

    @property
    def since_day(self) -> str:
        """The first as-of date that may be fresh now."""
        return _day(self._clock() - self.max_age_s)

    def renew(self, runs: frozenset[int]) -> None:
        """Read the scores anew, beside those in use, if other runs are published than before.

        Parameters
        ----------
        runs : frozenset of int
            The published runs from :attr:`since_day` on.

        Raises
        ------
        StoreError
            If they could not be read the last time; they are read again.
        """
        if self._closed or (self._thread is not None and self._thread.is_alive()):
            return
        error, self._error = self._error, None
        if error is not None:
            self._wanted = None
            raise error
        wanted = runs, _day(self._clock())
        if wanted != self._wanted:
            self._wanted = wanted
            self._thread = threading.Thread(target=self._read, name="nightly-scores", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Wait until the scores that were asked for are read.

        Raises
        ------
        StoreError
            If they cannot be.
        """
        if self._thread is not None:
            self._thread.join()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """Let go of the store."""
        self._closed = True
        if self._thread is not None:
            self._thread.join(_STOP_S)

    def find(self, record: Record, model: Model) -> Hit | str:
        """The score to pass on, or one of :data:`MISSES`."""
        if model.route != "stable":
            return "route"
        if record.explain:
            return "explained"
        found = self._nightly.find(record.id)
        if found is None:
            return "other_version" if record.id in self._others else "unknown"
        age_s = self._clock() - found.since
        if age_s >= self.max_age_s:
            return "stale"
        return Hit(Answer(*found[:5]), found.run_key, found.as_of, age_s)

    def _read(self) -> None:
        try:
            with reading(self._engine) as connection:
                self._nightly, self._others = Nightly.read(
                    connection,
                    artifact=self._artifact.sha256,
                    since_day=self.since_day,
                    until_day=_day(self._clock()),
                )
        except Exception as error:  # told by the next renew or wait
            self._error = error


def no_score(record: Record, *, pointer: str) -> Refusal:
    """What is said of a case without features that has no nightly score to pass on."""
    why = MISSES[record.miss or "unknown"]
    message = f"case {record.id!r} is asked about without features, but {why}; send its features"
    return Refusal("features", f"score_{record.miss}", message, f"{pointer}/features")


def parse_age(value: timedelta | str) -> timedelta:
    """Read an age: a timedelta, or text such as ``36h``, ``2d`` or ``1d 12h``.

    Raises
    ------
    ValueError
        If it is neither, or not longer than nothing.

    Examples
    --------
    >>> parse_age("1d 12h") == parse_age("36h") == timedelta(hours=36)
    True
    """
    age = value if isinstance(value, timedelta) else _read_age(str(value))
    if age is None or age <= timedelta(0):
        raise ValueError(
            f"{value!r} is no age of a score; give a timedelta, or text such as '36h', '2d', "
            "'90min' or '30s'"
        )
    return age


def _read_age(text: str) -> timedelta | None:
    parts = _AGE.findall(text)
    if not parts or _AGE.sub("", text).strip():
        return None
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        return None


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(max(seconds, 0.0), UTC).date().isoformat()
