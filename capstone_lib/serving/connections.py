"""One connection within bounds: how many there are, how long a head may be, how much may wait.

uvicorn bounds the body that it buffers; not the head of a request, nor the number of requests that
are sent ahead on one connection, nor how long an answer may lie unread.
"""

import time
from http import HTTPStatus
from typing import Any

from capstone_lib.serving.problems import ProblemError, body_of, headers_of
from capstone_lib.serving.shortcut import ShortcutProtocol

__all__ = ["LARGEST_HEAD", "Connection", "Patience", "affordable"]

LARGEST_HEAD = 65_536
_PIECE = 2048  # bytes read in one go: so many requests at most come of them before they are counted
_MOST_AHEAD = 16  # requests read ahead of their answers
_MOST_UNREAD = 1_000_000  # bytes that wait to be read because requests are ahead
_OVERHEAD = 8  # bytes on the wire for a byte of a body that comes in chunks of one byte
_OTHER_FILES = 160  # that a notebook's kernel, a store and connections in their grace have open
_GRACE = 64  # connections beyond the bound that are still told so
_GRACE_S = 1.0


def affordable(most: int) -> int:
    """So many connections at most, and no more than the process may have files open."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return most
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if files == resource.RLIM_INFINITY else max(1, min(most, files - _OTHER_FILES))


class Connection(ShortcutProtocol):
    """uvicorn's protocol with a short way, which also refuses what would grow without end."""

    def connection_made(self, transport: Any) -> None:
        """Take the connection if there is room."""
        super().connection_made(transport)
        self._wire = 0
        self._answering: Any = None
        self._later = b""
        beyond = len(self.connections) - self.app.max_connections
        self._is_beyond = beyond > 0
        if beyond > _GRACE:
            self.app.service.metrics.shed("connections")
            transport.abort()
        elif beyond > 0:
            self.loop.call_later(_GRACE_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Read on, unless requests are far ahead of their answers already."""
        if self._is_beyond:
            self._refuse_connection()
        elif self._later or len(self.pipeline) > _MOST_AHEAD:
            self._leave_for_later(self._later + data)
        elif len(data) <= _PIECE:
            self._read(data)
        else:
            self._read_in_pieces(data)

    def on_response_complete(self) -> None:
        """Go on with the next request, and read what was left for later."""
        super().on_response_complete()
        if self._later and len(self.pipeline) <= _MOST_AHEAD:
            later, self._later = self._later, b""
            self._read_in_pieces(later)

    def send_400_response(self, msg: str) -> None:
        """Say in the form of all refusals what uvicorn says in plain text."""
        said = "this is no request of HTTP/1.1 (RFC 9112)"
        self._refuse(ProblemError(400, said))

    def hang_up(self, *, at_once: bool = False) -> None:
        """Close without an answer; ``at_once`` does not wait until what was written is read."""
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()
        self._later = b""
        if at_once:
            self.transport.abort()
        else:
            self.transport.close()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _read_in_pieces(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            if self.transport.is_closing():
                return
            if len(self.pipeline) > _MOST_AHEAD:
                self._leave_for_later(data[start:])
                return
            self._read(data[start : start + _PIECE])

    def _leave_for_later(self, data: bytes) -> None:
        self._later = data
        self.flow.pause_reading()
        if len(data) > _MOST_UNREAD:
            self.hang_up()

    def _read(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.is_closing():
            return
        in_head = self.scope is None or "method" not in self.scope
        if not in_head and not self.cycle.more_body:
            self._wire = 0
        else:
            self._wire += len(data)
        if self._wire > LARGEST_HEAD:
            self._bound(in_head=in_head)

    def _bound(self, *, in_head: bool) -> None:
        """Close what sends a head or a body without end."""
        if in_head:
            said = f"the request's head is larger than {LARGEST_HEAD:,} bytes; send less"
            self._refuse(ProblemError(431, said))
        elif self._wire > LARGEST_HEAD + _OVERHEAD * self.app.limits.max_body_bytes:
            self.hang_up()

    def _refuse_connection(self) -> None:
        self.app.service.metrics.shed("connections")
        most = self.app.max_connections
        said = f"{most:,} connections are open, which is the bound here; try again in a second"
        self._refuse(ProblemError(503, said, headers={"Retry-After": "1"}))

    def _refuse(self, problem: ProblemError) -> None:
        """Answer without an application, unless another answer is on its way, and close."""
        if self._is_next():
            body = body_of(problem)
            lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}".encode()]
            lines += [b"%b: %b" % header for header in headers_of(problem, body)]
            self.transport.write(b"\r\n".join([*lines, b"connection: close", b"", body]))
        self.hang_up()

    def _is_next(self) -> bool:
        """Whether what is written now answers what came last: no earlier answer is on its way."""
        cycle, answering = self.cycle, self._answering
        if cycle is None or cycle.response_complete:
            return answering is None or answering.response_complete
        return cycle is answering and cycle.more_body and not cycle.response_started


class Patience:
    """Ends connections that keep an endpoint waiting: for a head to come, or an answer to be read.

    Parameters
    ----------
    timeout_s : float
        How long it waits, in seconds.
    """

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._since: dict[tuple[Any, str], float] = {}

    def look(self, connections: Any) -> None:
        """Look at the open connections; to be called again and again."""
        now = time.monotonic()
        waiting = {(one, what) for one in connections if (what := _waits(one))}
        self._since = {key: self._since.get(key, now) for key in waiting}
        for (connection, what), since in self._since.items():
            if now - since > self.timeout_s:
                connection.hang_up(at_once=what == "reader")


def _waits(connection: Any) -> str:
    """What a connection keeps us waiting for, if anything."""
    if connection.transport.get_write_buffer_size():
        return "reader"
    cycle = connection.cycle
    resting = connection.timeout_keep_alive_task is not None
    if not resting and (cycle is None or cycle.response_complete):
        return "head"
    return ""
