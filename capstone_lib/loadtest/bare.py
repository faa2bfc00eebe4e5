"""A server that does nothing: one constant answer to whatever is posted.

It shows what the load generator itself can do; what a real server does not reach of that is the
server's. Run as a program it prints its port, and ends when its input ends.
"""

import asyncio
import sys

__all__ = ["ANSWER", "main"]

_BODY = (
    b'{"id":null,"score":0.5,"label":1,"uncertainty":1.0,"prediction_set":[0,1],"review":false,'
    b'"model":"bare","version":"0","route":"stable"}'
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
    + str(len(_BODY)).encode()
    + b"\r\n\r\n"
    + _BODY
)


class _Bare(asyncio.Protocol):
    """Counts bodies by their length and answers each; it reads nothing else."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._waiting = b""

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        while (end := self._waiting.find(b"\r\n\r\n")) >= 0:
            whole = end + 4 + _length(self._waiting[:end])
            if len(self._waiting) < whole:
                return
            self._waiting = self._waiting[whole:]
            if isinstance(self._transport, asyncio.WriteTransport):
                self._transport.write(ANSWER)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Bare, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.buffer.read)
    server.close()


def main() -> None:
    """Serve until the input ends."""
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
