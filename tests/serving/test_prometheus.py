"""Prometheus itself, Debian's package, reads the endpoint's figures and finds nothing wrong."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing, contextmanager

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import capstone_lib as cap

pytestmark = pytest.mark.slow

KEY = "a-key-that-is-long-enough"
N_GOOD, N_BAD = 7, 3
CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: capstone
    authorization: {{credentials: {key}}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def program(name):
    found = shutil.which(name)
    assert found, f"{name} is missing: install Debian's package with `apt-get install prometheus`"
    return found


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("endpoint")
    X = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0] * 5})
    pipeline = LogisticRegression().fit(X, (X["a"] > 1).astype(int))
    artifact = cap.export_model(pipeline, X, folder / "model.onnx", name="work", version="1.0")
    with cap.serve(artifact, store=folder / "store.db", key=KEY) as running:
        for k in range(N_GOOD):
            running.predict({"a": k % 4})
        for _ in range(N_BAD):
            with pytest.raises(cap.errors.EndpointError):
                running.predict({"a": "no number"})
        yield running


def fetch(url):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


def free_port():
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def prometheus(endpoint, folder):
    """Prometheus on loopback, which reads the endpoint five times a second."""
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(port=endpoint.url.rsplit(":", 1)[1], key=KEY))
    subprocess.run(
        [program("promtool"), "check", "config", config], check=True, capture_output=True
    )
    port = free_port()
    command = [program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder}",
               f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        process.terminate()
        process.wait(20)


def ask(api, query):
    """Each series of a query: its labels and its value."""
    url = f"{api}/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        found = json.load(answer)["data"]["result"]
    return [(series["metric"], float(series["value"][1])) for series in found]


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            found = condition()
        except (urllib.error.URLError, ConnectionError):
            found = None
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("Prometheus did not read the endpoint in time")


def test_promtool_is_content(endpoint):
    text = fetch(f"{endpoint.url}/metrics")
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_prometheus_reads_the_figures_that_python_counted(endpoint, tmp_path):
    with prometheus(endpoint, tmp_path) as api:
        wait_for(lambda: ask(api, "count_over_time(capstone_requests_total[1m]) >= 3"))
        assert [value for _, value in ask(api, 'up{job="capstone"}')] == [1.0]
        requests = {(one["path"], one["status"]): value
                    for one, value in ask(api, "capstone_requests_total")}  # fmt: skip
        assert requests["/predict", "200"] == N_GOOD
        assert requests["/predict", "422"] == N_BAD
        ((labels, answers),) = ask(api, "capstone_answers_total")
        assert (labels["route"], labels["model"], labels["version"]) == ("stable", "work", "1.0")
        assert answers == N_GOOD
        quantile = ask(api, "histogram_quantile(0.99, capstone_latency_seconds_bucket)")[0][1]
        assert 0 < quantile < 10
        assert ask(api, "capstone_latency_seconds_count")[0][1] == N_GOOD
        assert wait_for(lambda: ask(api, f"capstone_log_written_total == {N_GOOD}"))
        with urllib.request.urlopen(f"{api}/targets", timeout=10) as answer:
            (target,) = json.load(answer)["data"]["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
        with urllib.request.urlopen(f"{api}/metadata?metric=capstone_latency_seconds") as answer:
            ((described,),) = json.load(answer)["data"].values()
        assert described["type"] == "histogram"
        assert described["help"]
