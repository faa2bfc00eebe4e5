"""All measurements of a window, of batch and live rows alike: what ``capstone monitor`` writes.

What cannot be measured is a measurement without a value, whose note says why. Nothing is invented,
and nothing is judged: that is the playbook's affair.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.artifact.bands import Cuts
from capstone_lib.artifact.binning import Binning, answers_of
from capstone_lib.artifact.groups import GroupCounts
from capstone_lib.artifact.window import Window
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.answers import Answers
from capstone_lib.monitoring.calibration import measure_calibration
from capstone_lib.monitoring.drift import detect_drift
from capstone_lib.monitoring.estimate import estimate_performance
from capstone_lib.monitoring.fairness import FairnessAudit
from capstone_lib.monitoring.gather import Rows, batch_rows, live_rows, read_source, runs_of
from capstone_lib.monitoring.group_change import change_measurements
from capstone_lib.monitoring.hybrid import measure_hybrid
from capstone_lib.monitoring.operations import NOT_LOGGED, SLA_MS, Traffic, measure_latency
from capstone_lib.monitoring.outcomes import Joined, join_outcomes
from capstone_lib.monitoring.parity import compare_features
from capstone_lib.monitoring.performance import measure_performance
from capstone_lib.monitoring.report import DriftReport
from capstone_lib.monitoring.risk import risk_coverage
from capstone_lib.monitoring.runs import measure_runs
from capstone_lib.monitoring.sensitive import columns_asked, groups_of
from capstone_lib.monitoring.uncertainty import measure_uncertainty
from capstone_lib.store import Store
from capstone_lib.store.measurement import Measurement, moment_text, within
from capstone_lib.store.staleness import parse_moment

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.artifact.model import Artifact

__all__ = ["measure"]

_NAN = float("nan")


@dataclass(frozen=True, eq=False)
class _Job:
    """What is measured, and against what."""

    artifact: "Artifact"
    reference: Window | None
    outcomes: "pd.DataFrame"
    until: datetime | None
    replayed: bool
    reviews: bool
    sensitive: Cuts


def measure(
    artifact: "Artifact",
    store: Store,
    *,
    window: tuple[Any, Any] = (None, None),
    source: Any = None,
    sensitive: Sequence[str] | Mapping[str, Sequence[float] | None] | None = None,
    reference: Window | None = None,
    now: Any = None,
    outcomes_until: Any = None,
    replayed: bool = False,
    reviews: bool = False,
    seen: Traffic | None = None,
    sla_ms: float = SLA_MS,
) -> list[Measurement]:
    """Measure all that a store knows of a model in a window.

    Parameters
    ----------
    artifact : Artifact
        The model, with its reference and its calibration.
    store : Store
        Where its answers are kept.
    window : tuple of two dates, times or None
        The first moment, and the first one after the window; None leaves it open. Batch rows count
        by their as-of date, live ones by their arrival.
    source : DataFrame, pyarrow.Table, path or sequence of paths, optional
        The batch's rows, by whose ids features and groups are looked up.
    sensitive : sequence of str, or mapping of str to cuts, optional
        Columns that form groups; cuts put a number into bands. Those of the passport's baseline
        unless told otherwise.
    reference : Window, optional
        What drift is measured from; the artifact's own unless told otherwise.
    now : str, date or datetime, optional
        The moment of asking, for staleness; the window's end, or the present.
    outcomes_until : str, date or datetime, optional
        Count no outcome that was observed later; all are counted unless told otherwise.
    replayed : bool, default False
        Whether the live requests are people of the past who were asked about today: then their
        outcomes count though they are older than the answers.
    reviews : bool, default False
        Whether a reviewer's word counts as the outcome where none was observed. Reviewers look at
        chosen people and have mostly seen the model's answer, so it is left aside unless asked for.
    seen : Traffic, optional
        What became of all requests of the window, from the endpoint's own counts.
    sla_ms : float, default 100
        Within how many milliseconds an answer should come: ``slow_share`` counts the others.

    Returns
    -------
    list of Measurement
        Each with its window, model, version and traffic.

    Raises
    ------
    MonitoringError
        If the window is none, or a sensitive column does not exist.
    """
    start, end = _window(window)
    moment = parse_moment(now) if now is not None else min(end or _present(), _present())
    about = {
        "window_start": moment_text(start or ""),
        "window_end": moment_text(end or ""),
        "model": artifact.name,
        "version": artifact.version,
    }
    until = None if outcomes_until is None else parse_moment(outcomes_until, name="outcomes_until")
    kept = reference if reference is not None else artifact.reference
    groups = columns_asked(artifact, sensitive)
    job = _Job(artifact, kept, store.outcomes(), until, replayed, reviews, groups)
    runs = runs_of(store, artifact, start=start, end=end)
    table = None if source is None else read_source(source)
    batch = batch_rows(artifact, store, runs, source=table)
    live = live_rows(artifact, store, start=start, end=end)
    found = [*_of_rows(job, batch), *within(_of_runs(job, store, runs, moment), traffic="batch")]
    found += [*_of_rows(job, live), *within(_of_traffic(live, seen, sla_ms), traffic="live")]
    found += _of_parity(batch, live)
    return within(found, **about)


def _of_rows(job: _Job, rows: Rows) -> list[Measurement]:
    """All that is measured in one way of batch and live rows."""
    found = [Measurement("rows", len(rows), n=len(rows), unit="rows", note=rows.why)]
    if len(rows):
        answers = Answers.of(rows.answers, classes=job.artifact.classes)
        joined = join_outcomes(
            rows.answers,
            job.outcomes,
            as_of=job.until,
            only_later=not (job.replayed and rows.traffic == "live"),
            reviews=job.reviews,
        )
        groups = groups_of(rows, job.sensitive)
        drift, notes = _drift(job, rows)
        found += notes if drift is None else drift.measurements()
        found += measure_uncertainty(
            answers,
            y_true=joined.truth if joined.n_known else None,
            known=joined.known,
            sensitive_features=groups,
        ).measurements()
        estimate = estimate_performance(answers, job.artifact.recalibration, drift=drift)
        found += estimate.measurements()
        found += _of_outcomes(job, answers, joined, groups)
    return within(found, traffic=rows.traffic)


def _of_outcomes(
    job: _Job, answers: Answers, joined: Joined, groups: "pd.DataFrame | None"
) -> Iterator[Measurement]:
    if not joined.n_known:
        note = f"no outcome is known yet: {joined}"
        yield Measurement("accuracy", _NAN, note=note)
        yield Measurement("outcomes_missing", 1.0, n=joined.n, unit="share", note=note)
        return
    some = answers[joined.known]
    yield from measure_performance(joined, answers).measurements()
    yield from measure_calibration(joined.truth, some).measurements()
    yield from risk_coverage(joined.truth, some).measurements()
    if groups is None:
        note = "no sensitive column is known: name some, and the source of a batch"
        yield Measurement("equalized_odds_difference", _NAN, note=note)
        return
    classes = np.array(answers.classes, dtype=object)
    counts = GroupCounts.of(
        classes[some.truth(joined.truth)],
        classes[some.label],
        sensitive_features=groups[joined.known],
        y_score=some.score if some.is_binary else None,
        classes=answers.classes,
    )
    yield from FairnessAudit.of(counts, intersections=False).measurements()
    same_groups = job.sensitive == job.artifact.reference_cuts
    past = job.artifact.reference_groups
    yield from change_measurements(past, counts, same_groups=same_groups)


def _drift(job: _Job, rows: Rows) -> tuple[DriftReport | None, list[Measurement]]:
    """The window beside the reference; without features only the model's answers."""
    before = job.reference
    if before is None:
        note = "the artifact carries no reference; export it again, or give one"
        return None, [Measurement("drift_alarms", _NAN, note=note)]
    if rows.features is not None:
        return detect_drift(before, _counted(before.binning, rows)), []
    only = Binning((), before.binning.answers)
    if not only.answers:
        return None, [Measurement("drift_alarms", _NAN, note=rows.why)]
    said = answers_of(rows.answers)
    counts = {bins.name: bins.count(v) for bins, v in zip(only.answers, said, strict=True)}
    past = replace(
        before, binning=only, counts={name: before.counts[name] for name in counts}, pairs=None
    )
    report = detect_drift(past, Window(only, counts, len(rows)))
    note = f"{rows.why}; only scores and labels were compared"
    return None, within(report.measurements(), note=note)


def _counted(binning: Binning, rows: Rows) -> Window:
    """Count what was asked and what was answered; rows that were not scored were asked too."""
    import pandas as pd

    assert rows.features is not None
    known, said = rows.features[rows.found], rows.answers[rows.found]
    answered = Window.of(known, binning=binning, predictions=said if binning.answers else None)
    if rows.rejected is None or not len(rows.rejected):
        return answered
    everybody = pd.concat([known, rows.rejected], ignore_index=True)
    asked = Window.of(everybody, binning=binning)
    given = {bins.name: answered.counts[bins.name] for bins in binning.answers}
    return replace(asked, counts={**asked.counts, **given})


def _of_runs(
    job: _Job, store: Store, runs: "pd.DataFrame", moment: datetime
) -> Iterator[Measurement]:
    if not len(runs):
        note = f"no batch run of {job.artifact.name} {job.artifact.version} in this window"
        yield Measurement("run_success_rate", _NAN, note=note)
        before = runs_of(store, job.artifact, start=None, end=moment)
        last = measure_runs(before, now=moment).measurements(note=f"{note}; the newest before it")
        yield from (one for one in last if one.name == "freshness")
    else:
        yield from measure_runs(runs, now=moment).measurements()
    stale = store.staleness(moment, model=job.artifact.name, version=job.artifact.version)
    for name in ("median_days", "p95_days", "max_days"):
        yield Measurement(
            f"staleness_{name.removesuffix('_days')}", getattr(stale, name), n=stale.n, unit="days",
            note=f"asked at {moment:%Y-%m-%d %H:%M}" if stale.n else "nobody has a score",
        )  # fmt: skip


def _of_traffic(rows: Rows, seen: Traffic | None, sla_ms: float) -> Iterator[Measurement]:
    if seen is not None:
        yield from seen.measurements()
    given = _given(rows)
    if seen is None and len(given):
        for name in ("error_rate", "shed_rate"):
            yield Measurement(name, _NAN, note=NOT_LOGGED)
    if not len(given):
        yield Measurement("latency_p99", _NAN, unit="ms", note=rows.why)
        yield Measurement("slow_share", _NAN, unit="share", note=rows.why)
        return
    yield from measure_latency(given, sla_ms=sla_ms).measurements()
    if given["as_of"].notna().any() or given["miss"].notna().any():
        yield from measure_hybrid(given).measurements()
    routes = given["route"].astype(str)
    for route, some in given.groupby(routes):
        found = [Measurement("request_share", len(some) / len(given), n=len(given), unit="share")]
        if len(some) < len(given):
            found += measure_latency(some, sla_ms=sla_ms).measurements()
        yield from within(found, feature="route", group=f"route={route}")


def _given(rows: Rows) -> "pd.DataFrame":
    """All that was answered, nightly scores that were passed on among it."""
    import pandas as pd

    if rows.passed_on is None or not len(rows.passed_on):
        return rows.answers
    if not len(rows):
        return rows.passed_on
    return pd.concat([rows.answers, rows.passed_on], ignore_index=True)


def _of_parity(batch: Rows, live: Rows) -> list[Measurement]:
    """What batch and live saw of the same ids; only where both are known."""
    if batch.features is None or live.features is None:
        return []
    ids = batch.answers["row_id"][batch.found]
    asked = batch.features[batch.found].assign(row_id=ids)
    one_each = asked.drop_duplicates("row_id", keep="last")
    theirs = live.features.assign(row_id=live.answers["row_id"])
    if one_each["row_id"].dtype != theirs["row_id"].dtype:
        one_each, theirs = (t.assign(row_id=t["row_id"].astype(str)) for t in (one_each, theirs))
    columns = [name for name in theirs.columns if name != "row_id" and name in one_each.columns]
    parity = compare_features(one_each, theirs, columns=columns)
    note = "" if parity.n else "no id is known to both batch and live"
    differing = float(len(parity.disagreeing)) if parity.n else _NAN
    overall = Measurement(
        "parity_differing_columns", differing, n=parity.n, unit="columns", note=note
    )
    return [overall, *(parity.measurements() if parity.n else [])]


def _window(window: tuple[Any, Any]) -> tuple[datetime | None, datetime | None]:
    try:
        first, after = window
    except (TypeError, ValueError):
        raise MonitoringError(
            f"a window is two dates, such as ('2016-01-01', '2016-02-01'); seen {window!r}"
        ) from None
    start = None if first is None else parse_moment(first, name="the window's start")
    end = None if after is None else parse_moment(after, name="the window's end")
    if start is not None and end is not None and start >= end:
        raise MonitoringError(f"the window ends ({after}) before it begins ({first})")
    return start, end


def _present() -> datetime:
    return datetime.now(UTC)
