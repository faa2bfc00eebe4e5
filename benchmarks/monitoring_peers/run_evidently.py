"""Evidently: the preset for data drift, with the methods that it chooses itself and with others."""

import warnings
from math import log, sqrt

from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
from turns import reference_and_current, take_turns

warnings.simplefilter("ignore")
reference, current = reference_and_current()
definition = DataDefinition(
    numerical_columns=["AGEP"],
    categorical_columns=[name for name in reference if name != "AGEP"],
)


def work(**methods: str):
    before, now = (
        Dataset.from_pandas(frame, data_definition=definition) for frame in (reference, current)
    )
    return Report([DataDriftPreset(**methods)]).run(current_data=now, reference_data=before)


def look(name: str, report) -> dict:
    columns = [one for one in report.dict()["metrics"] if "column" in one["config"]]
    married = next(one for one in columns if one["config"]["column"] == "MAR")
    if "Jensen" not in name:
        return {"columns": len(columns)}
    return {"columns": len(columns), "jensen_shannon": married["value"] / sqrt(log(2))}  # in bits


take_turns(
    {
        "its own choice (Wasserstein, Jensen–Shannon)": work,
        "PSI": lambda: work(num_method="psi", cat_method="psi"),
        "KS, χ²": lambda: work(num_method="ks", cat_method="chisquare"),
    },
    look,
)
