"""Telling an address of alerts: one message a run, with a time limit, and tried again.

What goes wrong is said without the path of the address and without the key: both are secrets.
"""

import asyncio
import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from capstone_lib.alerts.playbook import Webhook
from capstone_lib.alerts.records import plain
from capstone_lib.errors import AlertError, MissingExtraError

if TYPE_CHECKING:
    import httpx

__all__ = ["VERSION", "message_of", "send"]

VERSION = 1
"""Of the message's form."""

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 5.0
_ANSWERED_LATER = (408, 425, 429)


class _AgainError(Exception):
    """A try that failed, and may go well next time."""


def message_of(
    alerts: Sequence[tuple[str, Mapping[str, Any], Sequence[Mapping[str, Any]]]],
    *,
    store: str,
    sent_at: str,
) -> dict[str, Any]:
    """What is sent, ready for JSON.

    Parameters
    ----------
    alerts : sequence of (str, mapping, sequence of mapping)
        What is told (``firing``, ``cleared`` or ``withdrawn``), the alert's row, and the rows of
        its other actions.
    store : str
        Where it stands, without a password.
    sent_at : str

    Returns
    -------
    dict
        ``version``, ``text`` (a line for each alert, as chat programs show it), ``sent_at``,
        ``store`` and ``alerts``. An alert has ``state``, what :meth:`AlertBook.history` says of
        it, and ``actions``.
    """
    told = [
        {
            "state": state,
            **{name: alert[name] for name in _TOLD},
            "why": alert["definition"]["why"],
            "what_to_do": alert["definition"]["what_to_do"],
            "actions": [
                {name: action[name] for name in ("action", "done_at", "result", "error")}
                for action in actions
            ],
        }
        for state, alert, actions in alerts
    ]
    lines = [f"{one['state']}: {one['message'].partition(chr(10))[0]}" for one in told]
    body = {"version": VERSION, "text": "\n".join(lines), "sent_at": sent_at, "store": store}
    return {**body, "alerts": plain(told)}


_TOLD = (
    "alert_key", "alert_id", "rule", "severity", "owner", "model", "version", "traffic", "feature",
    "group", "raised_at", "cleared_at", "message", "measurements",
)  # fmt: skip


def send(webhook: Webhook, message: Mapping[str, Any]) -> int:
    """Send a message, as often as the playbook allows.

    Returns
    -------
    int
        Tries that it took.

    Raises
    ------
    AlertError
        If it was not taken: no answer in time, no connection, or an answer other than 2xx.
        Redirects are not followed.
    MissingExtraError
        If httpx or tenacity is not installed.
    """
    try:
        import httpx  # noqa: F401
        import tenacity  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "alerts") from error
    headers = _headers(webhook, message)
    done: Future[int] = Future()

    async def work() -> None:
        try:
            done.set_result(await _send(webhook, message, headers))
        except BaseException as error:
            done.set_exception(error)

    def run() -> None:
        with _unlogged():
            asyncio.run(work())

    # A thread of its own: the caller, such as a notebook, may have an event loop already. And the
    # result is there before the loop has ended, which waits for a name server that does not answer.
    threading.Thread(target=run, name="capstone-webhook", daemon=True).start()
    return done.result()


async def _send(webhook: Webhook, message: Mapping[str, Any], headers: dict[str, str]) -> int:
    import httpx
    from tenacity import (
        AsyncRetrying,
        retry_if_exception_type,
        stop_after_attempt,
        wait_random_exponential,
    )

    content = json.dumps(message, ensure_ascii=False, allow_nan=False).encode()
    tries = 0
    async with httpx.AsyncClient(
        follow_redirects=False, timeout=webhook.timeout_s, headers=headers
    ) as client:
        try:
            async for attempt in AsyncRetrying(
                stop=stop_after_attempt(webhook.tries),
                wait=wait_random_exponential(_FIRST_WAIT_S, _LONGEST_WAIT_S),
                retry=retry_if_exception_type(_AgainError),
                reraise=True,
            ):
                with attempt:
                    tries += 1
                    await _try(client, webhook, content)
        except _AgainError as error:
            times = f"after {tries} tries" if tries > 1 else "at the first try"
            raise AlertError(f"{_place(webhook.url)} {error}, {times}") from None
    return tries


async def _try(client: "httpx.AsyncClient", webhook: Webhook, content: bytes) -> None:
    """One try; the limit holds for the whole of it, however slowly an answer drips in."""
    import httpx

    try:
        async with (
            asyncio.timeout(webhook.timeout_s),
            client.stream("POST", webhook.url, content=content) as reply,
        ):
            status = reply.status_code
    except (TimeoutError, httpx.TimeoutException):
        raise _AgainError(f"did not answer within {webhook.timeout_s:g} s") from None
    except httpx.ConnectError:
        raise _AgainError("cannot be reached") from None
    except httpx.TransportError as error:
        raise _AgainError(f"broke the connection off ({type(error).__name__})") from None
    if status >= 500 or status in _ANSWERED_LATER:
        raise _AgainError(f"answered {status}")
    if 300 <= status < 400:
        raise AlertError(
            f"{_place(webhook.url)} answered {status}, which leads elsewhere and is not followed; "
            "write the final address into the playbook"
        )
    if not 200 <= status < 300:
        raise AlertError(
            f"{_place(webhook.url)} answered {status}; look at the address and the key in the "
            "playbook's [webhook]"
        )


def _headers(webhook: Webhook, message: Mapping[str, Any]) -> dict[str, str]:
    """The same message has the same key, so that a receiver can tell one that came twice."""
    keys = [[one["state"], one["alert_id"], one["raised_at"]] for one in message["alerts"]]
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "capstone-lib",
        "Idempotency-Key": sha256(json.dumps(sorted(keys)).encode()).hexdigest()[:32],
    }
    if webhook.token_env:
        token = os.environ.get(webhook.token_env, "").strip()
        if not token or not token.isascii() or not token.isprintable():
            raise AlertError(
                f"the webhook's key is expected in the environment variable {webhook.token_env}, "
                f"which is {'not a key' if token else 'not set'}; set it, or leave token_env out"
            )
        headers["Authorization"] = f"Bearer {token}"
    return headers


def _place(url: str) -> str:
    """The address without what may be a secret: user, path and query."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"the webhook at {parts.scheme}://{parts.hostname}{port}"


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep httpx from writing the whole address into a log, for this thread only."""
    mine = threading.get_ident()

    def keep(record: logging.LogRecord) -> bool:
        return record.thread != mine

    logger = logging.getLogger("httpx")
    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)
