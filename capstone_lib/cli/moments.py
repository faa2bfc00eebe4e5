"""Dates and times as arguments of a command."""

import click

__all__ = ["read_moment"]


def read_moment(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Read a date or a time for click: ISO text, UTC, or None if none was given."""
    from capstone_lib.errors import MonitoringError
    from capstone_lib.store.measurement import moment_text

    try:
        return None if text is None else moment_text(text, name="it") or None
    except MonitoringError as error:
        raise click.BadParameter(str(error)) from error
