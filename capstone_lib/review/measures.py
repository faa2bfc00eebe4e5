"""What reviews are worth, as measurements: agreement, overrides by group, time, help, the queue.

Nothing is judged here: thresholds are the playbook's affair. What cannot be measured yet is a
measurement without a value, whose note says why.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.artifact.bands import in_bands
from capstone_lib.monitoring.outcomes import join_outcomes
from capstone_lib.monitoring.rates import normal_quantile, wilson
from capstone_lib.monitoring.sensitive import columns_asked
from capstone_lib.review.kappa import cohen_kappa
from capstone_lib.review.queue import AIM_S, ReviewQueue
from capstone_lib.store import Store
from capstone_lib.store.measurement import Measurement, moment_text, within
from capstone_lib.store.staleness import parse_moment

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.artifact.model import Artifact

__all__ = ["measure_reviews"]

_NAN = float("nan")
_DAY_S = 86_400.0


def measure_reviews(
    store: Store,
    *,
    artifact: "Artifact | None" = None,
    window: tuple[Any, Any] = (None, None),
    sensitive: Sequence[str] | Mapping[str, Sequence[float] | None] | None = None,
    aim_s: float = AIM_S,
    level: float = 0.95,
    now: Any = None,
) -> list[Measurement]:
    """Measure what reviewers did in a window, and what waits for them.

    Parameters
    ----------
    store : Store
        In a database; it is only read. ``store.write_measurements`` keeps what is returned.
    artifact : Artifact, optional
        Count only cases of this model and version.
    window : tuple of two dates, times or None
        Decisions count by when they were made.
    sensitive : sequence of str, or mapping of str to cuts, optional
        Columns that form groups; those of the artifact's baseline unless told otherwise.
    aim_s : float, default 120
        Seconds within which a case should be decided.
    level : float, default 0.95
        Of the intervals.
    now : str, date or datetime, optional
        The moment at which the queue is looked at; the present unless told otherwise.

    Returns
    -------
    list of Measurement
        ``review_kappa`` and ``review_agreement`` (of cases that two decided), ``override_rate``
        (of everybody, of groups, by where cases came from), ``cannot_say_rate``,
        ``review_seconds`` (median) and ``review_in_time``, ``review_error_before``,
        ``review_error_after`` and ``review_help`` (where it was observed what is true),
        ``review_backlog`` and ``review_oldest``.

    Raises
    ------
    StoreError
        If the store is a folder.
    """
    queue = ReviewQueue(store)
    said, cases = queue.decisions(), queue.cases()
    about: dict[str, str] = {}
    if artifact is not None:
        about = {"model": artifact.name, "version": artifact.version}
        said, cases = (_of(frame, artifact) for frame in (said, cases))
    start, end = (None if one is None else parse_moment(one, name="window") for one in window)
    said = _inside(said, "decided_at", start, end)
    about |= {"window_start": moment_text(start or ""), "window_end": moment_text(end or "")}
    words = said[said["verdict"] != "cannot say"].drop_duplicates("case_id")
    nobody = artifact is None and sensitive is None
    groups: Mapping[str, Sequence[float]] = {} if nobody else _columns(artifact, sensitive)
    found = [
        *_agreement(said, level),
        *_overrides(said, words, groups, level),
        *_time(said, aim_s, level),
        *_help(words, store, level),
        *_backlog(cases, parse_moment(now) if now is not None else None),
    ]
    return within(found, **about)


def _columns(artifact: Any, sensitive: Any) -> Mapping[str, Sequence[float]]:
    return columns_asked(artifact, sensitive)


def _of(frame: "pd.DataFrame", artifact: "Artifact") -> "pd.DataFrame":
    mine = (frame["model"] == artifact.name) & (frame["version"] == artifact.version)
    return frame[mine]


def _inside(frame: "pd.DataFrame", name: str, start: Any, end: Any) -> "pd.DataFrame":
    if start is not None:
        frame = frame[frame[name] >= start.replace(tzinfo=None)]
    return frame if end is None else frame[frame[name] < end.replace(tzinfo=None)]


def _agreement(said: "pd.DataFrame", level: float) -> Iterator[Measurement]:
    """Of cases with two words: the first beside the second; "cannot say" is a word too."""
    answer = said["label"].astype(object).where(said["label"].notna(), "cannot say").map(str)
    words = answer.groupby(said["case_id"], sort=False).agg(list)
    pairs = [given[:2] for given in words if len(given) > 1]
    if not pairs:
        note = "no case was decided by two reviewers"
        yield Measurement("review_kappa", _NAN, note=note)
        yield Measurement("review_agreement", _NAN, unit="share", note=note)
        return
    first, second = zip(*pairs, strict=True)
    kappa = cohen_kappa(first, second, level=level)
    note = "" if not math.isnan(kappa[0]) else "all said the same of all, as chance would have it"
    yield Measurement("review_kappa", *kappa, n=len(pairs), note=note)
    same = sum(one == other for one, other in pairs)
    yield _share("review_agreement", same, len(pairs), level)


def _overrides(
    said: "pd.DataFrame",
    words: "pd.DataFrame",
    groups: Mapping[str, Sequence[float]],
    level: float,
) -> Iterator[Measurement]:
    """Of each case the word that counts, by whom it is about."""
    import pandas as pd

    n_over = int((words["verdict"] == "override").sum())
    yield _share("override_rate", n_over, len(words), level)
    yield _share("cannot_say_rate", int((said["verdict"] == "cannot say").sum()), len(said), level)
    asked = pd.DataFrame([json.loads(text) for text in words["features"]], index=words.index)
    ways = {"source": words["source"], "blind": words["blind"]}
    ways |= {c: in_bands(asked[c], cuts) for c, cuts in groups.items() if c in asked}
    for column, values in ways.items():
        if column in ("source", "blind") and values.nunique() < 2:
            continue
        over = (words["verdict"] == "override").groupby(values.fillna("missing"))
        for value, (part, whole) in over.agg(["sum", "count"]).iterrows():
            yield _share(
                "override_rate", part, whole, level, feature=column, group=f"{column}={value}"
            )


def _time(said: "pd.DataFrame", aim_s: float, level: float) -> Iterator[Measurement]:
    seconds = np.sort(said["seconds"].dropna().to_numpy())
    if not len(seconds):
        note = "nobody's time is known: cases are seen through a panel or a page"
        yield Measurement("review_seconds", _NAN, unit="s", threshold=aim_s, note=note)
        yield Measurement("review_in_time", _NAN, unit="share", note=note)
        return
    low, high = _median_interval(seconds, level)
    yield Measurement(
        "review_seconds", float(np.median(seconds)), low, high, n=len(seconds), unit="s",
        threshold=aim_s, note="median, from seen to decided",
    )  # fmt: skip
    note = f"decided within {aim_s:g} s"
    part = int((seconds <= aim_s).sum())
    yield _share("review_in_time", part, len(seconds), level, note=note)


def _median_interval(values: np.ndarray, level: float) -> tuple[float, float]:
    """From ranks, whatever the distribution; NaN where there are too few values."""
    n, reach = len(values), normal_quantile(level) * math.sqrt(len(values)) / 2
    low, high = math.floor(n / 2 - reach) - 1, math.ceil(n / 2 + reach)
    inside = low >= 0 and high < n
    return (float(values[low]), float(values[high])) if inside else (_NAN, _NAN)


def _help(words: "pd.DataFrame", store: Store, level: float) -> Iterator[Measurement]:
    """Errors of the model and of the reviewers about the same people, where the truth is known.

    Only what was observed is the truth here: a reviewer cannot be right by their own word.
    """
    came = join_outcomes(
        words[["row_id", "decided_at"]], store.outcomes(), made_at="decided_at", only_later=False
    )
    some = words[came.known]
    if not len(some):
        note = "of nobody who was reviewed it is known yet what is true"
        for name in ("review_error_before", "review_error_after", "review_help"):
            yield Measurement(name, _NAN, unit="share", note=note)
        return
    truth = np.array([str(value) for value in came.truth])
    before, after = (some[name].map(str).to_numpy() != truth for name in ("model_label", "label"))
    n = len(some)
    yield _share("review_error_before", int(before.sum()), n, level, note="the model's")
    yield _share("review_error_after", int(after.sum()), n, level, note="the reviewers'")
    mended, spoilt = int((before & ~after).sum()), int((after & ~before).sum())
    low, high = _paired_interval(mended, spoilt, n, level)
    note = f"{mended} mended, {spoilt} spoilt of {n:,}; above 0 reviews help"
    yield Measurement("review_help", (mended - spoilt) / n, low, high, n=n, unit="share", note=note)


def _paired_interval(mended: int, spoilt: int, n: int, level: float) -> tuple[float, float]:
    """Of a difference of shares about the same people.

    Source: Bonett and Price, "Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data" (2012).
    """
    up, down = (mended + 1) / (n + 2), (spoilt + 1) / (n + 2)
    half = normal_quantile(level) * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    return max(-1.0, up - down - half), min(1.0, up - down + half)


def _backlog(cases: "pd.DataFrame", now: Any) -> Iterator[Measurement]:
    import pandas as pd

    moment = pd.Timestamp.now(tz="UTC") if now is None else pd.Timestamp(now)
    waiting = cases[cases["closed_at"].isna()]
    note = f"at {moment:%Y-%m-%d %H:%M}"
    yield Measurement(
        "review_backlog", len(waiting), n=len(cases), unit="cases", note=f"not decided {note}"
    )
    age = (moment.tz_localize(None) - waiting["opened_at"]).dt.total_seconds() / _DAY_S
    oldest = float(age.max()) if len(age) else 0.0
    yield Measurement("review_oldest", max(0.0, oldest), n=len(waiting), unit="days", note=note)


def _share(name: str, part: float, whole: float, level: float, **about: Any) -> Measurement:
    low, high = wilson(part, whole, level=level)
    value = part / whole if whole else _NAN
    if not whole:
        about["note"] = "nothing was decided"
    return Measurement(
        name, value, float(low), float(high), n=int(whole), unit="share", **about
    )  # fmt: skip
