"""Lines to the workers of an endpoint: each is asked by itself whether it follows.

An endpoint of several processes answers from whichever takes the connection. Who wants to know what
all of them do must ask them one by one.
"""

import http.client
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil

from capstone_lib.errors import EndpointError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Line", "follow", "instance", "lines_to", "wait_for", "wait_for_all"]

_PAUSE_S = 0.01
_PATIENCE_S = 30.0


class Line:
    """One connection to an endpoint, kept open: all its questions go to one worker."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        self.ask("/v2/health/live")

    @property
    def worker(self) -> int:
        """The process at the other end, if it is a descendant of this one.

        Raises
        ------
        EndpointError
            If it is none.
        """
        mine = self._connection.sock.getsockname()
        for process in psutil.Process().children(recursive=True):
            try:
                if any(one.raddr == mine for one in process.net_connections("tcp") if one.raddr):
                    return int(process.pid)
            except psutil.Error:  # it is just ending
                continue
        raise EndpointError("no child of this process holds the connection")

    def ask(self, path: str, document: Any = None) -> Any:
        """Send a document, or fetch one; return the answer, read if it is JSON."""
        body = None if document is None else json.dumps(document)
        said = {} if body is None else {"Content-Type": "application/json"}
        self._connection.request("GET" if body is None else "POST", path, body, said)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise EndpointError(f"{path} answered {answer.status}: {content[:200]!r}")
        return json.loads(content) if content else None

    def predict(self, row: Mapping[str, Any], row_id: Any) -> dict[str, Any]:
        """Ask about one person."""
        answer: dict[str, Any] = self.ask("/predict", instance(row, row_id))
        return answer

    def rollout(self) -> dict[str, Any]:
        """How the models share the traffic now, as this worker sees it."""
        said: dict[str, Any] = self.ask("/status")["rollout"]
        return said

    def close(self) -> None:
        """End it."""
        self._connection.close()


@contextmanager
def lines_to(url: str, *, workers: int = 2) -> Iterator[list[Line]]:
    """Open a line to each worker of an endpoint that this process has started.

    Raises
    ------
    EndpointError
        If one of them takes no connection.
    """
    with ExitStack() as stack:
        found: dict[int, Line] = {}
        ends = time.monotonic() + _PATIENCE_S
        while len(found) < workers:
            if time.monotonic() > ends:
                raise EndpointError(f"only {len(found)} of {workers} workers take connections")
            line = stack.enter_context(closing(Line(url)))
            found.setdefault(line.worker, line)
        yield list(found.values())


def follow(url: str, *, workers: int = 2, **wanted: Any) -> "pd.DataFrame":
    """Wait until each worker of an endpoint follows the rollout; return what each says of it.

    Parameters
    ----------
    url : str
        Of an endpoint that this process has started.
    workers : int, default 2
    **wanted
        Fields of :class:`capstone_lib.store.rollout.Rollout`, such as ``route="degraded"``.

    Raises
    ------
    EndpointError
        If it takes too long.
    """
    import pandas as pd

    with lines_to(url, workers=workers) as lines:
        wait_for_all(lines, **wanted)
        rows = [{"worker": line.worker, **line.rollout()} for line in lines]
    return pd.DataFrame(rows).set_index("worker")[["route", "canary_share", "paused", "who"]]


def wait_for_all(lines: Sequence[Line], **wanted: Any) -> float:
    """Wait until each worker has what is wanted in its rollout; return how many seconds it took."""

    def there() -> bool:
        said = [line.rollout() for line in lines]
        return all(one[name] == value for one in said for name, value in wanted.items())

    return wait_for(there, what=f"{len(lines)} workers to follow")


def wait_for(true: Any, *, what: str, patience_s: float = _PATIENCE_S) -> float:
    """Wait until something holds; return how many seconds it took.

    Raises
    ------
    EndpointError
        If it takes too long.
    """
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > patience_s:
            raise EndpointError(f"waited {patience_s:g} s for {what} in vain")
        time.sleep(_PAUSE_S)
    return time.monotonic() - began


def instance(row: Mapping[str, Any], row_id: Any) -> dict[str, Any]:
    """What is asked about one person, as the endpoint reads it."""
    features = {str(name): _plain(value) for name, value in row.items() if name != "row_id"}
    return {"features": features, "id": str(row_id)}


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if value != value else value
