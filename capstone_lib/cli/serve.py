"""``capstone serve``: the endpoint as a process, or as several."""

import json
import os
import sys
import threading
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import click

__all__ = ["serve"]

_FILE = click.Path(dir_okay=False)


def _refuse_nan(_: Any, __: Any, value: float | None) -> float | None:
    if value is not None and value != value:
        raise click.BadParameter("nan is no number")
    return value


@click.command("serve")
@click.argument("model", type=_FILE)
@click.option("--store", metavar="URL", help="Log every answer here; follow its rollout.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="0 takes a free one.",
)
@click.option("--canary", type=_FILE, help="A model on trial, beside MODEL.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1),
    callback=_refuse_nan,
    help="The share of cases that ask the canary, from now on; recorded in the store.",
)
@click.option("--fallback", type=_FILE, help="A cheaper model for the degraded route.")
@click.option(
    "--hybrid",
    metavar="MAX_AGE",
    help="Pass nightly scores of the store on while they are younger, such as 36h or 2d.",
)
@click.option("--review", is_flag=True, help="Serve the review desk of the store, too.")
@click.option(
    "--mount",
    metavar="MODULE:FUNCTION",
    help="Serve routes that the function makes of the store and the artifact, too.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that share the port.",
)
@click.option(
    "--key-file",
    type=_FILE,
    help="Holds the bearer key; or set CAPSTONE_KEY. Needed beyond this machine.",
)
@click.option("--allowed-host", multiple=True, metavar="NAME", help="May be given several times.")
@click.option("--max-in-flight", type=click.IntRange(1), help="More are turned away with 503.")
@click.option("--max-connections", type=click.IntRange(1), help="More are told 503 and closed.")
@click.option("--max-body-bytes", type=click.IntRange(1), help="Larger bodies get 413.")
@click.option("--max-rows", type=click.IntRange(1), help="The most rows in one request.")
@click.option(
    "--timeout-s",
    type=click.FloatRange(0, min_open=True),
    callback=_refuse_nan,
    help="Per request.",
)
@click.option("--log-capacity", type=click.IntRange(1), help="Answers that may wait for the log.")
@click.option("--json", "as_json", is_flag=True, help="Say as JSON where it listens.")
@click.option("--until-stdin-ends", is_flag=True, help="Stop when the standard input is closed.")
def serve(model: str, **given: Any) -> int:
    """Serve the artifact MODEL over HTTP until interrupted.

    Stopping (Ctrl-C or SIGTERM) answers what was accepted and writes the log first.
    """
    from capstone_lib.serving.build import Plan
    from capstone_lib.serving.guard import read_key
    from capstone_lib.serving.hybrid import parse_age
    from capstone_lib.serving.limits import Limits
    from capstone_lib.serving.workers import run

    if given["share"] is not None and not (given["store"] and given["canary"]):
        raise click.UsageError("--share needs --canary, and --store to record it in")
    if given["hybrid"] is not None:
        if not given["store"]:
            raise click.UsageError("--hybrid needs --store: nightly scores are kept there")
        try:
            parse_age(given["hybrid"])
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--hybrid") from error
    mounted = _mounted(given["review"], given["mount"], store=given["store"])
    bounds = {f.name: given[f.name] for f in fields(Limits) if given[f.name] is not None}
    plan = Plan(
        artifact=Path(model),
        store=given["store"],
        canary=given["canary"],
        fallback=given["fallback"],
        host=given["host"],
        key=read_key(given["key_file"]),
        allowed_hosts=given["allowed_host"],
        limits=Limits(**bounds),
        share=given["share"],
        hybrid=given["hybrid"],
        extra_routes=mounted,
    )

    def tell(port: int) -> None:
        if given["as_json"]:
            click.echo(json.dumps({"host": plan.host, "port": port}))
        else:
            click.echo(f"serving {model} at http://{plan.host}:{port} (Ctrl-C stops)")
        sys.stdout.flush()

    end = threading.Event()
    if given["until_stdin_ends"]:
        threading.Thread(target=_wait_for_end, args=(end,), daemon=True).start()
    return run(plan, port=given["port"], workers=given["workers"], ready=tell, end=end)


def _mounted(review: bool, named: str | None, *, store: str | None) -> Any:
    """The function that makes the extra routes, if any is asked for."""
    if review and named:
        raise click.UsageError("--review and --mount exclude each other")
    if review and not store:
        raise click.UsageError("--review needs --store: cases are kept there")
    named = "capstone_lib.review.page:review_routes" if review else named
    if named is None:
        return ()
    module, _, function = named.partition(":")
    try:
        found = getattr(import_module(module), function)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise click.UsageError(f"{named!r} names no function of a module: {error}") from error
    if not callable(found):
        raise click.UsageError(f"{named!r} is no function but a {type(found).__name__}")
    return found


def _wait_for_end(end: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):  # a buffered read would hold a lock that exit needs
        pass
    end.set()
