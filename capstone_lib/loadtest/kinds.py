"""What can become of a request: the codes that the load generator notes, and their words."""

from http import HTTPStatus

__all__ = ["CODES", "GOOD", "SHED", "words"]

GOOD = 0
CODES = {
    "timeout": 1,
    "connection refused": 2,
    "connection lost": 3,
    "not HTTP": 4,
    "wrong content": 5,
    "wrong id": 6,
    "other error": 7,
    "no answer": 8,
}
"""Failures without an HTTP status of their own; with one, the status is the code."""

SHED = frozenset({429, 503})
"""A server that sheds load says so with one of these, and means: come again later."""

_WORDS = {code: name for name, code in CODES.items()}


def words(code: int) -> str:
    """What to call a failure.

    Examples
    --------
    >>> words(1), words(500), words(599)
    ('timeout', '500 Internal Server Error', '599')
    """
    if code in _WORDS:
        return _WORDS[code]
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)
