"""Mitigation: other thresholds for other groups, what they cost, and what they buy.

The work is Fairlearn's ``ThresholdOptimizer`` (Hardt, Price and Srebro, "Equality of opportunity in
supervised learning", 2016), fitted on rows that the model was not trained on; its answer becomes a
table that an artifact can hold. Before using one read what
:class:`capstone_lib.artifact.GroupThresholds` says of the law.
"""

from importlib import import_module
from typing import Any

import numpy as np

from capstone_lib.artifact.group_rule import GroupThresholds, Interpolation
from capstone_lib.errors import MissingExtraError, MonitoringError
from capstone_lib.monitoring.single_thresholds import RATES_OF, single_thresholds

__all__ = ["GAP_OF", "fit_group_thresholds", "group_thresholds_of"]

GAP_OF = {
    "demographic_parity": "demographic_parity",
    "selection_rate_parity": "demographic_parity",
    "false_positive_rate_parity": "false_positive_rate",
    "true_negative_rate_parity": "false_positive_rate",
    "true_positive_rate_parity": "equal_opportunity",
    "false_negative_rate_parity": "equal_opportunity",
    "equalized_odds": "equalized_odds",
}
"""Fairlearn's constraints, and the gap of an audit that each should close."""


def fit_group_thresholds(
    pipeline: Any,
    X: Any,
    y: Any,
    *,
    sensitive_features: Any,
    constraint: str = "equalized_odds",
    objective: str = "accuracy_score",
    tolerance: float | None = None,
    coin: bool = True,
    case: str = "",
    otherwise: float = 0.5,
    seed: int = 0,
) -> GroupThresholds:
    """Find each group's rule on held-out rows: the most accurate one that meets a constraint.

    Parameters
    ----------
    pipeline : fitted scikit-learn classifier
        With two classes; rows that it was fitted on flatter it.
    X, y : DataFrame and array of n_rows
        Held-out rows and what they truly are.
    sensitive_features : pandas.Series of n_rows
        One column, with its name. People whose group is missing are left out here, and are decided
        by ``otherwise``.
    constraint : str, default "equalized_odds"
        One of :data:`GAP_OF`.
    objective : str, default "accuracy_score"
        What is as large as the constraint allows; Fairlearn lists them.
    tolerance : float, optional
        How far groups may stay apart; by default not at all. Equalized odds cannot be relaxed.
    coin : bool, default True
        Whether rules may draw lots, as Fairlearn's do to meet a constraint exactly. Without a coin
        each group gets one threshold, rates meet as nearly as people can be counted, and the
        constraint is on one rate.
    case, otherwise, seed
        As of :class:`~capstone_lib.artifact.GroupThresholds`; ``case`` names the column with the
        number that a coin is a hash of.

    Returns
    -------
    GroupThresholds
        For ``export_model(group_thresholds=…)``.

    Raises
    ------
    MonitoringError
        If lengths differ, there are not two classes, the column has no name, a constraint is not
        known or cannot be relaxed or met without a coin, or a group has people of one class only.
    MissingExtraError
        If Fairlearn is needed and not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> X = pd.DataFrame({"hours": [1, 2, 3, 4, 5, 6, 7, 8] * 10})
    >>> y, sex = (X["hours"] > 4).astype(int), pd.Series([1, 1, 1, 2, 1, 2, 2, 2] * 10, name="sex")
    >>> rule = fit_group_thresholds(LogisticRegression().fit(X, y), X, y, sensitive_features=sex,
    ...     constraint="demographic_parity", coin=False)
    >>> rule.column, sorted(rule.groups), rule.is_random
    ('sex', [1, 2], False)
    """
    column, groups = _named(sensitive_features)
    truth = _is_second(pipeline, y)
    lengths = {"X": len(X), "y": len(truth), "sensitive_features": len(groups)}
    if len(set(lengths.values())) != 1:
        raise MonitoringError(f"all must have one value a row; seen {lengths}")
    _check(constraint, tolerance, coin=coin, case=case)
    known = groups.notna().to_numpy()
    X, truth, groups = X[known], truth[known], _whole(groups[known])
    _check_groups(column, groups, truth)
    if not coin:
        score = np.asarray(pipeline.predict_proba(X), dtype=np.float64)[:, 1]
        found: dict[Any, Any] = dict(
            single_thresholds(
                truth, score, groups.to_numpy(), constraint=constraint, tolerance=tolerance or 0.0
            )
        )
        return GroupThresholds(column, found, otherwise)
    optimizer = _optimizer(pipeline, constraint, objective, tolerance)
    optimizer.fit(X, truth, sensitive_features=groups)
    return group_thresholds_of(optimizer, column=column, case=case, otherwise=otherwise, seed=seed)


def group_thresholds_of(
    optimizer: Any, *, column: str, case: str = "", otherwise: float = 0.5, seed: int = 0
) -> GroupThresholds:
    """Read the table of a fitted ``fairlearn.postprocessing.ThresholdOptimizer``.

    Parameters
    ----------
    optimizer : ThresholdOptimizer
        Fitted with ``predict_method="predict_proba"`` and one sensitive column.
    column, case, otherwise, seed
        As of :class:`~capstone_lib.artifact.GroupThresholds`. The optimizer itself gives people of
        an unknown group the first class; here ``otherwise`` decides.

    Returns
    -------
    GroupThresholds
        For ``export_model(group_thresholds=…)``.

    Raises
    ------
    MonitoringError
        If it is not such an optimizer, or was not fitted.
    """
    fitted = getattr(optimizer, "interpolated_thresholder_", None)
    if fitted is None:
        raise MonitoringError(
            f"seen {type(optimizer).__name__}; pass a ThresholdOptimizer of Fairlearn after fit"
        )
    if optimizer.predict_method != "predict_proba":
        raise MonitoringError(
            f"its thresholds stand on {optimizer.predict_method!r}; an artifact decides by "
            'probabilities: fit it with predict_method="predict_proba"'
        )
    table = {_value(group): _rule(rule) for group, rule in fitted.interpolation_dict.items()}
    return GroupThresholds(column, table, otherwise, case, seed)


def _rule(found: Any) -> Interpolation:
    (first, turned0), (second, turned1) = map(_least, (found.operation0, found.operation1))
    ignore = float(found.get("p_ignore", 0.0))
    constant = float(found.get("prediction_constant", 0.0))
    return Interpolation(
        first, second, float(found.p0), float(found.p1), ignore, constant, turned0, turned1
    )


def _least(operation: Any) -> tuple[float, bool]:
    """A comparison as "at least": above t is at least the next number, below t is not that."""
    threshold = float(operation.threshold)
    if operation.operator == ">":
        return float(np.nextafter(threshold, np.inf)), False
    return threshold, True


def _optimizer(pipeline: Any, constraint: str, objective: str, tolerance: float | None) -> Any:
    try:
        postprocessing: Any = import_module("fairlearn.postprocessing")
    except ModuleNotFoundError as error:
        raise MissingExtraError("fairlearn", "course") from error
    relaxed = {} if tolerance is None else {"tol": tolerance}
    return postprocessing.ThresholdOptimizer(
        estimator=pipeline,
        constraints=constraint,
        objective=objective,
        prefit=True,
        predict_method="predict_proba",
        **relaxed,
    )


def _check(constraint: str, tolerance: float | None, *, coin: bool, case: str) -> None:
    if constraint not in GAP_OF:
        raise MonitoringError(f"no constraint {constraint!r}; there are {', '.join(GAP_OF)}")
    if tolerance is not None and not 0 <= tolerance <= 1:
        raise MonitoringError(f"tolerance is a difference of rates from 0 to 1; seen {tolerance}")
    if constraint == "equalized_odds" and tolerance is not None:
        raise MonitoringError(
            "equalized odds cannot be relaxed by a tolerance; leave it out, or choose "
            "false_positive_rate_parity or true_positive_rate_parity"
        )
    if not coin and constraint not in RATES_OF:
        raise MonitoringError(
            f"{constraint} needs a coin: one threshold a group cannot meet two rates at once; "
            f"without a coin there are {', '.join(RATES_OF)}"
        )
    if coin and not case:
        raise MonitoringError(
            "name the column with the case's number, case=…: a coin must fall the same way for "
            "the same case; or choose coin=False"
        )


def _named(features: Any) -> tuple[str, Any]:
    import pandas as pd

    if isinstance(features, pd.DataFrame) and features.shape[1] == 1:
        features = features.iloc[:, 0]
    if not isinstance(features, pd.Series) or not isinstance(features.name, str):
        raise MonitoringError(
            "sensitive_features must be one column with a name, such as frame['SEX']; put several "
            "together in one column first"
        )
    return features.name, features.reset_index(drop=True)


def _is_second(pipeline: Any, y: Any) -> np.ndarray:
    classes = list(getattr(pipeline, "classes_", ()))
    if len(classes) != 2:
        raise MonitoringError(f"thresholds need a fitted classifier of two classes; seen {classes}")
    labels = np.asarray(y)
    if not np.isin(labels, classes).all():
        raise MonitoringError(f"y holds labels that are none of the model's classes {classes}")
    return np.asarray(labels == classes[1]).astype(np.int64)


def _whole(groups: Any) -> Any:
    """Codes that became floats because some were missing are whole numbers again."""
    if groups.dtype.kind == "f" and (groups == np.floor(groups)).all():
        return groups.astype(np.int64)
    return groups


def _check_groups(column: str, groups: Any, truth: np.ndarray) -> None:
    for value in groups.unique():
        found = set(truth[(groups == value).to_numpy()].tolist())
        if len(found) < 2:
            raise MonitoringError(
                f"everybody of {column}={value} is of the same class, so no threshold can be "
                "learned; join small groups first"
            )


def _value(group: Any) -> Any:
    return group.item() if isinstance(group, np.generic) else group
