"""The windows in which cases arrive: months of production, each scored as of one day."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from capstone_lib.course.project.parts import Parts, keep

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Case", "windows_of"]

_ENOUGH = 500  # rows that make a month large enough; in small data sets the largest month is


@dataclass(frozen=True, eq=False)
class Case:
    """One window of production: who came, as of which day they are scored.

    Attributes
    ----------
    name : str
        Such as ``2016-01``.
    rows : pandas.DataFrame
        With ``row_id``, ``arrived_at``, ``known_at``, the features, the groups and the target.
    start, end : datetime
        The first moment, and the first one after it.
    as_of : str
        Of which day the batch's answers speak.
    """

    name: str
    rows: "pd.DataFrame"
    start: datetime
    end: datetime
    as_of: str

    @property
    def window(self) -> tuple[str, str]:
        """Start and end as text."""
        return self.start.isoformat(), self.end.isoformat()


def windows_of(parts: Parts, n_windows: int, n_rows: int, *, seed: int) -> tuple[Case, ...]:
    """Cut production into months, the first that are large enough.

    Parameters
    ----------
    parts : Parts
    n_windows : int
        How many at most.
    n_rows : int
        About how many rows of each are kept.
    seed : int
        Which.
    """
    later = parts.production
    month = later["arrived_at"].dt.to_period("M")
    sizes = month.value_counts()
    large = sorted(sizes[sizes >= min(_ENOUGH, sizes.max())].index)[:n_windows]
    cases = []
    for one in large:
        rows = keep(later[month == one], n_rows, seed=seed)
        start, end = one.start_time.to_pydatetime(), (one + 1).start_time.to_pydatetime()
        as_of = one.start_time if parts.ahead else one.end_time
        cases.append(Case(str(one), rows, start, end, f"{as_of:%Y-%m-%d}"))
    return tuple(cases)
