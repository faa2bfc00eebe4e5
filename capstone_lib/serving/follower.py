"""Keeping an endpoint in step with its store: what is changed there counts in every process."""

from sqlalchemy import Engine

from capstone_lib.serving.replies import Ruling
from capstone_lib.serving.service import Service
from capstone_lib.store.decisions import classes_by_label
from capstone_lib.store.orders import read_orders
from capstone_lib.store.overrides import Override, in_force

__all__ = ["Follower"]


class Follower:
    """Looks what is in force: the rollout, reviewers' answers, replicas wanted, nightly scores.

    Parameters
    ----------
    engine : Engine
        Of the store.
    service : Service
        What is kept in step.
    """

    def __init__(self, engine: Engine, service: Service) -> None:
        self._engine, self._service = engine, service
        artifact = service.routes.artifact
        self._model, self._classes = artifact.name, classes_by_label(artifact.classes)
        self._overrides: dict[int | str, Override] = {}
        self._last = 0

    def look(self) -> None:
        """Look once; to be called again and again, by one thread.

        Raises
        ------
        StoreError
            If the store cannot be read; then everything stays as it was.
        """
        service, hybrid = self._service, self._service.hybrid
        orders = read_orders(
            self._engine,
            after_override=self._last,
            since_day=None if hybrid is None else hybrid.since_day,
        )
        if orders.rollout.key != service.rollout.key:
            service.rollout = orders.rollout
        service.replicas_wanted = orders.replicas
        if orders.overrides:
            made, before = orders.overrides, self._overrides
            self._overrides = in_force(made, model=self._model, before=before)
            service.rulings = self._rulings()
            self._last = made[-1].key
        if hybrid is not None:
            hybrid.renew(orders.runs)

    def _rulings(self) -> dict[str, Ruling]:
        """By id as clients write it; a label that the models do not know is left alone."""
        return {
            str(row_id): Ruling(one.key, self._classes[str(one.label)], one.reviewer)
            for row_id, one in self._overrides.items()
            if str(one.label) in self._classes
        }
