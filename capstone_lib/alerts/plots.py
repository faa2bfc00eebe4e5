"""Figures of alerts: a number over time with its rule and what was done, and a rule on trial."""

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.alerts.judging import speaks_of
from capstone_lib.alerts.records import ActionRecord
from capstone_lib.alerts.rule import Rule
from capstone_lib.alerts.tuning import RuleTrial
from capstone_lib.errors import AlertError
from capstone_lib.plots import MARKERS, PALETTE, axes_for, reach_of
from capstone_lib.store.measurement import Measurement

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["draw_timeline", "draw_trial"]

_GREY, _LINE = "#555555", 13


def draw_timeline(
    measurements: "pd.DataFrame",
    history: "pd.DataFrame",
    rule: Rule,
    *,
    actions: Sequence[ActionRecord] = (),
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw what a rule watches over time, its thresholds, when its alert was open, what was done.

    Parameters
    ----------
    measurements : pandas.DataFrame
        Of ``store.measurements()``. Each window stands at its end, when it is known. Of many
        features or groups that one is drawn which its alert names, else the one that goes furthest.
    history : pandas.DataFrame
        Of ``AlertBook.history()``.
    rule : Rule
        Its threshold is a number.
    actions : sequence of ActionRecord
        Of ``AlertBook.actions()``; those of this rule are marked, and when they were undone.
    ax
        Where to draw; new axes by default.

    Raises
    ------
    AlertError
        If nothing that the rule speaks of was measured, or its threshold is no number.
    """
    limit = _limit(rule)
    ax = axes_for(ax)
    mine = history[history["rule"] == rule.name]
    shown = _strongest(_of(measurements, rule), rule, mine)
    ends = shown["window_end"]
    step = (ends.max() - ends.min()) / max(1, ends.nunique() - 1)
    for place, traffic in enumerate(sorted(set(shown["traffic"].astype(str)))):
        rows = shown[shown["traffic"] == traffic]
        reach = reach_of(rows["value"], rows["low"], rows["high"])
        label = f"{_subject(rows.iloc[0])}, {traffic}" if traffic else _subject(rows.iloc[0])
        ax.errorbar(
            rows["window_end"] + place * 0.05 * step, rows["value"], yerr=reach, capsize=3,
            color=PALETTE[place], marker=MARKERS[place], markersize=7, linewidth=1.5, label=label,
        )  # fmt: skip
    ax.axhline(limit, color=_GREY, linestyle="--", linewidth=1.5, label="threshold")
    if rule.clear_threshold is not None:
        ax.axhline(rule.clear_threshold, color=_GREY, linestyle=":", linewidth=1.5, label="clear")
    right = ends.max() + 0.55 * step
    for number, (_, one) in enumerate(mine.iterrows()):
        end = right if one["cleared_at"] != one["cleared_at"] else one["cleared_at"]
        ax.axvspan(
            one["raised_at"], end, color=PALETTE[5], alpha=0.25, linewidth=0,
            label="alert open" if number == 0 else None,
        )  # fmt: skip
    _mark_actions(ax, [one for one in actions if one.rule == rule.name])
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.35 * (high - low))  # room for what was done
    ax.set(
        title=rule.name,
        ylabel=_words(rule, str(shown["unit"].iloc[0])),
        xlim=(ends.min() - 0.25 * step, right),
    )
    ax.set_xticks(sorted(ends.unique()))
    dates: Any = import_module("matplotlib.dates")
    ax.yaxis.label.set_fontsize("small")
    ax.xaxis.set_major_formatter(dates.DateFormatter("%Y-%m-%d"))
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize="small")
    return ax


def draw_trial(
    trial: RuleTrial,
    quiet: Sequence[Sequence[Measurement]],
    broken: Sequence[Sequence[Measurement]],
    *,
    figure: Any = None,
) -> Any:
    """Draw a rule on trial: the numbers and the threshold; how often the alert has come by when.

    Parameters
    ----------
    trial : RuleTrial
        Of :func:`capstone_lib.alerts.tuning.try_rule` on these stretches.
    quiet, broken : sequence of sequences of Measurement
    figure : matplotlib.figure.Figure, optional
        Where to draw; a new one by default.

    Returns
    -------
    numpy.ndarray of two matplotlib.axes.Axes
    """
    left, right = _two(figure)
    kinds = (("quiet", quiet, PALETTE[0]), ("broken", broken, PALETTE[1]))
    for name, stretches, colour in kinds:
        for number, one in enumerate(stretches):
            left.plot(
                np.arange(1, len(one) + 1), [m.value for m in one], color=colour, alpha=0.35,
                linewidth=0.8, label=name if number == 0 else None,
            )  # fmt: skip
    left.axhline(_limit(trial.rule), color="black", linestyle="--", label="threshold")
    left.set(xlabel="windows", ylabel=_words(trial.rule), title="What is measured")
    passed = np.arange(trial.n_windows + 1)
    for (name, _, colour), came, marker in zip(
        kinds, (trial.quiet, trial.broken), "os", strict=True
    ):
        share = [sum(x is not None and x <= k for x in came) / max(1, len(came)) for k in passed]
        right.plot(passed, share, color=colour, marker=marker, drawstyle="steps-post", label=name)
    right.set(xlabel="windows", ylabel="share that has rung", title="How the rule rings")
    right.set(ylim=(-0.03, 1.03))
    right.yaxis.set_major_formatter("{x:.0%}")
    for one in (left, right):
        legend = one.legend(loc="best", fontsize="small")
        for line in legend.get_lines():
            line.set(alpha=1, linewidth=2)
    return np.array([left, right])


def _two(figure: Any) -> Any:
    if figure is None:
        figure = axes_for(None, figsize=(10, 3.8)).figure
        figure.clear()
    return figure.subplots(1, 2)


def _limit(rule: Rule) -> float:
    if not isinstance(rule.threshold, int | float):
        raise AlertError(f"the rule {rule.name} has no threshold that could be drawn")
    return float(rule.threshold)


def _of(measurements: "pd.DataFrame", rule: Rule) -> "pd.DataFrame":
    """The rows that a rule speaks of, and that are known."""
    named = measurements[(measurements["name"] == rule.measurement) & measurements["value"].notna()]
    about = [
        Measurement(rule.measurement, 0, feature=str(f), group=str(g), traffic=str(t))
        for f, g, t in zip(named["feature"], named["group"], named["traffic"], strict=True)
    ]
    found = named[np.array([speaks_of(rule, one) for one in about], dtype=bool)]
    found = found[found["n"] >= rule.min_n]
    if not len(found):
        raise AlertError(f"nothing was measured that the rule {rule.name} speaks of")
    return found.sort_values("window_end")


def _strongest(found: "pd.DataFrame", rule: Rule, history: "pd.DataFrame") -> "pd.DataFrame":
    """One feature and group of those that a rule speaks of."""
    away = (found["value"].to_numpy() - _limit(rule)) * (-1 if "<" in rule.comparison else 1)
    named = found["feature"].isin(set(history["feature"])).to_numpy()
    away = np.where(named if named.any() else True, away, -np.inf)
    worst = found.iloc[int(np.argmax(away))]
    feature, group = worst["feature"], worst["group"]
    chosen: pd.DataFrame = found[(found["feature"] == feature) & (found["group"] == group)]
    return chosen


def _subject(row: Any) -> str:
    return str(row["group"] or row["feature"] or "everybody")


def _words(rule: Rule, unit: str = "") -> str:
    name = rule.measurement.replace("_", " ")
    return f"{name} ({unit})" if unit else name


def _mark_actions(ax: "Axes", mine: Sequence[ActionRecord]) -> None:
    """A line at each moment at which something was done or undone, with what it was."""
    moments: dict[str, list[str]] = {}
    for one in mine:
        if one.done_at:
            moments.setdefault(one.done_at, []).append(one.action)
        if one.undone_at:
            moments.setdefault(one.undone_at, []).append(f"undone: {one.action}")
    above = 0  # lines of text: what stands close together must not be written over each other
    for moment, names in sorted(moments.items()):
        at: Any = np.datetime64(moment[:19])
        words = list(dict.fromkeys(names))
        ax.axvline(at, color="black", linewidth=1)
        ax.annotate(
            "\n".join(words), (at, 1), xycoords=("data", "axes fraction"),
            xytext=(3, -3 - _LINE * above), textcoords="offset points", va="top", fontsize="small",
        )  # fmt: skip
        above += len(words)
