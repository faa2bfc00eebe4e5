"""alibi-detect: KS for the number, χ² for the codes, corrected for their number."""

import warnings

from alibi_detect.cd import TabularDrift
from turns import reference_and_current, take_turns

warnings.simplefilter("ignore")
reference, current = reference_and_current()
names = list(reference)
before, now = reference.to_numpy(), current.to_numpy()
codes = {place: None for place, name in enumerate(names) if name != "AGEP"}


def work() -> dict:
    return TabularDrift(before, p_val=0.05, categories_per_feature=codes).predict(now)["data"]


take_turns(
    {"KS, χ²": work},
    lambda name, found: {
        "columns": len(found["distance"]),
        "chi2": float(found["distance"][names.index("MAR")]),
    },
)
