"""The report as a document: what was found out, in plain values that JSON can hold.

It says nothing of how it looks. Its shape is written down in README.md beside this file, and
carries a number that changes when a program that reads it would have to.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from html import escape
from typing import Any

from capstone_lib.errors import ReportError

__all__ = ["SECTIONS", "SHAPE", "Report"]

SHAPE = 1
"""The number of the document's shape."""

SECTIONS = (
    "passport", "parity", "batch", "live", "drift", "fairness", "performance", "alerts", "reviews",
    "decision", "measured",
)  # fmt: skip
"""In the order in which a reader meets them; the open risks come last."""


@dataclass(frozen=True)
class Report:
    """What is known of a model at work.

    Attributes
    ----------
    title : str
    made_at : str
        ISO, UTC.
    made_by : str
        The library and its version.
    model : mapping
        ``name``, ``version`` and ``sha256`` of the artifact.
    store : str
        What it was read from, without passwords and folders.
    window : mapping
        ``start`` and ``end``, ISO, UTC: the first moment, and the first one after it; empty if the
        window is open on that side.
    summary : tuple of str
        Five sentences: what the model does, whether it is well, what fired, what a person decided,
        what is open.
    passport, parity, batch, live, drift, fairness, performance, alerts, reviews, decision, \
measured : mapping
        One section each. ``missing`` says what is not there and how to get it, and is empty where
        something is; ``source`` says where its figures come from.
    risks : tuple of mapping
        What is open: ``what``, ``because`` and ``do``, the gravest first.
    """

    title: str
    made_at: str
    made_by: str
    model: Mapping[str, Any]
    store: str
    window: Mapping[str, str]
    summary: tuple[str, ...]
    passport: Mapping[str, Any]
    parity: Mapping[str, Any]
    batch: Mapping[str, Any]
    live: Mapping[str, Any]
    drift: Mapping[str, Any]
    fairness: Mapping[str, Any]
    performance: Mapping[str, Any]
    alerts: Mapping[str, Any]
    reviews: Mapping[str, Any]
    decision: Mapping[str, Any]
    measured: Mapping[str, Any]
    risks: tuple[Mapping[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"shape": SHAPE} | {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
        }

    def to_json(self) -> str:
        """The document as text."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Report":
        """Read what :meth:`to_dict` gave.

        Raises
        ------
        ReportError
            If it is no report, or one of another shape.
        """
        seen = document.get("shape") if isinstance(document, Mapping) else None
        if seen != SHAPE:
            raise ReportError(
                f"this is no report of shape {SHAPE}: its shape is {seen!r}; write it again with "
                "this version of capstone_lib"
            )
        names = [field.name for field in fields(cls)]
        lacking = [name for name in names if name not in document]
        if lacking:
            raise ReportError(f"the report lacks {', '.join(lacking)}; write it again")
        values = {name: document[name] for name in names}
        return cls(**values | {name: tuple(values[name]) for name in ("summary", "risks")})

    @classmethod
    def from_json(cls, text: str | bytes) -> "Report":
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        ReportError
            If it is no report, or one of another shape.
        """
        try:
            document = json.loads(text)
        except ValueError as error:
            raise ReportError(f"this is no JSON: {error}; give a report.json") from None
        return cls.from_dict(document)

    def to_html(self) -> str:
        """The document as one page that needs nothing from a network and no script.

        Raises
        ------
        MissingExtraError
            If Jinja or Matplotlib is not installed.
        """
        from capstone_lib.report.page import render_page

        return render_page(self)

    def __str__(self) -> str:
        return "\n".join((self.title, *self.summary))

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{escape(line)}</li>" for line in self.summary)
        return f"<p><b>{escape(self.title)}</b></p><ol>{lines}</ol>"
