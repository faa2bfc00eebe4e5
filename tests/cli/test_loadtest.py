"""`capstone loadtest` against a real server, and what its exit status says."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        allowed = self.headers.get("Authorization") == "Bearer s3cret"
        said = json.dumps({"id": body.get("id"), "label": 1, "detail": "no key"}).encode()
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    frame = pd.DataFrame({"row_id": range(50), "AGEP": [20, 30] * 25, "SEX": [1.0, None] * 25})
    frame.to_parquet(folder / "rows.parquet")
    frame.to_csv(folder / "rows.csv", index=False)
    frame.to_json(folder / "rows.jsonl", orient="records", lines=True)
    (folder / "bad.parquet").write_bytes(b"no parquet")
    return folder


def call(*arguments: object, key: str = "s3cret") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "capstone_lib", "loadtest", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "CAPSTONE_KEY": key},
    )


def test_a_promise_that_is_kept_is_status_0_and_the_figures_are_json(
    url: str, rows: Path, tmp_path: Path
) -> None:
    report = tmp_path / "locust.html"
    done = call(
        url, "--rows", rows / "rows.parquet", "--users", "1,2", "--duration", 1, "--id", "row_id",
        "--p99-ms", 5_000, "--error-rate", 0, "--json", "--report", report,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert [step["users"] for step in figures["steps"]] == [1, 2]
    assert all(step["requests"] == step["good"] > 10 for step in figures["steps"])
    assert figures["sla"] == {"ok": True, "reasons": [], "holds_up_to": 2, "caveat": ""}
    assert figures["report"] == str(report)
    assert "Locust" in report.read_text("utf-8")


def test_a_broken_promise_is_status_3_and_says_why(url: str, rows: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("s3cret\n")
    done = call(
        url, "--rows", rows / "rows.csv", "--users", 2, "--duration", 1, "--rate", 50,
        "--p99-ms", 0.001, "--key-file", key, key="",
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "p99 within 0.001 ms: not met" in done.stdout
    assert "50 requests/s: p99" in done.stdout
    assert "Limited by: " in done.stdout


def test_what_cannot_be_loaded_is_status_1_without_a_traceback(url: str, rows: Path) -> None:
    for given, words in [
        ([url, "--rows", rows / "rows.jsonl", "--duration", 1, "--key-file", os.devnull], "bearer"),
        (["http://192.0.2.1", "--rows", rows / "rows.csv"], "--allow-remote"),
        (["http://127.0.0.1:9", "--rows", rows / "rows.csv"], "no answer"),
        ([url, "--rows", rows / "bad.parquet"], "cannot be read as rows"),
        ([url, "--rows", rows / "rows.csv", "--id", "who"], "no column 'who'"),
    ]:
        done = call(*given)
        assert done.returncode == 1
        assert done.stderr.startswith("capstone: ")
        assert words in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        ["--users", "0"],
        ["--users", "1,x"],
        ["--users", ""],
        ["--rate", "nan"],
        ["--duration", "0"],
        ["--users", "1,2", "--rate", "1,2,3"],
        ["--p99-ms", "0"],
        ["--error-rate", "2"],
    ],
)
def test_wrong_arguments_are_status_2(url: str, rows: Path, options: list[str]) -> None:
    done = call(url, "--rows", rows / "rows.csv", *options)
    assert done.returncode == 2
    assert "Error" in done.stderr


def test_rows_of_an_unknown_kind_are_status_2(url: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.xlsx"
    file.touch()
    assert call(url, "--rows", file).returncode == 2
