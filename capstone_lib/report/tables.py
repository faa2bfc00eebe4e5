"""The report's tables: the document's numbers as a reader wants them, every cell already text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from capstone_lib.report.words import (
    between,
    count,
    day,
    named,
    number,
    of_unit,
    plural,
    share,
    span_s,
    window_words,
)

__all__ = [
    "Table", "batch_facts", "column_table", "gap_table", "group_table", "live_facts", "note_table",
    "override_table", "parity_facts", "performance_table", "review_facts",
    "route_table", "run_table", "windows_table",
]  # fmt: skip

_MOST_RUNS = 40
Said = Mapping[str, Any]
Facts = list[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """A table with its caption.

    Attributes
    ----------
    caption : str
        What it holds, of which window and how many, and where it comes from.
    columns : tuple of str
    rows : list of list of str
        The first cell names the row.
    words : int
        How many of the first columns hold words; the others hold figures.
    """

    caption: str
    columns: tuple[str, ...]
    rows: list[list[str]]
    words: int = 1

    def is_figure(self, place: int) -> bool:
        """Whether a column holds figures; a last one without a name holds remarks."""
        return place >= self.words and bool(self.columns[place])

    @property
    def is_long(self) -> bool:
        """Whether a printed page may have to break it, between two rows."""
        return len(self.rows) > 14


def parity_facts(parity: Said) -> Facts:
    """What the gate found at export, and what batch and live saw since."""
    facts = [
        ("Rows compared with the pipeline", count(parity["rows"])),
        ("Labels that differ", count(parity["labels_wrong"])),
        ("Largest difference of a probability",
         f"{parity['max_difference']:.1e} ({parity['tolerance']:.0e} is allowed)"),
        ("Edge cases tried", count(parity["edge_cases"])),
    ]  # fmt: skip
    for one in parity["batch_and_live"]:
        said = (
            f"{plural(int(one['value']), 'column')} with other values, n = {one['n']:,}"
            if one["value"] is not None
            else f"not known: {one['note']}"
        )
        facts.append((f"Batch beside live, {one['label']}", said))
    return facts


def batch_facts(batch: Said) -> Facts:
    """Runs, rows, rejects, duration and staleness, in a line each."""
    rejected, stale = batch["reject_rate"], batch["staleness"]
    read = batch["rows"] + batch["rejected"]
    return [
        ("Runs", f"{batch['succeeded']:,} published, {batch['failed']:,} failed, "
                 f"{batch['running']:,} still at it"),
        ("Rows scored", count(batch["rows"])),
        ("Rows rejected", f"{batch['rejected']:,} of {read:,}: {share(rejected['value'])} "
                          f"({between(rejected['low'], rejected['high'], 'share')})"),
        ("Duration of a run", f"{span_s(batch['median_s'])} in the middle, at most "
                              f"{span_s(batch['max_s'])}"),
        ("Newest as-of date", f"{batch['newest_as_of'] or 'none'}, "
                              f"{of_unit(batch['freshness_days'], 'days')} old"),
        ("Age of the scores", f"half are younger than {of_unit(stale['median_days'], 'days')}, 19 "
                              f"of 20 than {of_unit(stale['p95_days'], 'days')}, n = "
                              f"{stale['n']:,} people, asked at {day(stale['asked_at'])}"),
    ]  # fmt: skip


def run_table(batch: Said) -> Table:
    """The runs, the newest first."""
    runs = batch["runs"][::-1]
    rows = [
        [
            str(one["as_of"]),
            one["run_id"][:12],
            one["status"] + (f": {one['error']}" if one["error"] else ""),
            one["source"],
            count(one["rows"]),
            count(one["rejected"]),
            span_s(one["seconds"]),
        ]
        for one in runs[:_MOST_RUNS]
    ]
    more = f" The newest {_MOST_RUNS} of {len(runs):,}." if len(runs) > _MOST_RUNS else ""
    columns = ("as of", "run", "status", "source", "rows", "rejected", "took")
    return Table(f"Batch runs. Source: {batch['source']}.{more}", columns, rows, words=4)


def route_table(live: Said) -> Table:
    """Each route's share, speed and review share."""
    everything = {"route": "all answers", "model": "", "version": "", "share": 1.0, **live["all"]}
    rows = [
        [
            one["route"],
            f"{one['model']} {one['version']}".strip(),
            count(one["n"]),
            share(one["share"]),
            *(number(point["value"]) for point in one["percentiles"]),
            number(one["max_ms"]),
            share(one["review_share"]["value"]),
        ]
        for one in [*live["routes"], everything]
    ]
    ranks = [f"p{point['percent']:g} (ms)" for point in live["all"]["percentiles"]]
    columns = ("route", "model", "n", "share", *ranks, "slowest (ms)", "to review")
    caption = (
        f"Answers by route, {day(live['first'])} to {day(live['last'])}. Source: {live['source']}."
    )
    return Table(caption, columns, rows, words=2)


def live_facts(live: Said) -> Facts:
    """How many answers, how many of them nightly scores, and what the rollout is."""
    review, rollout, hybrid = live["all"]["review_share"], live["rollout"], live["hybrid"]
    facts = [
        ("Answers", f"{live['n']:,}, {day(live['first'])} to {day(live['last'])}"),
        ("Handed to a person", _share_said(review, "answer")),
    ]
    if hybrid is None:
        facts.append(("Nightly scores passed on", "none: capstone serve --hybrid does it"))
    else:
        why = ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in hybrid["misses"].items())
        said = _share_said(hybrid["hit_rate"], "answer")
        facts.append(("Nightly scores passed on", said + f"; computed live: {why}" * bool(why)))
    state = "paused" if rollout["paused"] else f"canary gets {share(rollout['canary_share'])}"
    by = f", since {day(rollout['changed_at'])} by {rollout['who']}" * bool(rollout["who"])
    facts.append(("Rollout at the time of writing", f"route {rollout['route']}, {state}{by}"))
    return facts


def windows_table(part: Said, source: str) -> Table:
    """How many alarms each window had."""
    rows = [
        [
            window_words(one),
            count(one["n"]),
            number(one["findings"]),
            number(one["alarms"]),
            number(one["pairs"]),
        ]
        for one in part["windows"]
    ]
    columns = ("window", "n", "more than chance", "large too", "pairs of columns")
    return Table(f"Drift of {part['traffic']} rows by window. Source: {source}.", columns, rows)


def column_table(part: Said, source: str) -> Table:
    """The columns of the newest window that moved most."""
    rows = [
        [
            one["feature"],
            one["note"] or "not known",
            share(one["value"]),
            between(one["low"], one["high"], "share"),
            count(one["n"]),
        ]
        for one in [*part["newest"]["features"][:8], *part["newest"]["pairs"][:2]]
    ]
    words = window_words(part["newest"])
    columns = ("column", "what it is", "rows that moved", "95 % interval", "n")
    caption = (
        f"Columns and pairs that moved most, {part['traffic']} rows, {words}. Source: {source}."
    )
    return Table(caption, columns, rows, words=2)


def group_table(part: Said, rate: str, source: str) -> Table:
    """One rate of every group."""
    rows = []
    for feature in part["features"]:
        for group in feature["groups"]:
            one = group["rates"].get(rate)
            if one is not None:
                rows.append(
                    [group["group"], share(one["value"]) if one["value"] is not None else
                     "not defined", between(one["low"], one["high"], "share"), count(one["n"]),
                     one["note"]]
                )  # fmt: skip
    words = f"{named(rate)} by group, {part['traffic']} rows, {window_words(part)}"
    columns = ("group", named(rate), "95 % interval", "n", "")
    return Table(f"{words[:1].upper()}{words[1:]}. Source: {source}.", columns, rows)


def gap_table(part: Said, source: str) -> Table:
    """The largest gap of each kind and column, with what it is at least."""
    rows = [
        [
            f"{named(one['gap'])}, {one['feature']}",
            _between_groups(one["between"]),
            share(one["value"]),
            between(one["low"], one["high"], "share"),
            share(one["lower_bound"]),
            count(one["n"]),
        ]
        for one in part["gaps"]
        if one["value"] is not None
    ]
    words = f"Gaps between groups, {part['traffic']} rows, {window_words(part)}"
    columns = ("gap", "between", "difference", "95 % interval", "at least", "n")
    return Table(f"{words}. Source: {source}.", columns, rows, words=2)


def performance_table(part: Said, kind: str, source: str) -> Table | None:
    """Every figure of performance of the newest window that has them."""
    newest = part[kind]
    if newest is None:
        return None
    rows = [
        [
            named(one["name"].removeprefix("estimated_")),
            of_unit(one["value"], one["unit"]),
            between(one["low"], one["high"], one["unit"]),
            count(one["n"]),
        ]
        for one in newest["numbers"]
    ]
    words = f"{kind.capitalize()} performance of {part['traffic']} answers, {window_words(newest)}"
    return Table(f"{words}. Source: {source}.", ("figure", "value", "95 % interval", "n"), rows)


def review_facts(reviews: Said) -> Facts:
    """Cases, verdicts, time, agreement and help, in a line each."""
    numbers = reviews["figures"]
    verdicts = ", ".join(f"{n:,} {name}" for name, n in reviews["verdicts"].items()) or "none yet"
    sources = ", ".join(f"{n:,} from {name}" for name, n in reviews["by_source"].items())
    oldest = f", the oldest since {day(reviews['oldest_waiting'])}" * bool(reviews["waiting"])
    took, in_time = numbers["review_seconds"], numbers["review_in_time"]
    help_ = numbers["review_help"]
    return [
        ("Cases", f"{reviews['n']:,}: {sources}"),
        ("Decided", f"{reviews['decided']:,} by {plural(reviews['reviewers'], 'reviewer')}: "
                    f"{verdicts}"),
        ("Waiting", f"{reviews['waiting']:,}{oldest}"),
        ("Otherwise than the model", _share_said(numbers["override_rate"], "case")),
        ("Time on a case", _not_known(took) or
         f"{span_s(took['value'])} in the middle; within {span_s(reviews['aim_s'])}: "
         f"{_share_said(in_time, 'decision')}"),
        ("Two reviewers agree", _share_said(numbers["review_agreement"], "case")),
        ("Errors before and after", _not_known(help_) or
         f"{share(numbers['review_error_before']['value'])} of the model's answers, "
         f"{share(numbers['review_error_after']['value'])} of the reviewers'; {help_['note']}"),
    ]  # fmt: skip


def override_table(reviews: Said) -> Table:
    """How often each group was decided otherwise."""
    rows = [
        [
            one["group"],
            share(one["value"]),
            between(one["low"], one["high"], "share"),
            count(one["n"]),
        ]
        for one in reviews["by_group"]
    ]
    columns = ("group", "otherwise than the model", "95 % interval", "n")
    return Table(f"Override rate by group. Source: {reviews['source']}.", columns, rows)


def note_table(reviews: Said) -> Table:
    """The last notes that reviewers left."""
    rows = [
        [day(one["decided_at"]), one["source"], one["model_label"], one["label"] or one["verdict"],
         one["note"]]
        for one in reviews["notes"]
    ]  # fmt: skip
    columns = ("when", "from", "model", "reviewer", "note")
    return Table(f"What reviewers noted last. Source: {reviews['source']}.", columns, rows, words=5)


def _share_said(one: Said, of: str) -> str:
    interval = between(one["low"], one["high"], "share")
    return _not_known(one) or f"{share(one['value'])} ({interval}) of {plural(one['n'], of)}"


def _not_known(one: Said) -> str:
    """Why there is no number, if there is none."""
    return "" if one["value"] is not None else f"not known: {one.get('note') or 'there is none'}"


def _between_groups(note: str) -> str:
    """``false_positive_rate: A over B`` without the rate's name."""
    return note.partition(": ")[2] or note
