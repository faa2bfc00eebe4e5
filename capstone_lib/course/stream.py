"""Months of the census as they come to a batch and to a running endpoint, with what goes wrong.

A month passes in a second or two. So that batch, live answers and outcomes stand on one time line,
the log of requests is dated to the day on which each person came.
"""

import http.client
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil
from sqlalchemy import bindparam, func, select, update

from capstone_lib.course.reference import month_end
from capstone_lib.data import scenarios
from capstone_lib.data.scenarios import Truth
from capstone_lib.errors import EndpointError
from capstone_lib.store.engine import reading, writing
from capstone_lib.store.tables import request_rows

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.artifact import Artifact
    from capstone_lib.data import Census
    from capstone_lib.monitoring import Measurement
    from capstone_lib.store import Store

__all__ = [
    "Line",
    "Month",
    "follow",
    "lines_to",
    "measure_month",
    "month_of",
    "play",
    "wait_for",
    "wait_for_all",
]

_CASES_A_REQUEST = 20
_PAUSE_S = 0.01
_PATIENCE_S = 30.0


@dataclass(frozen=True, eq=False)
class Month:
    """Some of the people of a month, and what goes wrong in it.

    Attributes
    ----------
    name : str
        ``"2016-01"``.
    people : pandas.DataFrame
        As they are, and as the batch has them; the label is what becomes of them.
    asked : pandas.DataFrame
        The same people as the live client sends them.
    target : str
        The column with what becomes of them.
    truths : tuple of Truth
        What was done to them; empty if nothing was.
    """

    name: str
    people: "pd.DataFrame"
    asked: "pd.DataFrame"
    target: str
    truths: tuple[Truth, ...] = ()

    @property
    def as_of(self) -> str:
        """The date of its batch: its last day."""
        return month_end(self.name)

    @cached_property
    def window(self) -> tuple[str, str]:
        """Its first day, and the first one after it."""
        import pandas as pd

        month = pd.Period(self.name)
        return f"{month}-01", f"{month + 1}-01"

    def __repr__(self) -> str:
        done = " ".join(map(str, self.truths)) or "nothing goes wrong"
        return f"{self.name}, {len(self.people):,} people: {done}"


def month_of(
    census: "Census",
    name: str,
    *,
    rows: int = 1_500,
    seed: int = 0,
    world: str = "nothing",
    client: str = "nothing",
) -> Month:
    """Draw people of a month, and let something happen.

    Parameters
    ----------
    census : Census
        Where they come from.
    name : str
        Such as ``"2016-01"``.
    rows : int, default 1500
        How many are drawn; all if there are no more.
    seed : int, default 0
        For the draw and the scenarios.
    world, client : str
        Scenarios: what happens to people, and what the live client does to their data.

    Examples
    --------
    >>> from capstone_lib.data import load_census
    >>> month_of(load_census(), "2016-02", rows=100)
    2016-02, 100 people: nothing goes wrong
    """
    everybody = census.frame(int(name[:4]))
    those = everybody[everybody["arrived_at"].dt.strftime("%Y-%m") == name]
    drawn = those.sample(min(rows, len(those)), random_state=seed).sort_values("arrived_at")
    people, befell = scenarios.apply(world, drawn.reset_index(drop=True), seed=seed)
    asked, garbled = scenarios.apply(client, people, seed=seed)
    truths = tuple(one for one in (befell, garbled) if one.kind != "nothing")
    return Month(name, people, asked, census.target, truths)


class Line:
    """One connection to an endpoint, kept open: all its questions go to one worker."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        self.ask("/v2/health/live")

    @property
    def worker(self) -> int:
        """The process at the other end, if it is a descendant of this one.

        Raises
        ------
        EndpointError
            If it is none.
        """
        mine = self._connection.sock.getsockname()
        for process in psutil.Process().children(recursive=True):
            try:
                if any(one.raddr == mine for one in process.net_connections("tcp") if one.raddr):
                    return int(process.pid)
            except psutil.Error:  # it is just ending
                continue
        raise EndpointError("no child of this process holds the connection")

    def ask(self, path: str, document: Any = None) -> Any:
        """Send a document, or fetch one; return the answer, read if it is JSON."""
        body = None if document is None else json.dumps(document)
        said = {} if body is None else {"Content-Type": "application/json"}
        self._connection.request("GET" if body is None else "POST", path, body, said)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise EndpointError(f"{path} answered {answer.status}: {content[:200]!r}")
        return json.loads(content) if content else None

    def predict(self, row: Mapping[str, Any], row_id: Any) -> dict[str, Any]:
        """Ask about one person."""
        answer: dict[str, Any] = self.ask("/predict", _instance(row, row_id))
        return answer

    def rollout(self) -> dict[str, Any]:
        """How the models share the traffic now, as this worker sees it."""
        said: dict[str, Any] = self.ask("/status")["rollout"]
        return said

    def close(self) -> None:
        """End it."""
        self._connection.close()


@contextmanager
def lines_to(url: str, *, workers: int = 2) -> Iterator[list[Line]]:
    """Open a line to each worker of an endpoint that this process has started.

    Raises
    ------
    EndpointError
        If one of them takes no connection.
    """
    with ExitStack() as stack:
        found: dict[int, Line] = {}
        ends = time.monotonic() + _PATIENCE_S
        while len(found) < workers:
            if time.monotonic() > ends:
                raise EndpointError(f"only {len(found)} of {workers} workers take connections")
            line = stack.enter_context(closing(Line(url)))
            found.setdefault(line.worker, line)
        yield list(found.values())


def play(month: Month, *, url: str, artifact: "Artifact", store: "Store", workers: int = 2) -> None:
    """Let a month pass: live requests, the batch at its end, and then what became of the people.

    Parameters
    ----------
    month : Month
    url : str
        Of an endpoint that logs to this store.
    artifact : Artifact
        Scores the batch.
    store : Store
    workers : int, default 2
        Of the endpoint; each is asked about a part of the people.
    """
    from capstone_lib.batch import score_batch

    features = list(artifact.schema.names)
    last = _last_entry(store)
    with lines_to(url, workers=workers) as lines:
        for place, some in enumerate(_parts(month.asked[["row_id", *features]])):
            lines[place % len(lines)].ask("/predict", {"instances": some})
    wait_for(lambda: _n_after(store, last) >= len(month.asked), what="the log of requests")
    _date(store, month, after=last)
    batch = month.people[["row_id", *features]]
    score_batch(artifact, batch, store=store, as_of=month.as_of, id="row_id", show_progress=False)
    store.record_outcomes(month.people, outcome=month.target, observed_at=month.window[1])


def measure_month(month: Month, artifact: "Artifact", store: "Store") -> "list[Measurement]":
    """Measure all that is known of a month, and keep it; what ``capstone monitor`` does."""
    from capstone_lib.monitoring import measure

    found = measure(artifact, store, window=month.window, source=month.people)
    store.write_measurements(found)
    return found


def follow(url: str, *, workers: int = 2, **wanted: Any) -> "pd.DataFrame":
    """Wait until each worker of an endpoint follows the rollout; return what each says of it.

    Parameters
    ----------
    url : str
        Of an endpoint that this process has started.
    workers : int, default 2
    **wanted
        Fields of :class:`capstone_lib.store.rollout.Rollout`, such as ``route="degraded"``.

    Raises
    ------
    EndpointError
        If it takes too long.
    """
    import pandas as pd

    with lines_to(url, workers=workers) as lines:
        wait_for_all(lines, **wanted)
        rows = [{"worker": line.worker, **line.rollout()} for line in lines]
    return pd.DataFrame(rows).set_index("worker")[["route", "canary_share", "paused", "who"]]


def wait_for_all(lines: Sequence[Line], **wanted: Any) -> float:
    """Wait until each worker has what is wanted in its rollout; return how many seconds it took."""

    def there() -> bool:
        said = [line.rollout() for line in lines]
        return all(one[name] == value for one in said for name, value in wanted.items())

    return wait_for(there, what=f"{len(lines)} workers to follow")


def wait_for(true: Any, *, what: str, patience_s: float = _PATIENCE_S) -> float:
    """Wait until something holds; return how many seconds it took.

    Raises
    ------
    EndpointError
        If it takes too long.
    """
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > patience_s:
            raise EndpointError(f"waited {patience_s:g} s for {what} in vain")
        time.sleep(_PAUSE_S)
    return time.monotonic() - began


def _instance(row: Mapping[str, Any], row_id: Any) -> dict[str, Any]:
    features = {str(name): _plain(value) for name, value in row.items() if name != "row_id"}
    return {"features": features, "id": str(row_id)}


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if value != value else value


def _parts(rows: "pd.DataFrame") -> Iterator[list[dict[str, Any]]]:
    asked: Sequence[Any] = rows.to_dict("records")
    for start in range(0, len(asked), _CASES_A_REQUEST):
        some = asked[start : start + _CASES_A_REQUEST]
        yield [_instance(row, row["row_id"]) for row in some]


def _last_entry(store: Any) -> int:
    with reading(store.engine) as connection:
        return connection.execute(select(func.max(request_rows.c.request_key))).scalar() or 0


def _n_after(store: Any, last: int) -> int:
    with reading(store.engine) as connection:
        query = select(func.count()).where(request_rows.c.request_key > last)
        return int(connection.execute(query).scalar_one())


def _date(store: Any, month: Month, *, after: int) -> None:
    """Write into the log when each person of the month came."""
    came = month.people.set_index("row_id")["arrived_at"].dt.tz_localize("UTC")
    seconds = {int(row_id): moment.timestamp() for row_id, moment in came.items()}
    mine = request_rows.c.request_key > after
    with writing(store.engine) as connection:
        rows = connection.execute(
            select(request_rows.c.request_key, request_rows.c.row_id).where(mine)
        ).all()
        dated = [{"key": key, "at": seconds[int(row_id)]} for key, row_id in rows]
        one = update(request_rows).where(request_rows.c.request_key == bindparam("key"))
        connection.execute(one.values(received_at=bindparam("at")), dated)
