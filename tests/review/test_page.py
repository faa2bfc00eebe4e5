"""The review desk's routes: who may ask, what is answered, and what a browser lets the page do."""

import asyncio
import hashlib
import re
from base64 import b64encode

import httpx
import pytest
from starlette.applications import Starlette

from capstone_lib.review import ReviewQueue
from capstone_lib.review.page import REVIEW_POLICY, render_review_page, review_routes

ANA = {"reviewer": "ana"}
WORDS = {0: "without work", 1: "at work"}


class Client:
    """Asks an application without a server."""

    def __init__(self, routes):
        self.app = Starlette(routes=routes)

    def get(self, path):
        return asyncio.run(self._ask("GET", path))

    def post(self, path, **body):
        return asyncio.run(self._ask("POST", path, **body))

    async def _ask(self, method, path, **body):
        wire = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=wire, base_url="http://testserver") as asked:
            return await asked.request(method, path, **body)


@pytest.fixture
def client(queue, scored, artifact):
    return Client(review_routes(scored, artifact, words=WORDS, queue=queue))


def test_the_page_holds_no_case_and_needs_no_key(client, scored, artifact):
    answer = client.get("/review")
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == REVIEW_POLICY
    assert answer.text == render_review_page(artifact)
    routes = {
        (route.path, *sorted(route.methods)): getattr(route.endpoint, "needs_key", True)
        for route in review_routes(scored, artifact)
    }
    assert routes == {
        ("/review", "GET", "HEAD"): False,
        ("/review/next", "POST"): True,
        ("/review/back", "POST"): True,
        ("/review/{case_id}", "POST"): True,
    }


def test_the_policy_allows_the_pages_own_script_and_style_and_no_other(artifact):
    page = render_review_page(artifact)
    assert "unsafe" not in REVIEW_POLICY
    for element in ("script", "style"):
        (inside,) = re.findall(f"<{element}>(.*?)</{element}>", page, re.DOTALL)
        digest = b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in REVIEW_POLICY
    assert not re.search(r"\son\w+=|\sstyle=|https?://", page)
    assert set(re.findall(r'<label[^>]* for="([\w-]+)"', page)) <= set(
        re.findall(r'id="([\w-]+)"', page)
    )


def test_from_the_case_to_what_counts(client, scored):
    found = client.post("/review/next", json=ANA).json()
    case = found["case"]
    assert found["waiting"] == 12
    assert [one["verdict"] for one in case["choices"]] == ["accept", "override", "cannot say"]
    override = case["choices"][1]
    asked = ANA | {"verdict": "override", "label": override["label"], "note": "seen"}
    done = client.post(f"/review/{case['case_id']}", json=asked)
    model = WORDS[1 - override["label"]]
    assert done.json() == {
        "said": f"Decided: {WORDS[override['label']]}. The model says {model}.",
        "waiting": 11,
    }
    assert (scored.predictions()["decided_by"] == "ana").sum() == 1
    again = client.post(f"/review/{case['case_id']}", json=asked)
    assert (again.status_code, again.headers["content-type"]) == (409, "application/problem+json")
    assert "you have decided" in again.json()["detail"]


def test_seeing_starts_the_clock(client, queue, clock):
    case = client.post("/review/next", json=ANA).json()["case"]
    clock.now += 30
    client.post(f"/review/{case['case_id']}", json=ANA | {"verdict": "accept"})
    assert queue.decisions()["seconds"].tolist() == [30]


def test_a_case_is_put_back(client):
    case = client.post("/review/next", json=ANA).json()["case"]
    assert client.post("/review/back", json=ANA | {"case_id": case["case_id"]}).json() == {
        "waiting": 12
    }
    other = client.post("/review/next", json={"reviewer": "bo"}).json()["case"]
    assert other["case_id"] == case["case_id"]


def test_blind_neither_the_case_nor_its_choices_give_the_answer_away(scored, artifact, people):
    client = Client(review_routes(scored, artifact, blind=True))
    ReviewQueue(scored).fill_uncertain(artifact=artifact, source=people, n=3)
    case = client.post("/review/next", json=ANA).json()["case"]
    assert case["choices"] == [
        {"verdict": None, "label": 0, "words": "0"},
        {"verdict": None, "label": 1, "words": "1"},
        {"verdict": "cannot say", "label": None, "words": "Cannot say"},
    ]
    for label in (0, 1):
        body = ANA | {"verdict": None, "label": label}
        said = client.post(f"/review/{case['case_id']}", json=body).json()["said"]
        assert said.startswith(f"Decided: {label}")
        case = client.post("/review/next", json=ANA).json()["case"]
    made = ReviewQueue(scored).decisions()
    assert made["label"].tolist() == [0, 1]
    assert made["blind"].all()
    agrees = made["label"] == made["model_label"]
    assert made["verdict"].tolist() == ["accept" if one else "override" for one in agrees]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://testserver"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin", "origin": "https://proxy.example"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_other_sites_pages_may_not_decide(client, headers, status):
    sent = {"content-type": "application/json"} | headers
    answer = client.post("/review/next", content=b'{"reviewer": "ana"}', headers=sent)
    assert answer.status_code == status
    assert queue_is_untouched(client) == (status != 200)


def queue_is_untouched(client):
    """Whether ana has no case yet: then bo is given the first one, and she another."""
    first = client.post("/review/next", json={"reviewer": "bo"}).json()["case"]["case_id"]
    client.post("/review/back", json={"reviewer": "bo", "case_id": first})
    mine = client.post("/review/next", json=ANA).json()["case"]["case_id"]
    return mine == first


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 422, "no JSON"),
        (b"\xff", 422, "no JSON"),
        (b"[" * 100_000, 422, "no JSON"),
        (b"[]", 422, "reviewer's name"),
        (b'{"reviewer": 7}', 422, "reviewer's name"),
        (b'{"reviewer": "ana", "note": 1}', 422, "note is text"),
        (b'{"reviewer": "ana", "label": [1]}', 422, "a label is one of"),
        (b'{"reviewer": " ", "verdict": "accept"}', 409, "a reviewer has a name"),
        (b'{"reviewer": "ana", "verdict": "accept"}', 409, "there is no case"),
        (b'{"reviewer": "ana", "label": 1}', 409, "there is no case"),
    ],
)
def test_what_makes_no_sense_is_told(client, body, status, said):
    answer = client.post(
        "/review/x%27--", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == status
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("letter", [r"\ud800", r"\u0000"])
def test_a_note_that_cannot_be_kept_is_told_and_nothing_is_decided(client, queue, letter):
    case = client.post("/review/next", json=ANA).json()["case"]["case_id"]
    body = f'{{"reviewer": "ana", "verdict": "cannot say", "note": "x{letter}"}}'
    headers = {"content-type": "application/json"}
    answer = client.post(f"/review/{case}", content=body.encode(), headers=headers)
    assert answer.status_code == 409
    assert "the note has a character that is none" in answer.json()["detail"]
    assert queue.decisions().empty


def test_a_case_put_back_is_named(client):
    answer = client.post("/review/back", json=ANA)
    assert (answer.status_code, answer.json()["detail"][:16]) == (409, "there is no case")
