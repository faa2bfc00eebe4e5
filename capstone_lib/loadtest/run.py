"""``load_test``: from an address and some rows to a result."""

import math
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from capstone_lib.loadtest.client import Plan, bare_server, make_load, require_locust
from capstone_lib.loadtest.limits import fastest
from capstone_lib.loadtest.live import Live
from capstone_lib.loadtest.result import LoadTest
from capstone_lib.loadtest.rows import draw_requests
from capstone_lib.loadtest.step import LoadStep
from capstone_lib.loadtest.target import probe, read_target

__all__ = ["load_test"]

_BARE_S = 2.0
_PROBE_S = 10.0


def load_test(
    url: str,
    rows: Any,
    *,
    users: int | Sequence[int] = 50,
    duration_s: float = 15.0,
    rate: float | Sequence[float] | None = None,
    seed: int = 0,
    id: str | None = None,  # noqa: A002 - the column's role
    explain_share: float = 0.0,
    headers: Mapping[str, str] | None = None,
    bearer: str | None = None,
    timeout_s: float = 10.0,
    compare_bare: bool = False,
    report: str | Path | None = None,
    allow_remote: bool = False,
    show_progress: bool | None = None,
) -> LoadTest:
    """Ask a live endpoint for predictions, as many users at once would, and measure what it bears.

    Locust makes the load, as a process of its own on this machine. Without ``rate`` the loop is
    closed: each user asks again as soon as the answer is there, after a refusal too, so a server
    that stalls is asked less and looks better than it is (Tene calls it *coordinated omission*).
    With ``rate`` requests
    are due at fixed times whatever the answers do, and latency counts from the due time.

    Parameters
    ----------
    url : str
        Where the endpoint is, such as ``http://127.0.0.1:8000``; requests go to ``/predict``
        there.
    rows : DataFrame, Arrow table or sequence of dict
        Real feature values, of the model's features only. Rows are drawn by seed.
    users : int or sequence of int
        How many ask at the same time; several make a ramp of steps. With ``rate`` they are the
        connections among which the requests are shared.
    duration_s : float
        How long each step lasts; at least one second.
    rate : float or sequence of float, optional
        Requests a second that are due; several make a ramp of steps.
    seed : int
        The same seed draws the same requests in the same order.
    id : str, optional
        The column that identifies a row. An answer that bears another id is a failure.
    explain_share : float
        The share of requests that ask for an explanation.
    headers : dict, optional
        Sent with every request.
    bearer : str, optional
        A key; it never stands in a command line or in the environment.
    timeout_s : float
        How long a user waits for an answer before it counts as a failure; and, with ``rate``, how
        long a request that is due waits for a user. A step may last that much longer.
    compare_bare : bool
        Load a server that does nothing for two seconds more, to see what the load generator itself
        can do here.
    report : path, optional
        Where to write Locust's own HTML report; :meth:`LoadTest.save_report` does it later.
    allow_remote : bool
        Allow an address that is not this machine. Load on somebody else's server is an attack.
    show_progress : bool, optional
        By default figures are shown while it runs in a notebook and in a terminal.

    Returns
    -------
    LoadTest
        A :class:`LoadStep` for each step, and what set the limit.

    Raises
    ------
    LoadTestError
        The address is refused, nobody answers there, the first answer is an error, the rows cannot
        be sent, or Locust failed.
    MissingExtraError
        Locust is not installed.
    ValueError
        An argument that cannot be.

    Examples
    --------
    >>> import capstone_lib as cap
    >>> with cap.serve("model.onnx") as endpoint:  # doctest: +SKIP
    ...     result = cap.load_test(endpoint.url, rows, users=[1, 8, 32], duration_s=5)
    >>> result.sla(p99_ms=50, error_rate=0.001).ok  # doctest: +SKIP
    True
    """
    steps = _plan_steps(users, duration_s, rate)
    if not 0 <= explain_share <= 1:
        raise ValueError(f"explain_share is a share between 0 and 1; seen {explain_share}")
    if not (math.isfinite(timeout_s) and timeout_s > 0):
        raise ValueError(f"timeout_s is a time above 0 s; seen {timeout_s}")
    target = read_target(url, allow_remote=allow_remote)
    require_locust()
    requests = draw_requests(rows, seed=seed, id=id, explain_share=explain_share)
    sent = _headers(headers, bearer)
    probe(target, requests[0], sent, timeout_s=max(timeout_s, _PROBE_S))
    plan = Plan(steps, requests, sent, timeout_s)
    with tempfile.TemporaryDirectory(prefix="capstone-load-") as name:
        folder = Path(name)
        with Live(steps, show=show_progress, title="load test") as live:
            began_at = _now()
            measured = make_load(target, plan, folder, live)
            ended_at = _now()
        html = (folder / "report.html").read_bytes()
        bare = (
            _measure_bare(plan, fastest(measured), folder, show_progress) if compare_bare else None
        )
    result = LoadTest(
        url=target.url,
        steps=measured,
        seed=seed,
        duration_s=duration_s,
        bare=bare,
        packed_report=zlib.compress(html),
        began_at=began_at,
        ended_at=ended_at,
    )
    if report is not None:
        result.save_report(report)
    return result


def _now() -> str:
    return datetime.now(UTC).replace(tzinfo=None).isoformat()


def _plan_steps(
    users: int | Sequence[int], duration_s: float, rate: float | Sequence[float] | None
) -> list[dict[str, Any]]:
    """One entry a step, checked."""
    many = list(users) if isinstance(users, Sequence) else [users]
    rates = list(rate) if isinstance(rate, Sequence) else [rate]
    if not (math.isfinite(duration_s) and duration_s >= 1):
        raise ValueError(f"duration_s is at least one second; seen {duration_s}")
    if not many or not all(_is_whole(count) and count >= 1 for count in many):
        raise ValueError(f"users is a whole number from 1, or several; seen {users!r}")
    if not rates or not all(one is None or (math.isfinite(one) and one > 0) for one in rates):
        raise ValueError(f"rate is a number of requests a second above 0; seen {rate!r}")
    if len(rates) > 1 and len(many) == 1:
        many *= len(rates)
    if len(many) > 1 and len(rates) == 1:
        rates *= len(many)
    if len(many) != len(rates):
        raise ValueError(
            f"there are {len(many)} steps of users and {len(rates)} of rate; give one of them once"
        )
    return [
        {
            "users": int(count),
            "duration_s": float(duration_s),
            "rate": None if one is None else float(one),
        }
        for count, one in zip(many, rates, strict=True)
    ]


def _is_whole(count: Any) -> bool:
    return hasattr(count, "__index__") and not isinstance(count, bool)


def _headers(given: Mapping[str, str] | None, bearer: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json", **(given or {})}
    if bearer is not None:
        headers["Authorization"] = f"Bearer {bearer}"
    return headers


def _measure_bare(plan: Plan, step: LoadStep, folder: Path, show: bool | None) -> LoadStep:
    """The same users and requests against a server that does nothing."""
    steps = [{"users": step.users, "duration_s": _BARE_S, "rate": None}]
    headers = {"Content-Type": "application/json"}
    again = Plan(steps, plan.requests, headers, plan.timeout_s, check_ids=False, clean=folder)
    places = [folder / "bare", folder / "bare-load"]
    for place in places:
        place.mkdir()
    with (
        bare_server(places[0]) as target,
        Live(steps, show=show, title="bare endpoint") as live,
    ):
        return make_load(target, again, places[1], live)[0]
