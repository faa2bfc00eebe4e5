"""What the commands say of alerts and of what was done about them."""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from capstone_lib.alerts import ActionRecord, Alert

__all__ = ["tell_actions", "tell_alerts"]


def tell_alerts(alerts: "Sequence[Alert]", *, known: Collection[str]) -> None:
    """Those that hold, those that have just cleared, and the rules that can say nothing.

    ``known`` are the ids of those that were open before.
    """
    click.echo("\nalerts")
    shown = 0
    for one in alerts:
        if one.state == "unknown" or (one.state == "cleared" and one.alert_id not in known):
            continue
        new = ", new" if one.state == "firing" and one.alert_id not in known else ""
        click.echo(f"  {one.state + new:<16}{one.title}\n{'':<18}{one.alert_id}")
        shown += 1
    if not shown:
        click.echo("  none")
    blind = [one.rule.name for one in alerts if one.state == "unknown"]
    if blind:
        click.echo(f"  not measured, so these rules say nothing: {', '.join(blind)}")


def tell_actions(done: "Iterable[ActionRecord]", *, dry_run: bool) -> None:
    """What was done, and what could not be."""
    actions = list(done)
    click.echo("\nwhat would be done" if dry_run else "\nwhat was done")
    for one in actions:
        if one.state != "failed":
            click.echo(f"  {one.action:<16}{one.rule}: {one.result}")
    if not actions:
        click.echo("  nothing new")
    for one in actions:
        if one.state == "failed":
            click.echo(
                f"capstone: {one.action} for {one.rule} failed, and the next run tries again: "
                f"{one.error}",
                err=True,
            )
