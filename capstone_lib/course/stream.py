"""Months of the census as they come to a batch and to a running endpoint, with what goes wrong.

A month passes in a second or two. So that batch, live answers and outcomes stand on one time line,
the log of requests is dated to the day on which each person came.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, select, update

from capstone_lib.course.lines import instance, lines_to, wait_for
from capstone_lib.course.reference import month_end
from capstone_lib.data import scenarios
from capstone_lib.data.scenarios import Truth
from capstone_lib.store.engine import reading, writing
from capstone_lib.store.tables import request_rows

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.artifact import Artifact
    from capstone_lib.data import Census
    from capstone_lib.monitoring import Measurement
    from capstone_lib.store import Store

__all__ = ["Month", "measure_month", "month_of", "play"]

_CASES_A_REQUEST = 20


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


def _parts(rows: "pd.DataFrame") -> Iterator[list[dict[str, Any]]]:
    asked: Sequence[Any] = rows.to_dict("records")
    for start in range(0, len(asked), _CASES_A_REQUEST):
        some = asked[start : start + _CASES_A_REQUEST]
        yield [instance(row, row["row_id"]) for row in some]


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
