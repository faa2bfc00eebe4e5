"""What a store remembers of a live endpoint: its answers, and the rollout it follows.

Only a database does. A folder is written once a run, by one process, and refuses here.
"""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capstone_lib.errors import StoreError
from capstone_lib.store.refusal import needs_database

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.store.rollout import Rollout

__all__ = ["LiveStore"]


class LiveStore:
    """The part of a store that serves an endpoint. Every method refuses until it is overridden.

    Of ``requests`` and ``change_rollout``, which say here what can be asked, a store overrides
    ``_read_requests`` and ``_change_rollout``.
    """

    url: str

    @property
    def file(self) -> Path | None:
        """The database's file; ``None`` where there is none of its own."""
        return None

    def register_served(self, *, name: str, version: str, artifact: str, snapshot: str) -> int:
        """Make a model known that will answer requests.

        Parameters
        ----------
        name, version : str
            The artifact's.
        artifact : str
            SHA-256 of the artifact's content; the same artifact gets the same key again.
        snapshot : str
            SHA-256 of its training data.

        Returns
        -------
        int
            The ``served_key`` that entries name it by.

        Raises
        ------
        StoreError
            If the store cannot be used, or is a folder.
        """
        raise self._refusal()

    def write_requests(
        self,
        entries: Sequence[tuple[Any, ...]],
        *,
        writer: str | None = None,
        first: int = 0,
        wait_s: float | None = None,
    ) -> int:
        """Keep answers of an endpoint, all or none.

        Parameters
        ----------
        entries : sequence of tuple
            Each ``(row_id, received_at, served_key, route, features, score, label, uncertainty,
            prediction_set, review, latency_ms, explanation, run_key, miss, override_key)``, all of
            the same length: the last three may be left out. Times are seconds since 1970, features
            anything that JSON makes an object of, a prediction set a list of labels; an
            explanation, a score and a label may be ``None``. Label and review are the model's; the
            override says whose label was given instead. A run is named where its score was passed
            on, a miss is why none was.
        writer : str, optional
            Who writes. Its entries are numbered, and none is kept twice: after a failure whose
            outcome is not known, the same call can be made again.
        first : int
            The number of the first of these entries among the writer's.
        wait_s : float, optional
            How long to wait for another writer (SQLite); a minute unless told otherwise.

        Returns
        -------
        int
            How many of them were new.

        Raises
        ------
        StoreError
            If the store cannot be used now, or is a folder.
        ValueError
            If an entry can never be kept, such as one that JSON cannot hold.
        """
        raise self._refusal()

    def requests(
        self,
        *,
        since: "str | date | datetime | float | None" = None,
        route: str | None = None,
        version: str | None = None,
        ids: Any = None,
        last: int | None = None,
    ) -> "pd.DataFrame":
        """Logged answers, all or those from a time on, of one route, version or set of ids.

        Parameters
        ----------
        since : str, date, datetime or float, optional
            The earliest time of arrival; text and datetimes without a zone are UTC, a number is
            seconds since 1970.
        route, version : str, optional
            The route, and the model's version, that answered.
        ids : array, optional
            Row ids.
        last : int, optional
            Of what is selected only the newest so many.

        Returns
        -------
        DataFrame
            Oldest first: ``request_key``, ``row_id``, ``received_at`` (UTC), ``route``, ``model``,
            ``version``, ``snapshot``, ``features`` (a JSON object), ``score`` and ``uncertainty``
            (``float32``; NaN: answered without a model), ``label``, ``prediction_set`` (a JSON
            list), ``review``, ``latency_ms``, ``explanation`` (JSON; missing unless asked for),
            ``as_of`` (of a nightly score that was passed on), ``miss`` (why none was, where that is
            done), ``answered`` (the label that was given) and ``decided_by`` (``model``, or the
            reviewer whose label it is). Label and review are what the model said.

        Raises
        ------
        StoreError
            If the store cannot be used, or is a folder.
        ValueError
            If ``since`` is no time, or ``last`` no count.
        """
        return self._read_requests(since=since, route=route, version=version, ids=ids, last=last)

    def rollout(self) -> "Rollout":
        """What the endpoint does with requests now: the last change, or the default."""
        raise self._refusal()

    def change_rollout(
        self,
        *,
        who: str,
        why: str,
        route: str | None = None,
        canary_share: float | None = None,
        paused: bool | None = None,
        shadow: bool | None = None,
    ) -> "Rollout":
        """Change what every process of the endpoint does, within a second.

        Parameters
        ----------
        who, why : str
            Who changes it, a person or a rule, and the reason: they are recorded.
        route : "stable" or "degraded", optional
        canary_share : float, optional
            From 0 to 1.
        paused, shadow : bool, optional
            What is left out stays as it is.

        Returns
        -------
        Rollout
            What is in force from now on.

        Raises
        ------
        ValueError
            If a value cannot be, or nobody says who and why; nothing is changed then.
        StoreError
            If the store cannot be used, or is a folder.
        """
        return self._change_rollout(
            who=who,
            why=why,
            route=route,
            canary_share=canary_share,
            paused=paused,
            shadow=shadow,
        )

    def rollout_history(self) -> "pd.DataFrame":
        """Every change of the rollout, oldest first, with who, when and why."""
        raise self._refusal()

    def overrides(self, *, history: bool = False) -> "pd.DataFrame":
        """Reviewers' answers that count in the place of a model's.

        Parameters
        ----------
        history : bool, default False
            Give every decision ever made, also those that were taken back or followed by another.

        Returns
        -------
        DataFrame
            Oldest first: ``override_key``, ``row_id``, ``label`` (None: the model's answer again),
            ``reviewer``, ``decided_at`` (UTC), ``case_id``, ``why``, ``model`` (empty: every).

        Raises
        ------
        StoreError
            If the store cannot be used, or is a folder.
        """
        raise self._refusal()

    def _read_requests(self, **wanted: Any) -> "pd.DataFrame":
        raise self._refusal()

    def _change_rollout(self, **change: Any) -> "Rollout":
        raise self._refusal()

    def _refusal(self) -> StoreError:
        return needs_database(self.url, who="an endpoint needs")
