"""``capstone score``: one batch run."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from capstone_lib.batch import BatchRun

__all__ = ["score"]

REFUSED = 3


def _day(_: click.Context, __: click.Parameter, text: str) -> str:
    from capstone_lib.store import parse_day

    try:
        return parse_day(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command("score")
@click.argument("model", type=click.Path(dir_okay=False))
@click.argument("source")
@click.option(
    "--store", required=True, metavar="URL", help="Such as sqlite:///store.db, or a folder."
)
@click.option(
    "--as-of",
    required=True,
    callback=_day,
    metavar="DATE",
    help="What the predictions speak of: 2016-01-31.",
)
@click.option("--id", "id_column", metavar="COLUMN", help="The column that identifies a row.")
@click.option(
    "--max-reject-share",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    default=0.05,
    show_default=True,
    help="Fail if more of the rows than this do not fit the schema.",
)
@click.option(
    "--engine",
    type=click.Choice(["local"]),
    default="local",
    show_default=True,
    help="Where the work is done.",
)
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Threads that score.")
@click.option("--json", "as_json", is_flag=True, help="Print the run as JSON.")
def score(
    model: str,
    source: str,
    store: str,
    as_of: str,
    id_column: str | None,
    max_reject_share: float,
    engine: str,
    workers: int | None,
    as_json: bool,
) -> int:
    """Score SOURCE with the artifact MODEL and publish the predictions in a store.

    SOURCE is a Parquet or CSV file, a folder of them, or a pattern in quotes. Running the same
    again changes nothing. Exit status 3 if too many rows were rejected: nothing is published.
    """
    from capstone_lib.artifact import load_model
    from capstone_lib.batch import score_batch
    from capstone_lib.errors import TooManyRejectsError

    try:
        done = score_batch(
            load_model(model),
            source,
            store=store,
            as_of=as_of,
            id=id_column,
            max_reject_share=max_reject_share,
            engine=engine,
            workers=workers,
        )
    except TooManyRejectsError as error:
        click.echo(f"capstone: {error}", err=True)
        return REFUSED
    _tell(done, as_json=as_json)
    return 0


def _tell(done: "BatchRun", *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(done), indent=1, ensure_ascii=False))
        return
    found = "scored" if done.status == "published" else "had been scored before; nothing changed"
    click.echo(f"{done.model} {done.version}, as of {done.as_of}: {found}")
    click.echo(f"{done.rows:,} rows, {done.rejected:,} rejected, {done.seconds:.1f} s", nl=False)
    click.echo(f", {done.rows_per_s:,.0f} rows/s; run {done.run_id} in {done.store}")
    for step in done.steps:
        speed = f"{step.rows_per_s:>14,.0f} rows/s" if step.rows else ""
        click.echo(f"  {step.name:<20}{step.seconds:>8.2f} s{speed}")
