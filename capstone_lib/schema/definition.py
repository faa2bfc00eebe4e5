"""Columns and schemas: names, kinds, categories, ranges, nullability.

A schema is a value: it is inferred from a training frame, written into the passport of an artifact
and read back equal. The checking itself is in :mod:`capstone_lib.schema.gate`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from capstone_lib.errors import SchemaError

if TYPE_CHECKING:
    from capstone_lib.schema.gate import Checked

__all__ = ["Category", "Column", "Kind", "Schema"]

Kind = Literal["integer", "number", "category", "boolean"]
Category = int | str
_DEFAULTS: dict[str, Any] = {"nullable": False, "on_unknown": "reject", "title": "", "labels": {}}
_COPIES: dict[str, Any] = {"categories": list, "labels": dict}
_KINDS = ("integer", "number", "category", "boolean")


def _check_categories(name: str, categories: tuple[Category, ...]) -> None:
    """Refuse categories that a row could never be compared with."""
    if {type(category) for category in categories} not in ({int}, {str}):
        raise SchemaError(
            f"column {name!r}: categories must be all whole numbers or all text, and at least one; "
            f"seen {categories[:3]}"
        )
    if len(set(categories)) < len(categories):
        raise SchemaError(f"column {name!r}: a category is named twice")
    for value in categories:
        if isinstance(value, str) and not _is_unicode(value):
            raise SchemaError(f"column {name!r}: the category {value!r} is not Unicode text")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise SchemaError(f"column {name!r}: the category {value} is wider than 64 bits")


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


@dataclass(frozen=True)
class Column:
    """What one column may hold.

    Attributes
    ----------
    name : str
        The column's name, as the caller writes it.
    kind : {"integer", "number", "category", "boolean"}
        Integers have no fraction; a category is one of a closed list of codes or words.
    nullable : bool
        Whether a missing value (null, None or NaN) may enter.
    categories : tuple of int or tuple of str, optional
        The known categories, only for ``kind="category"``.
    minimum, maximum : float, optional
        What training data showed. A value outside is a warning: next year's people may be older.
    limit : float, optional
        The largest magnitude for which the artifact was proved to give the pipeline's answer.
        A value beyond it is an error.
    on_unknown : {"warn", "reject"}
        Whether the model can bear a category that it has never seen.
    title : str
        The column in words, for display.
    labels : mapping of str to str
        Words for codes, for display: ``{"1": "Male"}``.
    """

    name: str
    kind: Kind
    nullable: bool = False
    categories: tuple[Category, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    limit: float | None = None
    on_unknown: Literal["warn", "reject"] = "reject"
    title: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise SchemaError(
                f"column {self.name!r}: kind {self.kind!r} is not one of {', '.join(_KINDS)}"
            )
        if (self.kind == "category") != (self.categories is not None):
            raise SchemaError(
                f"column {self.name!r}: categories belong to kind 'category' and to no other; "
                f"seen kind {self.kind!r} with categories={self.categories!r}"
            )
        if not isinstance(self.name, str) or not _is_unicode(self.name):
            raise SchemaError(f"column {self.name!r}: a name must be text; rename the column")
        if self.categories is not None:
            _check_categories(self.name, self.categories)

    @property
    def is_text(self) -> bool:
        """Whether values are strings rather than numbers."""
        return self.categories is not None and isinstance(next(iter(self.categories), None), str)

    def to_dict(self) -> dict[str, Any]:
        """Only what differs from the defaults, ready for JSON."""
        out: dict[str, Any] = {"name": self.name, "kind": self.kind}
        for item in fields(self)[2:]:
            value = getattr(self, item.name)
            if value is None or (item.name in _DEFAULTS and value == _DEFAULTS[item.name]):
                continue
            out[item.name] = _COPIES.get(item.name, lambda same: same)(value)
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Column":
        """Read what :meth:`to_dict` wrote."""
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(data) - known)
        if unknown:
            raise SchemaError(f"a column has unknown fields {unknown}; known are {sorted(known)}")
        if not {"name", "kind"} <= set(data):
            raise SchemaError(f"a column needs a name and a kind; seen only {sorted(data)}")
        values = dict(data)
        if values.get("categories") is not None:
            values["categories"] = tuple(values["categories"])
        return cls(**values)

    def describe(self) -> str:
        """Say in a few words what may stand in the column."""
        if self.categories is not None:
            shown = ", ".join(map(str, self.categories[:6]))
            more = len(self.categories) - 6
            text = f"one of {shown}" + (f" … ({more} more)" if more > 0 else "")
        elif self.kind == "boolean":
            text = "true or false"
        else:
            text = "whole number" if self.kind == "integer" else "number"
            if self.minimum is not None and self.maximum is not None:
                text += f", {self.minimum:g} to {self.maximum:g} in training"
        return text + (", may be missing" if self.nullable else "")


@dataclass(frozen=True)
class Schema:
    """The columns a model needs, in the model's order, and optionally the name of the row id.

    Callers may pass columns in any order: the names decide.

    Examples
    --------
    >>> import pandas as pd
    >>> people = pd.DataFrame({"age": [31, 62], "job": ["cook", "clerk"]})
    >>> schema = Schema.infer(people)
    >>> schema["job"].categories
    ('clerk', 'cook')
    >>> checked = schema.check({"age": [40, None], "job": ["cook", "king"]})
    >>> [problem.code for problem in checked.problems]
    ['null', 'unknown_category']
    """

    columns: tuple[Column, ...]
    id: str | None = None

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        doubles = sorted(name for name, times in Counter(names).items() if times > 1)
        if doubles:
            raise SchemaError(f"column names must be unique; seen twice: {doubles}")
        if not names:
            raise SchemaError("a schema needs at least one column")
        if self.id is not None and self.id in names:
            raise SchemaError(
                f"{self.id!r} is the row id and a feature at once; give the id a name of its own"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in the model's order."""
        return tuple(column.name for column in self.columns)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"no column {name!r}; there are {', '.join(self.names)}")

    def with_columns(self, columns: Sequence[Column]) -> "Schema":
        """The same schema with the columns of the same name replaced."""
        new = {column.name: column for column in columns}
        return replace(self, columns=tuple(new.get(c.name, c) for c in self.columns))

    def with_words(self, other: "Schema") -> "Schema":
        """The same schema with the titles and labels of another's columns of the same name.

        Examples
        --------
        >>> words = Schema((Column("SEX", "integer", title="Sex", labels={"2": "Female"}),))
        >>> Schema((Column("SEX", "category", categories=(1, 2)),)).with_words(words)["SEX"].title
        'Sex'
        """
        words = {column.name: column for column in other.columns}
        return self.with_columns(
            [
                replace(column, title=words[column.name].title, labels=words[column.name].labels)
                for column in self.columns
                if column.name in words
            ]
        )

    @classmethod
    def infer(
        cls,
        frame: Any,
        *,
        id: str | None = None,  # noqa: A002 - the field's own name
        categories: Mapping[str, Sequence[Any]] | None = None,
    ) -> "Schema":
        """Read a schema off a training frame.

        Parameters
        ----------
        frame : pandas.DataFrame of shape (n_rows, n_columns)
            Training rows. Whole numbers become ``integer``, other numbers ``number``, text and
            pandas categoricals ``category``, true/false ``boolean``. A column with a missing value
            is nullable.
        id : str, optional
            The name of the row-id column; it is left out of the features.
        categories : mapping of str to sequence, optional
            Columns of codes and the codes they may hold: these become ``category`` too.

        Returns
        -------
        Schema

        Raises
        ------
        SchemaError
            If the frame is empty, or a column holds something a model cannot be fed: dates, lists,
            a mixture of types, names that are not text.
        """
        from capstone_lib.schema.infer import infer_columns

        return cls(infer_columns(frame, id=id, categories=categories or {}), id=id)

    def check(self, data: Any, *, ids: Any = None, parse_text: bool = False) -> "Checked":
        """Pass rows through the gate.

        Parameters
        ----------
        data : pandas.DataFrame, pyarrow.Table, pyarrow.RecordBatch or mapping of str to array
            Rows, columns in any order. Columns that the schema does not name are left out, with a
            warning among the problems.
        ids : array of shape (n_rows,), optional
            Row ids: a missing or repeated id is an error of its row.
        parse_text : bool, default False
            Read numbers from text, as a CSV file needs. Otherwise text is never taken for a number.

        Returns
        -------
        Checked
            The model-ready columns, which rows are valid, and *all* problems found.

        Raises
        ------
        SchemaError
            If the table as a whole cannot enter: a column is missing, has the wrong type or
            appears twice. The message lists every such problem.
        """
        from capstone_lib.schema.gate import check

        return check(self, data, ids=ids, parse_text=parse_text)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; :meth:`from_dict` reads it back equal."""
        out: dict[str, Any] = {"columns": [column.to_dict() for column in self.columns]}
        return out | ({"id": self.id} if self.id is not None else {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Schema":
        """Read what :meth:`to_dict` wrote."""
        return cls(tuple(map(Column.from_dict, data.get("columns", ()))), id=data.get("id"))

    def _repr_html_(self) -> str:
        def cell(tag: str, text: str) -> str:
            return f"<{tag} style='text-align:left'>{escape(text)}</{tag}>"

        rows = "".join(
            f"<tr>{cell('td', c.name)}{cell('td', c.title)}{cell('td', c.describe())}</tr>"
            for c in self.columns
        )
        head = f"<tr>{cell('th', 'column')}{cell('th', 'meaning')}{cell('th', 'holds')}</tr>"
        return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"
