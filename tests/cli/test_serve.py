"""`capstone serve` as a person, a script and a service manager start it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

import capstone_lib as cap

KEY = "a-key-of-more-than-sixteen-letters"
ROW = {"age": 40, "hours": 35}
WAIT_S = 60


def train(path, version, columns=("age", "hours")):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({name: rng.integers(0, 80, 400) for name in columns})
    model = DecisionTreeClassifier(max_depth=3).fit(X, X[columns[0]] > 40)
    cap.export_model(model, X, path, name="work", version=version)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="module")
def model(folder):
    return train(folder / "model.onnx", "1.0.0")


@pytest.fixture(scope="module")
def second(folder):
    return train(folder / "second.onnx", "2.0.0")


def command(*arguments):
    return [sys.executable, "-m", "capstone_lib", "serve", *map(str, arguments)]


def environment(**more):
    return {**{k: v for k, v in os.environ.items() if k != "CAPSTONE_KEY"}, **more}


def call(*arguments, **variables):
    """Run it where it should end by itself."""
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
    )


@contextlib.contextmanager
def serving(*arguments, **variables):
    """Run it on a free port; give the process and the first line it says."""
    process = subprocess.Popen(
        command(*arguments, "--port", 0),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**variables),
    )
    with process:
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            yield process, line
        finally:
            process.kill()


def ask(port, path="/predict", key=None, document=None):
    content = None if document is None else json.dumps(document).encode()
    headers = {"Content-Type": "application/json"} if content else {}
    headers |= {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", content, headers)
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.loads(refusal.read())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_answers_and_ends_well_on_a_signal(model, number):
    with serving(model) as (process, line):
        assert line.startswith(f"serving {model} at http://127.0.0.1:")
        port = int(line.split(":")[-1].split()[0])
        status, answer = ask(port, document={"features": ROW, "id": "7"})
        assert (status, answer["id"], answer["version"]) == (200, "7", "1.0.0")
        process.send_signal(number)
        assert process.wait(WAIT_S) == 0
        assert process.stderr.read() == ""


def test_json_says_it_to_programs_in_one_line(model, second):
    """With all options that bound it: they are taken, and the rest of the output is empty."""
    bounds = ["--max-in-flight", 5, "--max-body-bytes", 500, "--max-rows", 2, "--timeout-s", 3,
              "--log-capacity", 9, "--allowed-host", "model.example"]  # fmt: skip
    with serving(model, "--json", "--fallback", second, *bounds) as (process, line):
        said = json.loads(line)
        assert said["host"] == "127.0.0.1"
        three = {"instances": [{"features": ROW}] * 3}
        assert ask(said["port"], document=three)[0] == 422
        assert ask(said["port"], document={"features": ROW, "id": "x" * 600})[0] == 413
        assert ask(said["port"], "/status")[1]["models"]["degraded"]["version"] == "2.0.0"
        process.terminate()
        assert process.communicate(timeout=WAIT_S) == ("", "")


def test_it_ends_with_its_standard_input_if_asked_to(model):
    with serving(model, "--until-stdin-ends") as (process, _):
        process.stdin.write("not yet\n")
        process.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.stdin.close()
        assert process.wait(WAIT_S) == 0


def test_a_signal_ends_it_while_its_standard_input_is_open(model):
    with serving(model, "--until-stdin-ends") as (process, _):
        process.terminate()
        assert process.wait(WAIT_S) == 0
        assert process.stderr.read() == ""


def test_the_key_comes_from_a_file_or_the_environment(model, tmp_path):
    (tmp_path / "key").write_text(KEY + "\n")
    ways = {
        "file": (["--key-file", tmp_path / "key"], {}),
        "environment": ([], {"CAPSTONE_KEY": KEY}),
    }
    for arguments, variables in ways.values():
        with serving(model, "--json", *arguments, **variables) as (process, line):
            port = json.loads(line)["port"]
            document = {"features": ROW}
            assert ask(port, document=document)[0] == 401
            assert ask(port, document=document, key=KEY + "x")[0] == 401
            assert ask(port, document=document, key=KEY)[0] == 200
            assert ask(port, "/v2/health/live")[0] == 200
            process.terminate()
            out, errors = process.communicate(timeout=WAIT_S)
            assert KEY not in line + out + errors


def test_beyond_this_machine_only_with_a_key(model):
    done = call(model, "--host", "0.0.0.0", "--port", 0)
    assert done.returncode == 1
    assert "there is no key" in done.stderr
    with serving(model, "--json", "--host", "0.0.0.0", CAPSTONE_KEY=KEY) as (process, line):
        assert ask(json.loads(line)["port"], document={"features": ROW}, key=KEY)[0] == 200
        process.terminate()
        assert process.wait(WAIT_S) == 0


def test_a_key_that_is_none_is_refused(model, tmp_path):
    (tmp_path / "short").write_text("short")
    (tmp_path / "bytes").write_bytes(b"\xff" * 20)
    for arguments, variables, said in (
        (["--key-file", tmp_path / "none"], {}, "cannot be read"),
        (["--key-file", tmp_path / "bytes"], {}, "cannot be read"),
        (["--key-file", tmp_path / "short"], {}, "at least 16"),
        ([], {"CAPSTONE_KEY": ""}, "at least 16"),
        ([], {"CAPSTONE_KEY": "with spaces, many of them"}, "without spaces"),
    ):
        done = call(model, "--port", 0, *arguments, **variables)
        assert (done.returncode, done.stdout) == (1, "")
        assert said in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_share_is_recorded_once_and_followed(n_workers, model, second, tmp_path):
    store = f"sqlite:///{tmp_path}/s.db"
    arguments = ["--store", store, "--canary", second, "--share", 1, "--workers", n_workers]
    with serving(model, "--json", *arguments) as (process, line):
        _, answer = ask(json.loads(line)["port"], document={"features": ROW})
        assert (answer["route"], answer["version"]) == ("canary", "2.0.0")
        process.terminate()
        assert process.wait(WAIT_S) == 0
    with cap.open_store(store) as opened:
        assert opened.rollout().canary_share == 1
        assert len(opened.rollout_history()) == 1
        assert opened.rollout().who == "capstone serve"
        assert opened.requests()["version"].tolist() == ["2.0.0"]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("MODEL", "more"),
        ("MODEL", "--share", "0.5"),
        ("MODEL", "--share", "0.5", "--canary", "MODEL"),
        ("MODEL", "--share", "0.5", "--store", "sqlite://"),
        ("MODEL", "--share", "1.5", "--canary", "MODEL", "--store", "sqlite://"),
        ("MODEL", "--share", "nan", "--canary", "MODEL", "--store", "sqlite://"),
        ("MODEL", "--port", "70000"),
        ("MODEL", "--port", "http"),
        ("MODEL", "--workers", "0"),
        ("MODEL", "--max-rows", "0"),
        ("MODEL", "--timeout-s", "0"),
        ("MODEL", "--timeout-s", "nan"),
        ("MODEL", "--no-such-option"),
    ],
    ids=" ".join,
)
def test_wrong_arguments_are_status_2(arguments, model):
    done = call(*(model if word == "MODEL" else word for word in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error" in done.stderr


def test_what_cannot_be_served_is_status_1_and_one_clear_line(model, tmp_path):
    other = train(tmp_path / "other.onnx", "3.0.0", columns=("age", "children"))
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for arguments, said in (
            ([model, "--port", port], f"127.0.0.1:{port} cannot be listened on"),
            ([model, "--port", port, "--workers", 2], f"127.0.0.1:{port} cannot be listened on"),
            ([model, "--port", 0, "--host", "no.such.host.invalid"], "there is no key"),
            ([tmp_path / "none.onnx", "--port", 0], "cannot be read"),
            ([tmp_path / "bad.onnx", "--port", 0], "bad.onnx"),
            ([model, "--port", 0, "--canary", other], "differ in the columns"),
            ([model, "--port", 0, "--fallback", tmp_path / "none.onnx"], "cannot be read"),
            ([model, "--port", 0, "--store", tmp_path / "folder"], "folder"),
            ([model, "--port", 0, "--store", "nosuch://x"], "nosuch"),
        ):
            done = call(*arguments)
            assert (done.returncode, done.stdout) == (1, ""), arguments
            assert said in done.stderr
            assert done.stderr.startswith("capstone: ")
            assert "Traceback" not in done.stderr


def test_a_share_that_cannot_be_served_is_not_recorded(model, tmp_path):
    store = f"sqlite:///{tmp_path}/s.db"
    done = call(
        model, "--port", 0, "--store", store, "--canary", tmp_path / "none.onnx", "--share", 0.5
    )
    assert done.returncode == 1
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        done = call(model, "--port", port, "--store", store, "--canary", model, "--share", 0.5)
    assert done.returncode == 1
    with cap.open_store(store) as opened:
        assert opened.rollout().canary_share == 0


def test_its_help_names_every_option():
    said = call("--help").stdout
    for word in ("--workers", "--key-file", "--canary", "CAPSTONE_KEY", "503", "413"):
        assert word in said
