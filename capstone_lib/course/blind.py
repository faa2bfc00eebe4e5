"""A blind test for a monitor: some months of people, one of which is broken, nobody says how.

What was done is known to the object alone, until it is asked for :attr:`BlindTest.truth`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from capstone_lib.data import scenarios
from capstone_lib.data.hashing import below, hash_ids
from capstone_lib.data.scenarios import Truth

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.data import Census

__all__ = ["POOL", "BlindTest"]

POOL = (
    "age_as_birth_year",
    "relp_recoded_2019",
    "missing_ages",
    "frozen_feature",
    "bad_join",
    "older_population",
    "more_dormitories",
)
"""What may have been done: each is found in a month, and each touches one column first of all."""


@dataclass(frozen=True, eq=False, repr=False)
class BlindTest:
    """Months of people, one of them broken.

    Attributes
    ----------
    months : mapping of str to pandas.DataFrame
        Each month's people, as :meth:`capstone_lib.data.Census.frame` gives them.
    broken : str
        Which month is broken.
    truth : Truth
        What was done to it: do not look before you have answered.
    """

    months: "Mapping[str, pd.DataFrame]"
    broken: str = field(repr=False)
    truth: Truth = field(repr=False)

    @classmethod
    def of(
        cls, census: "Census", *, year: int = 2016, n_months: int = 6, seed: int = 0
    ) -> "BlindTest":
        """Break one of the first months of a year.

        Parameters
        ----------
        census : Census
            Where the people come from.
        year : int, default 2016
            Which year.
        n_months : int, default 6
            How many months.
        seed : int, default 0
            Another seed, another month and another fault.

        Examples
        --------
        >>> from capstone_lib.data import load_census
        >>> BlindTest.of(load_census())
        6 months, 2016-01 to 2016-06: one is broken
        """
        people = census.frame(year)
        month = people["arrived_at"].dt.strftime("%Y-%m")
        names = sorted(month.unique())[:n_months]
        months = {name: people[month == name].reset_index(drop=True) for name in names}
        draws = hash_ids([0, 1], seed=seed, purpose="blind test")
        broken = names[int(below(draws[:1], len(names))[0])]
        fault = POOL[int(below(draws[1:], len(POOL))[0])]
        altered, truth = scenarios.apply(fault, months[broken], seed=seed)
        return cls(months | {broken: altered}, broken, truth)

    def __repr__(self) -> str:
        names = list(self.months)
        return f"{len(names)} months, {names[0]} to {names[-1]}: one is broken"
