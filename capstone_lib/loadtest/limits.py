"""What set the limit: the server, or the program that asked.

A load test that measures its own client says nothing about the server, so this is decided for
every test, from the client's use of its one core and, where it was measured, from what the same
client gets out of a server that does nothing.
"""

from collections.abc import Sequence
from typing import Literal

from capstone_lib.loadtest.step import LoadStep

__all__ = ["BUSY", "Limit", "fastest", "find_limit", "knee"]

Limit = Literal["server", "load generator", "neither"]

BUSY = 0.9
"""The share of the time, at work or waiting for a core, from which on it is the limit itself."""

_CROWDED = 0.05
_NEAR_BARE = 0.8
_IN_FULL = 0.98


def fastest(steps: Sequence[LoadStep]) -> LoadStep:
    """The step with the most answers a second."""
    return max(steps, key=lambda step: step.requests_per_s)


def knee(steps: Sequence[LoadStep]) -> LoadStep | None:
    """The step after which more load mostly buys waiting.

    It is where throughput divided by mean latency is greatest (Kleinrock, "Power and deterministic
    rules of thumb for probabilistic problems in computer communications", 1979). ``None`` when
    there are fewer than two steps with good answers, or the heaviest is still the best.
    """
    answered = sorted((step for step in steps if step.good), key=lambda step: step.load)
    if len(answered) < 2:
        return None
    best = max(answered, key=lambda step: step.good_per_s / step.mean_ms)
    return None if best is answered[-1] else best


def find_limit(steps: Sequence[LoadStep], bare: LoadStep | None) -> tuple[Limit, str]:
    """Decide what set the limit, with the reason in a sentence."""
    top = fastest(steps)
    if top.generator_busy >= BUSY:
        waited = f" and waited for it for {top.generator_queue:.0%} of the time"
        return "load generator", (
            f"Locust used {top.generator_cpu:.0%} of a core"
            f"{waited if top.generator_queue >= _CROWDED else ''}: the server may bear more than "
            "this one client process can ask here"
        )
    if bare is not None and top.requests_per_s >= _NEAR_BARE * bare.requests_per_s:
        return "load generator", (
            f"a server that does nothing got {bare.requests_per_s:,.0f} requests/s from this "
            f"client, hardly more than {top.requests_per_s:,.0f}"
        )
    heaviest = max(steps, key=lambda step: step.load)
    if heaviest.shed or heaviest.unsent:
        return "server", "it refused requests or left them waiting, and Locust had time to spare"
    if heaviest.rate is not None:
        return _with_rate(heaviest)
    if len(steps) > 1 and knee(steps) is None:
        return "neither", "throughput still grew with the last step: it would bear more users"
    spare = f"Locust used {top.generator_cpu:.0%} of a core"
    if bare is not None:
        spare += f" and got {bare.requests_per_s:,.0f} requests/s from a server that does nothing"
    return "server", f"users waited for its answers: {spare}"


def _with_rate(step: LoadStep) -> tuple[Limit, str]:
    assert step.rate is not None
    if step.requests_per_s >= _IN_FULL * step.rate:
        return "neither", f"all of the {step.rate:,.0f} requests/s that were due were answered"
    return "server", (
        f"{step.rate:,.0f} requests/s were due and {step.requests_per_s:,.0f} were answered"
    )
