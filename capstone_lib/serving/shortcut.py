"""The short way for the usual request: no scope, no task, one write.

A whole ``POST /predict`` that came in one piece, on a connection with nothing else under way, and
that nothing is wrong with, is scored with the others of its turn of the event loop and answered
from there. In any doubt (half a body, another path, an unusual header, a record that the typed step
does not take, a full queue) the request goes the long way, through the ASGI application, which
knows what to say.
"""

import logging
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from capstone_lib.serving.problems import ProblemError, body_of, headers_of

__all__ = ["ShortcutProtocol"]

_LOG = logging.getLogger("capstone_lib.serving")
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
_HEAD_COMES: Any = {}  # stands for the scope while the head is read
_ON_THE_SHORT_WAY: Any = {"method": "POST"}


class ShortcutProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the application's :meth:`ask_shortly` before its call."""

    app: Any
    _is_short = False
    _content = b""

    def data_received(self, data: bytes) -> None:
        """Read on; a request whose end has not come goes the long way."""
        super().data_received(data)
        if self._is_short and not self.transport.is_closing():
            self._go_long()

    def on_message_begin(self) -> None:
        """Begin a request; the scope is made when it is needed."""
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self.scope = _HEAD_COMES
        self._is_short = False

    def on_headers_complete(self) -> None:
        """Choose the way."""
        if (
            self.url == b"/predict"
            and self.parser.get_method() == b"POST"
            and (self.cycle is None or self.cycle.response_complete)
            and self.parser.should_keep_alive()
            and self.parser.get_http_version() == "1.1"
            and not self.parser.should_upgrade()
            and not self.expect_100_continue
            and not self.flow.write_paused
        ):
            self._is_short, self._content = True, b""
            self.scope = _ON_THE_SHORT_WAY
        else:
            self._begin_long()

    def on_body(self, body: bytes) -> None:
        """Collect."""
        if self._is_short:
            self._content += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Ask, now that everything is there."""
        if self._is_short:
            before, self.cycle = self.cycle, _Ticket(self)  # type: ignore[assignment]
            if self.app.ask_shortly(self.headers, self._content, self.cycle):
                self._is_short = False
                return
            self.cycle = before
            self._go_long()
        super().on_message_complete()

    def _go_long(self) -> None:
        self._is_short = False
        self._begin_long()
        if self._content:
            super().on_body(self._content)

    def _begin_long(self) -> None:
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers += headers  # the list that the scope holds
        super().on_headers_complete()


class _Nobody:
    """Nobody waits for more of a request that is complete."""

    @staticmethod
    def set() -> None:
        """Tell nobody."""


class _Ticket:
    """A request on the short way: to uvicorn a cycle, to a lane a future."""

    __slots__ = ("disconnected", "keep_alive", "protocol", "response_complete", "started")
    message_event, more_body = _Nobody, False

    def __init__(self, protocol: ShortcutProtocol) -> None:
        self.protocol, self.started = protocol, time.perf_counter()
        self.keep_alive, self.disconnected, self.response_complete = True, False, False

    def done(self) -> bool:
        """Whether nobody waits for the answer any more."""
        gone = self.disconnected or self.protocol.transport.is_closing()
        if gone:
            self.protocol.app.tell_shortly(499)
        return gone

    def set_result(self, body: bytes) -> None:
        """Answer."""
        self.protocol.app.tell_shortly(200)
        self._send([_HEAD % len(body)], body)

    def set_exception(self, error: BaseException) -> None:
        """Say that it failed, as the application does."""
        _LOG.error("a request failed", exc_info=error)
        problem = ProblemError(500, "the endpoint failed; its log says why")
        body = body_of(problem)
        head = [b"HTTP/1.1 500 Internal Server Error\r\n"]
        head += [b"%b: %b\r\n" % header for header in headers_of(problem, body)]
        self.protocol.app.tell_shortly(500)
        self._send(head, body)

    def _send(self, head: list[bytes], body: bytes) -> None:
        protocol = self.protocol
        for name, value in protocol.server_state.default_headers:
            head += (name, b": ", value, b"\r\n")
        head.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        head.append(body)
        self.response_complete = True
        protocol.transport.write(b"".join(head))
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()
