"""The review desk as a page of the endpoint: the same case as in a notebook, behind the key.

The page itself holds no case and can be had by anybody; every case and every decision goes through
requests that carry the key. Requests from other sites' pages are refused. Who reviews is what the
reviewer says: the key admits to the desk, it does not tell people apart.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from capstone_lib.errors import MissingExtraError, ReviewError
from capstone_lib.review.case import Case, Decision
from capstone_lib.review.markup import CASE_CSS, case_html
from capstone_lib.review.queue import ReviewQueue
from capstone_lib.review.view import view_case
from capstone_lib.store import Store

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from capstone_lib.artifact.model import Artifact

__all__ = ["REVIEW_POLICY", "render_review_page", "review_routes"]

_HERE = Path(__file__).parent
_SCRIPT = (_HERE / "page.js").read_text("utf-8")
_STYLE = (_HERE / "page.css").read_text("utf-8") + CASE_CSS
_TEMPLATE = (_HERE / "page.html").read_text("utf-8")
_BLIND = "What the model said is shown after your decision."
_OPEN = "You see what the model said, and why, before you decide."


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


REVIEW_POLICY = "; ".join(
    [
        "default-src 'none'",
        f"script-src {_hash(_SCRIPT)}",
        f"style-src {_hash(_STYLE)}",
        "img-src data:",
        "connect-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'self'",
    ]
)
"""The page's Content-Security-Policy: no script and no style but its own."""


def render_review_page(artifact: "Artifact", *, blind: bool = False) -> str:
    """Write the page; it holds no case.

    Parameters
    ----------
    artifact : Artifact
        The model whose name stands on it.
    blind : bool, default False
        Whether reviewers decide before they see what the model said.
    """
    blanks = {
        "title": escape(f"{artifact.name} {artifact.version}"),
        "promise": _BLIND if blind else _OPEN,
        "style": _STYLE,
        "script": _SCRIPT,
    }
    page = _TEMPLATE
    for name, text in blanks.items():
        page = page.replace("{{" + name + "}}", text)
    return page


def review_routes(
    store: Store,
    artifact: "Artifact",
    *,
    blind: bool = False,
    words: Mapping[Any, str] | None = None,
    queue: ReviewQueue | None = None,
) -> "list[Route]":
    """The routes of the review desk, for ``cap.serve(..., extra_routes=review_routes)``.

    ``GET /review`` is the page; ``POST /review/next`` gives a case, ``POST /review/{case_id}``
    takes a decision and ``POST /review/back`` a case that was not decided.

    Parameters
    ----------
    store : Store
        In a database.
    artifact : Artifact
        The model: words and reasons are made with it.
    blind : bool, default False
        Whether reviewers decide before they see what the model said.
    words : mapping, optional
        The labels in words.
    queue : ReviewQueue, optional
        With other options than the usual ones.

    Raises
    ------
    MissingExtraError
        If Starlette is not installed.
    """
    try:
        from starlette.responses import HTMLResponse
        from starlette.routing import Route
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "serve") from error

    desk = _Desk(queue or ReviewQueue(store, blind=blind), artifact, words)
    page = render_review_page(artifact, blind=desk.queue.blind)
    headers = {
        "Content-Security-Policy": REVIEW_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }

    async def show(_: "Request") -> "Response":
        return HTMLResponse(page, headers=headers)

    show.needs_key = False  # type: ignore[attr-defined]  # the endpoint asks; it holds no case
    return [
        Route("/review", show),
        Route("/review/next", _answering(desk.next), methods=["POST"], name="next"),
        Route("/review/back", _answering(desk.back), methods=["POST"], name="back"),
        Route("/review/{case_id}", _answering(desk.decide), methods=["POST"], name="decide"),
    ]


class _Desk:
    """What the requests ask for, without HTTP."""

    def __init__(
        self, queue: ReviewQueue, artifact: "Artifact", words: Mapping[Any, str] | None
    ) -> None:
        self.queue, self.artifact, self.words = queue, artifact, words

    def next(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        case = self.queue.next(asked["reviewer"])
        shown = None if case is None else self._shown(self.queue.see(case))
        return {"case": shown, "waiting": self.queue.waiting(asked["reviewer"])}

    def _shown(self, case: Case) -> dict[str, Any]:
        view = view_case(case, self.queue, artifact=self.artifact, words=self.words)
        # blind, a verdict would tell which label is the model's: the endpoint finds it out itself
        choices = [
            {
                "verdict": None if view.blind and one.label is not None else one.verdict,
                "label": one.label,
                "words": one.words,
            }
            for one in view.choices()
        ]
        return {"case_id": case.case_id, "html": case_html(view), "choices": choices}

    def decide(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        label, verdict = asked.get("label"), asked.get("verdict")
        made = self.queue.decide(
            asked["case_id"],
            reviewer=asked["reviewer"],
            verdict=self.queue.verdict_on(asked["case_id"], label) if verdict is None else verdict,
            label=label,
            note=asked.get("note", ""),
        )
        return {"said": self._said(made), "waiting": self.queue.waiting(made.reviewer)}

    def back(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        self.queue.put_back(asked.get("case_id", ""), reviewer=asked["reviewer"])
        return {"waiting": self.queue.waiting(asked["reviewer"])}

    def _said(self, made: Decision) -> str:
        words = {str(name): text for name, text in (self.words or {}).items()}
        return made.in_words(words)


def _answering(
    does: Callable[[Mapping[str, Any]], dict[str, Any]],
) -> "Callable[[Request], Any]":
    """A route's function: reads JSON, works beside the event loop, and tells what is wrong."""

    async def answer(request: "Request") -> "Response":
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import JSONResponse

        problem = _foreign(request)
        if problem is None:
            asked = _read(await request.body())
            if isinstance(asked, str):
                problem = 422, asked
            else:
                try:
                    found = await run_in_threadpool(does, {**asked, **request.path_params})
                    return JSONResponse(found, headers={"Cache-Control": "no-store"})
                except ReviewError as error:
                    problem = 409, str(error)
        status, detail = problem
        body = {"type": "about:blank", "title": "review", "status": status, "detail": detail}
        return JSONResponse(body, status, media_type="application/problem+json")

    return answer


def _foreign(request: "Request") -> tuple[int, str] | None:
    """What is wrong with where a request comes from: another site's page may not decide."""
    headers = request.headers
    if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        return 415, "send application/json"
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        ours = site in ("same-origin", "none")
    else:
        ours = origin is None or urlsplit(origin).netloc == headers.get("host")
    return None if ours else (403, "only this endpoint's own page may ask for cases and decide")


def _read(body: bytes) -> dict[str, Any] | str:
    """What was asked, or what is wrong with it."""
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return "the body is no JSON"
    if not isinstance(asked, dict) or not isinstance(asked.get("reviewer"), str):
        return "send an object with the reviewer's name: {'reviewer': 'ana'}"
    texts = {"verdict": (str, type(None)), "note": str, "case_id": str}
    for name, kinds in texts.items():
        if name in asked and not isinstance(asked[name], kinds):  # type: ignore[arg-type]
            return f"{name} is text; seen {asked[name]!r}"[:200]
    if not isinstance(asked.get("label"), str | int | None):
        return "a label is one of the model's: a whole number or text"
    return asked
