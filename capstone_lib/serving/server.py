"""uvicorn, set up for an endpoint: a socket bound first, bounds on silent clients, a clean stop."""

import asyncio
import socket
from typing import Any

import uvicorn

from capstone_lib.errors import EndpointError
from capstone_lib.serving.connections import Connection, Patience

__all__ = ["DRAIN_S", "EndpointServer", "bind", "configure"]

DRAIN_S = 10
_BACKLOG = 2048
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
        "http": Connection,
        "ws": "none",
        "proxy_headers": False,
        "lifespan": "on",
        "backlog": _BACKLOG,
        "timeout_keep_alive": _KEEP_ALIVE_S,
        "timeout_graceful_shutdown": DRAIN_S,
    }
    return uvicorn.Config(app, **{**settings, **options})


class EndpointServer(uvicorn.Server):
    """A uvicorn server that also ends connections which keep it waiting."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        app: Any = config.app
        self._patience = Patience(app.limits.timeout_s)

    async def on_tick(self, counter: int) -> bool:
        """Look at the connections twice a second, as uvicorn looks at its own affairs."""
        if counter % 5 == 0:
            self._patience.look(self.server_state.connections)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop as uvicorn does, and let the loop go on a little until all transports are closed."""
        await super().shutdown(sockets)
        await asyncio.sleep(0)
