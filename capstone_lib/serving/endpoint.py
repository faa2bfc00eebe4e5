"""The endpoint from Python: started for a notebook, a script or a test, and always stopped."""

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from html import escape
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from capstone_lib.artifact import Artifact
from capstone_lib.serving.build import ExtraRoutes, Plan
from capstone_lib.serving.client import Client
from capstone_lib.serving.limits import Limits
from capstone_lib.serving.metrics import Latency
from capstone_lib.serving.runners import ProcessRunner, ThreadRunner
from capstone_lib.store.rollout import Rollout

__all__ = ["Endpoint", "serve"]


def serve(
    artifact: Artifact | str | Path,
    *,
    store: Any = None,
    canary: Artifact | str | Path | None = None,
    fallback: Artifact | str | Path | None = None,
    mode: Literal["thread", "process"] = "thread",
    workers: int = 1,
    host: str = "127.0.0.1",
    port: int = 0,
    key: str | None = None,
    allowed_hosts: Sequence[str] = (),
    limits: Limits = Limits(),  # noqa: B008 - frozen
    hybrid: timedelta | str | None = None,
    extra_routes: ExtraRoutes = (),
    ready_timeout_s: float = 30.0,
) -> "Endpoint":
    """Serve an artifact over HTTP, from a notebook, a script or a test.

    Parameters
    ----------
    artifact : Artifact or path
        The model in charge.
    store : str, path or Store, optional
        A database: every answer is logged in its ``requests``, and the rollout is read from it.
    canary : Artifact or path, optional
        A model on trial. It answers the share of cases that the rollout gives it.
    fallback : Artifact or path, optional
        A cheaper model for the degraded route; without it that route asks a person every time.
    mode : {"thread", "process"}
        A thread shares the interpreter: while a cell computes in Python, answers come many times
        slower. Choose a process where a cell computes while the endpoint serves.
    workers : int, default 1
        With ``mode="process"``: how many processes share the port; one that dies is replaced.
    host, port
        Where to listen; port 0 takes a free one. Beyond this machine only with a ``key``.
    key : str, optional
        Requests must carry it as ``Authorization: Bearer …``.
    allowed_hosts : sequence of str
        Further names under which the endpoint may be addressed.
    limits : Limits
        Bounds on requests in flight, body size, rows and time.
    hybrid : timedelta or str, optional
        Pass nightly scores of this very artifact on while they are younger, such as ``"36h"``,
        counted from the start of their as-of date (UTC); compute what is stale or unknown. Cases
        may then be asked about by their id alone.
    extra_routes : sequence of Starlette routes, or callable
        What else is to be answered, behind the endpoint's key; or a function that makes the routes
        of the store and the artifact. In ``mode="process"`` it is a function of a module.
    ready_timeout_s : float
        How long the start may take.

    Returns
    -------
    Endpoint
        Use it in a ``with`` block, or call its :meth:`~Endpoint.stop`.

    Raises
    ------
    EndpointError
        If the address cannot be had, the endpoint is not ready in time, or nightly scores are to be
        passed on without a store.
    ArtifactError, StoreError
        If a model or the store cannot be used.

    Examples
    --------
    >>> with serve("model.onnx") as endpoint:  # doctest: +SKIP
    ...     endpoint.predict({"AGEP": 40, "SEX": 2})["score"]
    """
    if mode not in ("thread", "process"):
        raise ValueError(f"mode is 'thread' or 'process'; seen {mode!r}")
    if workers != 1 and mode == "thread":
        raise ValueError(f"{workers!r} workers are processes: give mode='process'")
    plan = Plan(
        artifact=artifact,
        store=store,
        canary=canary,
        fallback=fallback,
        host=host,
        key=key,
        allowed_hosts=tuple(allowed_hosts),
        limits=limits,
        hybrid=hybrid,
        extra_routes=extra_routes,
    )
    plan.check()
    runner: ThreadRunner | ProcessRunner
    runner = ThreadRunner(plan, port) if mode == "thread" else ProcessRunner(plan, port, workers)
    try:
        runner.wait(ready_timeout_s)
    except BaseException:
        runner.stop()
        raise
    return Endpoint(runner, plan, mode)


class Endpoint:
    """A running endpoint.

    Attributes
    ----------
    url : str
        Where it is.
    mode : str
        ``thread`` or ``process``.
    """

    def __init__(self, runner: "ThreadRunner | ProcessRunner", plan: Plan, mode: str) -> None:
        self._runner, self._plan, self.mode = runner, plan, mode
        shown = f"[{plan.host}]" if ":" in plan.host else plan.host
        self.url = f"http://{shown}:{runner.port}"
        self._client = Client(self.url, key=plan.key)

    def predict(
        self,
        row: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,  # noqa: A002 - the member's name
        explain: bool = False,
    ) -> dict[str, Any]:
        """Ask about one row.

        Parameters
        ----------
        row : mapping of str to value, or pandas.Series
            The features by name. Where nightly scores are passed on they may be left out: then
            there is an answer only if the case has a fresh one.
        id : str, optional
            The case; it keeps its route.
        explain : bool
            Ask for the strongest reasons too.

        Returns
        -------
        dict
            ``id``, ``score``, ``label``, ``uncertainty``, ``prediction_set``, ``review``,
            ``model``, ``version``, ``route``, and on demand ``explanation``. Of a nightly score
            that is passed on ``as_of`` and ``age_s`` too, and ``decided_by`` where a reviewer's
            label stands in the place of the model's.

        Raises
        ------
        EndpointError
            If the endpoint refuses; ``problem`` is its problem document.
        """
        asked: dict[str, Any] = {}
        if row is not None:
            asked["features"] = {str(name): _null(value) for name, value in dict(row).items()}
        if id is not None:
            asked["id"] = id
        if explain:
            asked["explain"] = True
        answer: dict[str, Any] = self._client.post("/predict", asked)
        return answer

    def status(self, window_s: float = 60.0) -> dict[str, Any]:
        """What is going on: latency over the last seconds, load, rollout, models, hits."""
        found: dict[str, Any] = self._client.get(f"/status?window_s={window_s:g}")
        return found

    def latency(self, window_s: float = 60.0) -> Latency:
        """Percentiles over the answers of the last seconds, as the server measured them."""
        found = self.status(window_s)["latency"]
        n_answers = found.pop("n")
        return Latency(n_answers, **{k: float("nan") if v is None else v for k, v in found.items()})

    @property
    def rollout(self) -> Rollout:
        """How the models share the traffic now, as the endpoint sees it."""
        return Rollout(**self.status()["rollout"])

    def stop(self) -> None:
        """Answer what was accepted, write the log, and stop; a second call does nothing."""
        self._runner.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "" if self._runner.alive else ", stopped"
        return f"<Endpoint {self.url}, {self.mode}{state}>"

    def _repr_html_(self) -> str:
        if not self._runner.alive:
            return f"<p>endpoint at {escape(self.url)}, stopped</p>"
        links = [f"<a href='{escape(self.url)}/' target='_blank'>{escape(self.url)}</a>"]
        prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
        if prefix:
            proxied = escape(f"{prefix.rstrip('/')}/proxy/{self._runner.port}/")
            links.append(f"<a href='{proxied}' target='_blank'>through the hub</a>")
        return f"<p>endpoint at {' · '.join(links)} <small>({self.mode})</small></p>"


def _null(value: Any) -> Any:
    """A missing value, whatever it is called, is JSON's null."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    return None if isinstance(value, float | np.floating) and value != value else value
