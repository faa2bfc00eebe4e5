"""The data dictionary: what each column asks, and each of its codes in words."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from capstone_lib.data.files import read_checked
from capstone_lib.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Dictionary", "Entry", "load_dictionary"]


@dataclass(frozen=True)
class Entry:
    """One column in words.

    Attributes
    ----------
    name : str
        The column's name in the data, ``"SCHL"``.
    title : str
        Its name for people, ``"Highest schooling"``.
    question : str
        What is asked about each person.
    kind : {"integer", "category"}
        A number, or one of a list of codes.
    labels : mapping of int to str
        Words for every code of a category.
    not_applicable : int, optional
        The code that only says "this was not asked about this person".
    minimum, maximum : int, optional
        The smallest and largest value of a number.
    note : str
        What is easily misread; often empty.
    """

    name: str
    title: str
    question: str
    kind: Literal["integer", "category"]
    labels: Mapping[int, str] = field(default_factory=dict)
    not_applicable: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    note: str = ""

    def words(self, code: Any) -> str:
        """Return the words for a code; a code that is not listed says so.

        Examples
        --------
        >>> answer = Entry("DEAR", "Hearing", "Deaf?", "category", {1: "yes", 2: "no"})
        >>> answer.words("1"), answer.words(2.0), answer.words(7)
        ('yes', 'no', 'unknown code 7')
        """
        try:
            number = float(code)
        except (TypeError, ValueError):
            return f"unknown code {code}"
        known = self.labels.get(int(number)) if number.is_integer() else None
        return known or f"unknown code {code}"

    def decode(self, column: "pd.Series[Any]") -> "pd.Series[Any]":
        """Return a column of codes in words, as a categorical in the order of the codes.

        Missing values stay missing, unknown codes say so, and numbers stay numbers.
        """
        import pandas as pd

        if self.kind != "category":
            return column
        place, seen = pd.factorize(column)
        words = [self.words(code) for code in seen]
        categories = pd.Index([*dict.fromkeys([*self.labels.values(), *words])])
        position = np.append(categories.get_indexer(pd.Index(words)), -1)  # last: a missing value
        decoded = pd.Categorical.from_codes(position[place], categories=categories)
        return pd.Series(decoded, index=column.index, name=column.name)


@dataclass(frozen=True)
class Dictionary:
    """The entries of a data set by column name, and what the data set says of itself.

    Attributes
    ----------
    title, source : str
        What the data are, and whose.
    years : tuple of int
        The years there are.
    target : str
        The column to predict.
    sensitive : tuple of str
        The columns by which fairness is judged.
    adults : mapping
        The column and the ages of the course's people, and the columns that are left out then.
    entries : mapping of str to Entry
        Every column's entry; ``dictionary["SCHL"]`` is short for one.
    """

    title: str
    source: str
    years: tuple[int, ...]
    target: str
    sensitive: tuple[str, ...]
    adults: Mapping[str, Any]
    entries: Mapping[str, Entry]

    def __getitem__(self, name: str) -> Entry:
        try:
            return self.entries[name]
        except KeyError:
            known = ", ".join(self.entries)
            raise DataError(f"no column {name!r} in the dictionary; there are {known}") from None

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each code: column, title, code, words, not applicable."""
        import pandas as pd

        rows = [
            (entry.name, entry.title, code, words, code == entry.not_applicable)
            for entry in self.entries.values()
            for code, words in entry.labels.items()
        ]
        return pd.DataFrame(rows, columns=["column", "title", "code", "words", "not_applicable"])

    def _repr_html_(self) -> str:
        head = "<tr><th>column</th><th>meaning</th><th>codes</th></tr>"
        body = "".join(_html_row(entry) for entry in self.entries.values())
        style = "text-align:left;vertical-align:top"
        cells = (head + body).replace("<th>", f'<th style="{style}">')
        cells = cells.replace("<td>", f'<td style="{style}">')
        caption = "<caption style='white-space:nowrap;text-align:left'>"
        return f"<table>{caption}{escape(self.title)}</caption>{cells}</table>"


def _html_row(entry: Entry) -> str:
    codes = "<br>".join(f"{code} {escape(words)}" for code, words in entry.labels.items())
    codes = codes or f"whole years, {entry.minimum} to {entry.maximum}"
    note = f"<br><i>{escape(entry.note)}</i>" if entry.note else ""
    meaning = f"<b>{escape(entry.title)}.</b> {escape(entry.question)}{note}"
    return f"<tr><td>{escape(entry.name)}</td><td>{meaning}</td><td>{codes}</td></tr>"


@cache
def load_dictionary(folder: Path) -> Dictionary:
    """Read ``dictionary.json`` of a folder; read once in a process.

    Raises
    ------
    DataError
        The file is missing or damaged.
    """
    data = json.loads(read_checked(folder, "dictionary.json"))
    return Dictionary(
        title=data["title"],
        source=data["source"],
        years=tuple(data["years"]),
        target=data["target"],
        sensitive=tuple(data["sensitive"]),
        adults=data["adults"],
        entries={name: _entry(name, values) for name, values in data["columns"].items()},
    )


def _entry(name: str, values: Mapping[str, Any]) -> Entry:
    labels = {int(code): words for code, words in values.get("labels", {}).items()}
    return Entry(**{**values, "name": name, "labels": labels})
