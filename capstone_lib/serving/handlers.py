"""The endpoint's other routes: the protocol, health, metrics, documents and the page."""

import time
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from capstone_lib.serving import inference
from capstone_lib.serving.openapi import describe
from capstone_lib.serving.page import PAGE_POLICY, render_page
from capstone_lib.serving.problems import ProblemError
from capstone_lib.serving.service import Service

__all__ = ["Handlers", "media_type"]

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
_LONGEST_WINDOW_S = 86_400


class Reader(Protocol):
    """Reads a request's body within the endpoint's bounds."""

    async def __call__(self, headers: dict[bytes, bytes], scope: Any, receive: Any) -> bytes:
        """Return the whole body."""
        ...


class Handlers:
    """What answers where.

    Parameters
    ----------
    service : Service
        What scores.
    read : Reader
        Reads bodies.
    needs_key : bool
        Whether requests must carry a key; the description says so.
    """

    def __init__(self, service: Service, *, read: Reader, needs_key: bool) -> None:
        self.service, self.limits = service, service.limits
        self._read, self._needs_key = read, needs_key
        self.stopping = False

    def routes(self) -> list[Route]:
        """The routes beside ``POST /predict``."""
        return [
            Route("/", self._page),
            Route("/openapi.json", self._openapi),
            Route("/metrics", self._metrics),
            Route("/status", self._status),
            Route("/v2", self._server),
            Route("/v2/health/live", self._live),
            Route("/v2/health/ready", self._ready),
            Route("/v2/models/{name}", self._model),
            Route("/v2/models/{name}/ready", self._model_ready),
            Route("/v2/models/{name}/infer", self._infer, methods=["POST"]),
        ]

    async def _page(self, _: Request) -> Response:
        return HTMLResponse(
            render_page(self.service.routes.artifact),
            headers={
                "Content-Security-Policy": PAGE_POLICY,
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
            },
        )

    async def _openapi(self, _: Request) -> Response:
        return JSONResponse(
            describe(
                self.service.routes.artifact,
                limits=self.limits,
                needs_key=self._needs_key,
                hybrid=self.service.hybrid is not None,
            )
        )

    async def _metrics(self, _: Request) -> Response:
        service = self.service
        models = [(m.route, m.name, m.version, m.sha256) for m in service.routes.models]
        text = service.metrics.expose(
            service.gauges(),
            models=models,
            rollout=service.rollout,
            replicas_wanted=service.replicas_wanted,
            n_nightly=None if service.hybrid is None else len(service.hybrid),
        )
        return Response(text, headers={"Content-Type": _PROMETHEUS})

    async def _status(self, request: Request) -> Response:
        """What is going on, for a person or a notebook: latency, load, rollout, models."""
        service = self.service
        text = request.query_params.get("window_s", "60")
        try:
            window_s = float(text)
            if not 0 < window_s <= _LONGEST_WINDOW_S:
                raise ValueError(text)
        except ValueError:
            raise ProblemError(
                422, f"window_s is a number of seconds up to 86400; seen {text[:40]!r}"
            ) from None
        latency = service.metrics.latency(window_s)
        return JSONResponse(
            {
                "window_s": window_s,
                "latency": {k: None if v != v else v for k, v in vars(latency).items()},
                "gauges": vars(service.gauges()),
                "rollout": vars(service.rollout),
                "replicas_wanted": service.replicas_wanted,
                "overrides": len(service.rulings),
                "hybrid": self._hybrid(),
                "models": {
                    m.route: {"name": m.name, "version": m.version} for m in service.routes.models
                },
            }
        )

    def _hybrid(self) -> dict[str, Any] | None:
        """How often a nightly score was passed on, by all workers of the endpoint together."""
        service = self.service
        if service.hybrid is None:
            return None
        counts, _ = service.metrics.together(service.gauges())
        asked = counts.hits + counts.misses.total()
        return {
            "max_age_s": service.hybrid.max_age_s,
            "ids": len(service.hybrid),
            "hits": counts.hits,
            "misses": dict(counts.misses),
            "hit_rate": counts.hits / asked if asked else None,
        }

    async def _server(self, _: Request) -> Response:
        return JSONResponse(inference.server_metadata())

    async def _live(self, _: Request) -> Response:
        return JSONResponse({"live": True})

    async def _ready(self, _: Request) -> Response:
        return JSONResponse({"ready": not self.stopping}, 503 if self.stopping else 200)

    async def _model(self, request: Request) -> Response:
        self._named(request)
        return JSONResponse(inference.model_metadata(self.service.routes.artifact))

    async def _model_ready(self, request: Request) -> Response:
        name = self._named(request)
        return JSONResponse(
            {"name": name, "ready": not self.stopping}, 503 if self.stopping else 200
        )

    def _named(self, request: Request) -> str:
        name = str(request.path_params["name"])
        own = self.service.routes.artifact.name
        if name != own:
            raise ProblemError(404, f"no model is called {name[:80]!r} here; there is {own!r}")
        return name

    async def _infer(self, request: Request) -> Response:
        started = time.perf_counter()
        self._named(request)
        headers = dict(request.scope["headers"])
        said_none = b"" if b"origin" in headers else b"application/json"  # a foreign page may not
        media = media_type(headers.get(b"content-type", said_none))
        if media not in (b"application/json", b"application/octet-stream"):
            raise ProblemError(
                415, "send application/json, or application/octet-stream with tensors"
            )
        body = await self._read(headers, request.scope, request.receive)
        texts = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
        try:
            asked = inference.decode_infer(body, texts, max_rows=self.limits.max_rows)
        except inference.ProtocolError as error:
            raise ProblemError(error.status, error.detail) from error
        model, found, more = await self.service.infer(asked.columns, asked.id, started)
        said, content = inference.encode_infer(
            asked,
            model.artifact or self.service.routes.artifact,
            found,
            parameters=more,
        )
        return Response(content, headers=said)


def media_type(value: bytes) -> bytes:
    """The media type of a ``Content-Type`` header, without its parameters."""
    return value.split(b";", 1)[0].strip().lower()
