"""A load test as a table: for a notebook and for a terminal."""

from html import escape
from typing import TYPE_CHECKING

from capstone_lib.loadtest.step import ms_words

if TYPE_CHECKING:
    from capstone_lib.loadtest.result import LoadTest
    from capstone_lib.loadtest.step import LoadStep

__all__ = ["table", "text"]

_COLUMNS = (
    "users", "requests", "requests/s", "p50 ms", "p90 ms", "p95 ms", "p99 ms", "max ms", "shed",
    "failed", "generator busy",
)  # fmt: skip


def table(result: "LoadTest") -> str:
    """The steps as an HTML table, with what to know about them."""
    cell = "<td style='text-align:right'>{}</td>".format
    heads = "".join(f"<th>{name}</th>" for name in _heads(result))
    rows = "".join(
        f"<tr>{''.join(map(cell, map(escape, _cells(result, step))))}</tr>" for step in result.steps
    )
    kinds = "".join(f"<li>{escape(line)}</li>" for line in (*_kinds(result), *result.notes))
    return (
        f"<p><b>Load test</b> of <code>{escape(result.url)}</code>, {result.duration_s:g} s a step"
        f"</p><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table><ul>{kinds}</ul>"
    )


def text(result: "LoadTest") -> str:
    """The same for a terminal."""
    rows = [_heads(result), *(_cells(result, step) for step in result.steps)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{result.url}, {result.duration_s:g} s a step"]
    lines += [
        "  ".join(word.rjust(width) for word, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join([*lines, *_kinds(result), *result.notes])


def _heads(result: "LoadTest") -> tuple[str, ...]:
    with_rate = any(step.rate is not None for step in result.steps)
    return ("due/s", *_COLUMNS) if with_rate else _COLUMNS


def _cells(result: "LoadTest", step: "LoadStep") -> tuple[str, ...]:
    rate = "" if step.rate is None else f"{step.rate:,.0f}"
    cells = (
        f"{step.users:,}",
        f"{step.requests:,}",
        f"{step.requests_per_s:,.0f}",
        *map(ms_words, (step.p50_ms, step.p90_ms, step.p95_ms, step.p99_ms, step.max_ms)),
        f"{step.shed:,}",
        f"{step.failed:,}",
        f"{step.generator_busy:.0%}",
    )
    return (rate, *cells) if len(_heads(result)) > len(_COLUMNS) else cells


def _kinds(result: "LoadTest") -> list[str]:
    lines = [f"{count:,} failed: {kind}" for kind, count in result.failures.items()]
    unsent = sum(step.unsent for step in result.steps)
    if unsent:
        lines.append(f"{unsent:,} were due and given up: every user was waiting for an answer")
    if result.knee is not None:
        load = result.knee.load_words
        lines.append(f"The knee is at {load}: beyond it more load mostly buys waiting")
    return lines
