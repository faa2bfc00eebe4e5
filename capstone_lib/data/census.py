"""The census: who was at work in Massachusetts, 2015 to 2018.

Frames of small whole numbers by year, the words for every code, the schema, simulated arrival dates
and a split that keeps households together. What to know before believing a number stands in
``data/census/README.md``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from capstone_lib.data.dictionary import Dictionary, Entry, load_dictionary
from capstone_lib.data.files import data_folder, read_checked
from capstone_lib.data.hashing import below, hash_ids, unit_interval
from capstone_lib.errors import DataError
from capstone_lib.schema import Column, Schema

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Census", "load_census"]

T = TypeVar("T", "pd.DataFrame", "pd.Series[Any]")
_DAY_S = 86_400


@dataclass(frozen=True)
class Census:
    """The census files of a folder, read when asked; make one with :func:`load_census`.

    Attributes
    ----------
    folder : Path
        Where the files are.
    adults : bool
        Whether the people are those aged 17 to 89, or everybody.
    seed : int
        What the simulated arrival dates depend on.
    """

    folder: Path
    adults: bool = True
    seed: int = 0

    @property
    def dictionary(self) -> Dictionary:
        """What each column asks, and each code in words."""
        return load_dictionary(self.folder)

    @property
    def years(self) -> tuple[int, ...]:
        """The years there are: 2015 trains, the later ones are production."""
        return self.dictionary.years

    @property
    def target(self) -> str:
        """The column to predict: ``"employed"``, 1 for people at work."""
        return self.dictionary.target

    @property
    def features(self) -> list[str]:
        """The columns to predict from; for adults without ``ESP``, which only children have."""
        return self._features(self.adults)

    @property
    def sensitive(self) -> list[str]:
        """The columns by which fairness is judged."""
        return list(self.dictionary.sensitive)

    @property
    def schema(self) -> Schema:
        """What a row of these people may hold, with titles and words for display."""
        entries = (self.dictionary[name] for name in self.features)
        return Schema(tuple(map(self._column, entries)), id="row_id")

    def frame(self, year: int, *, adults: bool | None = None) -> "pd.DataFrame":
        """Return the people of one year, a row each, in the order of the original file.

        Parameters
        ----------
        year : int
            One of :attr:`years`.
        adults : bool, optional
            Another choice of people than this census was loaded with.

        Returns
        -------
        pandas.DataFrame
            ``row_id`` (int64), the features (int16 codes), ``employed`` (0 or 1), ``year``,
            ``household`` (people who live together share one) and ``arrived_at`` (a simulated
            date). No value is missing. The index counts from 0.

        Raises
        ------
        DataError
            There is no such year, or a file is missing or damaged.

        Examples
        --------
        >>> people = load_census().frame(2016)
        >>> len(people), people["AGEP"].min(), people["AGEP"].max()
        (56408, np.int16(17), np.int16(89))
        """
        people: pd.DataFrame = self.table(year, adults=adults).to_pandas()
        return people

    def table(self, year: int, *, adults: bool | None = None) -> pa.Table:
        """Return the same rows and columns as :meth:`frame`, as an Arrow table."""
        adults = self.adults if adults is None else adults
        content = read_checked(self.folder, f"census_{self._known(year)}.parquet")
        people = pq.read_table(pa.BufferReader(content))
        if adults:
            people = people.filter(self._of_age(people))
        row_ids = people["row_id"].cast(pa.int64())
        columns = [*self._features(adults), self.target, "year", "household"]
        return pa.table(
            {
                "row_id": row_ids,
                **{name: people[name] for name in columns},
                "arrived_at": self._arrivals(row_ids.to_numpy(), int(year)),
            }
        )

    def split(
        self, year: int, *, fraction: float = 0.25, seed: int = 0
    ) -> tuple["pd.DataFrame", "pd.DataFrame"]:
        """Cut one year's people in two, so that no household is in both.

        Who goes where is a hash of the household's number: the same on every machine.

        Parameters
        ----------
        year : int
            One of :attr:`years`.
        fraction : float, default 0.25
            About which share of the households goes into the second frame; between 0 and 1.
        seed : int, default 0
            Another seed, another cut.

        Returns
        -------
        tuple of two pandas.DataFrame
            The larger part to train on, and the held-out part (for a ``fraction`` below a half).

        Raises
        ------
        DataError
            ``fraction`` is not between 0 and 1, or there is no such year.

        Examples
        --------
        >>> train, held_out = load_census().split(2015)
        >>> len(train) + len(held_out), set(train["household"]) & set(held_out["household"])
        (56093, set())
        """
        if not 0 < fraction < 1:
            raise DataError(f"fraction must lie between 0 and 1, for example 0.25; seen {fraction}")
        people = self.frame(year)
        households = people["household"].to_numpy()
        place = unit_interval(hash_ids(households, seed=seed, purpose="census split"))
        held_out = place < fraction
        return (
            people[~held_out].reset_index(drop=True),
            people[held_out].reset_index(drop=True),
        )

    def decode(self, data: T, *, titles: bool = False) -> T:
        """Return a frame or a named column with every code replaced by its words.

        Parameters
        ----------
        data : pandas.DataFrame or pandas.Series
            Columns that the dictionary does not know as codes stay as they are.
        titles : bool, default False
            Whether to name the columns for people too: "Highest schooling" for ``SCHL``.

        Returns
        -------
        the type of ``data``
            Words as pandas categoricals in the order of the codes. Missing values stay missing; a
            code that is not in the dictionary becomes "unknown code …".

        Examples
        --------
        >>> census = load_census()
        >>> people = census.frame(2015)
        >>> census.decode(people[["AGEP", "SCHL", "SEX"]].head(2))
           AGEP                 SCHL     SEX
        0    62  high school diploma  female
        1    48    bachelor's degree  female
        """
        import pandas as pd

        if isinstance(data, pd.Series):
            column = self._decode_column(data)
            return column.rename(self._title(data.name)) if titles else column
        columns = (data.iloc[:, place] for place in range(data.shape[1]))
        words = dict(enumerate(map(self._decode_column, columns)))
        decoded = pd.DataFrame(words, index=data.index).set_axis(data.columns, axis=1)
        return decoded.rename(columns=self._title) if titles else decoded

    def _repr_html_(self) -> str:
        who = "aged 17 to 89" if self.adults else "of all ages"
        rows = ""
        for year in self.years:
            people = self.table(year)
            share = pc.mean(people[self.target]).as_py()
            rows += f"<tr><td>{year}</td><td>{len(people):,}</td><td>{share:.1%}</td></tr>"
        return (
            "<table><caption style='white-space:nowrap;text-align:left'>US Census, Massachusetts: "
            f"people {who}, {len(self.features)} features</caption><thead>"
            "<tr><th>year</th><th>people</th><th>at work</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )

    def _known(self, year: Any) -> int:
        if isinstance(year, int | np.integer) and year in self.years:
            return int(year)
        known = ", ".join(map(str, self.years))
        raise DataError(f"there is no census of {year!r}; ask for one of the years {known}")

    def _features(self, adults: bool) -> list[str]:
        left_out = {self.target, *(self.dictionary.adults["left_out"] if adults else ())}
        return [name for name in self.dictionary if name not in left_out]

    def _of_age(self, people: pa.Table) -> pa.ChunkedArray:
        rule = self.dictionary.adults
        age = people[rule["column"]]
        return pc.and_(pc.greater_equal(age, rule["minimum"]), pc.less_equal(age, rule["maximum"]))

    def _arrivals(self, row_ids: NDArray[np.int64], year: int) -> NDArray[np.datetime64]:
        first, following = (np.datetime64(f"{y}-01-01", "D") for y in (year, year + 1))
        days = int((following - first).astype(int))
        day = below(hash_ids(row_ids, seed=self.seed, purpose="census arrival"), days)
        return np.asarray(first.astype("datetime64[s]") + day * _DAY_S)

    def _column(self, entry: Entry) -> Column:
        if entry.kind == "integer":
            rule = self.dictionary.adults if self.adults else {}
            bounds = rule if rule.get("column") == entry.name else vars(entry)
            low, high = float(bounds["minimum"]), float(bounds["maximum"])
            return Column(entry.name, "integer", minimum=low, maximum=high, title=entry.title)
        asked = {
            code: words
            for code, words in entry.labels.items()
            if not (self.adults and code == entry.not_applicable)
        }
        labels = {str(code): words for code, words in asked.items()}
        return Column(
            entry.name, "category", categories=tuple(asked), title=entry.title, labels=labels
        )

    def _title(self, name: Any) -> Any:
        return self.dictionary[name].title if name in self.dictionary else name

    def _decode_column(self, column: "pd.Series[Any]") -> "pd.Series[Any]":
        if column.name not in self.dictionary:
            return column
        return self.dictionary[str(column.name)].decode(column)


def load_census(*, adults: bool = True, seed: int = 0, folder: Path | str | None = None) -> Census:
    """Open the census that comes with the course; nothing is downloaded.

    Parameters
    ----------
    adults : bool, default True
        The people aged 17 to 89, whom the task is about. Otherwise everybody: children, whose
        answer is nearly always 0, and the oldest, whose ages are made up.
    seed : int, default 0
        Another seed gives other simulated arrival dates.
    folder : path, optional
        Another copy of the files; by default the one that was installed.

    Returns
    -------
    Census

    Raises
    ------
    DataError
        The files are missing or damaged.

    Examples
    --------
    >>> census = load_census()
    >>> census.years
    (2015, 2016, 2017, 2018)
    >>> census.features
    ['AGEP', 'SCHL', 'MAR', 'RELP', 'DIS', 'CIT', 'MIG', 'MIL', 'ANC', 'NATIVITY', 'DEAR', 'DEYE',
     'DREM', 'SEX', 'RAC1P']
    """
    places = [Path(folder)] if folder is not None else []
    census = Census(data_folder("census", *places), adults=adults, seed=seed)
    load_dictionary(census.folder)
    return census
