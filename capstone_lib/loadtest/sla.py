"""Was it good enough? A promise about latency and errors, held against what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from capstone_lib.loadtest.limits import Limit
from capstone_lib.loadtest.step import LoadStep, ms_words

__all__ = ["SlaVerdict", "judge"]

_CAVEAT = "the load generator was the limit: the server may bear more than it was asked here"


@dataclass(frozen=True)
class SlaVerdict:
    """Whether a service-level agreement was met; true or false as it stands.

    Attributes
    ----------
    ok : bool
        Every step met it.
    reasons : tuple of str
        What was broken, a sentence each; empty when it was met.
    holds_up_to : int or float or None
        The most users (requests a second, where there was a rate) up to which every step met it;
        ``None`` if the lightest did not.
    p99_ms, error_rate : float or None
        What was promised.
    caveat : str
        Why a broken promise may not be the server's doing; empty where nothing says so.
    """

    ok: bool
    reasons: tuple[str, ...]
    holds_up_to: float | None
    p99_ms: float | None
    error_rate: float | None
    caveat: str = ""

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        promised = []
        if self.p99_ms is not None:
            promised.append(f"p99 within {self.p99_ms:g} ms")
        if self.error_rate is not None:
            promised.append(f"errors at most {self.error_rate:.2%}")
        head = " and ".join(promised) + (": met" if self.ok else ": not met")
        said = (*self.reasons, self.caveat) if self.caveat else self.reasons
        return "\n".join([head, *(f"  {line}" for line in said)])

    def _repr_html_(self) -> str:
        head, *reasons = str(self).splitlines()
        items = "".join(f"<li>{escape(reason.strip())}</li>" for reason in reasons)
        return f"<p><b>{escape(head)}</b></p>" + (f"<ul>{items}</ul>" if items else "")


def judge(
    steps: Sequence[LoadStep],
    *,
    p99_ms: float | None,
    error_rate: float | None,
    limit: Limit = "server",
) -> SlaVerdict:
    """Hold each step against what was promised.

    Raises
    ------
    ValueError
        Nothing was promised, or something that cannot be.
    """
    if p99_ms is None and error_rate is None:
        raise ValueError("say what was promised: p99_ms=, error_rate= or both")
    if p99_ms is not None and not p99_ms > 0:
        raise ValueError(f"p99_ms is a time above 0 ms; seen {p99_ms}")
    if error_rate is not None and not 0 <= error_rate <= 1:
        raise ValueError(f"error_rate is a share between 0 and 1; seen {error_rate}")
    broken = {k: _broken(step, p99_ms, error_rate) for k, step in enumerate(steps)}
    held: float | None = None
    for k in sorted(broken, key=lambda k: steps[k].load):
        if broken[k]:
            break
        held = steps[k].load
    reasons = tuple(reason for k in broken for reason in broken[k])
    caveat = _CAVEAT if reasons and limit == "load generator" else ""
    return SlaVerdict(not reasons, reasons, held, p99_ms, error_rate, caveat)


def _broken(step: LoadStep, p99_ms: float | None, error_rate: float | None) -> list[str]:
    at = step.load_words
    found = []
    if p99_ms is not None and not step.good:
        found.append(f"{at}: no good answer at all")
    elif p99_ms is not None and not step.p99_ms <= p99_ms:
        found.append(f"{at}: p99 {ms_words(step.p99_ms)} ms, more than {p99_ms:g} ms")
    if error_rate is not None and not step.error_rate <= error_rate:
        found.append(
            f"{at}: {step.error_rate:.2%} of requests without a good answer, more than "
            f"{error_rate:.2%}"
        )
    return found
