"""``capstone monitor``: all measurements of a model in a window, and the alerts they raise."""

import json
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from capstone_lib.cli.alert_words import tell_actions, tell_alerts
from capstone_lib.cli.measurement_words import tell_measurements
from capstone_lib.cli.moments import read_moment

if TYPE_CHECKING:
    from capstone_lib.alerts import ActionRecord, Alert, Playbook
    from capstone_lib.artifact import Artifact
    from capstone_lib.monitoring import Measurement
    from capstone_lib.monitoring.operations import Traffic
    from capstone_lib.store import Store

__all__ = ["monitor"]

DONE, FAILED, FIRES = 0, 1, 3

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass
class _Run:
    """What one run found and did."""

    artifact: "Artifact"
    window: tuple[str | None, str | None]
    dry_run: bool
    kept: int = 0
    measurements: "list[Measurement]" = field(default_factory=list)
    alerts: "list[Alert]" = field(default_factory=list)
    actions: "list[ActionRecord]" = field(default_factory=list)
    open_before: frozenset[str] = frozenset()

    @property
    def status(self) -> int:
        if any(one.state == "firing" for one in self.alerts):
            return FIRES
        return FAILED if any(one.state == "failed" for one in self.actions) else DONE


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text!r} is no place to cut at")
    return number


def _columns(
    _: click.Context, __: click.Parameter, texts: tuple[str, ...]
) -> dict[str, list[float]]:
    found = {}
    for text in texts:
        name, _colon, cuts = text.partition(":")
        try:
            found[name] = [_finite(cut) for cut in cuts.split(",")] if cuts else []
        except ValueError:
            raise click.BadParameter(
                f"{text!r} is neither a column nor a column with cuts, such as AGEP:25,45,65"
            ) from None
    return found


@click.command("monitor")
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--store", required=True, metavar="URL", help="Such as sqlite:///store.db.")
@click.option(
    "--source",
    "sources",
    multiple=True,
    type=_FILE,
    metavar="FILE",
    help="A Parquet or CSV file that was scored in the window; may be given several times.",
)
@click.option(
    "--from", "start", callback=read_moment, metavar="DATE", help="Where the window begins."
)
@click.option(
    "--to", "end", callback=read_moment, metavar="DATE", help="The first moment after the window."
)
@click.option(
    "--sensitive",
    multiple=True,
    callback=_columns,
    metavar="COLUMN[:CUTS]",
    help="Groups to look at, such as SEX or AGEP:25,45,65. By default those of the passport.",
)
@click.option("--now", callback=read_moment, metavar="DATE", help="The moment of asking.")
@click.option(
    "--outcomes-until", callback=read_moment, metavar="DATE", help="Leave later outcomes aside."
)
@click.option(
    "--replayed", is_flag=True, help="Live requests are people of the past, asked about today."
)
@click.option(
    "--metrics",
    type=_FILE,
    metavar="FILE",
    help="GET /metrics of the endpoint, saved at the window's end: what it shed and refused.",
)
@click.option(
    "--metrics-before", type=_FILE, metavar="FILE", help="The same, saved where the window begins."
)
@click.option(
    "--playbook",
    type=_FILE,
    metavar="FILE",
    help="The alert rules; the default ones if left out (capstone alerts rules shows them).",
)
@click.option(
    "--tickets",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write tickets as Markdown files here, too.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done; write and do nothing.")
@click.option("--no-alerts", is_flag=True, help="Measure and keep, and leave it at that.")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as one JSON object.")
def monitor(model: str, **given: Any) -> int:
    """Measure what the artifact MODEL did in a window, keep it, and act on the alerts it raises.

    Batch rows count by their as-of date, live ones by their arrival. Measuring a window again
    replaces what was kept of it. What could not be measured is listed with the reason.

    What the playbook says is done, the default one's too: each action once for an alert, recorded
    with its cause, and undone by "capstone alerts undo". Exit status 3 if an alert fires; 1 if none
    does, but an action failed.
    """
    from capstone_lib.alerts import load_playbook
    from capstone_lib.artifact import load_model
    from capstone_lib.cli.stores import open_existing

    start, end = given["start"], given["end"]
    if start is not None and end is not None and start >= end:
        raise click.UsageError(f"the window ends ({end}) before it begins ({start})")
    if given["metrics_before"] is not None and given["metrics"] is None:
        raise click.UsageError("--metrics-before goes with --metrics")
    if given["no_alerts"] and (given["playbook"] or given["tickets"]):
        raise click.UsageError("--no-alerts leaves nothing for --playbook and --tickets to do")
    playbook = load_playbook(given["playbook"])
    run = _Run(load_model(model), (start, end), given["dry_run"])
    with open_existing(given["store"]) as store:
        _measure(run, store, playbook, given)
        if not given["no_alerts"]:
            _judge_and_act(run, store, playbook, given)
    _tell_as_json(run) if given["as_json"] else _tell(run, alerts=not given["no_alerts"])
    return run.status


def _measure(run: _Run, store: "Store", playbook: "Playbook", given: dict[str, Any]) -> None:
    from capstone_lib.monitoring import measure
    from capstone_lib.review import ReviewQueue, measure_reviews

    run.measurements = measure(
        run.artifact,
        store,
        window=run.window,
        source=given["sources"] or None,
        sensitive=given["sensitive"] or None,
        now=given["now"],
        outcomes_until=given["outcomes_until"],
        replayed=given["replayed"],
        seen=_seen(given["metrics"], given["metrics_before"]),
        sla_ms=playbook.sla_ms,
    )
    if len(ReviewQueue(store).cases()):
        desk = {"window": run.window, "sensitive": given["sensitive"] or None, "now": given["now"]}
        run.measurements += measure_reviews(store, artifact=run.artifact, **desk)
    if not run.dry_run:
        run.kept = store.write_measurements(run.measurements, whole=True)


def _judge_and_act(run: _Run, store: "Store", playbook: "Playbook", given: dict[str, Any]) -> None:
    from capstone_lib.alerts import AlertBook, act, evaluate_alerts
    from capstone_lib.alerts.history import read_history

    book, now, artifact = AlertBook(store), given["now"], run.artifact
    run.open_before = frozenset(book.open()["alert_id"])
    run.alerts = evaluate_alerts(
        playbook,
        run.measurements,
        history=read_history(store, playbook, model=artifact.name, version=artifact.version),
        silences=book.silences(now=now),
        now=now,
    )
    run.actions = act(
        run.alerts,
        store,
        playbook=playbook,
        artifact=artifact,
        source=given["sources"] or None,
        folder=given["tickets"],
        dry_run=run.dry_run,
        now=now,
    )


def _seen(after: Path | None, before: Path | None) -> "Traffic | None":
    from capstone_lib.monitoring.operations import Traffic

    if after is None:
        return None
    counted = Traffic.of_metrics(after.read_bytes())
    return counted if before is None else counted - Traffic.of_metrics(before.read_bytes())


def _tell_as_json(run: _Run) -> None:
    from capstone_lib.alerts.records import plain

    document = {
        "model": run.artifact.name,
        "version": run.artifact.version,
        "window": run.window,
        "dry_run": run.dry_run,
        "kept": run.kept,
        "measurements": [asdict(one) for one in run.measurements],
        "alerts": [one.to_dict() for one in run.alerts],
        "actions": [one.to_dict() for one in run.actions],
    }
    click.echo(json.dumps(plain(document), indent=1, ensure_ascii=False, allow_nan=False))


def _tell(run: _Run, *, alerts: bool) -> None:
    start, end = run.window
    between = f"from {start or 'the first'} to {end or 'the last'}"
    n = len(run.measurements)
    said = f"{n:,} measurements, none kept" if run.dry_run else f"{run.kept:,} measurements kept"
    click.echo(f"{run.artifact.name} {run.artifact.version}, {between}: {said}")
    for traffic in ("batch", "live", ""):
        tell_measurements(traffic, [one for one in run.measurements if one.traffic == traffic])
    if alerts:
        tell_alerts(run.alerts, known=run.open_before)
        tell_actions(run.actions, dry_run=run.dry_run)
