"""``capstone monitor``: all measurements of a model in a window."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from capstone_lib.monitoring import Measurement
    from capstone_lib.monitoring.operations import Traffic

__all__ = ["monitor"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _moment(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    from capstone_lib.errors import MonitoringError
    from capstone_lib.store.measurement import moment_text

    try:
        return None if text is None else moment_text(text, name="it") or None
    except MonitoringError as error:
        raise click.BadParameter(str(error)) from error


def _columns(
    _: click.Context, __: click.Parameter, texts: tuple[str, ...]
) -> dict[str, list[float]]:
    found = {}
    for text in texts:
        name, _colon, cuts = text.partition(":")
        try:
            found[name] = [float(cut) for cut in cuts.split(",")] if cuts else []
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
@click.option("--from", "start", callback=_moment, metavar="DATE", help="Where the window begins.")
@click.option(
    "--to", "end", callback=_moment, metavar="DATE", help="The first moment after the window."
)
@click.option(
    "--sensitive",
    multiple=True,
    callback=_columns,
    metavar="COLUMN[:CUTS]",
    help="Groups to look at, such as SEX or AGEP:25,45,65. By default those of the passport.",
)
@click.option("--now", callback=_moment, metavar="DATE", help="The moment of asking.")
@click.option(
    "--outcomes-until", callback=_moment, metavar="DATE", help="Leave later outcomes aside."
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
@click.option("--json", "as_json", is_flag=True, help="Print every measurement as JSON.")
def monitor(
    model: str,
    store: str,
    sources: tuple[Path, ...],
    start: str | None,
    end: str | None,
    sensitive: dict[str, list[float]],
    now: str | None,
    outcomes_until: str | None,
    replayed: bool,
    metrics: Path | None,
    metrics_before: Path | None,
    as_json: bool,
) -> int:
    """Measure what the artifact MODEL did in a window, and keep the measurements in its store.

    Batch rows count by their as-of date, live ones by their arrival. Measuring a window again
    replaces what was kept of it. What could not be measured is listed with the reason.
    """
    from capstone_lib.artifact import load_model
    from capstone_lib.monitoring import measure
    from capstone_lib.store import open_store

    if start is not None and end is not None and start >= end:
        raise click.UsageError(f"the window ends ({end}) before it begins ({start})")
    if metrics_before is not None and metrics is None:
        raise click.UsageError("--metrics-before goes with --metrics")
    artifact = load_model(model)
    with open_store(store) as opened:
        found = measure(
            artifact,
            opened,
            window=(start, end),
            source=sources or None,
            sensitive=sensitive or None,
            now=now,
            outcomes_until=outcomes_until,
            replayed=replayed,
            seen=_seen(metrics, metrics_before),
        )
        kept = opened.write_measurements(found, whole=True)
    if as_json:
        click.echo(json.dumps([_plain(one) for one in found], indent=1, ensure_ascii=False))
        return 0
    between = f"from {start or 'the first'} to {end or 'the last'}"
    click.echo(f"{artifact.name} {artifact.version}, {between}: {kept:,} measurements kept")
    for traffic in ("batch", "live", ""):
        _tell(traffic, [one for one in found if one.traffic == traffic])
    return 0


def _seen(after: Path | None, before: Path | None) -> "Traffic | None":
    from capstone_lib.monitoring.operations import Traffic

    if after is None:
        return None
    counted = Traffic.of_metrics(after.read_bytes())
    return counted if before is None else counted - Traffic.of_metrics(before.read_bytes())


def _plain(one: "Measurement") -> dict[str, Any]:
    """Ready for JSON, which knows no NaN."""
    values = asdict(one).items()
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values}


def _tell(traffic: str, measurements: "Sequence[Measurement]") -> None:
    """The figures of everybody, the columns that moved, the gaps; all else is in the store."""
    if not measurements:
        return
    click.echo(f"\n{traffic or 'batch and live'}")
    known = [one for one in measurements if one.is_known]
    shown = [one for one in known if not one.feature or _is_telling(one)]
    for one in shown:
        about = f" [{one.feature}]" if one.feature else ""
        ends = "" if math.isnan(one.low) else f"{one.low:>10.4g} – {_end(one.high)}"
        note = one.note if one.feature or one.name == "rows" else ""
        line = f"  {one.name + about:<44}{one.value:>10.4g} {one.unit:<8}{ends:<24}"
        click.echo(f"{line}n = {one.n:,}{'  ' + note if note else ''}".rstrip())
    missing = [one for one in measurements if not one.is_known and not one.feature]
    reasons = dict.fromkeys(one.note for one in missing)
    for reason in reasons:
        names = ", ".join(one.name for one in missing if one.note == reason)
        click.echo(f"  not measured: {names}: {reason or 'not defined'}")


def _is_telling(one: "Measurement") -> bool:
    if one.name in ("drift_effect", "pair_effect"):
        return one.note.startswith("real")
    if one.name == "parity_differing_share":
        return one.value > 0
    return one.name.endswith("_lower_bound") and one.value > 0


def _end(high: float) -> str:
    return "open" if math.isnan(high) else f"{high:.4g}"
