"""``capstone report``: all that is known of a model at work, as one page and one document."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from capstone_lib.cli.moments import read_moment

if TYPE_CHECKING:
    from capstone_lib.report import Report

__all__ = ["report"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("report")
@click.option("--model", required=True, type=click.Path(dir_okay=False), help="The artifact.")
@click.option("--store", required=True, metavar="URL", help="Such as sqlite:///store.db.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR|FILE",
    help="A folder, which gets report.html and report.json; or FILE.html, with FILE.json beside.",
)
@click.option("--decision", type=_FILE, metavar="FILE", help="What an Advice's to_dict() gives.")
@click.option("--measured", type=_FILE, metavar="FILE", help="The table of architectures, as JSON.")
@click.option(
    "--from", "start", callback=read_moment, metavar="DATE", help="Where the window begins."
)
@click.option(
    "--to", "end", callback=read_moment, metavar="DATE", help="The first moment after the window."
)
@click.option("--now", callback=read_moment, metavar="DATE", help="The moment of asking.")
@click.option("--playbook", type=_FILE, metavar="FILE", help="The alert rules, for their limits.")
@click.option("--title", default="", help="What stands above it.")
@click.option("--json", "as_json", is_flag=True, help="Print the document instead of a summary.")
def report(model: str, **given: Any) -> int:
    """Write what is known of a model at work: one page for people, one document for programs.

    Both speak of all that the store holds, or of the window. The page needs no network and prints
    well. Nothing in the store is changed.
    """
    from capstone_lib.artifact import load_model
    from capstone_lib.cli.stores import open_existing
    from capstone_lib.report import write_report

    start, end = given["start"], given["end"]
    if start is not None and end is not None and start >= end:
        raise click.UsageError(f"the window ends ({end}) before it begins ({start})")
    _expect_store(given["store"])
    html, document = _places(given["out"])
    decision, measured = (_document(given[name], name) for name in ("decision", "measured"))
    artifact = load_model(model)
    with open_existing(given["store"]) as store:
        made = write_report(
            artifact,
            store,
            html=html,
            json=document,
            decision=decision,
            measured=measured,
            window=(start, end),
            title=given["title"],
            playbook=given["playbook"],
            now=given["now"],
        )
    click.echo(made.to_json()) if given["as_json"] else _tell(made, html, document)
    return 0


def _expect_store(url: str) -> None:
    """Opening a store makes a new one where there is none: a report on that tells nothing."""
    _, is_sqlite, path = url.partition("sqlite:///")
    if is_sqlite and not Path(path).exists():
        raise click.BadParameter(f"there is no database {path}", param_hint="--store")


def _places(out: Path) -> tuple[Path, Path]:
    """Where the page and the document go."""
    if out.suffix.lower() in (".html", ".htm") and not out.is_dir():
        return out, out.with_suffix(".json")
    if out.is_file() or out.suffix.lower() == ".json":
        raise click.BadParameter(f"{out} is neither a folder nor an .html file", param_hint="--out")
    return out / "report.html", out / "report.json"


def _document(path: Path | None, name: str) -> Any:
    if path is None:
        return None
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise click.BadParameter(f"{path} is no JSON: {error}", param_hint=f"--{name}") from None


def _tell(made: "Report", *places: Path) -> None:
    click.echo(str(made))
    for path in places:
        click.echo(f"written: {path}")
