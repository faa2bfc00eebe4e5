"""What the commands say of measurements."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from capstone_lib.monitoring import Measurement

__all__ = ["tell_measurements"]


def tell_measurements(traffic: str, measurements: "Sequence[Measurement]") -> None:
    """The figures of everybody, the columns that moved, the gaps; all else is in the store."""
    if not measurements:
        return
    click.echo(f"\n{traffic or 'batch and live'}")
    known = [one for one in measurements if one.is_known]
    shown = [one for one in known if not one.feature or _is_telling(one)]
    for one in shown:
        about = f" [{one.feature}]" if one.feature else ""
        ends = "" if math.isnan(one.low) else f"{one.low:>10.4g} – {_end(one.high)}"
        note = one.note if one.feature or one.name == "rows" else ""
        line = f"  {one.name + about:<44}{one.value:>10.4g} {one.unit:<8}{ends:<24}"
        click.echo(f"{line}n = {one.n:,}{'  ' + note if note else ''}".rstrip())
    missing = [one for one in measurements if not one.is_known and not one.feature]
    reasons = dict.fromkeys(one.note for one in missing)
    for reason in reasons:
        names = ", ".join(one.name for one in missing if one.note == reason)
        click.echo(f"  not measured: {names}: {reason or 'not defined'}")


def _is_telling(one: "Measurement") -> bool:
    if one.name in ("drift_effect", "pair_effect"):
        return one.note.startswith("real")
    if one.name == "parity_differing_share":
        return one.value > 0
    return one.name.endswith("_lower_bound") and one.value > 0


def _end(high: float) -> str:
    return "open" if math.isnan(high) else f"{high:.4g}"
