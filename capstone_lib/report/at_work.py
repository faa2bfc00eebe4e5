"""The sections on the artifact at work: batch runs and their age, live answers and their speed."""

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from capstone_lib.monitoring.gather import runs_of
from capstone_lib.monitoring.operations import measure_latency
from capstone_lib.monitoring.rates import share_of
from capstone_lib.monitoring.runs import measure_runs
from capstone_lib.report.span import NO_DATABASE, Span, iso, records
from capstone_lib.report.words import plural
from capstone_lib.store.engine import engine_of, reading
from capstone_lib.store.tables import request_rows, served_models

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["gather_batch", "gather_live"]

_RUN = ("run_id", "status", "as_of", "rows", "rejected", "seconds", "error")
_REQUEST = (
    "received_at",
    "served_key",
    "route",
    "latency_ms",
    "review",
    "run_key",
    "miss",
    "score",
)
_WORDS = ("route", "miss")
_AT_ONCE = 50_000


def gather_batch(span: Span) -> dict[str, Any]:
    """Runs of the window, what they scored and rejected, and how old the scores are."""
    runs = runs_of(span.store, span.artifact, start=span.start, end=span.end)
    if not len(runs):
        model = f"{span.artifact.name} {span.artifact.version}"
        return {
            "missing": f"No batch run of {model} is in the store for this window: "
            f"capstone score MODEL SOURCE --store URL --as-of DATE makes one.",
            "source": f"table runs of {span.where}",
        }
    went = measure_runs(runs, now=span.now)
    rejected = share_of(went.rejected, went.rows + went.rejected)
    return {
        "missing": "",
        "source": f"table runs of {span.where}, {plural(len(runs), 'attempt')}",
        "succeeded": went.succeeded,
        "failed": went.failed,
        "running": went.running,
        "rows": went.rows,
        "rejected": went.rejected,
        "reject_rate": vars(rejected),
        "median_s": went.median_s,
        "max_s": went.max_s,
        "newest_as_of": went.newest_as_of,
        "freshness_days": went.freshness_days,
        "asked_at": iso(span.now),
        "errors": list(went.errors),
        "runs": [_run(row) for row in records(runs)],
        "reject_reasons": _reasons(span, runs),
        "staleness": _staleness(span),
    }


def gather_live(span: Span) -> dict[str, Any]:
    """Answers of the window by route: how many, how fast, how many to review, from where."""
    if span.is_folder:
        return {"missing": NO_DATABASE, "source": ""}
    source = f"tables request_rows and served_models of {span.where}"
    log, served = _requests(span), _served(span)
    given = log[log["route"] != "shadow"]  # nobody was told what a shadow said
    if not len(given):
        return {
            "missing": "No request was answered in this window: capstone serve MODEL --store URL "
            "answers and logs them.",
            "source": source,
            "served": served,
        }
    routes = log.groupby(["route", "served_key"], observed=True)
    return {
        "missing": "",
        "source": f"{source}, {plural(len(given), 'answer')}",
        "n": len(given),
        "first": iso(given["received_at"].min()),
        "last": iso(given["received_at"].max()),
        "all": _speed(given),
        "routes": [_route(some, key, served, len(given)) for key, some in routes],
        "hybrid": _hybrid(given),
        "served": served,
        "rollout": _rollout(span),
    }


def _run(row: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {name: None if _empty(row[name]) else row[name] for name in _RUN}
    for name in ("rows", "rejected"):
        known[name] = None if known[name] is None else int(known[name])
    return known | {
        "finished_at": iso(row["finished_at"]) if not isinstance(row["finished_at"], str)
        else row["finished_at"],
        "source": PurePath(str(row["source"] or "")).name,
    }  # fmt: skip


def _reasons(span: Span, runs: "pd.DataFrame") -> list[dict[str, Any]]:
    """The commonest reasons why rows were not scored."""
    if not (runs["rejected"].fillna(0) > 0).any() and not (runs["status"] == "failed").any():
        return []
    rejects = span.store.rejects(**span.model)
    mine = rejects[rejects["run_id"].isin(runs["run_id"])]
    found = mine["reason"].value_counts().head(5)
    return [{"reason": str(reason), "rows": int(n)} for reason, n in found.items()]


def _staleness(span: Span) -> dict[str, Any]:
    stale = span.store.staleness(span.now, **span.model)
    return {
        "asked_at": iso(span.now),
        "n": stale.n,
        "median_days": stale.median_days,
        "p95_days": stale.p95_days,
        "max_days": stale.max_days,
    }


def _requests(span: Span) -> "pd.DataFrame":
    """The columns that are counted, and none of what was asked; read a part at a time."""
    import pandas as pd

    query = select(*(request_rows.c[name] for name in _REQUEST))
    if span.start is not None:
        query = query.where(request_rows.c.received_at >= span.start.timestamp())
    if span.end is not None:
        query = query.where(request_rows.c.received_at < span.end.timestamp())
    with reading(engine_of(span.store, who="requests need")) as connection:
        found = connection.execution_options(yield_per=_AT_ONCE).execute(query)
        parts = [_part([tuple(row) for row in rows]) for rows in found.partitions()]
    log = pd.concat(parts, ignore_index=True) if parts else _part([])
    return log.astype(dict.fromkeys(_WORDS, "category"))


def _part(rows: list[tuple[Any, ...]]) -> "pd.DataFrame":
    import pandas as pd

    part = pd.DataFrame(rows, columns=list(_REQUEST))
    part["received_at"] = pd.to_datetime(part["received_at"].astype(float), unit="s").dt.floor("s")
    part["computed"] = part.pop("score").notna()
    part["passed_on"] = part.pop("run_key").notna()
    return part.astype(dict.fromkeys(_WORDS, "category"))


def _served(span: Span) -> list[dict[str, Any]]:
    with reading(engine_of(span.store, who="requests need")) as connection:
        rows = connection.execute(select(served_models).order_by(served_models.c.served_key))
        return [{"key": o.served_key, "name": o.name, "version": o.version} for o in rows]


def _route(some: "pd.DataFrame", key: Any, served: list[dict[str, Any]], n: int) -> dict[str, Any]:
    route, model = key
    (mine,) = (one for one in served if one["key"] == model)
    return {
        "route": str(route),
        "model": mine["name"],
        "version": mine["version"],
        "share": len(some) / n,
        "without_a_model": int((~some["computed"]).sum()),
        **_speed(some),
    }


def _speed(some: "pd.DataFrame") -> dict[str, Any]:
    profile = measure_latency(some["latency_ms"].to_numpy(dtype=float))
    return {
        "n": len(some),
        "percentiles": [vars(one) for one in profile.percentiles],
        "max_ms": profile.max_ms,
        "review_share": vars(share_of(float(some["review"].astype(bool).sum()), len(some))),
    }


def _hybrid(log: "pd.DataFrame") -> dict[str, Any] | None:
    """How many answers were a fresh nightly score; nothing where that is not done."""
    asked = log[log["passed_on"] | log["miss"].notna()]
    if not len(asked):
        return None
    misses = asked["miss"].astype(object).value_counts()
    return {
        "n": len(asked),
        "hit_rate": vars(share_of(float(asked["passed_on"].sum()), len(asked))),
        "misses": {str(why): int(n) for why, n in misses.items()},
    }


def _rollout(span: Span) -> dict[str, Any]:
    now = span.store.rollout()
    return {
        "route": now.route, "canary_share": now.canary_share, "paused": now.paused,
        "changed_at": now.changed_at, "who": now.who, "why": now.why,
        "changes": len(span.store.rollout_history()),
    }  # fmt: skip


def _empty(value: Any) -> bool:
    import pandas as pd

    return value is None or (not isinstance(value, list | dict) and bool(pd.isna(value)))
