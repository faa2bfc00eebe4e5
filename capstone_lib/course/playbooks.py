"""The course's playbook: the default one, after somebody has looked at its first month."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from capstone_lib.alerts import Playbook

__all__ = ["KNOWN_GAPS", "course_playbook", "write_playbook"]

KNOWN_GAPS = ("AGEP", "DIS")
"""Columns between whose groups errors differ from the first day: notebook 04 has audited them."""

_ELSEWHERE = ("latency_p99", "slow_share", "staleness_p95")
_HEAD, _NOBODY = "[[rule]]", "but_not = []"


def course_playbook(known_gaps: Sequence[str] = KNOWN_GAPS) -> "Playbook":
    """The default playbook, in which gaps that are known are named.

    Rules on the speed of answers are left out, since a course runs on shared machines, and that on
    stale scores, since each person of the census comes but once.

    Parameters
    ----------
    known_gaps : sequence of str
        Columns that the rule ``unequal_errors`` passes over.

    Examples
    --------
    >>> course_playbook()["unequal_errors"].but_not
    ('AGEP', 'DIS')
    """
    from capstone_lib.alerts import Playbook
    from capstone_lib.alerts.tuning import change_rule

    rules = change_rule(Playbook.default(), "unequal_errors", but_not=tuple(known_gaps))
    return replace(rules, rules=tuple(one for one in rules if one.measurement not in _ELSEWHERE))


def write_playbook(path: str | Path, known_gaps: Sequence[str] = KNOWN_GAPS) -> "Playbook":
    """Write the course's playbook as a file with all its comments, and read it back.

    Parameters
    ----------
    path : str or Path
        A file that is there is replaced.
    known_gaps : sequence of str
        As of :func:`course_playbook`.
    """
    from capstone_lib.alerts import load_playbook
    from capstone_lib.alerts.playbook import DEFAULT
    from capstone_lib.course.workspace import write_atomic

    head, *rules = DEFAULT.read_text("utf-8").split(_HEAD)
    kept = [one for one in rules if not any(f'measurement = "{n}"' in one for n in _ELSEWHERE)]
    text = _HEAD.join([head, *kept]).replace(_NOBODY, f"but_not = {json.dumps(list(known_gaps))}")
    write_atomic(Path(path), text.encode())
    return load_playbook(path)
