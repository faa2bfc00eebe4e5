"""What an endpoint says when it cannot answer: RFC 9457 problem documents."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from capstone_lib.schema import Problem

__all__ = ["ProblemError", "Refusal", "body_of", "field_errors", "headers_of", "step", "utf8"]

MEDIA_TYPE = b"application/problem+json"
_SHOWN = 100
_TOLD = 3  # of the problems, in the one text that clients of the protocol show
_ENCODE = msgspec.json.Encoder().encode


class Refusal(msgspec.Struct, omit_defaults=True):
    """One thing that is wrong with a request.

    Attributes
    ----------
    field : str
        The name of the column or member concerned.
    code : str
        A word for programs, such as ``missing_column``.
    message : str
        A sentence for people.
    pointer : str
        Where in the body it stands, as a JSON pointer.
    """

    field: str
    code: str
    message: str
    pointer: str = ""


class ProblemError(Exception):
    """A request that cannot be answered.

    Parameters
    ----------
    status : int
        The HTTP status.
    detail : str
        What was seen, what was expected and what to do.
    errors : sequence of Refusal
        All that is wrong, field by field.
    headers : mapping of str to str
        Further headers, such as ``Retry-After``.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[Refusal] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.errors, self.headers = tuple(errors), headers or {}


def body_of(problem: ProblemError, *, protocol: bool = False) -> bytes:
    """Write the problem document; ``protocol`` adds the Open Inference Protocol's ``error``."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.errors:
        document["errors"] = problem.errors[:_SHOWN]
        if len(problem.errors) > _SHOWN:
            document["errors_left_out"] = len(problem.errors) - _SHOWN
    if protocol:
        first = [refusal.message for refusal in problem.errors[:_TOLD]]
        document["error"] = "; ".join([problem.detail, *first])
    return _ENCODE(document)


def headers_of(problem: ProblemError, body: bytes) -> list[tuple[bytes, bytes]]:
    """The headers that go with :func:`body_of`."""
    return [
        (b"content-type", MEDIA_TYPE),
        (b"content-length", str(len(body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in problem.headers.items()),
    ]


def field_errors(problems: Iterable[Problem], *, pointer: str) -> list[Refusal]:
    """The problems that the schema's gate found in one row, as part of an answer."""
    return [
        Refusal(
            field=utf8(problem.column),
            code=problem.code,
            message=utf8(problem.message),
            pointer=f"{pointer}/{step(problem.column)}",
        )
        for problem in problems
    ]


def step(name: str) -> str:
    """A member's name as a step of a JSON pointer (RFC 6901)."""
    return utf8(name).replace("~", "~0").replace("/", "~1")


def utf8(text: str) -> str:
    """The text as it can be sent back: half a surrogate pair becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
