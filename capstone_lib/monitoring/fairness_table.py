"""An audit as measurements: rows of the one flat table that the store keeps."""

from collections.abc import Iterator, Sequence
from typing import Any

from capstone_lib.monitoring.auditing import GroupResult
from capstone_lib.monitoring.errors_by_group import ERRORS
from capstone_lib.monitoring.gaps import Gap
from capstone_lib.store.measurement import Measurement

__all__ = ["rows_of"]


def rows_of(
    groups: Sequence[GroupResult], gaps: Sequence[Gap], *, min_group: int, **window: Any
) -> list[Measurement]:
    """Every rate of every group, and of each gap its difference, ratio and lower bound.

    Parameters
    ----------
    groups, gaps : sequence of GroupResult and of Gap
        What an audit found.
    min_group : int
        From how many people on a group was judged; a smaller one's note says that it was not.
    **window
        What to set on each measurement: window, model, version, traffic.

    Returns
    -------
    list of Measurement
        Without a value (NaN) where a rate or a gap is not defined.
    """
    of_groups = (row for group in groups for row in _of_group(group, min_group, window))
    of_gaps = (row for gap in gaps for row in _of_gap(gap, groups, window))
    return [*of_groups, *of_gaps]


def _of_group(group: GroupResult, min_group: int, window: Any) -> Iterator[Measurement]:
    for rate, one in group.rates.items():
        note = "" if one.n >= min_group else f"fewer than {min_group} people: not judged"
        yield Measurement(
            _name(rate, group.label),
            one.value,
            low=one.low,
            high=one.high,
            n=one.n,
            unit="" if rate in ERRORS else "share",
            feature=" × ".join(group.over),
            group=group.name,
            note=note if one.n else "not defined: nobody it could speak of",
            **window,
        )


def _of_gap(gap: Gap, groups: Sequence[GroupResult], window: Any) -> Iterator[Measurement]:
    mine = [group.n for group in groups if (group.over, group.label) == (gap.over, gap.label)]
    between = f"{gap.rate}: {gap.highest} over {gap.lowest}"
    note = between if gap.n_groups > 1 else "not defined: fewer than two groups can be judged"
    nan = float("nan")
    for part, ends, unit in (
        ("difference", (gap.difference, gap.low, gap.high), "" if gap.name in ERRORS else "share"),
        ("ratio", (gap.ratio, gap.ratio_low, gap.ratio_high), "ratio"),
        ("lower_bound", (gap.lower_bound, nan, nan), "" if gap.name in ERRORS else "share"),
    ):
        yield Measurement(
            _name(f"{gap.name}_{part}", gap.label),
            ends[0],
            low=ends[1],
            high=ends[2],
            n=sum(mine),
            unit=unit,
            feature=" × ".join(gap.over),
            note=note,
            **window,
        )


def _name(name: str, label: Any) -> str:
    return name if label is None else f"{name}[{label}]"
