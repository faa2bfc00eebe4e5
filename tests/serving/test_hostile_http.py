"""What strangers send: the endpoint refuses it in words, keeps nothing of it, and goes on.

The endpoint runs in a thread of a process of its own, as in a notebook's kernel; everything goes
over real sockets.
"""

import asyncio
import contextlib
import gzip
import http.client
import json
import random
import re
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import capstone_lib as cap

GOOD = {"age": 40, "pay": 2.5, "job": "cook", "sex": 2}
TIMEOUT_S = 2.0
AT_ONCE = 24
MOST_GROWTH = 24_000_000  # bytes; the log, the metrics and the allocator have their own small tides
SERVE = """
    import sys
    import capstone_lib as cap
    limits = cap.Limits(timeout_s=float(sys.argv[3]), max_body_bytes=100_000, max_rows=200)
    with cap.serve(sys.argv[1], store=sys.argv[2], limits=limits) as endpoint:
        print(endpoint.url, flush=True)
        sys.stdin.read()
"""


@dataclass
class Running:
    """An endpoint in another process."""

    port: int
    process: subprocess.Popen
    folder: Path

    def ask(self, body=None, path="/predict", method="POST", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            content = json.dumps(body) if isinstance(body, dict) else body
            kept = {name.replace("_", "-"): value for name, value in headers.items()}
            kept = {"Content-Type": "application/json", **kept} if content is not None else kept
            connection.request(method, path, content, kept)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def figures(self):
        """The endpoint's own counts, those of all labels together."""
        found = {}
        lines = self.ask(path="/metrics", method="GET")[2].decode().splitlines()
        for name, value in re.findall(r"^capstone_(\w+)(?:{.*})? (\S+)$", "\n".join(lines), re.M):
            found[name] = found.get(name, 0) + float(value)
        return found

    def memory(self):
        return psutil.Process(self.process.pid).memory_info().rss

    def connections(self):
        found = psutil.Process(self.process.pid).net_connections("tcp")
        return sum(one.status == psutil.CONN_ESTABLISHED for one in found)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    rng = np.random.default_rng(0)
    n = 300
    X = pd.DataFrame(
        {
            "age": rng.integers(16, 90, n),
            "pay": rng.uniform(0, 9, n).round(2),
            "job": rng.choice(["clerk", "cook", "größe"], n),
            "sex": rng.choice([1, 2], n),
        }
    )
    encode = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["job", "sex"]),
                                     remainder="passthrough")  # fmt: skip
    pipeline = make_pipeline(encode, LogisticRegression(max_iter=500))
    pipeline.fit(X, (X["age"] > 50).astype(int))
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    return cap.export_model(pipeline, X, path, name="work", version="1.0")


@pytest.fixture(scope="module")
def right(artifact):
    return float(artifact.predict(pd.DataFrame([GOOD])).score[0])


@contextlib.contextmanager
def endpoint(artifact, folder, timeout_s=TIMEOUT_S):
    url = f"sqlite:///{folder / 'store.db'}"
    with (folder / "stderr").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SERVE), artifact.path, url, str(timeout_s)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
        )  # fmt: skip
    try:
        port = int(process.stdout.readline().decode().rsplit(":", 1)[1])
        yield Running(port, process, folder)
    finally:
        process.stdin.close()
        status = process.wait(40)
        process.stdout.close()
    assert status == 0
    assert (folder / "stderr").read_text() == ""  # a notebook shows nothing of all this


@pytest.fixture(scope="module")
def running(artifact, tmp_path_factory):
    with endpoint(artifact, tmp_path_factory.mktemp("endpoint")) as found:
        yield found


# ---------------------------------------------------------------- what strangers send

# fmt: off
NUMBERS = [b"1e400", b"-1e400", b"1e-400", b"NaN", b"Infinity", b"-Infinity", b"1" * 5000,
           b"-0.0", b"01", b"+1", b".5", b"1.", b"0x10", b"1_000", b"9" * 400, b"2.5",
           b"1e308", b"9007199254740993", b"18446744073709551616", b"-9223372036854775809",
           b"1" + b"0" * 4000 + b".5", b"0." + b"0" * 4000 + b"1", b"1E+99999999999999"]
OTHERS = [b"null", b"true", b"false", b'""', b'"40"', b'"\\ud800"', b'"\\udc00\\ud800"',
          b'"\\u0000"', b'"\x00"', b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"' + b"x" * 20_000 + b'"',
          b"[]", b"{}", b"[40]", b'{"a":1}', b"[" * 2000, b"[" * 900 + b"]" * 900, b"undefined",
          b"'40'", b"40 // years", b"\xef\xbb\xbf40", b'"\\x41"', b'"cook\\u0301"']
NAMES = [b'"age"', b'"pay"', b'"job"', b'"sex"', b'"AGE"', b'""', b'"\\ud800"', b'"a/b~c"',
         b'"\\u0000"', b'"row_id"', b'"__proto__"', b'"' + b"n" * 3000 + b'"', b"age", b"1"]
IDS = [*OTHERS, *NUMBERS[:4], b'"' + b"i" * 200 + b'"', b'"' + b"i" * 201 + b'"', b'"\xc3\xa9"',
       b'"\'; DROP TABLE request_rows; --"', b'"\\n\\r\\t"', b'"a\xf0\x9f\x98\x80"']
METHODS = [b"GET", b"POST", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE", b"PATCH", b"CONNECT",
           b"PRI", b"BREW", b"get", b"", b"P\x00ST", b"X" * 5000, b"PROPFIND", b"M-SEARCH"]
PATHS = [b"/", b"/predict", b"/predict/", b"/predict?x=1", b"/predict#x", b"//predict", b"/PREDICT",
         b"/predict%00", b"/predict\x00", b"/%", b"/%zz", b"/%ff%fe", b"/%2e%2e/%2e%2e/etc/passwd",
         b"/../../etc/passwd", b"*", b"", b"predict", b"http://evil.example/predict",
         b"http://[::1/predict", b"https://127.0.0.1:0/", b"/" + b"a" * 70_000, b"/\xff\xfe",
         b"/caf\xc3\xa9", b"/v2", b"/v2/models/work", b"/v2/models/work/infer",
         b"/v2/models/%00/infer", b"/v2/models/a%2fb", b"/v2/models//infer", b"/v2/health/live",
         b"/v2/health/../../predict", b"/metrics", b"/status", b"/status?window_s=nan",
         b"/status?window_s=1e999", b"/status?window_s=-1", b"/status?window_s=%00",
         b"/status?window_s=1&window_s=x", b"/status?" + b"a&" * 9000, b"/openapi.json",
         b"/\\..\\", b"/predict HTTP/1.1\r\nX:"]
VERSIONS = [b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9", b"HTTP/1.1 ",
                                b"http/1.1", b"", b"HTTPS/1.1", b"HTTP/1.99999999999"]
HEADERS = [b"Host: evil.example", b"Host:", b"Host: 127.0.0.1:99999999", b"Host: [::1",
           b"Host: \x00",
           b"Host: 127.0.0.1\r\nHost: evil.example", b"Host: a b", b"Host: localhost@evil",
           b"Content-Length: -1", b"Content-Length: 99999999999999999999999999",
           b"Content-Length: 5\r\nContent-Length: 6", b"Content-Length: 5, 5",
           b"Content-Length: 0x10",
           b"Content-Length: +5", b"Content-Length: 1 2", b"Content-Length:",
           b"Content-Length: 1e3",
           b"Content-Length: \xd9\xa3", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip",
           b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding : chunked",
           b"Transfer-Encoding: xchunked", b"Transfer-Encoding:\x0bchunked", b"X: a\r\n b",
           b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"\x00: x", b"X: \x00",
           b": no name", b"no colon", b" leading: space", b"X: " + b"y" * 70_000, b"X: a\nY: b",
           b"X: \xff\xfe", b"X\xc3\xa9: y", b"Expect: 100-continue", b"Expect: 200-ok",
           b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13",
           b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAAA",
           b"Connection: close", b"Connection: keep-alive, close", b"Authorization: Bearer \xff",
           b"Authorization: Basic Og==", b"Content-Type: text/plain", b"Content-Type: \xff",
           b"Content-Type: application/json; charset=utf-16", b"Content-Type: APPLICATION/JSON",
           b"Content-Type: application/json\r\nContent-Type: text/plain", b"Content-Type:",
           b"Content-Type: multipart/form-data", b"Content-Encoding: gzip", b"Content-Encoding: br",
           b"Inference-Header-Content-Length: 99", b"Inference-Header-Content-Length: -1",
           b"Inference-Header-Content-Length: \xb2", b"Inference-Header-Content-Length: 1e9",
           b"Origin: null", b"Origin: http://evil.example", b"X-Forwarded-For: \x7f",
           b"Trailer: X", b"TE: trailers", b"Range: bytes=0-1", b"Accept: text/html;q=\xff",
           b"Cookie: " + b"a=b; " * 2000, *[b"\r\n".join(b"X-%d: y" % k for k in range(3000))]]
CHUNKS = [b"5\r\n{\"a\":\r\n", b"ffffffffffffffff1\r\n", b"-1\r\n{\r\n", b"zz\r\n", b"0x5\r\n{\r\n",
          b"1;" + b"e" * 9000 + b"\r\n{\r\n", b"1\n{\n", b"1\r\n{}\r\n", b"0\r\nX: y\r\n\r\n",
          b"\r\n", b"1\r\n{\r\n" * 3000, b"00000000000000000001\r\n{\r\n", b"5", b"0\r\n",
          b"0\r\n" + b"T: " + b"t" * 90_000]
# fmt: on


class Stranger:
    """Makes up requests, the same for the same seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        bodies = [self.body, self.body, self.bytes, self.tensors, self.chunked, self.cut, self.slow]
        self.kinds = [*bodies, self.line, self.head, self.ahead, self.smuggled, self.rubbish]

    def __call__(self):
        """A request as the pieces in which it is sent, and whether more seems to follow."""
        return self.random.choice(self.kinds)()

    def pick(self, *choices):
        return self.random.choice(choices)

    def record(self):
        members = {b'"age"': b"40", b'"pay"': b"2.5", b'"job"': b'"cook"', b'"sex"': b"2"}
        for _ in range(self.random.randrange(3)):
            members[self.random.choice(NAMES)] = self.random.choice(NUMBERS + OTHERS)
        pairs = [name + b":" + value for name, value in members.items()]
        if self.random.random() < 0.2:
            pairs += [self.random.choice(pairs)] * self.pick(1, 3000)
        features = b"{" + b",".join(pairs) + b"}"
        if self.random.random() < 0.2:
            features = self.random.choice(OTHERS)
        extra = self.pick(b"", b"", b',"explain":true', b',"explain":1', b',"x":1')
        if self.random.random() < 0.5:
            extra += b',"id":' + self.random.choice(IDS)
        return b'{"features":' + features + extra + b"}"

    def content(self):
        kind = self.random.random()
        if kind < 0.6:
            return self.record()
        if kind < 0.85:
            records = [self.record() for _ in range(self.pick(0, 1, 2, 3, 70))]
            return b'{"instances":[' + b",".join(records) + b"]}"
        return self.random.choice(NUMBERS + OTHERS)

    def wrapped(self, content, path=b"/predict", kind=b"application/json", more=()):
        head = [b"POST " + path + b" HTTP/1.1", b"Host: 127.0.0.1", b"Content-Type: " + kind,
                b"Content-Length: %d" % len(content), *more]  # fmt: skip
        return [b"\r\n".join([*head, b"", content])]

    def body(self):
        return self.wrapped(self.content())

    def bytes(self):
        """A body in a wrong encoding, or with bytes changed, lost or added."""
        good = json.dumps({"features": GOOD, "id": "größe"}, ensure_ascii=False)
        how = self.random.randrange(8)
        if how < 4:
            return self.wrapped(good.encode(self.pick("utf-16", "utf-32", "latin-1", "utf-8-sig")))
        if how == 4:
            return self.wrapped(gzip.compress(good.encode()), more=[b"Content-Encoding: gzip"])
        content = bytearray(good.encode())
        for _ in range(self.random.randrange(1, 6)):
            place = self.random.randrange(len(content))
            content[place : place + self.pick(0, 1)] = self.random.randbytes(self.pick(0, 1, 2))
        return self.wrapped(bytes(content))

    def tensors(self):
        values, names = [b"40", b"2.5", b'"cook"', b"2"], [b"age", b"pay", b"job", b"sex"]
        kinds, shape = [b"INT64", b"FP64", b"BYTES", b"INT64"], b"[1]"
        place = self.random.randrange(4)
        values[place] = self.pick(values[place], *NUMBERS, *OTHERS)
        kinds[place] = self.pick(*[kinds[place]] * 4, b"INT8", b"FP16", b"BOOL", b"FP999")
        names[place] = self.pick(*[names[place]] * 8, b"\\ud800", b"age")
        if self.random.random() < 0.2:
            shape = self.pick(b"[1,1]", b"[0]", b"[-1]", b"[99999999999999999999]", b"[]", b"1")
        inputs = [
            b'{"name":"%b","datatype":"%b","shape":%b,"data":[%b]}' % (name, kind, shape, value)
            for name, kind, value in zip(names, kinds, values, strict=True)
        ]
        if self.random.random() < 0.2:
            inputs[0] = inputs[0].replace(b'"data"', b'"parameters":{"binary_data_size":8},"data"')
        named = self.pick(b'"case"', *IDS)
        content = b'{"inputs":[' + b",".join(inputs) + b'],"id":' + named + b"}"
        size = self.pick(b"%d" % len(content), b"9", b"-1", b"")
        length = b"Inference-Header-Content-Length: " + size
        content += self.pick(b"", b"\x00" * 8, b"\xff" * 999)
        kind = self.pick(b"application/json", b"application/octet-stream")
        more = [length] if self.random.random() < 0.5 else []
        return self.wrapped(content, b"/v2/models/work/infer", kind, more)

    def line(self):
        first = b" ".join(self.random.choice(part) for part in (METHODS, PATHS, VERSIONS))
        return [
            first
            + b"\r\nHost: localhost\r\n"
            + self.pick(b"\r\n", b"\n", b"Content-Length: 0\r\n\r\n")
        ]

    def head(self):
        method, path = self.pick((b"POST", b"/predict"), (b"GET", b"/status"),
                                 (b"POST", b"/v2/models/work/infer"))  # fmt: skip
        lines = [b"Host: 127.0.0.1", b"Content-Type: application/json"][self.random.randrange(2) :]
        lines += self.random.choices(HEADERS, k=self.random.randrange(1, 4))
        self.random.shuffle(lines)
        return [b"\r\n".join([b"%b %b HTTP/1.1" % (method, path), *lines, b"", b"{}"])]

    def chunked(self):
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        parts = self.random.choices(CHUNKS, k=self.random.randrange(1, 4))
        return [head + b"Transfer-Encoding: chunked\r\n\r\n", *parts, self.pick(b"0\r\n\r\n", b"")]

    def cut(self):
        whole = b"".join(self.wrapped(self.content()))
        return [whole[: self.random.randrange(len(whole))]]

    def slow(self):
        whole = b"".join(self.wrapped(self.record()))
        step = max(len(whole) // 5, 1)
        return [whole[start : start + step] for start in range(0, len(whole), step)]

    def ahead(self):
        """Requests sent one after another without waiting for answers, the last perhaps rotten."""
        many = [b"".join(self.body()) for _ in range(self.random.randrange(2, 6))]
        poll = b"GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        return [b"".join([*many, poll * self.pick(0, 3, 500), *self.line()])]

    def smuggled(self):
        """Two ways to tell where a body ends."""
        inner = b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n"
        coding = self.pick(
            b"chunked", b"Chunked", b" chunked", b"chunked\x00", b"identity, chunked"
        )
        lines = [
            b"Content-Length: %d" % self.pick(0, 4, len(inner)),
            b"Transfer-Encoding: " + coding,
        ]
        self.random.shuffle(lines)
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        return [head + b"\r\n".join([*lines, b"", b"0\r\n\r\n" + inner])]

    def rubbish(self):
        return [self.pick(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + self.random.randbytes(200),
            self.random.randbytes(self.random.randrange(1, 3000)),
            b"\r\n" * self.random.randrange(1, 5000), b"\x00" * 1000, b"GET /\r\n", b"GET\r\n\r\n",
            b"EHLO evil\r\n", b"GET / HTTP/1.1\rHost: localhost\r\r", b"\n\n\nGET / HTTP/1.1\n\n",
            b"A" * 90_000, b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"a: b\r\n" * 20_000,
        )]  # fmt: skip


async def send(port, pieces):
    """Send the pieces; read what comes back until it ends or nothing more comes for a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = b""
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            if len(pieces) > 1:
                await asyncio.sleep(0.01)
        while True:
            data = await asyncio.wait_for(reader.read(65_536), 0.03 if found else 0.2)
            if not data:
                break
            found += data
            if len(found) > 2_000_000:
                break
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.transport.abort()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return found


def statuses(answer):
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]


def attack(running, seed, n, right):
    """Send n requests, many at a time, good ones among them; return the counts by status."""
    stranger, counts = Stranger(seed), {}

    async def worker(share):
        for _ in range(share):
            pieces = stranger()
            for status in statuses(await send(running.port, pieces)):
                counts[status] = counts.get(status, 0) + 1
                assert status < 500 or status == 503, (status, b"".join(pieces)[:2000])

    async def honest():
        while True:
            status, _, content = await asyncio.to_thread(running.ask, {"features": GOOD})
            assert status == 200, content
            assert json.loads(content)["score"] == pytest.approx(right, abs=1e-6)
            await asyncio.sleep(0.2)

    async def all_of_them():
        watch = asyncio.create_task(honest())
        await asyncio.gather(*(worker(n // AT_ONCE) for _ in range(AT_ONCE)))
        if watch.done():
            watch.result()
        watch.cancel()

    asyncio.run(all_of_them())
    return counts


def stays_the_same_under_attack(running, right, n):
    attack(running, 1, n // 3, right)  # caches, pools and the allocator's arenas fill up
    before = running.memory()
    begun = time.perf_counter()
    counts = attack(running, 2, n, right)
    took, growth = time.perf_counter() - begun, running.memory() - before
    print(f"{n} requests in {took:.0f} s, memory {growth / 1e6:+.1f} MB, {sorted(counts.items())}")
    assert {200, 400, 404, 405, 413, 415, 422, 431} <= set(counts)
    assert growth < MOST_GROWTH
    end = time.monotonic() + TIMEOUT_S + 3
    while running.connections() and time.monotonic() < end:
        time.sleep(0.1)
    assert running.connections() == 0
    figures = running.figures()
    assert figures["answers_total"] == figures["log_written_total"] + figures["log_waiting"] > 0
    status, _, content = running.ask({"features": GOOD, "id": "afterwards"})
    assert (status, json.loads(content)["id"]) == (200, "afterwards")
    assert json.loads(content)["score"] == pytest.approx(right, abs=1e-6)


def test_hostile_requests_get_no_failure_and_leave_nothing_behind(running, right):
    stays_the_same_under_attack(running, right, 1_200)


@pytest.mark.slow
def test_ten_thousand_hostile_requests_leave_nothing_behind(running, right):
    stays_the_same_under_attack(running, right, 10_000)
