"""Where ``wrk`` is missing: a closed loop of connections in one Python process.

    python client.py URL BODIES CONNECTIONS SECONDS

Each connection sends the next body as soon as its answer is there. Prints the figures that
`client.lua` prints. It costs about as much as a bare server, so fast servers look slower with it.
"""

import asyncio
import json
import sys
import time
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

try:
    from uvloop import run
except ImportError:
    from asyncio import run


class Connection(asyncio.Protocol):
    """One request after the other; the time of each, and whether its status was 2xx."""

    def __init__(self, requests, tally):
        self.requests, self.tally = requests, tally
        self.buffer, self.expected = b"", 0

    def connection_made(self, transport):
        self.transport = transport
        self.ask()

    def ask(self):
        self.buffer, self.expected = b"", 0
        self.sent = time.perf_counter()
        self.transport.write(next(self.requests))

    def data_received(self, data):
        self.buffer += data
        if not self.expected:
            head, end, _ = self.buffer.partition(b"\r\n\r\n")
            if not end:
                return
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            self.expected = len(head) + 4 + int(length)
        if len(self.buffer) >= self.expected:
            self.tally.times.append(time.perf_counter() - self.sent)
            self.tally.failures += not self.buffer.startswith(b"HTTP/1.1 2")
            self.ask()

    def connection_lost(self, error):
        if not self.tally.is_over:
            self.tally.failures += 1


class Tally:
    def __init__(self):
        self.times, self.failures, self.is_over = [], 0, False


def requests_of(url, path):
    place = urlsplit(url)
    head = (
        f"POST {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\n"
        "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    return [(head % len(body)).encode() + body for body in Path(path).read_bytes().splitlines()]


async def load(url, path, connections, seconds):
    place, requests, tally = urlsplit(url), cycle(requests_of(url, path)), Tally()
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    transports = [
        (
            await loop.create_connection(
                lambda: Connection(requests, tally), place.hostname, place.port
            )
        )[0]
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    took, tally.is_over = time.perf_counter() - start, True
    for transport in transports:
        transport.abort()
    times = sorted(tally.times) or [float("nan")]
    return {
        "requests": len(tally.times),
        "failures": tally.failures,
        "seconds": took,
        "p50_ms": times[len(times) // 2] * 1e3,
        "p99_ms": times[int(len(times) * 0.99)] * 1e3,
    }


if __name__ == "__main__":
    url, path, connections, seconds = sys.argv[1:]
    print(json.dumps(run(load(url, path, int(connections), float(seconds)))))
