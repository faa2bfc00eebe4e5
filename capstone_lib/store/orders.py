"""What a running endpoint follows in its store, read in one go several times a second."""

from dataclasses import dataclass

from sqlalchemy import Engine, select

from capstone_lib.store.alert_tables import scale_requests
from capstone_lib.store.engine import reading
from capstone_lib.store.overrides import Override, read_overrides
from capstone_lib.store.rollout import Rollout
from capstone_lib.store.rollout_log import last_rollout
from capstone_lib.store.tables import runs

__all__ = ["Orders", "read_orders"]


@dataclass(frozen=True)
class Orders:
    """What is to be done from now on.

    Attributes
    ----------
    rollout : Rollout
        In force.
    overrides : list of Override
        Those that are new, in their order.
    replicas : int or None
        How many processes are wanted; None: nobody has asked for any number.
    runs : frozenset of int
        The keys of the published runs that speak of ``since_day`` or later.
    """

    rollout: Rollout
    overrides: list[Override]
    replicas: int | None
    runs: frozenset[int]


def read_orders(engine: Engine, *, after_override: int = 0, since_day: str | None = None) -> Orders:
    """Read what is in force now.

    Parameters
    ----------
    engine : Engine
        Of a store.
    after_override : int
        The key of the last override that is known already.
    since_day : str, optional
        An ISO date: name the published runs from then on. Without it none is named.
    """
    wanted = select(scale_requests.c.replicas).order_by(scale_requests.c.scale_key.desc()).limit(1)
    published = select(runs.c.run_key).where(runs.c.status == "published")
    with reading(engine) as connection:
        fresh = (
            ()
            if since_day is None
            else connection.scalars(published.where(runs.c.as_of >= since_day))
        )
        return Orders(
            last_rollout(connection),
            read_overrides(connection, since=after_override),
            connection.scalar(wanted),
            frozenset(fresh),
        )
