"""uvicorn, set up for an endpoint: a socket bound first, bounds on silent clients, a clean stop."""

import asyncio
import socket
import time
from typing import Any

import uvicorn

from capstone_lib.errors import EndpointError

__all__ = ["DRAIN_S", "EndpointServer", "bind", "configure"]

DRAIN_S = 10
_BACKLOG = 2048
_SILENT_S = 10.0
_KEEP_ALIVE_S = 30


def bind(host: str, port: int) -> socket.socket:
    """Take an address before anything else is started; port 0 takes a free one.

    Raises
    ------
    EndpointError
        If the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        found.close()
        raise EndpointError(
            f"{host}:{port} cannot be listened on: {error}; choose another port (0 takes a free "
            "one) or stop what uses it"
        ) from error
    return found


def configure(app: Any, **options: Any) -> uvicorn.Config:
    """Choose uvicorn's settings: its fastest parts, no log of its own, a bounded stop."""
    settings = {
        "log_config": None,
        "log_level": "critical",
        "access_log": False,
        "server_header": False,
        "ws": "none",
        "lifespan": "on",
        "backlog": _BACKLOG,
        "timeout_keep_alive": _KEEP_ALIVE_S,
        "timeout_graceful_shutdown": DRAIN_S,
    }
    return uvicorn.Config(app, **{**settings, **options})


class EndpointServer(uvicorn.Server):
    """A uvicorn server that also ends connections which send half a request and fall silent."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._silent: dict[Any, float] = {}

    async def on_tick(self, counter: int) -> bool:
        """Look at the connections once a second, as uvicorn looks at its own affairs."""
        if counter % 10 == 0:
            self._end_silent()
        return await super().on_tick(counter)

    def _end_silent(self) -> None:
        now = time.monotonic()
        waiting = {one for one in self.server_state.connections if _waits_for_headers(one)}
        self._silent = {one: self._silent.get(one, now) for one in waiting}
        for connection, since in self._silent.items():
            if now - since > _SILENT_S:
                connection.transport.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop as uvicorn does, and let the loop go on a little until all transports are closed."""
        await super().shutdown(sockets)
        await asyncio.sleep(0)


def _waits_for_headers(connection: Any) -> bool:
    """Neither answering nor resting between two requests: it has not sent its headers yet."""
    cycle = getattr(connection, "cycle", None)
    resting = getattr(connection, "timeout_keep_alive_task", None) is not None
    return not resting and (cycle is None or cycle.response_complete)
