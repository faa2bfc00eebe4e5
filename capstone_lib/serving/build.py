"""Putting an endpoint together: from artifacts, a store and bounds to an ASGI application."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from starlette.routing import BaseRoute

from capstone_lib.artifact import Artifact, load_model
from capstone_lib.errors import EndpointError
from capstone_lib.serving.app import Application
from capstone_lib.serving.follower import Follower
from capstone_lib.serving.guard import Guard, check_key, is_loopback
from capstone_lib.serving.hybrid import Hybrid, parse_age
from capstone_lib.serving.limits import Limits
from capstone_lib.serving.metrics import Metrics
from capstone_lib.serving.routes import Routes
from capstone_lib.serving.service import Service
from capstone_lib.store import open_store

__all__ = ["ExtraRoutes", "Plan", "build"]

ExtraRoutes = Sequence[BaseRoute] | Callable[[Any, Artifact], Sequence[BaseRoute]]
"""Routes of others, or a function that makes them of the store and the artifact."""

_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Plan:
    """Everything that makes an endpoint; see :func:`capstone_lib.serve` for the meaning."""

    artifact: Artifact | str | Path
    store: Any = None
    canary: Artifact | str | Path | None = None
    fallback: Artifact | str | Path | None = None
    host: str = "127.0.0.1"
    key: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    metrics_folder: Path | None = None
    share: float | None = None  # of the canary: recorded when everything else is in order
    hybrid: timedelta | str | None = None
    extra_routes: ExtraRoutes = ()

    def check(self) -> None:
        """Refuse what cannot be, and what would open the door without a key.

        Raises
        ------
        EndpointError
            If it would listen beyond this machine without a key, or pass on nightly scores of no
            store.
        ValueError
            If the age of nightly scores is none.
        """
        if self.hybrid is not None:
            parse_age(self.hybrid)
            if self.store is None:
                raise EndpointError(
                    "nightly scores are passed on from a store, and none is named; give the one "
                    "that batch runs write to (store=, --store)"
                )
        if self.key is not None:
            check_key(self.key)
        elif not is_loopback(self.host):
            raise EndpointError(
                f"{self.host} can be reached from other machines, and there is no key; give one "
                "(key=, --key-file or the variable CAPSTONE_KEY), or stay on 127.0.0.1"
            )

    def hosts(self) -> Iterable[str]:
        """The names under which the endpoint may be addressed; none for any."""
        if self.allowed_hosts:
            return {*self.allowed_hosts, *_LOOPBACK_NAMES}
        return {self.host, *_LOOPBACK_NAMES} if is_loopback(self.host) else ()


def build(plan: Plan) -> Application:
    """Load what is named, and put the application together.

    Raises
    ------
    ArtifactError, StoreError, EndpointError
        If a part cannot be used, before anything listens.
    """
    plan.check()
    stable, canary, fallback = map(_load, (plan.artifact, plan.canary, plan.fallback))
    assert stable is not None
    routes = Routes(stable, canary=canary, fallback=fallback)
    store = None if plan.store is None else open_store(plan.store)
    close = store.close if store is not None and store is not plan.store else lambda: None
    try:
        return _joined(plan, routes, store, close)
    except BaseException:
        close()
        raise


def _joined(plan: Plan, routes: Routes, store: Any, close: Callable[[], None]) -> Application:
    keys = {
        model.route: store.register_served(
            name=model.name, version=model.version, artifact=model.sha256, snapshot=model.snapshot
        )
        for model in (routes.models if store is not None else ())
        if store is not None
    }

    service = Service(
        routes,
        metrics=Metrics(plan.metrics_folder),
        limits=plan.limits,
        keys=keys,
        hybrid=_hybrid(plan, routes, store),
    )
    if store is not None:
        if plan.share is not None:
            store.change_rollout(
                who="capstone serve", why="--share on the command line", canary_share=plan.share
            )
        _follow(store, service)
    extra = plan.extra_routes
    return Application(
        service,
        guard=Guard(key=plan.key, hosts=plan.hosts()),
        close=close,
        extra=extra(store, routes.artifact) if callable(extra) else extra,
    )


def _hybrid(plan: Plan, routes: Routes, store: Any) -> Hybrid | None:
    if plan.hybrid is None:
        return None
    return Hybrid(store.engine, routes.artifact, max_age=parse_age(plan.hybrid))


def _follow(store: Any, service: Service) -> None:
    """Take what is in force, and go on looking in the turns of the log."""
    from capstone_lib.serving.audit import AuditLog

    follower = Follower(store.engine, service)
    follower.look()
    if service.hybrid is not None:
        service.hybrid.wait()
    service.log = AuditLog(store, capacity=service.limits.log_capacity, on_turn=follower.look)


def _load(artifact: Artifact | str | Path | None) -> Artifact | None:
    return load_model(artifact) if isinstance(artifact, str | Path) else artifact
