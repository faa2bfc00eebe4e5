"""The page at ``/``: a form made from the schema, on which a person tries a record.

One file, without any request but to ``predict`` beside it: so it works offline, and behind a proxy
under any path. Whatever comes from the artifact is escaped, and the policy lets no script run but
the page's own.
"""

import base64
import hashlib
import json
import re
from html import escape
from math import log2
from pathlib import Path
from typing import Any

from capstone_lib.artifact import Artifact
from capstone_lib.schema import Column
from capstone_lib.serving.json_schema import example_record

__all__ = ["PAGE_POLICY", "render_page"]

_TEMPLATE = (Path(__file__).parent / "page.html").read_text("utf-8")
_BLANK = re.compile(r"\{\{(\w+)\}\}")


def _hash_of(element: str) -> str:
    found = re.search(f"<{element}>(.*?)</{element}>", _TEMPLATE, re.DOTALL)
    assert found, f"the page has no <{element}>"
    digest = hashlib.sha256(found[1].encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


PAGE_POLICY = "; ".join(
    [
        "default-src 'none'",
        f"script-src {_hash_of('script')}",
        f"style-src {_hash_of('style')}",
        "img-src data:",
        "connect-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'self'",
    ]
)
"""The page's Content-Security-Policy, for the header of that name."""


def render_page(artifact: Artifact, *, base: str = "") -> str:
    """Write the page for an artifact.

    Parameters
    ----------
    artifact : Artifact
        What is served: its schema makes the form.
    base : str, default ""
        What stands before ``predict``, when the page is shown elsewhere than beside it. It ends
        with a slash.

    Returns
    -------
    str
        HTML, to be sent with :data:`PAGE_POLICY`.
    """
    example = example_record(artifact.schema)
    fields = [
        _field(column, f"c{place}", example[column.name])
        for place, column in enumerate(artifact.schema.columns)
    ]
    blanks = {
        "title": escape(f"{artifact.name} {artifact.version}"),
        "name": escape(artifact.name),
        "version": escape(artifact.version),
        "promise": escape(_promise(artifact)),
        "base": escape(base),
        "scale": _scale(artifact),
        "fields": "\n".join(fields),
    }
    return _BLANK.sub(lambda blank: blanks[blank[1]], _TEMPLATE)


def _promise(artifact: Artifact) -> str:
    answers = " or ".join(map(str, artifact.classes))
    rows = artifact.passport.training.get("rows")
    trained = f", trained on {rows:,} rows" if rows else ""
    return (
        f"Answers {answers}{trained}. The form holds an example. Hints tell what the training data "
        "showed; other values may be tried too."
    )


def _scale(artifact: Artifact) -> str:
    """What the bars need: where the decision turns, and how uncertain one can be."""
    data = {"bits": str(log2(len(artifact.classes))), "score": "Largest probability"}
    if len(artifact.classes) == 2:
        cut = 0.5 if artifact.threshold is None else artifact.threshold
        data["cut"] = str(cut)
        data["score"] = f"Probability of {artifact.classes[1]}"
        side = "above it" if artifact.threshold is None else "from there up"
        data["rule"] = f"The mark is at {cut:g}: {side} the label is {artifact.classes[1]}"
    return " ".join(f'data-{name}="{escape(value)}"' for name, value in data.items())


def _field(column: Column, place: str, example: Any) -> str:
    title, code = escape(column.title or column.name), ""
    if column.title and column.title != column.name:
        code = f" <code>{escape(column.name)}</code>"
    common = f'id="{place}" data-column="{escape(column.name)}"'
    hint = _hint(column)
    common += f' aria-describedby="{f"{place}-hint " if hint else ""}{place}-said"'
    shown = f'<p class="hint" id="{place}-hint">{escape(hint)}</p>\n' if hint else ""
    is_list = column.categories is not None or column.kind == "boolean"
    control = _select(column, common, example) if is_list else _number(column, common, example)
    return (
        f'<div class="field"><label for="{place}">{title}{code}</label>\n{control}\n{shown}'
        f'<p class="said" id="{place}-said" hidden></p></div>'
    )


def _hint(column: Column) -> str:
    """What no list shows: the range that training showed."""
    if column.categories is not None or column.kind == "boolean":
        return ""
    known = column.describe().removesuffix(", may be missing")
    return known + ("; leave empty if missing" if column.nullable else "")


def _number(column: Column, common: str, example: Any) -> str:
    bounds = ""
    if column.minimum is not None and column.maximum is not None:
        bounds = f' data-low="{float(column.minimum)}" data-high="{float(column.maximum)}"'
    whole = ' data-whole="1"' if column.kind == "integer" else ""
    return f'<input {common}{bounds}{whole} inputmode="decimal" value="{escape(str(example))}">'


def _select(column: Column, common: str, example: Any) -> str:
    values = [True, False] if column.categories is None else list(column.categories)
    options = [_option(value, _words(column, value), chosen=value is example) for value in values]
    if column.nullable:
        options.append(_option(None, "(missing)", chosen=False))
    return f"<select {common}>{''.join(options)}</select>"


def _words(column: Column, value: Any) -> str:
    code = json.dumps(value) if isinstance(value, bool) else str(value)
    words = column.labels.get(code)
    return f"{code} – {words}" if words and words != code else code


def _option(value: Any, words: str, *, chosen: bool) -> str:
    selected = " selected" if chosen else ""
    return f'<option value="{escape(json.dumps(value))}"{selected}>{escape(words)}</option>'
