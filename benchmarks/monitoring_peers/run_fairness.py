"""A fairness audit with intervals: ours, and Fairlearn's MetricFrame with few replicates."""

import sys

import fairlearn.metrics as fairlearn
from sklearn.metrics import accuracy_score
from turns import reference_and_current, take_turns

import capstone_lib as cap

people, _ = reference_and_current()
FEW = int(sys.argv[3])
GROUPS = ["SEX", "RAC1P", "DIS"]
METRICS = {
    "selection_rate": fairlearn.selection_rate,
    "accuracy": accuracy_score,
    "true_positive_rate": fairlearn.true_positive_rate,
    "false_positive_rate": fairlearn.false_positive_rate,
    "false_negative_rate": fairlearn.false_negative_rate,
}
y_true, y_pred = people["employed"], people["label"]
WOMAN = "SEX=2, RAC1P=1, DIS=2"


def ours(n_boot: int):
    return cap.audit_fairness(y_true, y_pred, sensitive_features=people[GROUPS], n_boot=n_boot)


def theirs(n_boot: int):
    intervals = {"n_boot": n_boot, "ci_quantiles": [0.025, 0.975], "random_state": 0}
    frame = fairlearn.MetricFrame(
        metrics=METRICS,
        y_true=y_true,
        y_pred=y_pred,
        sensitive_features=people[GROUPS],
        **(intervals if n_boot else {}),
    )
    return frame.by_group.loc[(2, 1, 2)]


def look(name: str, found) -> dict:
    if name == "ours":
        return {rate: found[WOMAN].rates[rate].value for rate in METRICS}
    return {rate: float(found[rate]) for rate in METRICS}


take_turns(
    {"ours": lambda: ours(1000), "none": lambda: theirs(0), "few": lambda: theirs(FEW)}, look
)
