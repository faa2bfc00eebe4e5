"""``capstone loadtest``: load on a live endpoint, and whether it held."""

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.loadtest import LoadTest, SlaVerdict

__all__ = ["loadtest"]

BROKEN = 3
KEY = "CAPSTONE_KEY"


def _several(kind: type, what: str) -> Any:
    def read(_: click.Context, __: click.Parameter, text: str | None) -> list[Any] | None:
        if text is None:
            return None
        try:
            values = [kind(part) for part in text.split(",")]
        except ValueError:
            values = []
        if not values or not all(value > 0 and math.isfinite(value) for value in values):
            raise click.BadParameter(f"{text!r} is not {what}, nor several with commas between")
        return values

    return read


@click.command("loadtest")
@click.argument("url")
@click.option(
    "--rows",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A Parquet, CSV or JSON Lines file of real rows: the features, and an id if it is named.",
)
@click.option(
    "--users",
    default="50",
    show_default=True,
    metavar="N[,N…]",
    callback=_several(int, "a whole number of users"),
    help="How many ask at the same time; several make a ramp.",
)
@click.option(
    "--duration",
    type=click.FloatRange(min=1),
    default=15.0,
    show_default=True,
    metavar="S",
    help="Seconds that each step lasts.",
)
@click.option(
    "--rate",
    metavar="R[,R…]",
    callback=_several(float, "a number of requests a second"),
    help="Requests a second, due whatever the answers do; latency counts from the due time.",
)
@click.option("--id", "id_column", metavar="COLUMN", help="The column that identifies a row.")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws the rows.")
@click.option(
    "--explain-share",
    type=click.FloatRange(0, 1),
    default=0.0,
    metavar="SHARE",
    help="The share of requests that ask for an explanation.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="S",
    help="Seconds after which an answer is a failure.",
)
@click.option(
    "--p99-ms",
    type=click.FloatRange(min=0, min_open=True),
    metavar="MS",
    help="Exit with 3 if 99 of 100 answers take longer.",
)
@click.option(
    "--error-rate",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Exit with 3 if more requests than this have no good answer.",
)
@click.option(
    "--compare-bare", is_flag=True, help="Load a server that does nothing too, for two seconds."
)
@click.option(
    "--report", type=click.Path(path_type=Path), metavar="FILE", help="Keep Locust's HTML report."
)
@click.option(
    "--key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"Holds the endpoint's bearer key; or set {KEY}.",
)
@click.option("--allow-remote", is_flag=True, help="Load an endpoint that is not on this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def loadtest(
    url: str,
    rows: Path,
    users: list[int],
    duration: float,
    rate: list[float] | None,
    id_column: str | None,
    seed: int,
    explain_share: float,
    timeout: float,
    p99_ms: float | None,
    error_rate: float | None,
    compare_bare: bool,
    report: Path | None,
    key_file: Path | None,
    allow_remote: bool,
    as_json: bool,
) -> int:
    """Load the endpoint at URL with Locust, with live figures, and tell what it bore.

    Exit status 3 if a promise (--p99-ms, --error-rate) was not kept.
    """
    from capstone_lib.loadtest import load_test

    if rate is not None and min(len(users), len(rate)) > 1 and len(users) != len(rate):
        raise click.UsageError("give --users or --rate once, or as many of one as of the other")
    result = load_test(
        url,
        _read(rows),
        users=users,
        duration_s=duration,
        rate=rate,
        seed=seed,
        id=id_column,
        explain_share=explain_share,
        bearer=_key(key_file),
        timeout_s=timeout,
        compare_bare=compare_bare,
        report=report,
        allow_remote=allow_remote,
    )
    promised = p99_ms is not None or error_rate is not None
    verdict = result.sla(p99_ms=p99_ms, error_rate=error_rate) if promised else None
    _tell(result, verdict, as_json=as_json, kept=report)
    return BROKEN if promised and not verdict else 0


def _read(file: Path) -> "pd.DataFrame":
    import pandas as pd

    from capstone_lib.errors import LoadTestError

    readers: dict[str, Any] = {
        ".parquet": pd.read_parquet,
        ".pq": pd.read_parquet,
        ".csv": pd.read_csv,
        ".jsonl": lambda path: pd.read_json(path, lines=True),
    }
    if file.suffix not in readers:
        raise click.BadParameter(f"{file} is none of {', '.join(readers)}", param_hint="--rows")
    try:
        frame: pd.DataFrame = readers[file.suffix](file)
    except (ValueError, OSError) as error:  # pyarrow's and pandas' own errors are ValueErrors
        raise LoadTestError(f"{file} cannot be read as rows: {error}") from error
    return frame


def _key(file: Path | None) -> str | None:
    return os.environ.get(KEY) if file is None else file.read_text("utf-8").strip()


def _tell(
    result: "LoadTest", verdict: "SlaVerdict | None", *, as_json: bool, kept: Path | None
) -> None:
    if as_json:
        figures = result.to_dict() | {"report": None if kept is None else str(kept)}
        if verdict is not None:
            figures["sla"] = {
                "ok": verdict.ok,
                "reasons": list(verdict.reasons),
                "holds_up_to": verdict.holds_up_to,
                "caveat": verdict.caveat,
            }
        click.echo(json.dumps(figures, indent=1, ensure_ascii=False))
        return
    click.echo(str(result))
    if verdict is not None:
        click.echo(str(verdict))
    if kept is not None:
        click.echo(f"Locust's own report: {kept}")
