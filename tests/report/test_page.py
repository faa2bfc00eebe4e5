"""The page: nothing from outside, everything escaped, every picture in words; and how it looks."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression

import capstone_lib as cap
from capstone_lib.errors import MissingExtraError, ReportError
from capstone_lib.report import Report, gather_report, write_report
from capstone_lib.report.page import POLICY

HOSTILE = "<script>alert('1')</script>"
WORSE = "\"'><img src=x onerror=alert(1)></style>{{ 7 * 7 }}$\\frac{"
VOID = {"meta", "br", "img", "hr", "input", "link"}


class Page(HTMLParser):
    """What a page holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.headings: list[int] = []
        self.alternatives: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.ids: list[str] = []
        self.policy = ""
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag in ("svg", "img"):
            self.alternatives.append(named.get("aria-label") or named.get("alt", ""))
        self.ids += [named["id"]] if "id" in named else []
        self.addresses += [named[k] for k in ("src", "href", "xlink:href", "action") if k in named]
        self.handlers += [name for name in named if name.startswith("on")]
        if named.get("http-equiv") == "Content-Security-Policy":
            self.policy = named["content"]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1:] == [tag], f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def text(report):
    return report.to_html()


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def check(page: Page) -> None:
    """What holds of every page."""
    assert page.open == []
    assert page.policy == POLICY
    assert not {"script", "iframe", "object", "embed", "link", "form", "base"} & set(page.tags)
    assert page.handlers == []
    assert all(address.startswith("#") for address in page.addresses)
    assert {address[1:] for address in page.addresses} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(page.headings, page.headings[1:], strict=False))


def test_the_page_stands_alone_and_is_well_made(page, text):
    check(page)
    assert "http://" not in text.replace("http://127.0.0.1:9", "")  # the webhook's own error
    assert "https://" not in text


def test_every_picture_says_what_is_seen_with_its_numbers(page, report):
    assert len(page.alternatives) >= 6
    assert all(re.search(r"\d", words) and len(words) > 40 for words in page.alternatives)
    heat = next(words for words in page.alternatives if words.startswith("Heat map"))
    assert "2016-01 to 2016-03" in heat
    assert "large in some window: town" in heat or "and town" in heat
    (part,) = [one for one in report.drift["traffic"] if one["traffic"] == "batch"]
    strongest = max(max(one for one in row if one is not None) for row in part["effect"])
    assert f"{100 * strongest:.1f} %" in heat


def test_all_that_people_wrote_is_shown_and_is_text(page, text):
    said = " ".join(page.words)
    assert "<script" not in text
    for piece in (f"note {HOSTILE}", f"Mend {HOSTILE}.", f"Ben {HOSTILE}", f"letters {HOSTILE}",
                  f"because {HOSTILE}", f"town={HOSTILE}"):  # fmt: skip
        assert piece in said


def _spoiled(value, key=""):
    """Every text in the document with something hostile at its end, but for dates and names."""
    if isinstance(value, dict):
        return {name: _spoiled(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [_spoiled(one, key) for one in value]
    kept = ("start", "end", "missing", "name", "severity", "shape", "traffic", "architecture")
    if not isinstance(value, str) or key in kept or key.endswith(("_at", "_until", "waiting")):
        return value
    is_time = re.match(r"\d{4}-\d\d-\d\dT", value) or key in ("first", "last", "until")
    return value if is_time else f"{value}{HOSTILE}{WORSE}"


def test_a_page_of_nothing_but_hostile_words_is_a_page(report):
    text = Report.from_dict(_spoiled(json.loads(report.to_json()))).to_html()
    assert "<script" not in text
    assert "<img" not in text
    assert "49" not in re.findall(r"</style>(\d+)\$", text)
    check(Page(text))


def test_pages_of_little_are_whole_too(artifact, empty, batch_only):
    for store in (empty, batch_only):
        page = Page(gather_report(artifact, store).to_html())
        check(page)
        assert page.tags.count("table") == page.tags.count("tbody")
    assert "None was found" not in " ".join(page.words)


def test_three_classes_and_numbers_for_labels_are_reported_too(tmp_path):
    rows = load_wine(as_frame=True).frame.rename(columns={"target": "kind"})
    rows = pd.concat([rows] * 3, ignore_index=True).assign(
        row_id=range(3 * len(rows)), half=lambda frame: frame["row_id"] % 2
    )
    columns = ["alcohol", "ash", "half"]
    model = LogisticRegression(max_iter=2000).fit(rows[columns], rows["kind"])
    artifact = cap.export_model(
        model, rows[columns], tmp_path / "m.onnx", name="wine", version="1", sensitive=["half"],
        X_calibration=rows[columns], y_calibration=rows["kind"],
    )  # fmt: skip
    with cap.open_store(f"sqlite:///{tmp_path}/s.db") as store:
        asked = rows[["row_id", *columns]]
        cap.score_batch(artifact, asked, store=store, as_of="2016-01-31", show_progress=False,
                        id="row_id")  # fmt: skip
        store.record_outcomes(rows, outcome="kind", observed_at="2016-02-01")
        window = ("2016-01-01", "2016-02-01")
        store.write_measurements(cap.measure(artifact, store, window=window, source=asked))
        report = gather_report(artifact, store)
    assert "between 0, 1 and 2" in report.summary[0]
    page = Page(report.to_html())
    check(page)
    assert any(" of 0 of 2 groups" in words for words in page.alternatives)


def test_no_table_is_empty(artifact, empty, batch_only, text):
    pages = [gather_report(artifact, store).to_html() for store in (empty, batch_only)]
    for one in (*pages, text):
        assert not re.search(r"<tbody>\s*</tbody>|<dl[^>]*>\s*</dl>|<ul>\s*</ul>", one)


def test_both_files_are_written_and_say_the_same(artifact, batch_only, tmp_path):
    html, document = tmp_path / "new" / "report.html", tmp_path / "new" / "report.json"
    report = write_report(artifact, batch_only, html=html, json=document, title="In <short>")
    assert Report.from_json(document.read_bytes()) == report
    assert html.read_text("utf-8") == report.to_html()
    assert "<h1>In &lt;short&gt;</h1>" in html.read_text("utf-8")


def test_a_place_that_cannot_be_written_to_is_named(artifact, empty, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="cannot be written"):
        write_report(artifact, empty, json=tmp_path / "file" / "report.json")


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_an_absent_extra_is_named_and_the_document_needs_none(report, monkeypatch, package):
    import sys

    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"capstone-lib\[report\]"):
        report.to_html()
    assert report.to_json()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1200])
def test_in_chromium_nothing_is_asked_for_nothing_is_cut_off_and_nothing_runs(
    chromium, text, tmp_path, scheme, width
):
    path = tmp_path / "report.html"
    path.write_text(text, "utf-8")
    context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    sheet = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    sheet.on("request", lambda request: asked.append(request.url))
    sheet.on("console", lambda message: said.append(message.text))
    sheet.on("dialog", lambda dialog: said.append(dialog.message))
    sheet.goto(path.as_uri())
    assert asked == [path.as_uri()]
    assert said == []
    assert sheet.evaluate("document.documentElement.scrollWidth") <= width
    assert sheet.evaluate(SEEN) == []
    assert sheet.evaluate(CONTRAST) == []
    pictures = sheet.locator("figure svg[role=img]")
    assert pictures.count() == text.count("<figure>")
    assert all(pictures.nth(k).bounding_box()["height"] > 100 for k in range(pictures.count()))
    context.close()


@pytest.mark.browser
def test_it_prints_on_paper_and_no_figure_is_cut(chromium, text, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(text, "utf-8")
    sheet = chromium.new_page()
    sheet.goto(path.as_uri())
    pdf = sheet.pdf(format="A4", prefer_css_page_size=True)
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert 3 <= pages <= 40
    sheet.set_viewport_size({"width": 688, "height": 1000})  # A4 within its margins
    sheet.emulate_media(media="print")
    tall = sheet.evaluate("[...document.querySelectorAll('figure')].map(f => f.offsetHeight)")
    assert max(tall) < 1000
    assert sheet.evaluate("document.documentElement.scrollWidth") <= 688
    assert sheet.evaluate(SEEN) == []
    whole = "[...document.querySelectorAll('figure, .card, .tabled:not(.long)')]"
    rule = f"{whole}.every(e => getComputedStyle(e).breakInside === 'avoid')"
    assert sheet.evaluate(rule)
    assert Path(path).exists()
    sheet.close()


SEEN = """() => [...document.querySelectorAll('h1, h2, h3, p, li, dd, dt, figcaption')]
  .filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0
               && getComputedStyle(e).display !== 'inline')
  .map(e => e.textContent.slice(0, 60))"""
"""Texts that are wider than their place."""

CONTRAST = """() => {
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const under = e => { for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (!/rgba\\(.*, 0\\)|transparent/.test(c)) return c; }
    return 'rgb(255, 255, 255)'; };
  return [...document.querySelectorAll('h1, h2, h3, p, li, td, th, dd, dt, a, b, i, .badge')]
    .filter(e => { const [a, b] = [light(getComputedStyle(e).color), light(under(e))];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5; })
    .map(e => e.tagName + ' ' + e.textContent.slice(0, 40)); }"""
"""Texts that are hard to read on what is behind them."""
