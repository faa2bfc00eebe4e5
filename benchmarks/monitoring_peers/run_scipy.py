"""By hand: what a careful person writes with pandas and SciPy."""

import numpy as np
import pandas as pd
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, ks_2samp, wasserstein_distance
from turns import reference_and_current, take_turns

reference, current = reference_and_current()


def column(a: pd.Series, b: pd.Series) -> dict[str, float]:
    counts = np.array(a.value_counts().align(b.value_counts(), fill_value=0), dtype=float)
    test = chi2_contingency(counts, correction=False)
    found = {"jensen_shannon": jensenshannon(*counts, base=2), "chi2": test.statistic}
    if a.name == "AGEP":
        found |= {"ks": ks_2samp(a, b).statistic, "wasserstein": wasserstein_distance(a, b)}
    return found


def work() -> dict[str, dict[str, float]]:
    return {name: column(reference[name], current[name]) for name in reference}


take_turns(
    {"KS, Wasserstein, χ², Jensen–Shannon": work},
    lambda name, found: {
        "columns": len(found),
        "jensen_shannon": found["MAR"]["jensen_shannon"],
        "chi2": found["MAR"]["chi2"],
    },
)
