"""The live part of a store in a database: served models, the log of requests, the rollout."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from capstone_lib.store.engine import reading, writing
from capstone_lib.store.live import LiveStore
from capstone_lib.store.overrides import overrides_frame, read_overrides
from capstone_lib.store.request_frames import read_requests
from capstone_lib.store.requests import register_served, write_requests
from capstone_lib.store.rollout import Rollout
from capstone_lib.store.rollout_log import add_change, last_rollout, read_history

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LiveDatabase"]


class LiveDatabase(LiveStore):
    """What :class:`capstone_lib.store.live.LiveStore` promises, in the database ``engine``."""

    engine: Engine

    @property
    def file(self) -> Path | None:
        """See :attr:`LiveStore.file`."""
        url = self.engine.url
        return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None

    def register_served(self, *, name: str, version: str, artifact: str, snapshot: str) -> int:
        """See :meth:`LiveStore.register_served`."""
        with writing(self.engine) as connection:
            return register_served(
                connection, name=name, version=version, artifact=artifact, snapshot=snapshot
            )

    def write_requests(
        self,
        entries: Sequence[tuple[Any, ...]],
        *,
        writer: str | None = None,
        first: int = 0,
        wait_s: float | None = None,
    ) -> int:
        """See :meth:`LiveStore.write_requests`."""
        return write_requests(self.engine, entries, writer=writer, first=first, wait_s=wait_s)

    def overrides(self, *, history: bool = False) -> "pd.DataFrame":
        """See :meth:`LiveStore.overrides`."""
        with reading(self.engine) as connection:
            made = read_overrides(connection)
        if not history:
            last = {(one.row_id, one.model): one.key for one in made}
            in_force = set(last.values())
            made = [one for one in made if one.label is not None and one.key in in_force]
        return overrides_frame(made)

    def rollout(self) -> Rollout:
        """See :meth:`LiveStore.rollout`."""
        with reading(self.engine) as connection:
            return last_rollout(connection)

    def rollout_history(self) -> "pd.DataFrame":
        """See :meth:`LiveStore.rollout_history`."""
        with reading(self.engine) as connection:
            return read_history(connection)

    def _read_requests(self, **wanted: Any) -> "pd.DataFrame":
        with reading(self.engine) as connection:
            return read_requests(connection, **wanted)

    def _change_rollout(self, **change: Any) -> Rollout:
        with writing(self.engine) as connection:
            return add_change(connection, **change)
