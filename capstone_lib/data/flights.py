"""The flights: which departures from New York landed late, 2013. The course's second data set.

Real moments, outcomes that come later or never, and a change that no feature shows. What to know
before believing a number stands in ``data/flights/README.md``.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from capstone_lib.data.files import data_folder, read_checked
from capstone_lib.errors import DataError
from capstone_lib.schema import Column, Schema

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Flights", "load_flights"]

_TABLE, _WORDS = "flights_2013.parquet", "words.json"
_TITLES = {
    "carrier": "Airline",
    "origin": "From",
    "dest": "To",
    "distance": "Distance in miles",
    "hour": "Scheduled hour",
    "weekday": "Day of the week",
}
_BOUNDS = {"distance": (17.0, 4983.0), "hour": (1.0, 23.0)}
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Flights:
    """The flights of a folder, read when asked; make one with :func:`load_flights`.

    Attributes
    ----------
    folder : Path
        Where the files are.
    late_minutes : int
        A flight is late if it lands more minutes than this after its schedule.
    """

    folder: Path
    late_minutes: int = 15

    @property
    def months(self) -> tuple[int, ...]:
        """The months of 2013 there are."""
        return tuple(range(1, 13))

    @property
    def target(self) -> str:
        """The column to predict: ``"late"``."""
        return "late"

    @property
    def features(self) -> list[str]:
        """The columns to predict from; all are known when the flight is scheduled."""
        return list(_TITLES)

    @property
    def sensitive(self) -> list[str]:
        """The columns that form groups. They are no groups of people."""
        return ["carrier", "origin"]

    @property
    def schema(self) -> Schema:
        """What a row of these flights may hold, with titles and words for display."""
        words = json.loads(read_checked(self.folder, _WORDS))
        words["weekday"] = dict(enumerate(_DAYS, start=1))
        return Schema(tuple(_column(name, words.get(name)) for name in _TITLES), id="row_id")

    def frame(self, month: int | None = None) -> "pd.DataFrame":
        """Return the departures of one month, or of all, a row each, in the original order.

        Parameters
        ----------
        month : int, optional
            1 to 12; all unless told otherwise.

        Returns
        -------
        pandas.DataFrame
            ``row_id`` (int64), the features, ``arrived_at`` (the scheduled departure),
            ``known_at`` (when it had landed; NaT if it never did), ``delay`` (minutes, float64,
            NaN if it never landed) and ``late`` (1.0, 0.0, or NaN if it never landed). The index
            counts from 0.

        Raises
        ------
        DataError
            There is no such month, or a file is missing or damaged.

        Examples
        --------
        >>> flights = load_flights().frame(10)
        >>> len(flights), round(float(flights["late"].isna().mean()), 3)
        (28889, 0.009)
        """
        found: pd.DataFrame = self.table(month).to_pandas()
        return found

    def table(self, month: int | None = None) -> pa.Table:
        """Return the same rows and columns as :meth:`frame`, as an Arrow table."""
        flights = pq.read_table(pa.BufferReader(read_checked(self.folder, _TABLE)))
        if month is not None:
            flights = flights.filter(pc.equal(pc.month(flights["arrived_at"]), self._known(month)))
        delay = flights["delay"].cast(pa.float64())
        late = pc.greater(delay, float(self.late_minutes)).cast(pa.float64())
        flights = flights.set_column(flights.schema.get_field_index("delay"), "delay", delay)
        row_ids = flights["row_id"].cast(pa.int64())
        return flights.set_column(0, "row_id", row_ids).append_column(self.target, late)

    def _known(self, month: Any) -> int:
        if month in self.months and not isinstance(month, bool):
            return int(month)
        raise DataError(f"there are no flights of month {month!r}; ask for one of 1 to 12")

    def _repr_html_(self) -> str:
        late = self.table()[self.target]
        return (
            f"<p>{len(late):,} departures from New York in 2013, {pc.mean(late).as_py():.1%} of "
            f"those that landed more than {self.late_minutes} minutes late; "
            f"{late.null_count:,} never landed as planned.</p>"
        )


def load_flights(*, late_minutes: int = 15, folder: Path | str | None = None) -> Flights:
    """Open the flights that come with the course; nothing is downloaded.

    Parameters
    ----------
    late_minutes : int, default 15
        A flight is late if it lands more minutes than this after its schedule.
    folder : path, optional
        Another copy of the files; by default the one that was installed.

    Returns
    -------
    Flights

    Raises
    ------
    DataError
        The files are missing or damaged.

    Examples
    --------
    >>> flights = load_flights()
    >>> flights.features
    ['carrier', 'origin', 'dest', 'distance', 'hour', 'weekday']
    >>> len(flights.frame(1))
    27004
    """
    places = [Path(folder)] if folder is not None else []
    return Flights(data_folder("flights", *places), late_minutes=late_minutes)


def _column(name: str, words: dict[Any, str] | None) -> Column:
    title = _TITLES[name]
    if words is None:
        low, high = _BOUNDS[name]
        return Column(name, "integer", minimum=low, maximum=high, title=title)
    labels = {str(code): text for code, text in words.items()}
    return Column(name, "category", categories=tuple(words), title=title, labels=labels)
