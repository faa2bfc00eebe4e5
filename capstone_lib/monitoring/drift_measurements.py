"""A drift report as measurements: one flat list for the store, the plots and the alert rules."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from capstone_lib.monitoring.feature import FeatureDrift
from capstone_lib.monitoring.rates import wilson
from capstone_lib.store.measurement import Measurement

if TYPE_CHECKING:
    from capstone_lib.monitoring.report import DriftReport

__all__ = ["drift_measurements"]

_PLACES = ("missing", "unseen", "out_of_range")


def drift_measurements(report: "DriftReport", **about: Any) -> list[Measurement]:
    """List what a report found; see :meth:`DriftReport.measurements`.

    Parameters
    ----------
    report : DriftReport
    **about
        What to set on each; by default what the window says of itself.

    Returns
    -------
    list of Measurement
        Measures that a column does not have, such as distances of categories, are left out.
    """
    window = report.current
    known = {
        "window_start": window.start,
        "window_end": window.end,
        "model": window.model or report.reference.model,
        "version": window.version or report.reference.version,
    } | about
    out = [
        Measurement("drift_findings", len(report.findings), n=window.n_rows, unit="findings",
                    **known),
        Measurement("drift_alarms", len(report.alarms), n=window.n_rows, unit="findings",
                    threshold=1, **known),
    ]  # fmt: skip
    if report.pairs:
        large = sum(pair.is_large for pair in report.pairs)
        out.append(
            Measurement("pair_alarms", large, n=window.n_rows, unit="findings", threshold=1,
                        **known)
        )  # fmt: skip
    for one in report.features:
        out += _of_feature(one, report, known)
    for pair in report.pairs:
        if pair.is_real or pair is report.pairs[0]:
            out.append(
                Measurement("pair_effect", pair.effect, n=pair.n, unit="share", feature=pair.name,
                            note=_verdict(pair), threshold=report.thresholds.get("effect"), **known)
            )  # fmt: skip
    test = report.classifier
    if test is not None:
        out.append(
            Measurement("domain_auc", test.auc, test.auc_low, test.auc_high, n=test.n,
                        threshold=report.thresholds.get("auc"), note=_verdict(test), **known)
        )  # fmt: skip
    return out


def _of_feature(
    one: FeatureDrift, report: "DriftReport", known: dict[str, Any]
) -> Iterator[Measurement]:
    common = {"n": one.n, "feature": one.name, **known}
    limits = report.thresholds
    yield Measurement(
        "drift_effect", one.effect, one.effect_low, one.effect_high, unit="share",
        threshold=limits.get("effect"), note=_verdict(one), **common,
    )  # fmt: skip
    yield Measurement("drift_is_large", float(one.is_large), threshold=1, **common)
    for measure, floor in one.floors.items():
        value = one.value(measure)
        if value == value:
            note = f"chance alone reaches {floor:.3g}"
            limit = limits.get(measure, floor)
            yield Measurement(measure, value, threshold=limit, note=note, **common)
    for place in _PLACES:
        share = float(getattr(one, place))
        low, high = wilson(round(share * one.n), one.n, level=0.95)
        yield Measurement(f"{place}_share", share, float(low), float(high), unit="share", **common)


def _verdict(one: Any) -> str:
    if not one.is_real:
        return "no more than chance would show"
    return "real and large" if one.is_large else "real, but small"
