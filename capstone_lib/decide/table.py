"""Batch, real time and hybrid side by side, with every measurable cell from one's own runs.

What can be measured is asked from the store, and links to the question; what was not measured says
so, and how to do it. The other cells are words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from capstone_lib.decide.asking import Questions
from capstone_lib.decide.cost import Prices, Speed, Volume
from capstone_lib.decide.figure import Figure
from capstone_lib.decide.measuring import Measured, Promise
from capstone_lib.decide.words import COLUMNS, ROWS, WORDS
from capstone_lib.errors import MonitoringError
from capstone_lib.store.staleness import parse_moment

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.artifact import Artifact
    from capstone_lib.loadtest import LoadTest
    from capstone_lib.store import Store

__all__ = ["ArchitectureTable", "Cell", "compare_architectures"]

MACHINE = (
    "Times, rates and what follows from them are those of the machine that they were measured on: "
    "measure again elsewhere."
)


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes
    ----------
    figures : tuple of Figure
        Those that were not measured say how to.
    words : str
        What no run measures.
    """

    figures: tuple[Figure, ...]
    words: str

    def __str__(self) -> str:
        return "\n".join([*map(str, self.figures), self.words])


@dataclass(frozen=True, repr=False)
class ArchitectureTable:
    """What :func:`compare_architectures` returns; ``table["latency", "batch"]`` is a cell.

    Attributes
    ----------
    model, version : str
        Whose runs.
    cells : mapping of (str, str) to Cell
        By row and column.
    """

    model: str
    version: str
    cells: Mapping[tuple[str, str], Cell]
    _speed: Speed | None = None

    def __getitem__(self, place: tuple[str, str]) -> Cell:
        return self.cells[place]

    def __repr__(self) -> str:
        figures = [one for cell in self.cells.values() for one in cell.figures]
        known = sum(one.is_known for one in figures)
        return (
            f"ArchitectureTable({self.model} {self.version}: {known} figures measured, "
            f"{len(figures) - known} not)"
        )

    def speed(self) -> Speed:
        """What :func:`capstone_lib.decide.cost.monthly_costs` needs, as measured.

        Raises
        ------
        MonitoringError
            If a throughput was not measured; it says how to.
        """
        if self._speed is not None:
            return self._speed
        lacking = [
            f"{column}: {one.note}"
            for column in ("batch", "real time")
            for one in self["throughput", column].figures
            if not one.is_known
        ]
        raise MonitoringError(f"no cost without throughput, which is missing. {'; '.join(lacking)}")

    def figures(self) -> "pd.DataFrame":
        """A row a figure that was measured, with its source in words and as SQL."""
        import pandas as pd

        rows = [
            {"row": row, "column": column, **one.to_dict(), "source": one.source.words,
             "kind": one.source.kind, "sql": one.source.sql}
            for (row, column), cell in self.cells.items()
            for one in cell.figures
            if one.source is not None
        ]  # fmt: skip
        columns = ["row", "column", "name", "value", "low", "high", "unit", "n", "source", "kind",
                   "sql", "note"]  # fmt: skip
        frame = pd.DataFrame(rows, columns=columns)
        return frame.astype({"value": float, "low": float, "high": float})

    def to_frame(self) -> "pd.DataFrame":
        """The table as text: seven rows, three columns."""
        import pandas as pd

        texts = {c: {r: str(self[r, c]) for r in ROWS} for c in COLUMNS}
        return pd.DataFrame(texts, index=list(ROWS))[list(COLUMNS)]

    def to_dict(self) -> dict[str, Any]:
        """The table as JSON can say it."""
        return {
            "model": self.model,
            "version": self.version,
            "note": MACHINE,
            "cells": [
                {
                    "row": row,
                    "column": column,
                    "figures": [one.to_dict() for one in self[row, column].figures],
                    "words": self[row, column].words,
                }
                for row in ROWS
                for column in COLUMNS
            ],
        }

    def _repr_html_(self) -> str:
        from capstone_lib.decide.table_page import page_of

        return page_of(self, note=MACHINE)


def compare_architectures(
    store: "Store",
    artifact: "Artifact",
    *,
    load_tests: "Mapping[str, LoadTest] | LoadTest | None" = None,
    prices: Prices | None = None,
    volume: Volume | None = None,
    since: str | date | datetime | None = None,
    promise: Promise = Promise(),  # noqa: B008 - frozen
    reviews: "Store | None" = None,
) -> ArchitectureTable:
    """Put batch, real time and hybrid side by side, from one's own runs.

    Parameters
    ----------
    store : Store
        A database with the runs, requests, measurements and reviews.
    artifact : Artifact
        Its name and version are looked for.
    load_tests : LoadTest, or mapping of str to LoadTest, optional
        Tests that the store does not keep; a mapping's keys are ``"real time"`` and ``"hybrid"``.
        Better is to keep them: ``store.write_measurements(test.measurements(model=...,
        version=...))``, and ``feature="hybrid"`` for a hybrid endpoint.
    prices : Prices, optional
        What is assumed.
    volume : Volume, optional
        How much there is to do; without it nothing is said of costs.
    since : str, date or datetime, optional
        What was measured before does not count.
    promise : Promise
        What an endpoint has to keep: of a load test the fastest step that does counts.
    reviews : Store, optional
        Where reviewers decided, if that is another store.

    Returns
    -------
    ArchitectureTable

    Raises
    ------
    StoreError
        If the store is a folder.
    ValueError
        If load tests are named after something else, or ``since`` is no moment.
    """
    given = load_tests if isinstance(load_tests, Mapping) else {"real time": load_tests}
    unknown = set(given) - {"real time", "hybrid"}
    if unknown:
        raise ValueError(f"load tests are of 'real time' and 'hybrid'; seen {sorted(unknown)}")
    moment = None if since is None else parse_moment(since, name="since")
    ask = Questions(store, artifact, since=moment)
    measured = Measured(
        ask,
        desk=ask if reviews is None else Questions(reviews, artifact, since=moment),
        load_tests={name: test for name, test in given.items() if test is not None},
        promise=promise,
        prices=prices or Prices(),
        volume=volume,
    )
    figures = measured.figures()
    cells = {
        (row, column): Cell(tuple(figures.get((row, column), ())), WORDS[row, column])
        for row in ROWS
        for column in COLUMNS
    }
    return ArchitectureTable(artifact.name, artifact.version, cells, measured.speed)
