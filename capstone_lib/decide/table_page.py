"""The table as HTML: each figure links to where it comes from, below the table."""

from collections.abc import Iterator
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING

from capstone_lib.decide.figure import Figure, Source
from capstone_lib.decide.words import COLUMNS, ROWS

if TYPE_CHECKING:
    from capstone_lib.decide.table import ArchitectureTable, Cell

__all__ = ["page_of"]

_LEFT = "text-align:left;vertical-align:top"
_WORDS = "white-space:normal;overflow-wrap:anywhere"


def page_of(table: "ArchitectureTable", *, note: str) -> str:
    """The table, and below it a list of sources."""
    sources = list(_sources(table))
    prefix = f"source-{sha256(repr(sources).encode()).hexdigest()[:8]}"
    places = {source: f"{prefix}-{k + 1}" for k, source in enumerate(sources)}
    head = "".join(f"<th scope='col' style='{_LEFT};width:30%'>{one}</th>" for one in COLUMNS)
    body = "".join(
        f"<tr><th scope='row' style='{_LEFT}'>{row}</th>"
        + "".join(_cell(table[row, column], places) for column in COLUMNS)
        + "</tr>"
        for row in ROWS
    )
    title = f"{escape(table.model)} {escape(table.version)}"
    listed = "".join(_item(source, places) for source in sources)
    below = f"<p>Sources</p><ol>{listed}</ol>" if sources else ""
    return (
        "<table style='width:100%;table-layout:fixed'>"
        f"<caption>{title}: figures from its own runs</caption>"
        f"<thead><tr><td style='width:10%'></td>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"<p>{escape(note)}</p>{below}"
    )


def _cell(cell: "Cell", places: dict[Source, str]) -> str:
    known = [_line(one, places) for one in cell.figures if one.source is not None]
    lines = "".join(f"<div>{line}</div>" for line in [*known, *_lacking(cell)])
    return f"<td style='{_LEFT};{_WORDS}'>{lines}<div><i>{escape(cell.words)}</i></div></td>"


def _lacking(cell: "Cell") -> Iterator[str]:
    """What was not measured: all that the same deed would measure, in one line."""
    names: dict[str, list[str]] = {}
    for one in cell.figures:
        if one.source is None:
            names.setdefault(one.note, []).append(one.name)
    for how, some in names.items():
        yield f"<b>not measured</b>: {escape('; '.join(some))}. To do: {escape(how)}"


def _line(figure: Figure, places: dict[Source, str]) -> str:
    assert figure.source is not None
    between = f" ({escape(figure.between)})" if figure.between else ""
    told = [figure.source.words, f"n = {figure.n:,}" if figure.n else "", figure.note]
    tip = escape(". ".join(filter(None, told)))
    link = f"<a href='#{places[figure.source]}' title='{tip}'>{escape(figure.said)}</a>"
    return f"{escape(figure.name)} {link}{between}"


def _item(source: Source, places: dict[Source, str]) -> str:
    sql = f"<pre style='white-space:pre-wrap'>{escape(source.sql)}</pre>"
    asked = f"<details><summary>the question</summary>{sql}</details>" if source.sql else ""
    return f"<li id='{places[source]}'>{escape(source.words)}{asked}</li>"


def _sources(table: "ArchitectureTable") -> Iterator[Source]:
    """Each once, as they are met."""
    found = [
        one.source
        for row in ROWS
        for column in COLUMNS
        for one in table[row, column].figures
        if one.source is not None
    ]
    yield from dict.fromkeys(found)
