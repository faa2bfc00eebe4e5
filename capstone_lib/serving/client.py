"""Asking an endpoint from Python: a few lines over the standard library's HTTP client."""

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from capstone_lib.errors import EndpointError

__all__ = ["Client"]


class Client:
    """Asks one endpoint; a new connection for each question.

    Parameters
    ----------
    url : str
        Such as ``http://127.0.0.1:8000``.
    key : str, optional
        The bearer key.
    timeout_s : float
        How long to wait for an answer.
    """

    def __init__(self, url: str, *, key: str | None = None, timeout_s: float = 30.0) -> None:
        self.url, self._timeout_s = url, timeout_s
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    def post(self, path: str, document: Any) -> Any:
        """Send a document as JSON; return the answer, read."""
        body = json.dumps(document, default=_plain)  # of NaN the endpoint says what is wrong
        return self._ask("POST", path, body, {"Content-Type": "application/json"})

    def get(self, path: str) -> Any:
        """Fetch a document."""
        return self._ask("GET", path, None, {})

    def _ask(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Any:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            connection.request(method, path, body, {**self._headers, **headers})
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise EndpointError(f"{self.url} does not answer: {error}; is it running?") from error
        finally:
            connection.close()
        found = json.loads(content) if content else None
        if answer.status != 200:
            raise EndpointError(_in_words(answer.status, found), problem=found)
        return found


def _in_words(status: int, problem: Any) -> str:
    if not isinstance(problem, dict):
        return f"the endpoint answered with status {status}"
    lines = [f"{problem.get('title', '')} ({status}): {problem.get('detail', '')}"]
    lines += [f"  {one['message']}" for one in problem.get("errors", ())]
    return "\n".join(lines)


def _plain(value: Any) -> Any:
    """What NumPy and pandas hold, as JSON has it."""
    if isinstance(value, np.generic):
        value = value.item()
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{value!r} of type {type(value).__name__} is no JSON value")
