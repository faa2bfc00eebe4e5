"""Changing a rule of a playbook in Python, to see what becomes of it before the file is edited."""

from dataclasses import fields, replace
from typing import Any

from capstone_lib.alerts.playbook import Playbook
from capstone_lib.alerts.rule import Rule
from capstone_lib.errors import PlaybookError

__all__ = ["change_rule"]


def change_rule(playbook: Playbook, name: str, **changes: Any) -> Playbook:
    """Return a playbook in which one rule is another; the file stays as it is.

    Parameters
    ----------
    playbook : Playbook
    name : str
        Of the rule.
    **changes
        Fields of :class:`~capstone_lib.alerts.rule.Rule`.

    Raises
    ------
    PlaybookError
        If there is no such rule or field.

    Examples
    --------
    >>> changed = change_rule(Playbook.default(), "slow_answers", threshold=250.0)
    >>> changed["slow_answers"].threshold, len(changed) == len(Playbook.default())
    (250.0, True)
    """
    known = [one.name for one in playbook]
    if name not in known:
        raise PlaybookError(f"there is no rule {name!r}; there are {', '.join(known)}")
    unknown = sorted(changes.keys() - {field.name for field in fields(Rule)})
    if unknown:
        raise PlaybookError(f"a rule has no {', '.join(unknown)}; see capstone_lib.alerts.Rule")
    rules = tuple(replace(one, **changes) if one.name == name else one for one in playbook)
    return replace(playbook, rules=rules)
