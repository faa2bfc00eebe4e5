"""The page at ``/``: what it is made of, and how it behaves in a real Chromium.

Pictures are kept in ``artefacts/page/``, for people to look at.
"""

import base64
import hashlib
import http.server
import json
import re
import shlex
import shutil
import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import capstone_lib as cap
from capstone_lib.schema import Column, Schema
from capstone_lib.serving import serve
from capstone_lib.serving.page import PAGE_POLICY, render_page
from capstone_lib.store.engine import writing
from capstone_lib.store.overrides import add_override

HOSTILE = "</script><img src=x onerror=alert(1)>"
QUOTES = """it's "so" & <b>"""
EXPECTED = re.compile("responded with a status of 4|ERR_CONNECTION_REFUSED")
PICTURES = Path(__file__).parents[2] / "artefacts" / "page"
KEY = "a-key-long-enough-for-a-test"


def export(folder, columns, X, y, **options):
    codes = [column.name for column in columns if column.kind == "category"]
    pipeline = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), codes), remainder="passthrough"
        ),
        LogisticRegression(max_iter=1000),
    )
    path = folder / "model.onnx"
    schema = Schema(tuple(columns))
    return cap.export_model(
        pipeline.fit(X, y), X, path, name="work", version="1.0", schema=schema, **options
    )


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "age": rng.integers(17, 90, 400),
            "pay": rng.normal(30, 9, 400).round(2),
            "sex": rng.integers(1, 3, 400),
            "job": rng.choice(["cook", "clerk"], 400),
        }
    )
    y = np.where((X["age"] < 60) ^ (rng.random(400) < 0.1), "works", "rests")
    columns = [
        Column("age", "integer", minimum=17, maximum=89, title="Age in years"),
        Column("pay", "number", minimum=3.5, maximum=57.25),
        Column("sex", "category", categories=(1, 2), labels={"1": "male", "2": "female"}),
        Column("job", "category", categories=("clerk", "cook")),
    ]
    return export(tmp_path_factory.mktemp("model"), columns, X, y, X_calibration=X, y_calibration=y)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    X = pd.DataFrame({HOSTILE: [1, 2, 3, 4, 5, 6], QUOTES: [1, 2, 1, 2, 1, 2]})
    columns = [
        Column(HOSTILE, "integer", minimum=1, maximum=6, title=HOSTILE),
        Column(QUOTES, "category", categories=(1, 2), labels={"1": HOSTILE, "2": "{{base}}"}),
    ]
    y = np.array([HOSTILE] * 3 + ["no"] * 3)
    return export(tmp_path_factory.mktemp("model"), columns, X, y)


class Parsed(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.inside, self._open = [], {}, ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_endtag(self, tag):
        self._open = ""

    def handle_data(self, data):
        self.inside[self._open] = self.inside.get(self._open, "") + data

    def values(self, name):
        return [attrs[name] for _, attrs in self.tags if attrs.get(name)]


@pytest.mark.parametrize("which", ["artifact", "hostile"])
def test_the_policy_allows_the_pages_own_script_and_style_and_no_other(which, request):
    page = Parsed(render_page(request.getfixturevalue(which)))
    tags = [tag for tag, _ in page.tags]
    assert (tags.count("script"), tags.count("style"), tags.count("img")) == (1, 1, 0)
    for element in ("script", "style"):
        digest = hashlib.sha256(page.inside[element].encode()).digest()
        assert f"{element}-src 'sha256-{base64.b64encode(digest).decode()}'" in PAGE_POLICY
    assert "unsafe" not in PAGE_POLICY
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert not page.values("style")


@pytest.mark.parametrize("which", ["artifact", "hostile"])
def test_every_control_has_a_label_and_what_describes_it(which, request):
    page = Parsed(render_page(request.getfixturevalue(which)))
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    labels = set(page.values("for"))
    for tag, attrs in page.tags:
        if tag in ("input", "select") and attrs.get("type") != "checkbox":
            assert attrs["id"] in labels
    for described in page.values("aria-describedby"):
        assert set(described.split()) <= set(ids)


def test_what_comes_from_the_artifact_arrives_as_text(hostile):
    page = Parsed(render_page(hostile))
    assert page.values("data-column") == [HOSTILE, QUOTES]
    assert HOSTILE in page.inside["label"]
    assert "{{base}}" in page.inside["option"]


def test_the_page_asks_nobody_else(artifact):
    page = Parsed(render_page(artifact))
    assert page.values("src") == []
    assert page.values("href") == ["data:,", "openapi.json", "metrics"]
    assert Parsed(render_page(artifact, base="/x/")).values("data-base") == ["/x/"]


def test_missing_values_can_be_asked_for(tmp_path):
    X = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": ["x", "y", "x", "y"], "c": [True, False] * 2})
    columns = [
        Column("a", "number", minimum=1, maximum=4),
        Column("b", "category", categories=("x", "y"), nullable=True),
        Column("c", "boolean"),
    ]
    page = Parsed(render_page(export(tmp_path, columns, X, [0, 0, 1, 1])))
    values = [attrs["value"] for tag, attrs in page.tags if tag == "option"]
    assert values == ['"x"', '"y"', "null", "true", "false"]


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_apart(artifact, scheme):
    style = Parsed(render_page(artifact)).inside["style"]
    colours = dict(
        re.findall(r"--([\w-]+): (#\w{6})", re.findall(r":root \{(.*?)\}", style, re.S)[scheme])
    )
    text = [
        ("ink", "paper"), ("ink", "card"), ("ink", "track"), ("quiet", "paper"), ("quiet", "card"),
        ("accent", "paper"), ("accent", "card"), ("accent", "bad-paper"), ("on-accent", "accent"),
        ("bad", "card"), ("bad", "bad-paper"), ("care", "card"), ("care", "care-paper"),
    ]  # fmt: skip
    for least, pairs in ((4.5, text), (3.0, [("edge", "card"), ("accent", "track")])):
        for front, back in pairs:
            light, dark = sorted(
                (luminance(colours[front]), luminance(colours[back])), reverse=True
            )
            assert (light + 0.05) / (dark + 0.05) >= least, (front, back)


class Proxy(http.server.ThreadingHTTPServer):
    """What jupyter-server-proxy does: the endpoint under a path of its own.

    The page may come from another endpoint than the answers.
    """

    prefix = "/user/ana/proxy/8000/"

    def __init__(self, page, answers):
        super().__init__(("127.0.0.1", 0), Forward)
        self.page, self.answers, self.paths = page, answers, []
        self.url = f"http://127.0.0.1:{self.server_port}{self.prefix}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self._thread.join()
        self.server_close()


class Forward(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.paths.append(self.path)
        rest = self.path.removeprefix(self.server.prefix)
        target = self.server.answers.url if rest else self.server.page.url
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
        kept = ("Content-Type", "Authorization")
        headers = {name: self.headers[name] for name in kept if name in self.headers}
        request = urllib.request.Request(f"{target}/{rest}", body, headers, method=self.command)
        try:
            answer = urllib.request.urlopen(request, timeout=10)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            content = answer.read()
            self.send_response(answer.status)
            for name in ("Content-Type", "Content-Security-Policy"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 - the base class's name

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.fail(
            "no Chromium on this machine, so nobody has seen the page; install it "
            "(Debian: apt-get install chromium) or leave these tests out: -m 'not browser'",
            pytrace=False,
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Open a page; at the end, see that nothing went wrong behind the scenes."""
    pages, errors = [], []

    def open_it(url, **options):
        page = chromium.new_page(**options)
        pages.append(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(dialog.message))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.goto(url)
        return page

    yield open_it
    for page in pages:
        page.close()
    assert [error for error in errors if not EXPECTED.search(error)] == []


@pytest.fixture(scope="module")
def endpoint(artifact):
    with serve(artifact) as running:
        yield running


def ask(page):
    page.get_by_role("button", name="Ask the model").click()


@pytest.mark.browser
def test_a_record_is_answered_with_the_artifacts_own_numbers(open_page, endpoint, artifact):
    from playwright.sync_api import expect

    page = open_page(endpoint.url)
    for age in (20, 61, 85):
        page.get_by_label("Age in years").fill(str(age))
        page.get_by_label("pay").fill("31.5")
        page.get_by_label("sex").select_option("2 – female")
        page.get_by_label("job").select_option("cook")
        page.get_by_label("Case id").fill(f"case {age}")
        ask(page)
        expect(page.locator("#answered")).to_have_text(f"case {age}")
        one = artifact.predict({"age": [age], "pay": [31.5], "sex": [2], "job": ["cook"]})
        assert page.locator("#label").inner_text() == one.label[0]
        assert page.locator("#score").inner_text() == f"{one.score[0]:.4f}"
        assert page.locator("#bits").inner_text() == f"{one.uncertainty[0]:.3f} bits"
        members = [
            c for c, inside in zip(one.classes, one.prediction_set[0], strict=True) if inside
        ]
        assert page.locator("#set li").all_inner_texts() == (members or ["none"])
        asks = "A person should decide" in page.locator("#review").inner_text()
        assert asks == one.review[0]
        assert page.locator("#model").inner_text() == "work 1.0"
        wide = page.evaluate(
            "at => at.offsetWidth / at.parentNode.offsetWidth",
            page.locator("#score-bar").element_handle(),
        )
        assert wide == pytest.approx(float(one.score[0]), abs=0.01)
        mark = page.evaluate(
            "at => at.offsetLeft / at.parentNode.offsetWidth",
            page.locator("#mark").element_handle(),
        )
        assert mark == pytest.approx(0.5, abs=0.02)


@pytest.mark.browser
def test_a_nightly_score_and_a_reviewers_decision_are_told(open_page, artifact, tmp_path):
    from playwright.sync_api import expect

    people = pd.DataFrame({"row_id": [17], "age": [30], "pay": [31.5], "sex": [2], "job": ["cook"]})
    day = datetime.now(UTC).date()
    with cap.open_store(tmp_path / "store.db") as store:
        cap.score_batch(artifact, people, store=store, as_of=day, id="row_id")
        with writing(store.engine) as connection:
            add_override(connection, row_id=17, label="rests", reviewer="Ada <Ä>")
        with serve(artifact, store=store, hybrid="7d") as endpoint:
            page = open_page(endpoint.url)
            page.get_by_label("Case id").fill("17")
            ask(page)
            expect(page.locator("#review")).to_have_text("Decided by Ada <Ä>.")
            assert page.locator("#label").inner_text() == "rests"
            assert page.locator("#route").inner_text() == f"batch, as of {day}"


@pytest.mark.browser
def test_a_refusal_stands_at_the_fields_it_speaks_of(open_page, endpoint):
    from playwright.sync_api import expect

    page = open_page(endpoint.url)
    age, pay = page.get_by_label("Age in years"), page.get_by_label("pay")
    age.fill("old")
    pay.fill("")
    ask(page)
    expect(page.get_by_role("alert")).to_contain_text("2 problems")
    expect(age).to_be_focused()
    for field, text in ((age, "wrong type"), (pay, "missing value")):
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(re.compile(text))
    page.get_by_role("alert").get_by_role("link").nth(1).click()
    expect(pay).to_be_focused()
    age.fill("40")
    pay.fill("1e1")
    pay.press("Enter")
    expect(page.locator("#found")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(age).not_to_have_attribute("aria-invalid", "true")


@pytest.mark.browser
def test_a_warning_comes_with_the_answer(open_page, endpoint):
    from playwright.sync_api import expect

    page = open_page(endpoint.url)
    age = page.get_by_label("Age in years")
    age.fill("150")
    age.press("Enter")
    expect(page.locator("#warnings")).to_contain_text("outside the range")
    expect(age).to_have_accessible_description(re.compile("outside the range"))
    expect(age).not_to_have_attribute("aria-invalid", "true")


@pytest.mark.browser
def test_the_keyboard_is_enough(open_page, endpoint):
    from playwright.sync_api import expect

    page = open_page(endpoint.url)
    visited = []
    for _ in range(10):
        page.keyboard.press("Tab")
        style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        visited.append(page.evaluate("(at => at.id || at.textContent)(document.activeElement)"))
        assert style == "solid", visited
    assert visited == [
        "API description", "Metrics", "c0", "c1", "c2", "c3", "case",
        "Ask the model", "random", "explain",
    ]  # fmt: skip
    page.locator("#c2").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#found")).to_be_visible()
    assert '"sex": 2' in page.locator("#curl").text_content()
    page.keyboard.press("Space")  # opens the list
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")  # chooses from it
    expect(page.locator("#c2")).to_have_value("1")


@pytest.mark.browser
def test_nothing_from_the_artifact_runs(open_page, hostile):
    from playwright.sync_api import expect

    with serve(hostile) as endpoint:
        page = open_page(endpoint.url)
        page.get_by_label(HOSTILE).fill("1")
        page.get_by_label("Say why").check()
        ask(page)
        expect(page.locator("#label")).to_have_text(HOSTILE)
        expect(page.locator("#reasons li")).to_have_count(2)
        page.get_by_label(HOSTILE).fill("x")
        ask(page)
        expect(page.get_by_role("alert")).to_contain_text("img src=x")
        assert page.locator("img").count() == 0


@pytest.mark.browser
def test_it_works_under_any_path(open_page, endpoint):
    from playwright.sync_api import expect

    with Proxy(endpoint, endpoint) as proxy:
        page = open_page(proxy.url)
        ask(page)
        expect(page.locator("#found")).to_be_visible()
        assert proxy.paths == [proxy.prefix, proxy.prefix + "predict"]
        page.get_by_role("link", name="Metrics").click()
        expect(page.locator("body")).to_contain_text("# HELP")


@pytest.mark.browser
def test_a_key_is_asked_for_when_the_endpoint_wants_one(open_page, endpoint, artifact):
    from playwright.sync_api import expect

    with serve(artifact, key=KEY) as closed, Proxy(endpoint, closed) as proxy:
        page = open_page(proxy.url)
        key = page.get_by_label("Key")
        expect(key).to_be_hidden()
        ask(page)
        expect(key).to_be_focused()
        key.fill(KEY)
        key.press("Enter")
        expect(page.locator("#found")).to_be_visible()
        assert "$KEY" in page.locator("#curl").text_content()
        assert KEY not in page.locator("#curl").text_content()


@pytest.mark.browser
def test_the_shells_line_asks_the_same(open_page, hostile):
    with serve(hostile) as endpoint:
        page = open_page(endpoint.url)
        page.get_by_label("Case id").fill("it's `me` $HOME")
        words = shlex.split(page.locator("#curl").text_content())
    assert words[:4] == ["curl", "-X", "POST", f"{endpoint.url}/predict"]
    asked = json.loads(words[-1])
    assert asked == {"features": {HOSTILE: 3, QUOTES: 1}, "id": "it's `me` $HOME"}


@pytest.mark.browser
def test_a_stopped_endpoint_is_told(open_page, artifact):
    from playwright.sync_api import expect

    with serve(artifact) as endpoint:
        page = open_page(endpoint.url)
    ask(page)
    expect(page.get_by_role("alert")).to_contain_text("is the endpoint still running?")


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_every_width_in_light_and_dark(open_page, endpoint, scheme, width):
    from playwright.sync_api import expect

    page = open_page(endpoint.url, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.get_by_label("Age in years").fill("x" * 200)
    page.get_by_label("Case id").fill("y" * 200)
    ask(page)
    expect(page.get_by_role("alert")).to_be_visible()
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{scheme}-{width}-refused.png", full_page=True)
    page.get_by_role("button", name="Fill in at random").click()
    ask(page)
    expect(page.locator("#answered")).to_have_text("y" * 200)
    page.screenshot(path=PICTURES / f"{scheme}-{width}-answered.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    red = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0]")
    assert (int(red) < 128) == (scheme == "dark")
