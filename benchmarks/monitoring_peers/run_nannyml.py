"""NannyML: univariate drift, fitted to the reference each time, the window as one chunk."""

import os
import warnings

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import nannyml
from turns import reference_and_current, take_turns

warnings.simplefilter("ignore")
reference, current = reference_and_current()


def work(**methods: list[str]):
    drift = nannyml.UnivariateDriftCalculator(
        column_names=list(reference),
        treat_as_categorical=[name for name in reference if name != "AGEP"],
        chunk_number=1,
        **methods,
    )
    return drift.fit(reference).calculate(current)


def look(name: str, result) -> dict:
    now = result.filter(period="analysis").to_df()
    keys = {"jensen_shannon": "jensen_shannon", "chi2": "chi2"}
    seen = {
        ours: float(now["MAR", theirs, "value"].iloc[0])
        for ours, theirs in keys.items()
        if ("MAR", theirs, "value") in now
    }
    return {"columns": len({column for column, *_ in now if column != "chunk"})} | seen


take_turns(
    {
        "its own choice (Jensen–Shannon)": work,
        "KS, Wasserstein, χ², Jensen–Shannon": lambda: work(
            continuous_methods=["kolmogorov_smirnov", "wasserstein", "jensen_shannon"],
            categorical_methods=["chi2", "jensen_shannon"],
        ),
    },
    look,
)
