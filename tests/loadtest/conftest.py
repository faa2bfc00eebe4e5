"""A server with known behaviours, in a thread of the test: it counts what it did."""

import asyncio
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest


def answer(status: int, body: bytes, extra: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %d Status\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n"
    return head % (status, len(body), extra) + body


class Server:
    """Answers ``POST /predict`` as its behaviour says; ``seen`` counts by what was done."""

    def __init__(self, behaviour: str, **options: float) -> None:
        self.behaviour, self.options = behaviour, options
        self.seen: Counter[str] = Counter()
        self.bodies: list[dict] = []
        self.heads: list[bytes] = []
        self.connections = 0
        self.began = time.monotonic()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        if not self._loop.is_closed():  # some tests end it themselves
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        for writer in self._open:
            writer.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                body = json.loads(await reader.readexactly(length))
                self.heads.append(head)
                self.bodies.append(body)
                if not await getattr(self, f"_{self.behaviour}")(writer, body):
                    return
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            return
        finally:
            self._open.discard(writer)
            writer.close()

    def _good(self, body: dict) -> bytes:
        self.seen["good"] += 1
        row_id = body.get("id")
        return answer(200, json.dumps({"id": row_id, "score": 0.5, "label": 1}).encode())

    async def _slow(self, writer: asyncio.StreamWriter, body: dict) -> bool:
        await asyncio.sleep(self.options.get("delay_s", 0.02))
        writer.write(self._good(body))
        return True

    async def _shedding(self, writer: asyncio.StreamWriter, body: dict) -> bool:
        self.seen["all"] += 1
        turn = self.seen["all"] % 5
        await asyncio.sleep(0.005)
        if turn:
            writer.write(self._good(body))
            return True
        self.seen["shed"] += 1
        whole = answer(
            503 if self.seen["shed"] % 2 else 429, b'{"title": "busy"}', b"retry-after: 1\r\n"
        )
        head, _, rest = whole.partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")  # in two pieces, as real servers do
        await writer.drain()
        await asyncio.sleep(0.001)
        writer.write(rest)
        return True

    async def _broken(self, writer: asyncio.StreamWriter, body: dict) -> bool:
        """In turns: good, reset, closed, cut off, no JSON, no prediction, wrong id, 500, 302."""
        turn = self.seen["all"] % 9
        self.seen["all"] += 1
        await asyncio.sleep(0.002)
        if turn == 0:
            writer.write(self._good(body))
            return True
        if turn == 1:
            self.seen["lost"] += 1
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return False
        if turn == 2:
            self.seen["lost"] += 1
            return False
        if turn == 3:
            self.seen["lost"] += 1
            writer.write(answer(200, b"0123456789")[:-5])
            return False
        name, whole = {
            4: ("wrong content", answer(200, b"<html>hello</html>")),
            5: ("wrong content", answer(200, b'{"message": "hello"}')),
            6: ("wrong id", answer(200, b'{"id": "nobody", "label": 1}')),
            7: ("500 Internal Server Error", answer(500, b"")),
            8: ("302 Found", answer(302, b"", b"location: http://192.0.2.1/\r\n")),
        }[turn]
        self.seen[name] += 1
        writer.write(whole)
        return True

    async def _stalling(self, writer: asyncio.StreamWriter, body: dict) -> bool:
        """Answers at once, but for one stall of everything in the middle."""
        self.seen["all"] += 1
        if self.seen["all"] == int(self.options["after"]):
            self.stalled_until = time.monotonic() + self.options["stall_s"]
        wait_s = getattr(self, "stalled_until", 0.0) - time.monotonic()
        await asyncio.sleep(max(0.001, wait_s))
        writer.write(self._good(body))
        return True

    async def _silent(self, writer: asyncio.StreamWriter, body: dict) -> bool:
        """Answers the first request only."""
        if not self.seen["all"]:
            self.seen["all"] += 1
            writer.write(self._good(body))
            return True
        self.seen["all"] += 1
        await asyncio.sleep(60)
        return False

    async def _refusing(self, writer: asyncio.StreamWriter, body: dict) -> bool:
        problem = {"title": "no", "errors": [{"field": "AGEP", "message": "is missing"}]}
        writer.write(answer(int(self.options["status"]), json.dumps(problem).encode()))
        return True

    async def _gibberish(self, writer: asyncio.StreamWriter, body: dict) -> bool:
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")
        return False


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    """Start servers; all are stopped when the test is over."""
    started: list[Server] = []

    def start(behaviour: str, **options: float) -> Server:
        made = Server(behaviour, **options).__enter__()
        started.append(made)
        return made

    yield start
    for one in started:
        one.__exit__()
