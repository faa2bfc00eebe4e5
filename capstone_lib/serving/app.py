"""The endpoint's HTTP: one hot path for ``POST /predict``, Starlette's routes for the rest.

No answer but a problem document leaves it when something is wrong, and never a stack trace.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from capstone_lib.serving.connections import affordable
from capstone_lib.serving.guard import Guard
from capstone_lib.serving.handlers import Handlers, media_type
from capstone_lib.serving.openapi import OPEN_PATHS
from capstone_lib.serving.problems import ProblemError, body_of, headers_of
from capstone_lib.serving.service import Service

__all__ = ["Application"]

_LOG = logging.getLogger("capstone_lib.serving")
_JSON = (b"content-type", b"application/json")
_CLOSE = {"Connection": "close"}
_FAILED = "the endpoint failed; its log says why"
_READ = "capstone.read"  # set in the scope once the body is there
_MOST_ARRIVING = 64_000_000  # bytes, of all bodies together
_TURN_S = 0.25
_SHARED_EVERY_S = 1.0

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class _GoneError(Exception):
    """The client went away before it had asked."""


class Application:
    """An ASGI application.

    Parameters
    ----------
    service : Service
        What answers.
    guard : Guard
        Who may ask.
    close : callable
        Lets go of what the application holds, at its end.
    extra : sequence of BaseRoute
        Routes of others, behind the endpoint's own. They are guarded as those are: by the key too,
        unless a route's function carries ``needs_key = False``.

    Attributes
    ----------
    trouble : Exception or None
        Why it did not stop as it should, such as answers that are not in the store.
    """

    def __init__(
        self,
        service: Service,
        *,
        guard: Guard,
        close: Callable[[], None] = lambda: None,
        extra: Sequence[BaseRoute] = (),
    ) -> None:
        self.service, self.guard, self.close = service, guard, close
        self.trouble: Exception | None = None
        self.limits = service.limits
        self.max_connections = affordable(service.limits.max_connections)
        self._open: dict[asyncio.Task[Any], float] = {}
        self._overdue: set[asyncio.Task[Any]] = set()
        self._arriving = 0  # bytes of bodies that are not complete
        self.handlers = Handlers(service, read=self._read, needs_key=guard.needs_key)
        routes: list[Any] = [*self.handlers.routes(), *extra]
        named = {getattr(one, "endpoint", None): getattr(one, "path", "") for one in routes}
        self._paths: dict[Any, str] = {does: path for does, path in named.items() if does}
        self._open_paths = {
            *OPEN_PATHS,
            *(path for does, path in named.items() if not getattr(does, "needs_key", True)),
        }
        self._rest = Starlette(routes=routes, lifespan=self._lifespan)
        self._rest.router.redirect_slashes = False
        for kind in (HTTPException, ProblemError, Exception):
            self._rest.add_exception_handler(kind, _tell)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = started = time.perf_counter()
        path: str = scope["path"]
        answered = _Answered(send)
        try:
            if path == "/predict":
                body = await self._predict(scope, receive, started)
                status = 200
                await send(
                    {
                        "type": "http.response.start",
                        "status": 200,
                        "headers": [_JSON, (b"content-length", b"%d" % len(body))],
                    }
                )
                await send({"type": "http.response.body", "body": body})
            else:
                self.guard.check(scope["headers"], public=path in self._open_paths)
                await self._rest(scope, self._bounded(scope, receive), answered)
                path, status = self._path(scope), answered.status
        except _GoneError:
            status = 499  # nobody hears it: only the count is for us
        except ProblemError as problem:
            status = problem.status
            await _send_problem(send, problem, protocol=path.startswith("/v2"))
            path = self._path(scope)
        except asyncio.CancelledError:
            if task not in self._overdue:
                raise
            status = await self._send_overdue(send, scope)
        except Exception as error:
            if isinstance(error, RuntimeError) and _is_cut(send):
                status = 499
            else:
                _LOG.exception("a request failed")
                status = 500
                if path == "/predict":
                    await _send_problem(send, ProblemError(500, _FAILED))
        finally:
            del self._open[task]
            self._overdue.discard(task)
        self.service.metrics.request(path, status)

    def ask_shortly(self, headers: list[tuple[bytes, bytes]], body: bytes, ticket: Any) -> bool:
        """Take a request on the short way, or return False: then it has to go the long way.

        Parameters
        ----------
        headers : list of (bytes, bytes)
            With lower-case names.
        body : bytes
            All of it.
        ticket : object
            Like a future: it is given the reply on the next turn of the event loop.
        """
        try:
            named = self.guard.check(headers)
        except ProblemError:
            return False
        return (
            named.get(b"content-type") == b"application/json"
            and b"content-encoding" not in named
            and len(body) <= self.limits.max_body_bytes
            and self.service.ask_shortly(body, ticket)
        )

    def tell_shortly(self, status: int) -> None:
        """Count a request on the short way by what became of it."""
        self.service.in_flight -= 1
        self.service.metrics.request("/predict", status)

    async def _predict(self, scope: dict[str, Any], receive: Receive, started: float) -> bytes:
        headers = self.guard.check(scope["headers"])
        if scope["method"] != "POST":
            raise ProblemError(
                405,
                f"{scope['method']} means nothing here; POST a record",
                headers={"Allow": "POST"},
            )
        self._check_media(headers)
        body = await self._read(headers, scope, receive)
        return await self.service.predict(body, started)

    def _check_media(self, headers: dict[bytes, bytes]) -> None:
        media = headers.get(b"content-type", b"")
        if media != b"application/json" and media_type(media) != b"application/json":
            raise ProblemError(
                415,
                f"the body is {media.decode('latin-1')[:80] or 'of no named type'}; send it as "
                "application/json",
            )
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise ProblemError(415, "the body is compressed; send it as it is")

    async def _read(self, headers: dict[bytes, bytes], scope: Any, receive: Any) -> bytes:
        """Read the whole body, as far as it is allowed to go."""
        limit = self.limits.max_body_bytes
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > limit:
            raise _too_large(limit)
        message = await receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body", False):
            body, message = await self._read_on(body, receive)
        if message["type"] == "http.disconnect":
            raise _GoneError
        if len(body) > limit:
            raise _too_large(limit)
        scope[_READ] = True
        return body

    async def _read_on(self, first: bytes, receive: Any) -> tuple[bytes, Any]:
        """Read a body that comes in pieces; all that is being read together has a bound too."""
        limit = self.limits.max_body_bytes
        body, message, counted = bytearray(first), {"type": "http.request", "more_body": True}, 0
        try:
            while message.get("more_body", False) and len(body) <= limit:
                self._arriving += len(body) - counted
                counted = len(body)
                if self._arriving > max(_MOST_ARRIVING, 2 * limit):
                    self.service.metrics.shed("bodies")
                    raise ProblemError(
                        503,
                        "too many large bodies are arriving at once; try again in a second",
                        headers={"Retry-After": "1", **_CLOSE},
                    )
                message = await receive()
                body += message.get("body", b"")
        finally:
            self._arriving -= counted
        return bytes(body), message

    def _bounded(self, scope: dict[str, Any], receive: Receive) -> Receive:
        """Let no handler read more of a body than the endpoint accepts."""
        left = self.limits.max_body_bytes

        async def receive_within_bounds() -> MutableMapping[str, Any]:
            nonlocal left
            message = await receive()
            if message["type"] == "http.disconnect" and _READ not in scope:
                raise _GoneError
            left -= len(message.get("body", b""))
            if left < 0:
                raise _too_large(self.limits.max_body_bytes)
            if not message.get("more_body", False):
                scope[_READ] = True
            return message

        return receive_within_bounds

    async def _send_overdue(self, send: Send, scope: dict[str, Any]) -> int:
        limit = f"{self.limits.timeout_s:g} seconds"
        if _READ in scope:
            self.service.metrics.shed("timeout")
            headers = {"Retry-After": "1", **_CLOSE}
            problem = ProblemError(503, f"no answer within {limit}; try again", headers=headers)
        else:
            problem = ProblemError(408, f"the body did not arrive within {limit}", headers=_CLOSE)
        with contextlib.suppress(RuntimeError):  # it had begun to answer
            await _send_problem(send, problem, protocol=scope["path"].startswith("/v2"))
        return problem.status

    def _path(self, scope: dict[str, Any]) -> str:
        """Name the route for the count: what strangers make up is one path."""
        known = "/predict" if scope["path"] == "/predict" else "unknown"
        return self._paths.get(scope.get("endpoint"), known)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Any) -> AsyncIterator[None]:
        service = self.service
        if service.log is not None:
            service.log.start()
        watch = asyncio.create_task(self._keep_time())
        try:
            yield
        finally:
            self.handlers.stopping = True
            watch.cancel()
            service.close()
            try:
                if service.log is not None:
                    await asyncio.to_thread(service.log.stop)
            except Exception as error:  # uvicorn would keep it to itself
                self.trouble = error
            finally:
                self.close()
            service.metrics.share(service.gauges())

    async def _keep_time(self) -> None:
        """End what takes too long, and leave the counts for the fellow workers."""
        shared = 0.0
        while True:
            await asyncio.sleep(_TURN_S)
            now = time.perf_counter()
            for task, started in list(self._open.items()):
                if now - started > self.limits.timeout_s and task not in self._overdue:
                    self._overdue.add(task)
                    task.cancel()
            if now - shared >= _SHARED_EVERY_S:
                shared = now
                with contextlib.suppress(OSError):  # no room now: the fellows see older counts
                    self.service.metrics.share(self.service.gauges())


class _Answered:
    """A ``send`` that remembers the status, and lets what nobody hears go by."""

    def __init__(self, send: Send) -> None:
        self._send, self.status = send, 0

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await _send_on(self._send, message)


async def _send_on(send: Send, message: MutableMapping[str, Any]) -> None:
    try:
        await send(message)
    except RuntimeError:
        if not _is_cut(send):
            raise


def _is_cut(send: Send) -> bool:
    """Whether the client has hung up: uvicorn hears of it a turn of the loop later than writes."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    return transport is not None and bool(transport.is_closing())


async def _tell(request: Request, error: Exception) -> Response:
    """Problem documents for Starlette's own errors too."""
    path: str = request.scope["path"]  # request.url would read the Host header
    if isinstance(error, HTTPException):
        error = ProblemError(
            error.status_code,
            f"{request.method} {path[:80]}: {error.detail}",
            headers=dict(error.headers or {}),
        )
    if not isinstance(error, ProblemError):  # Starlette raises it again, for the log
        error = ProblemError(500, _FAILED)
    body = body_of(error, protocol=path.startswith("/v2"))
    response = Response(body, error.status)
    response.raw_headers = headers_of(error, body)
    return response


async def _send_problem(send: Send, problem: ProblemError, *, protocol: bool = False) -> None:
    body = body_of(problem, protocol=protocol)
    headers = headers_of(problem, body)
    start = {"type": "http.response.start", "status": problem.status, "headers": headers}
    await _send_on(send, start)
    await _send_on(send, {"type": "http.response.body", "body": body})


def _too_large(limit: int) -> ProblemError:
    return ProblemError(
        413, f"the body is larger than {limit:,} bytes; send fewer rows at a time", headers=_CLOSE
    )
