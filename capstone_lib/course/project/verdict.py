"""What a check of the rubric says."""

from typing import NamedTuple

__all__ = ["Verdict"]


class Verdict(NamedTuple):
    """What a check says.

    Attributes
    ----------
    share : float or None
        Of the points; None if it has not been attempted.
    seen : str
        What was seen.
    do_next : str
        What to do next; empty if all is well.
    """

    share: float | None
    seen: str
    do_next: str = ""
