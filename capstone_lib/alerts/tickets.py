"""Tickets: a row in the store for an owner, and the same as a Markdown file in a folder."""

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update

from capstone_lib.alerts.rollouts import GIVES_BACK
from capstone_lib.errors import AlertError
from capstone_lib.store.alert_tables import tickets
from capstone_lib.store.engine import writing
from capstone_lib.store.measurement import Measurement

__all__ = ["close_ticket", "markdown_of", "open_ticket", "sign_off"]

_UNSAFE = re.compile(r"[^\w.=-]+")
_NOT_UNDONE = ("webhook", "ticket")


def open_ticket(
    engine: Engine,
    alert: Mapping[str, Any],
    *,
    folder: Path | None,
    url: str,
    now: str,
) -> tuple[str, dict[str, Any]]:
    """Open the ticket of an alert, or find it open, and write its file if it has none.

    The row comes first: if the file cannot be written, the ticket is there all the same.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with writing(engine) as connection:
        row = _row(connection, tickets.c.alert_key == alert["alert_key"])
        if row is None:
            values = {
                "alert_key": alert["alert_key"], "opened_at": now, "owner": alert["owner"],
                "title": _title(alert), "body": markdown_of(alert, url=url), "file": "",
            }  # fmt: skip
            connection.execute(insert(tickets).values(values))
            row = _row(connection, tickets.c.alert_key == alert["alert_key"])
    assert row is not None
    said, before = f"ticket {row['ticket']} for {row['owner']}", {"ticket": row["ticket"]}
    if folder is None:
        return said, before
    file = _write(folder, f"ticket-{row['ticket']:04d}-{alert['alert_id']}", row["body"])
    with writing(engine) as connection:
        mine = tickets.c.ticket == row["ticket"]
        connection.execute(update(tickets).where(mine).values(file=str(file)))
    return f"{said}: {file}", before


def close_ticket(connection: Connection, ticket: int, *, who: str, now: str) -> Path | None:
    """Close a ticket; the first to close it stands.

    Returns
    -------
    Path or None
        Its file, which is still to be told, see :func:`sign_off`.

    Raises
    ------
    AlertError
        If there is no such ticket.
    """
    row = _row(connection, tickets.c.ticket == ticket)
    if row is None:
        raise AlertError(f"there is no ticket {ticket} in this store")
    if row["closed_at"] is not None:
        return None
    values = {"closed_at": now, "closed_by": who}
    connection.execute(update(tickets).where(tickets.c.ticket == ticket).values(values))
    return Path(row["file"]) if row["file"] else None


def sign_off(file: Path | None, *, who: str, now: str) -> None:
    """Say at the end of a ticket's file that it is closed, if the file is still there.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    if file is not None and file.exists():
        text = file.read_text(encoding="utf-8")
        _replace(file, f"{text}\nClosed by {who} at {now[:19]} UTC.\n")


def markdown_of(alert: Mapping[str, Any], *, url: str) -> str:
    """Everything that its owner needs to know, with the commands to answer.

    Parameters
    ----------
    alert : mapping
        A row of the table of alerts.
    url : str
        The store, without a password.
    """
    return "\n".join(_lines(alert, url)) + "\n"


def _lines(alert: Mapping[str, Any], url: str) -> Iterator[str]:
    rule = alert["definition"]
    yield f"# {_title(alert)}"
    yield ""
    yield f"- Rule: {_code(alert['rule'])}, {alert['severity']}"
    yield f"- Owner: {alert['owner']}"
    yield f"- Model: {_code(alert['model'] + ' ' + alert['version'])}"
    yield f"- Raised: {alert['raised_at'][:19]} UTC; it holds since {_day(rule['since'])}"
    yield f"- Alert: {_code(alert['alert_id'])}"
    yield from ("", "## What was measured", "")
    for cause in alert["measurements"]:
        yield f"- {_cause(cause)}"
    yield from ("", f"Threshold: {_threshold(rule)}.")
    yield from ("", "## Why it matters", "", rule["why"])
    yield from ("", "## What to do", "", rule["what_to_do"])
    yield from ("", "## What the playbook does", "", ", ".join(map(_code, rule["actions"])))
    yield from ("", "## Commands", "", "```sh", *_commands(alert, url), "```")


def _commands(alert: Mapping[str, Any], url: str) -> Iterator[str]:
    store, name = f"--store {shlex.quote(url)}", shlex.quote(alert["alert_id"])
    yield "# somebody is at it"
    yield f"capstone alerts {store} ack {name} --who YOU"
    yield "# nothing more of this rule for a while"
    yield (
        f"capstone alerts {store} silence {shlex.quote(alert['rule'])} --for 1d --who YOU "
        "--why REASON"
    )
    for action in alert["definition"]["actions"]:
        if action not in _NOT_UNDONE and action not in GIVES_BACK:
            yield f"# take back: {action.replace('_', ' ')}"
            yield f"capstone alerts {store} undo {name} {action} --who YOU"
    yield "# the work is done: close the ticket"
    yield f"capstone alerts {store} undo {name} ticket --who YOU"


def _cause(said: Mapping[str, Any]) -> str:
    one = Measurement(**said)
    about = [_code(part) for part in (one.feature, one.group) if part]
    where = f" of {', '.join(about)}" if about else ""
    value = str(replace(one, feature="", group="")).partition(": ")[2]
    traffic = f", {one.traffic} traffic" if one.traffic else ""
    limit = (
        ""
        if one.threshold is None or one.threshold != one.threshold
        else (f"; its own threshold: {one.threshold:.4g}")
    )
    note = f" ({_line(one.note)})" if one.note and one.is_known else ""
    window = f"{_day(one.window_start, 'the first')} to {_day(one.window_end, 'the last')}"
    return f"{_code(one.name)}{where}: **{value}**; window {window}{traffic}{limit}{note}"


def _threshold(rule: Mapping[str, Any]) -> str:
    use = {"value": "the value", "low": "the lower end", "high": "the upper end"}[rule["use"]]
    threshold = rule["threshold"]
    number = f"{threshold:g}" if isinstance(threshold, int | float) else threshold
    windows = rule["for_windows"]
    often = "" if windows == 1 else f", in {windows} windows one after the other"
    return f"{use} of {_code(rule['measurement'])} {rule['comparison']} {number}{often}"


def _title(alert: Mapping[str, Any]) -> str:
    return _line(str(alert["message"]).partition("\n")[0])


def _code(text: str) -> str:
    """As code, whatever characters a column's name has."""
    return f"`{_line(text).replace('`', chr(39))}`"


def _line(text: str) -> str:
    return " ".join(str(text).split())


def _day(moment: str, unknown: str = "then") -> str:
    return moment.removesuffix("T00:00:00").replace("T", " ") or unknown


def _row(connection: Connection, where: Any) -> dict[str, Any] | None:
    row = connection.execute(select(tickets).where(where)).mappings().one_or_none()
    return None if row is None else dict(row)


def _write(folder: Path, name: str, text: str) -> Path:
    """Write a file whole; one of the same name that is not ours is left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    safe = _UNSAFE.sub("-", name)[:120]
    for k in range(1, 10_000):
        path = (folder / (f"{safe}.md" if k == 1 else f"{safe}-{k}.md")).absolute()
        if not path.exists():
            _replace(path, text)
            return path
        if path.read_text(encoding="utf-8", errors="replace") == text:
            return path
    raise FileExistsError(f"{folder} is full of files called {safe}")


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    with draft.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
