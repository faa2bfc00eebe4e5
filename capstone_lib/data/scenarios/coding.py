"""The same people, written down in another way."""

import numpy as np

from capstone_lib.data.scenarios.record import Scenario
from capstone_lib.data.scenarios.rows import Change, Rows

__all__ = ["AGE_AS_BIRTH_YEAR", "RELP_RECODED_2019", "RELP_TO_RELSHIPP"]

RELP_TO_RELSHIPP = {
    0: 20,  # reference person
    1: 21,  # husband or wife: of the opposite sex; 23 if not
    2: 25,  # biological son or daughter
    3: 26,  # adopted son or daughter
    4: 27,  # stepson or stepdaughter
    5: 28,  # brother or sister
    6: 29,  # father or mother
    7: 30,  # grandchild
    8: 31,  # parent-in-law
    9: 32,  # son-in-law or daughter-in-law
    10: 33,  # other relative
    11: 36,  # roomer or boarder: no longer asked, now an "other nonrelative"
    12: 34,  # housemate or roommate
    13: 22,  # unmarried partner: of the opposite sex; 24 if not
    14: 35,  # foster child
    15: 36,  # other person, not a relative
    16: 37,  # in an institution
    17: 38,  # in other group quarters
}
"""The codes of ``RELP`` (to 2018) in those of ``RELSHIPP`` (from 2019 on).

Source: US Census Bureau, ACS PUMS data dictionaries of 2018 and 2019. That roomers count as other
nonrelatives is how the Bureau's disclosure avoidance system mapped them for the census of 2020.
"""

_SAME_SEX = {1: 23, 13: 24}


def _birth_year(rows: Rows) -> Change:
    year, age = rows["year"].astype(np.int64), rows["AGEP"]
    return Change(rows.touched(1.0), {"AGEP": year - age})


def _relshipp(rows: Rows) -> Change:
    relp = rows["RELP"]
    codes = np.array([RELP_TO_RELSHIPP.get(int(code), int(code)) for code in range(18)])
    known = np.isin(relp, list(RELP_TO_RELSHIPP))
    coded = codes[np.where(known, relp, 0).astype(np.int64)]
    same = _same_sex_as_reference(rows)
    for old, new in _SAME_SEX.items():
        coded[same & (relp == old)] = new
    return Change(rows.touched(1.0) & known, {"RELP": coded})


def _same_sex_as_reference(rows: Rows) -> np.ndarray:
    """Whether a person has the sex of the household's reference person, as far as that is there."""
    import pandas as pd

    keys = pd.MultiIndex.from_arrays([rows["year"], rows["household"]])
    sex = pd.Series(rows["SEX"], index=keys)
    of_reference = sex[rows["RELP"] == 0]
    of_reference = of_reference[~of_reference.index.duplicated()]
    return np.asarray(of_reference.reindex(keys).to_numpy() == sex.to_numpy())


AGE_AS_BIRTH_YEAR = Scenario(
    "age_as_birth_year",
    "coding",
    "the age is sent as the year of birth",
    _birth_year,
    columns=("AGEP",),
    shows_in=("columns",),
    shows_from=200,
)

RELP_RECODED_2019 = Scenario(
    "relp_recoded_2019",
    "coding",
    "the place in the household comes in the codes of 2019 and later, 20 to 38",
    _relshipp,
    columns=("RELP",),
    shows_in=("columns",),
    shows_from=200,
)
