"""The measurements that a rule can name, so that a misspelt one is found when it is written.

The tests hold this list against what :func:`capstone_lib.monitoring.measure` gives.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from capstone_lib.monitoring.errors_by_group import ERRORS
from capstone_lib.monitoring.gaps import GAPS
from capstone_lib.monitoring.performance import METRICS
from capstone_lib.monitoring.performance import SHARES as SHARES_OF_OUTCOMES
from capstone_lib.monitoring.rates import RATES
from capstone_lib.monitoring.uncertainty import MEANS, SHARES

__all__ = ["KNOWN", "Known", "known_as"]

Where: TypeAlias = Literal["everybody", "features", "groups", "either"]
_ANY = float("inf")


@dataclass(frozen=True)
class Known:
    """What is known of a measurement before it is made.

    Attributes
    ----------
    words : str
    where : {"everybody", "features", "groups", "either"}
        Whether it speaks of everybody, of each feature, of each group, or of groups and everybody.
    least, most : float
        Between which it always lies.
    ends : bool
        Whether it has an interval.
    floor : bool
        Whether its ``threshold`` is what chance alone reaches.
    told_by : str
        The number behind a yes or no.
    """

    words: str
    where: Where = "everybody"
    least: float = 0.0
    most: float = _ANY
    ends: bool = False
    floor: bool = False
    told_by: str = ""


def known_as(name: str) -> Known | None:
    """What is known of a measurement; of more than two classes it is ``precision[b]``.

    Examples
    --------
    >>> known_as("precision[b]").words
    'of those decided positive, rightly'
    """
    return KNOWN.get(name.partition("[")[0])


def _share(words: str, where: Where = "everybody") -> Known:
    return Known(words, where, 0.0, 1.0, ends=True)


def _drift() -> Iterator[tuple[str, Known]]:
    yield "drift_findings", Known("columns and pairs that really differ")
    yield "drift_alarms", Known("columns and pairs that differ really and much")
    yield "drift_effect", _share("share of rows that moved", "features")
    yield "drift_is_large", Known("1 where a difference is real and large", "features", 0, 1,
                                  told_by="drift_effect")  # fmt: skip
    yield "pair_effect", Known("share of rows that moved, of two columns together", "features",
                               0, 1)  # fmt: skip
    yield "pair_alarms", Known("pairs of columns whose association changed", told_by="pair_effect")
    yield "domain_auc", Known("how well a classifier tells then from now", "everybody", 0, 1,
                              ends=True)  # fmt: skip
    for name, most in (
        ("psi", _ANY), ("jensen_shannon", 1), ("total_variation", 1), ("cramers_v", 1),
        ("kolmogorov_smirnov", 1), ("wasserstein", _ANY),
    ):  # fmt: skip
        yield name, Known(name.replace("_", " "), "features", 0, most, floor=True)
    yield "cohens_h", Known("largest change of one share", "features", 0, 3.15)
    for name in ("missing", "unseen", "out_of_range"):
        yield f"{name}_share", _share(f"share {name.replace('_', ' ')}", "features")


def _answers() -> Iterator[tuple[str, Known]]:
    yield "rows", Known("rows of the window")
    for name, words in SHARES.items():
        yield name, _share(words, "either")
    for name, unit in MEANS.items():
        yield name, Known(f"mean, in {unit}", "either", ends=True)
    yield "outcomes_missing", Known("share without an outcome", "everybody", 0, 1)
    yield "ece", Known("calibration error", "everybody", 0, 1, ends=True, floor=True)
    yield "calibration_in_the_large", Known("mean score less base rate", "everybody", -1, 1,
                                            ends=True)  # fmt: skip
    yield "aurc", Known("area under the risk-coverage curve", "everybody", 0, 1)
    for name, words in METRICS.items():
        most = _ANY if name in ("brier", "log_loss") else 1.0
        known = Known(words, "either" if name in RATES else "everybody", 0, most, ends=True)
        yield name, known
        yield f"estimated_{name}", Known(f"estimated: {words}", "everybody", 0, most, ends=True)


def _groups() -> Iterator[tuple[str, Known]]:
    for name, rate in RATES.items():
        where: Where = "either" if name in SHARES_OF_OUTCOMES else "groups"
        yield name, _share(rate.title, where)
        yield f"{name}_change", Known(f"change since the reference: {rate.title}", "either", -1, 1,
                                      ends=True)  # fmt: skip
    yield "calibration", Known("mean score less base rate", "groups", -1, 1, ends=True)
    for gap in GAPS:
        yield f"{gap}_difference", _share("largest difference between groups", "features")
        yield f"{gap}_lower_bound", Known("difference that is there at least", "features", 0, 1)
        yield f"{gap}_ratio", Known("smallest by largest", "features", 0, 1, ends=True)
    for error, words in ERRORS.items():
        least = -_ANY if error == "mean_error" else 0.0
        yield error, Known(words, "groups", least, ends=True)
        has_ratio = error != "mean_error"  # one that may be below 0 divides nothing
        for part, ends in (("difference", True), ("lower_bound", False), ("ratio", has_ratio)):
            yield f"{error}_{part}", Known(f"{part} between groups", "features", ends=ends)


def _operations() -> Iterator[tuple[str, Known]]:
    for percent in (50, 90, 95, 99):
        yield f"latency_p{percent}", Known("time within which a share of answers came, ms",
                                           "either", ends=True)  # fmt: skip
    yield "latency_max", Known("slowest answer, ms", "either")
    yield "slow_share", _share("share of answers slower than the SLA", "either")
    yield "request_share", Known("share of requests by route", "groups", 0, 1)
    yield "requests_asked", Known("requests")
    for name, words in (
        ("error_rate", "share that failed"), ("refused_rate", "share that was wrong"),
        ("shed_rate", "share turned away"), ("run_success_rate", "share of runs that worked"),
        ("reject_rate", "share of rows that were rejected"),
    ):  # fmt: skip
        yield name, _share(words)
    for name in ("run_duration_median", "run_duration_max"):
        yield name, Known("seconds a run took")
    yield "freshness", Known("days since the newest batch")
    for name in ("median", "p95", "max"):
        yield f"staleness_{name}", Known("age of a score, days")
        yield f"served_staleness_{name}", Known("age of a nightly score passed on, days")
    yield "hybrid_hit_rate", _share("share answered with a nightly score")
    yield "hybrid_miss_share", _share("share computed live, by why", "groups")
    yield "parity_differing_columns", Known("columns in which batch and live differ")
    yield "parity_differing_share", _share("share of rows in which they differ", "features")


def _reviews() -> Iterator[tuple[str, Known]]:
    yield "override_rate", _share("share of cases in which a reviewer says otherwise", "either")
    yield "cannot_say_rate", _share("share of cases of which a reviewer cannot say")
    yield "review_agreement", _share("share of cases on which two reviewers agree")
    yield "review_kappa", Known("agreement beyond chance", "everybody", -1, 1, ends=True)
    yield "review_seconds", Known("time on a case, median, s", "everybody", ends=True)
    yield "review_in_time", _share("share decided within the aim")
    yield "review_error_before", _share("share of reviewed cases in which the model was wrong")
    yield "review_error_after", _share("share in which the reviewer was")
    yield "review_help", Known("mended less spoilt, a share", "everybody", -1, 1, ends=True)
    yield "review_backlog", Known("cases not decided")
    yield "review_oldest", Known("age of the oldest case, days")


_PARTS = (_drift, _answers, _groups, _operations, _reviews)
KNOWN: dict[str, Known] = {name: known for part in _PARTS for name, known in part()}
"""By name."""
