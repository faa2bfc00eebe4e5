"""What the endpoint's figures say in the language of Prometheus, one expression a measurement.

Each is the figure that :mod:`capstone_lib.monitoring.operations` measures under the same name, over
the time that stands where ``[W]`` does. There are no intervals: Prometheus counts, it does not
infer.
"""

from dataclasses import dataclass

__all__ = ["Figure", "figure_of"]

_ASKED = 'path=~"/predict.*|.*/infer"'


@dataclass(frozen=True)
class Figure:
    """One figure of the endpoint.

    Attributes
    ----------
    expression : str
        With ``[W]`` where the time stands.
    count : str
        The requests or answers that it rests on, over that time.
    """

    expression: str
    count: str

    def over(self, span: str) -> str:
        """The expression over a time such as ``5m``."""
        return self.expression.replace("[W]", f"[{span}]")

    def count_over(self, span: str) -> str:
        """What it rests on, over a time."""
        return self.count.replace("[W]", f"[{span}]")


def figure_of(measurement: str, *, group: str = "", sla_ms: float = 100.0) -> Figure | str:
    """How the endpoint's own figures say a measurement, or why they do not.

    Parameters
    ----------
    measurement : str
        Such as ``latency_p99``.
    group : str
        Empty, or ``route=stable``: then of that route.
    sla_ms : float
        What ``slow_share`` counts from; it must be the end of one of the histogram's buckets.

    Returns
    -------
    Figure or str
        A sentence if there is none.

    Examples
    --------
    >>> figure_of("latency_p99").over("5m")
    '1000 * histogram_quantile(0.99, sum by (le) (rate(capstone_latency_seconds_bucket[5m])))'
    >>> figure_of("psi")
    'the endpoint does not count psi'
    """
    route, _, name = group.partition("=")
    if group and (route != "route" or not name or "*" in name):
        return "the endpoint counts by one route at a time, such as route=stable"
    if measurement.startswith("latency_p"):
        return _latency(measurement.removeprefix("latency_p"), name)
    if measurement == "slow_share":
        return _slow(sla_ms, name)
    if measurement == "review_share":
        return _reviews(name)
    if group:
        return f"the endpoint does not count {measurement} by route"
    return _requests(measurement)


def _latency(percent: str, route: str) -> Figure:
    where = _labels(route=route)
    buckets = f"sum by (le) (rate(capstone_latency_seconds_bucket{where}[W]))"
    quantile = f"{float(percent) / 100:g}"
    return Figure(
        f"1000 * histogram_quantile({quantile}, {buckets})",
        f"sum(increase(capstone_latency_seconds_count{where}[W]))",
    )


def _slow(sla_ms: float, route: str) -> Figure | str:
    from capstone_lib.serving.metrics import LATENCY_BUCKETS_S

    if sla_ms / 1000 not in LATENCY_BUCKETS_S:
        ends = ", ".join(f"{1000 * end:g}" for end in LATENCY_BUCKETS_S)
        return f"sla_ms {sla_ms:g} is the end of none of the histogram's buckets, which are {ends}"
    within = _labels(route=route, le=str(sla_ms / 1000))
    where = _labels(route=route)
    return Figure(
        f"1 - sum(rate(capstone_latency_seconds_bucket{within}[W])) "
        f"/ sum(rate(capstone_latency_seconds_count{where}[W]))",
        f"sum(increase(capstone_latency_seconds_count{where}[W]))",
    )


def _reviews(route: str) -> Figure:
    where = _labels(route=route)
    return Figure(
        f"sum(rate(capstone_reviews_total{where}[W])) "
        f"/ sum(rate(capstone_answers_total{where}[W]))",
        f"sum(increase(capstone_answers_total{where}[W]))",
    )


def _requests(measurement: str) -> Figure | str:
    """Shares of all that was asked, which includes what was turned away before it was read."""
    unread = _or_none('capstone_shed_total{reason="connections"}')
    asked = f"({_or_none(f'capstone_requests_total{{{_ASKED}}}')} + {unread})"
    failed = _or_none(f'capstone_requests_total{{{_ASKED},status=~"5.."}}')
    told = _or_none('capstone_shed_total{reason!="connections"}')
    parts = {
        "error_rate": f"clamp_min({failed} - {told}, 0)",
        "refused_rate": _or_none(f'capstone_requests_total{{{_ASKED},status=~"4.."}}'),
        "shed_rate": _or_none("capstone_shed_total"),
    }
    count = asked.replace("rate(", "increase(")
    if measurement == "requests_asked":
        return Figure(count, count)
    if measurement not in parts:
        return f"the endpoint does not count {measurement}"
    return Figure(f"{parts[measurement]} / {asked}", count)


def _or_none(series: str) -> str:
    """The sum of a counter's rates; 0 while there is no such series."""
    return f"(sum(rate({series}[W])) or vector(0))"


def _labels(**labels: str) -> str:
    given = ",".join(f'{name}="{value}"' for name, value in labels.items() if value)
    return f"{{{given}}}" if given else ""
