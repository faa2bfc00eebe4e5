"""The side-by-side table of the architectures, as ``decide`` fills it from the store's own runs."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from capstone_lib.decide import compare_architectures
from capstone_lib.errors import ReportError
from capstone_lib.report.span import NO_DATABASE, Span
from capstone_lib.report.words import between, count, of_unit

__all__ = ["Place", "cells_of", "gather_table", "sources_of"]

_NOT_NOW = (
    "The table speaks of all that was measured up to the present, and this window ended before: "
    "write_report(…, measured=compare_architectures(store, artifact)) puts it here all the same."
)
_NOTHING = (
    "None of its figures has been measured: score a batch into the store (cap.score_batch), or ask "
    "an endpoint that logs there (cap.serve(…, store=…))."
)
_FIGURE = ("name", "value", "low", "high", "unit", "n", "note", "source")

Place = dict[str, Any]


def gather_table(span: Span, measured: Any) -> dict[str, Any]:
    """The table that was given, or one made now.

    Raises
    ------
    ReportError
        If what was given is neither an ``ArchitectureTable`` nor what its ``to_dict()`` gives.
    """
    if measured is None:
        if span.is_folder:
            return {"missing": NO_DATABASE, "source": ""}
        if span.end is not None and span.end < datetime.now(UTC):
            return {"missing": _NOT_NOW, "source": ""}
        measured = compare_architectures(span.store, span.artifact, since=span.start)
    said = measured.to_dict() if hasattr(measured, "to_dict") else measured
    if not isinstance(said, Mapping) or not _is_table(said.get("cells")):
        raise ReportError(
            "the table of measured figures is what compare_architectures gives, or its to_dict(); "
            f"seen {type(measured).__name__}"
        )
    if not any(figure["value"] is not None for c in said["cells"] for figure in c["figures"]):
        return {"missing": _NOTHING, "source": ""}
    whose = f"{said.get('model', '')} {said.get('version', '')}".strip()
    return {
        "missing": "",
        "source": f"the runs, requests and reviews of {whose} in {span.where}",
        "note": str(said.get("note", "")),
        "cells": list(said["cells"]),
    }


def sources_of(section: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Where the figures come from, each once, in the order in which they are met."""
    found: list[Mapping[str, Any]] = []
    for cell in section["cells"]:
        for figure in cell["figures"]:
            if figure["source"] is not None and figure["source"] not in found:
                found.append(figure["source"])
    return found


def cells_of(section: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, list[Place]]]]:
    """The columns, and each row with its cells: figures in words, with their source's place."""
    sources = sources_of(section)
    columns = list(dict.fromkeys(cell["column"] for cell in section["cells"]))
    rows = list(dict.fromkeys(cell["row"] for cell in section["cells"]))
    by_place = {(cell["row"], cell["column"]): cell for cell in section["cells"]}
    nothing: dict[str, Any] = {"figures": [], "words": ""}
    table = [(row, [_cell(by_place.get((row, c), nothing), sources) for c in columns])
             for row in rows]  # fmt: skip
    return columns, table


def _cell(cell: Mapping[str, Any], sources: list[Mapping[str, Any]]) -> Place:
    return {
        "words": cell["words"],
        "figures": [_figure(one, sources) for one in cell["figures"]],
    }


def _figure(one: Mapping[str, Any], sources: list[Mapping[str, Any]]) -> Place:
    if one["value"] is None:
        return {"name": one["name"], "said": "not measured", "note": one["note"], "source": 0}
    interval = between(one["low"], one["high"], one["unit"])
    said = of_unit(one["value"], one["unit"]) + f" ({interval})" * bool(interval)
    said += f", n = {count(one['n'])}"
    place = sources.index(one["source"]) + 1 if one["source"] is not None else 0
    return {"name": one["name"], "said": said, "note": one["note"], "source": place}


def _is_table(cells: Any) -> bool:
    return isinstance(cells, list) and all(
        isinstance(cell, Mapping)
        and {"row", "column", "figures", "words"} <= set(cell)
        and all(isinstance(f, Mapping) and set(_FIGURE) <= set(f) for f in cell["figures"])
        for cell in cells
    )
