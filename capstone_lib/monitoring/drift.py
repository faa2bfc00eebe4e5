"""Drift: what of a window differs from the reference, whether it is real, and whether it is large.

*Real* means more than chance would show in a window of this size, corrected for the number of
columns looked at. *Large* means that it is also beyond what the caller can bear. At 200,000 rows
everything is real; at 200 nothing that is small can be seen. Both are said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from capstone_lib.artifact.binning import Binning
from capstone_lib.artifact.model import Artifact
from capstone_lib.artifact.tally import by_name, column_of, names_of, rows_of
from capstone_lib.artifact.window import Window
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.classifier import DomainTest, tell_apart
from capstone_lib.monitoring.feature import FeatureDrift, measure_features
from capstone_lib.monitoring.noise import benjamini_hochberg, bonferroni
from capstone_lib.monitoring.pairs import PairDrift, compare_pairs
from capstone_lib.monitoring.report import DriftReport

__all__ = ["FOLKLORE", "LARGE", "detect_drift"]

LARGE: Mapping[str, float] = {
    "effect": 0.1,
    "cohens_h": 0.25,
    "missing": 0.01,
    "unseen": 0.01,
    "out_of_range": 0.01,
    "auc": 0.6,
}
"""From when a real difference is large.

Every tenth row has moved; or one share has changed much for its size, as from 1 to 5 in a hundred;
or one row in a hundred more than in the reference is missing, unseen or out of range.
"""

FOLKLORE: Mapping[str, float] = {"psi": 0.2}
"""The rule of thumb: act from a PSI of 0.2."""

_MEASURES = (
    "effect", "psi", "jensen_shannon", "total_variation", "cohens_h", "cramers_v",
    "kolmogorov_smirnov", "wasserstein", "missing", "unseen", "out_of_range", "auc",
)  # fmt: skip


def detect_drift(
    reference: Any,
    current: Any,
    *,
    alpha: float = 0.05,
    correction: Literal["bh", "bonferroni"] = "bh",
    thresholds: Mapping[str, float] | Literal["folklore"] | None = None,
    columns: Sequence[str] | None = None,
    pairs: bool = True,
    classifier: bool = False,
    seed: int = 0,
) -> DriftReport:
    """Compare a window of rows with the reference, column by column, in pairs, and all together.

    Parameters
    ----------
    reference : Artifact, Window, pandas.DataFrame, pyarrow.Table or mapping of str to array
        An artifact's passport carries its reference. A table is binned here.
    current : Window, pandas.DataFrame, pyarrow.Table or mapping of str to array
        What is to be compared: a table with the reference's columns (others are left aside; the
        model's answers are compared if it has the columns ``score`` and ``label``), or a window
        counted against the reference's bins.
    alpha : float, default 0.05
        The chance that *anything* is called real when nothing has changed.
    correction : {"bh", "bonferroni"}, default "bh"
        How to correct for the number of tests. Benjamini and Hochberg's finds more when much has
        changed: of what it calls real, the share ``alpha`` at most is chance.
    thresholds : mapping of str to float, or "folklore", optional
        From which value of which measure a real difference is large; default ``LARGE``: an effect
        of 0.1, a Cohen's h of 0.25, or 0.01 more missing, unseen or out of range. ``"folklore"`` is
        a PSI of 0.2.
    columns : sequence of str, optional
        Which columns to look at; all of them, and the model's answers, by default.
    pairs : bool, default True
        Whether to look at pairs of columns too, if both windows count them.
    classifier : bool, default False
        Whether to train a domain classifier too; both samples must be tables then.
    seed : int, default 0
        For the classifier; everything else is a closed form of the counts.

    Returns
    -------
    DriftReport

    Raises
    ------
    MonitoringError
        If there are no rows, columns are missing, an artifact carries no reference, or an argument
        makes no sense.

    Notes
    -----
    The reference is taken as a sample, not as the truth: a window that differs by no more than two
    samples of these sizes do is no finding. All pairs of columns together are one member of the
    family of tests, and so is the classifier.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> then = pd.DataFrame({"age": rng.integers(18, 65, 5000), "sex": rng.integers(1, 3, 5000)})
    >>> now = pd.DataFrame({"age": rng.integers(25, 72, 1000), "sex": rng.integers(1, 3, 1000)})
    >>> report = detect_drift(then, now)
    >>> [one.name for one in report.alarms]
    ['age']
    >>> bool(report["age"].psi > report["age"].floors["psi"])
    True
    """
    limits = _limits(thresholds)
    _check_arguments(alpha, correction, classifier=classifier, samples=(reference, current))
    before = _reference_window(reference, columns, pairs=pairs)
    now = current if isinstance(current, Window) else _window_of(current, before, pairs=pairs)
    _check_windows(before, now)
    names = _columns(before, now, columns)
    level = alpha / (len(names) + 1)
    features = measure_features(names, before, now, alpha=level)
    together = compare_pairs(before, now, columns=names) if pairs else ()
    inputs = [name for name in names if name in before.binning.names]
    test = (
        tell_apart(reference, current, binning=before.binning, columns=inputs, seed=seed)
        if classifier
        else None
    )
    features, together, test = _judge(
        features, together, test, alpha=alpha, correction=correction, limits=limits
    )
    return DriftReport(
        tuple(features), together, test, before, now, alpha, correction, dict(limits)
    )


def _judge(
    features: Sequence[FeatureDrift],
    pairs: tuple[PairDrift, ...],
    test: DomainTest | None,
    *,
    alpha: float,
    correction: str,
    limits: Mapping[str, float],
) -> tuple[list[FeatureDrift], tuple[PairDrift, ...], DomainTest | None]:
    """Say of each member of the family whether it is real, and whether it is large."""
    pairs_p = [min(1.0, len(pairs) * pairs[0].p_value)] if pairs else []
    test_p = [test.p_value] if test else []
    p_values = [one.p_value for one in features] + pairs_p + test_p
    correct = benjamini_hochberg if correction == "bh" else bonferroni
    real = correct(p_values, alpha=alpha)
    cut = alpha * (real.sum() if correction == "bh" else 1) / len(p_values)
    judged = [
        replace(one, is_real=bool(is_real), is_large=bool(is_real) and _is_large(one, limits))
        for one, is_real in zip(features, real, strict=False)
    ]
    slot = bool(pairs and real[len(features)])
    limit = limits.get("effect", LARGE["effect"])
    judged_pairs = tuple(
        replace(one, is_real=True, is_large=one.effect >= limit)
        if slot and len(pairs) * one.p_value <= cut
        else one
        for one in pairs
    )
    if test is not None:
        is_real = bool(real[-1])
        is_large = is_real and test.auc >= limits.get("auc", LARGE["auc"])
        test = replace(test, is_real=is_real, is_large=is_large)
    return judged, judged_pairs, test


def _is_large(one: FeatureDrift, limits: Mapping[str, float]) -> bool:
    return any(one.value(measure) >= limit for measure, limit in limits.items() if measure != "auc")


def _limits(thresholds: Any) -> Mapping[str, float]:
    if thresholds is None:
        return LARGE
    if thresholds == "folklore":
        return FOLKLORE
    if not isinstance(thresholds, Mapping) or not thresholds:
        raise MonitoringError(
            "thresholds are a mapping of a measure to a number, such as {'effect': 0.1}, or "
            f"'folklore'; seen {thresholds!r}"
        )
    unknown = [name for name in thresholds if name not in _MEASURES]
    if unknown:
        raise MonitoringError(
            f"there is no measure {unknown[0]!r} to set a threshold for; there are "
            f"{', '.join(_MEASURES)}"
        )
    return thresholds


def _check_arguments(
    alpha: float, correction: str, *, classifier: bool, samples: tuple[Any, Any]
) -> None:
    if not 0 < alpha < 1:
        raise MonitoringError(f"alpha lies between 0 and 1, for example 0.05; seen {alpha!r}")
    if correction not in ("bh", "bonferroni"):
        raise MonitoringError(f"correction is 'bh' or 'bonferroni'; seen {correction!r}")
    if classifier and any(isinstance(sample, Window | Artifact) for sample in samples):
        raise MonitoringError(
            "a classifier needs rows, and a window or an artifact holds counts only; give two "
            "tables, or leave the classifier out"
        )


def _reference_window(reference: Any, columns: Sequence[str] | None, *, pairs: bool) -> Window:
    if isinstance(reference, Window):
        return reference
    if isinstance(reference, Artifact):
        if reference.reference is None:
            raise MonitoringError(
                f"the artifact {reference.name} {reference.version} carries no reference: it was "
                "exported by an older version; export it again, or give a table of reference rows"
            )
        return reference.reference
    _check_rows(reference, "the reference")
    missing = [name for name in columns or () if name not in names_of(reference)]
    if missing or (columns is not None and not columns):
        raise MonitoringError(
            f"the reference has no column {', '.join(map(repr, missing)) or 'asked for'}; it has "
            f"{', '.join(map(str, names_of(reference)))}"
        )
    names = names_of(reference) if columns is None else columns
    twice = [name for name in names if names_of(reference).count(name) > 1]
    if twice:
        raise MonitoringError(
            f"the reference has more than one column {twice[0]!r}; keep the one that is meant"
        )
    found = by_name(reference)
    rows = {name: column_of(found, name) for name in names}  # once, for it is looked at twice
    return Window.of(rows, binning=Binning.guess(rows), pairs=pairs, name="reference")


def _window_of(current: Any, reference: Window, *, pairs: bool) -> Window:
    _check_rows(current, "the window")
    binning = reference.binning
    names = {"score", "label"}
    answered = binning.answers and names <= {*names_of(current)} and not names & {*binning.names}
    return Window.of(
        current,
        binning=binning,
        predictions=current if answered else None,
        pairs=pairs and reference.pairs is not None,
    )


def _check_rows(rows: Any, what: str) -> None:
    table = hasattr(rows, "iloc") or hasattr(rows, "column_names") or isinstance(rows, Mapping)
    if not table or not names_of(rows):
        raise MonitoringError(
            f"{what} is a Window, a DataFrame, an Arrow table or a mapping of columns; seen "
            f"{type(rows).__name__}"
        )
    if not rows_of(rows):
        raise MonitoringError(f"{what} has no rows; nothing can be said of nothing")


def _check_windows(before: Window, now: Window) -> None:
    if before.binning is not now.binning and before.binning != now.binning:
        raise MonitoringError(
            "the window was counted against other bins than the reference's; count it with "
            "binning=reference.binning"
        )
    for window, what in ((before, "the reference"), (now, "the window")):
        if not window.n_rows:
            raise MonitoringError(f"{what} has no rows; nothing can be said of nothing")


def _columns(before: Window, now: Window, columns: Sequence[str] | None) -> list[str]:
    both = [name for name in before.columns if name in now.columns]
    if columns is None:
        return both
    unknown = [name for name in columns if name not in both]
    if unknown or not columns:
        raise MonitoringError(
            f"there is no column {', '.join(map(repr, unknown)) or 'asked for'} in both; there "
            f"are {', '.join(both)}"
        )
    return list(columns)
