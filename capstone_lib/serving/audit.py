"""The audit log: answers on their way into the store, and orders on their way back.

One thread beside the event loop writes what was answered, a chunk at a time, and in each turn looks
what has changed in the store. An answer leaves the queue only when it is in the store: so a failing
store delays the log and loses nothing, and whoever serves can see how much is waiting and shed
load.
"""

import atexit
import threading
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

from capstone_lib.errors import AuditError, StoreError
from capstone_lib.serving.leftovers import beside, refuse, spill
from capstone_lib.store import Store

__all__ = ["AuditLog"]

Entry = tuple[Any, ...]

_CHUNK = 2000
_LOCK_WAIT_S = 0.5
_LONGEST_PAUSE_S = 2.0


class AuditLog:
    """Writes an endpoint's answers to a store, and looks there for what is to be done.

    After ``kill -9``, at most what was answered in the last moments is missing: what waited for the
    next turn of the writer, ``every_s`` at most while the store keeps up. ``waiting`` tells.

    Parameters
    ----------
    store : Store
        A database.
    capacity : int
        From so many waiting answers on :attr:`is_full` says so. Nothing that was answered is ever
        dropped: whoever serves must take no more requests then.
    every_s : float
        How long the writer rests between two turns.
    on_turn : callable, optional
        Called in the writer's thread at the beginning of each turn; if it fails, the log goes on
        and :attr:`failing` says so.

    Raises
    ------
    StoreError
        If the store is a folder, or cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from capstone_lib import open_store
    >>> with tempfile.TemporaryDirectory() as folder, open_store(f"{folder}/store.db") as store:
    ...     key = store.register_served(name="m", version="1", artifact="ab", snapshot="cd")
    ...     log = AuditLog(store)
    ...     log.start()
    ...     log.put([("7", 0.0, key, "stable", {"AGEP": 40}, 0.5, 1, 1.0, [0, 1], True, 0.2, None)])
    ...     log.stop()
    ...     store.requests()["row_id"].tolist()
    [7]
    """

    def __init__(
        self,
        store: Store,
        *,
        capacity: int = 50_000,
        every_s: float = 0.25,
        on_turn: Callable[[], None] = lambda: None,
    ) -> None:
        if capacity < 1 or every_s <= 0:
            raise ValueError(
                f"capacity is {capacity} and every_s is {every_s}; an audit log needs room for one "
                "answer at least, and a rest longer than nothing"
            )
        store.rollout()  # a store that cannot be used is refused before there is anything to lose
        self._store, self._capacity, self._every_s = store, capacity, every_s
        self._on_turn = on_turn
        self._writer = uuid4().hex
        self._queue: list[Entry] = []
        self._settled = 0
        self._refused = 0
        self._settling = threading.Lock()
        self._troubles: dict[str, str] = {}  # replaced, never changed: others read it
        self._closed = False
        self._given_up = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_full(self) -> bool:
        """Whether so many answers wait that no further request should be taken."""
        return len(self._queue) >= self._capacity

    @property
    def waiting(self) -> int:
        """Answers that are not in the store yet."""
        return len(self._queue)

    @property
    def written(self) -> int:
        """Answers that are in the store."""
        return self._settled - self._refused

    @property
    def refused(self) -> int:
        """Answers that no store could keep; they are in a file beside it, with the reason."""
        return self._refused

    @property
    def failing(self) -> str:
        """What is wrong now, if anything is; empty while the writer works."""
        return "; ".join(self._troubles.values())

    def start(self) -> None:
        """Start the writer."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="audit-log", daemon=True)
            self._thread.start()
            atexit.register(self.stop)

    def put(self, entries: list[Entry]) -> None:
        """Hand over answers; costs the caller no more than extending a list.

        Parameters
        ----------
        entries : list of tuple
            As :meth:`Store.write_requests` takes them.

        Raises
        ------
        AuditError
            If the log has been stopped.
        """
        if self._closed:
            raise AuditError("the audit log was stopped: stop answering before stopping the log")
        self._queue.extend(entries)

    def stop(self, timeout_s: float = 10.0) -> None:
        """Write everything that waits, and end. Stopping again does nothing.

        Parameters
        ----------
        timeout_s : float
            After so long what still waits goes to a spill file beside the store, which
            :func:`capstone_lib.store.spill.load_spill` reads.

        Raises
        ------
        AuditError
            If not everything is in the store; it says where the rest is.
        """
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.stop)
        if self._thread is None and self._queue:
            self._thread = threading.Thread(target=self._run, name="audit-log", daemon=True)
            self._thread.start()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        self._given_up = True
        if self._thread is not None:
            self._thread.join(2 * _LOCK_WAIT_S)  # its last attempt, so that nothing is told twice
        self._tell_what_is_left()

    def _tell_what_is_left(self) -> None:
        with self._settling:
            left, first = list(self._queue), self._settled
        if left:
            why = self.failing or "there was not enough time"
            raise spill(self._store.file, left, writer=self._writer, first=first, why=why)
        if self._refused:
            path = beside(self._store.file, "refused", self._writer)
            raise AuditError(
                f"{self._refused:,} answers cannot be kept by the store; read why in {path}", path
            )

    def _run(self) -> None:
        pause = self._every_s
        while not self._given_up:
            self._try("orders", self._on_turn)
            before = self._settled
            fine = self._try("requests", self._write)
            if self._closed and not self._queue:
                return
            moved = fine or self._settled > before
            pause = self._every_s if moved else min(2 * pause, _LONGEST_PAUSE_S)
            if fine and (self._closed or len(self._queue) >= _CHUNK):
                continue
            if self._closed:
                sleep(min(self._every_s, _LOCK_WAIT_S))
            else:
                self._wake.wait(pause)

    def _try(self, what: str, work: Callable[[], None]) -> bool:
        """Do a piece of work; note what went wrong, so that the next turn does it again."""
        try:
            work()
        except Exception as error:  # whatever it is, the log must go on
            known = isinstance(error, StoreError)
            said = str(error) if known else f"{type(error).__name__}: {error}"
            self._troubles = {**self._troubles, what: said}
            return False
        if what in self._troubles:
            self._troubles = {k: said for k, said in self._troubles.items() if k != what}
        return True

    def _write(self) -> None:
        """Write what waits; after a while leave the rest to the next turn."""
        until = monotonic() + self._every_s
        while self._queue and not self._given_up:
            self._keep(self._queue[:_CHUNK])
            if monotonic() > until:
                return

    def _keep(self, entries: list[Entry]) -> None:
        """Write the first entries of the queue; single out the ones that cannot be kept."""
        try:
            self._store.write_requests(
                entries, writer=self._writer, first=self._settled, wait_s=_LOCK_WAIT_S
            )
        except ValueError as error:
            if len(entries) > 1:
                half = len(entries) // 2
                self._keep(entries[:half])
                self._keep(entries[half:])
                return
            refuse(self._store.file, entries[0], writer=self._writer, why=str(error))
            self._refused += 1
        self._settle(len(entries))

    def _settle(self, n: int) -> None:
        with self._settling:
            del self._queue[:n]
            self._settled += n
