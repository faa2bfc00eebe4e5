"""``capstone alerts``: what was raised and done, and a person's answers to it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.alerts import AlertBook

__all__ = ["alerts"]

_WHO = click.option("--who", required=True, envvar="CAPSTONE_WHO", help="Your name.")
_TICKET = click.IntRange(1, 2**63 - 1)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
_ALL = click.option("--all", "every", is_flag=True, help="Those that are over, too.")


def _span(_: click.Context, __: click.Parameter, text: str | None) -> timedelta | None:
    from capstone_lib.alerts.rule import seconds_of

    try:
        return None if text is None else timedelta(seconds=seconds_of(text))
    except OverflowError:
        raise click.BadParameter(f"{text!r} is longer than any silence; give less") from None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.group("alerts")
@click.option("--store", metavar="URL", help="Such as sqlite:///store.db.")
@click.pass_context
def alerts(context: click.Context, store: str | None) -> None:
    """Look at alerts, answer them, and take back what was done.

    An ALERT is named by its id, as "list" shows it; its beginning will do.
    """
    context.obj = store


@alerts.command("list")
@_ALL
@_JSON
@click.pass_context
def list_(context: click.Context, every: bool, as_json: bool) -> int:
    """Alerts that are open."""
    book = _book(context)
    frame = book.history() if every else book.open()
    if as_json:
        return _print(_records(frame))
    for row in frame.to_dict("records"):
        ended = "" if _none(row["cleared_at"]) else f", cleared {_time(row['cleared_at'])}"
        seen = row["acknowledged_by"]
        by = "" if _none(seen) else f", {seen} is at it"
        click.echo(f"{row['alert_id']}  {row['severity']}, for {row['owner']}")
        click.echo(f"  {row['message'].partition(chr(10))[0]}")
        click.echo(f"  raised {_time(row['raised_at'])}{ended}{by}")
    if frame.empty:
        click.echo("no alert" if every else "no alert is open")
    for one in book.silences():
        about = ", ".join(part for part in (one.feature, one.group) if part)
        of = f" [{about}]" if about else ""
        click.echo(f"silenced: {one.rule}{of} until {one.until} by {one.who}: {one.why}")
    return 0


@alerts.command("show")
@click.argument("alert")
@_JSON
@click.pass_context
def show(context: click.Context, alert: str, as_json: bool) -> int:
    """One ALERT: why it was raised, and what was done about it."""
    book = _book(context)
    row, actions = book.find(alert), book.actions(alert)
    if as_json:
        return _print({**row, "actions": [one.to_dict() for one in actions]})
    click.echo(row["message"])
    for one in actions:
        click.echo(f"  {one.action}: {one.state}: {one.error or one.result or 'not yet'}")
    return 0


@alerts.command("ack")
@click.argument("alert")
@_WHO
@click.pass_context
def ack(context: click.Context, alert: str, who: str) -> int:
    """Say that you have seen ALERT and are at it."""
    _book(context).acknowledge(alert, who=who)
    return 0


@alerts.command("clear")
@click.argument("alert")
@_WHO
@click.pass_context
def clear(context: click.Context, alert: str, who: str) -> int:
    """Close ALERT by hand; if it still holds, the next run raises it anew."""
    _book(context).clear(alert, who=who)
    return 0


@alerts.command("silence")
@click.argument("rule")
@click.option("--for", "for_", callback=_span, metavar="TIME", help="Such as 90m, 8h, 2d or 1w.")
@click.option("--until", metavar="DATE", help="Instead of --for.")
@click.option("--why", help="The reason.")
@click.option("--feature", default="", metavar="COLUMN", help="Only about this column.")
@click.option("--group", default="", metavar="GROUP", help="Only about this group, as SEX=2.")
@click.option("--end", is_flag=True, help="End the silences of RULE now.")
@_WHO
@click.pass_context
def silence(context: click.Context, /, rule: str, end: bool, why: str | None, **given: Any) -> int:
    """Do nothing about RULE for a time; its alerts are still written down."""
    book = _book(context)
    if end:
        ended = book.end_silences(rule)
        click.echo(f"{ended} silence{'' if ended == 1 else 's'} of {rule} ended")
        return 0
    if why is None or (given["for_"] is None) == (given["until"] is None):
        raise click.UsageError("a silence needs --why, and one of --for and --until")
    made = book.silence(rule, why=why, **given)
    click.echo(f"{rule} is silenced until {made.until}")
    return 0


@alerts.command("undo")
@click.argument("alert")
@click.argument("action")
@click.option("--why", default="", help="The reason.")
@_WHO
@click.pass_context
def undo(context: click.Context, alert: str, action: str, who: str, why: str) -> int:
    """Take back the ACTION that was done because of ALERT, such as pause_rollout."""
    click.echo(str(_book(context).undo(alert, action, who=who, why=why)))
    return 0


@alerts.command("tickets")
@click.option("--show", "shown", type=_TICKET, metavar="N", help="Print ticket N as Markdown.")
@click.option("--close", "closed", type=_TICKET, metavar="N", help="Close ticket N.")
@click.option("--who", envvar="CAPSTONE_WHO", help="Your name, to close one.")
@_ALL
@_JSON
@click.pass_context
def tickets(
    context: click.Context,
    shown: int | None,
    closed: int | None,
    who: str | None,
    every: bool,
    as_json: bool,
) -> int:
    """Tickets that are open."""
    book = _book(context)
    if closed is not None:
        if not who:
            raise click.UsageError("--close needs --who")
        book.close_ticket(closed, who=who)
        return 0
    frame = book.tickets()
    if shown is not None:
        return _show_ticket(frame, shown)
    frame = frame if every else frame[frame["closed_at"].isna()]
    if as_json:
        return _print(_records(frame))
    for row in frame.to_dict("records"):
        ended = "" if _none(row["closed_at"]) else f", closed by {row['closed_by']}"
        click.echo(f"{row['ticket']:>4}  {row['title']}")
        click.echo(f"      for {row['owner']}, opened {_time(row['opened_at'])}{ended}")
    if frame.empty:
        click.echo("no ticket" if every else "no ticket is open")
    return 0


@alerts.command("rules")
@click.option(
    "--check",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="This playbook, if it is right.",
)
@click.option(
    "--prometheus",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the rules that /metrics can answer here, for Prometheus, with their tests.",
)
@_JSON
def rules(check: Path | None, prometheus: Path | None, as_json: bool) -> int:
    """The rules of a playbook; of the default one unless --check names another.

    A wrong playbook is refused with its lines: exit status 1.
    """
    from capstone_lib.alerts import load_playbook
    from capstone_lib.alerts.playbook import DEFAULT

    playbook = load_playbook(check)
    if prometheus is not None:
        return _export(playbook, prometheus)
    if as_json:
        return _print(_records(playbook.to_frame().reset_index()))
    if check is None:
        click.echo(DEFAULT.read_text(encoding="utf-8"), nl=False)
        return 0
    click.echo(f"{check}: nothing is wrong with it; rules: {len(playbook)}")
    for rule in playbook:
        does = ", ".join(rule.actions) or "is only said"
        click.echo(f"  {rule.name:<24}{rule.severity:<10}{does}")
    return 0


def _export(playbook: Any, folder: Path) -> int:
    from capstone_lib.alerts.prometheus import write_rules

    done = write_rules(playbook, folder)
    click.echo(f"{done.rules}\n{done.tests}")
    for name, why in done.left_out.items():
        click.echo(f"left out: {name}: {why}")
    return 0


def _book(context: click.Context) -> "AlertBook":
    from capstone_lib.alerts import AlertBook
    from capstone_lib.cli.stores import open_existing

    url = context.find_object(str)
    if url is None:
        raise click.UsageError("this needs a store: capstone alerts --store URL ...")
    return AlertBook(context.with_resource(open_existing(url)))


def _show_ticket(frame: "pd.DataFrame", ticket: int) -> int:
    from capstone_lib.errors import AlertError

    bodies = frame.loc[frame["ticket"] == ticket, "body"].tolist()
    if not bodies:
        raise AlertError(f"there is no ticket {ticket} in this store")
    click.echo(bodies[0], nl=False)
    return 0


def _records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    return [{str(k): None if _none(v) else v for k, v in row.items()}
            for row in frame.to_dict("records")]  # fmt: skip


def _print(document: Any) -> int:
    from capstone_lib.alerts.records import plain

    click.echo(json.dumps(plain(document), indent=1, ensure_ascii=False, default=str))
    return 0


def _none(value: Any) -> bool:
    return value is None or (not isinstance(value, list | dict) and value != value)


def _time(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC"
