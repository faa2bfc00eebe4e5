"""What scores tell of a window beside what outcomes tell: often the second alone says it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.artifact import Artifact
    from capstone_lib.course.project.project import Project
    from capstone_lib.monitoring import DriftReport

__all__ = ["say_what_tells", "what_tells"]

_MOVED = 0.05


def what_tells(
    project: "Project",
    artifact: "Artifact",
    reports: "Mapping[str, DriftReport]",
    *,
    until: Any = None,
) -> "pd.DataFrame":
    """Window by window: columns with an alarm, what is decided, and what became of it.

    Parameters
    ----------
    project, artifact
        Whose windows, and whose answers.
    reports : mapping of str to DriftReport
        By window.
    until : date, optional
        Outcomes that are known by then.

    Returns
    -------
    pandas.DataFrame
        A row a window: ``alarms`` (columns that drift), ``psi_score`` (of the score, beside the
        reference), ``decided`` and ``true``, the shares of the last class, ``right``, the share of
        right answers, and ``known``, the share of outcomes known.
    """
    import pandas as pd

    last = project.classes[-1]
    outcomes = project.outcomes(until).set_index("row_id")["outcome"]
    rows = []
    for one in project.windows:
        said = artifact.predict(one.rows).label
        known = one.rows["row_id"].isin(outcomes.index).to_numpy()
        truth = outcomes.reindex(one.rows["row_id"][known]).to_numpy()
        report = reports[one.name]
        by_name = {feature.name: feature for feature in report.features}
        row: dict[str, Any] = {"window": one.name, "alarms": len(report.alarms)}
        row["psi_score"] = by_name["score"].psi if "score" in by_name else np.nan
        row["decided"] = float(np.mean(said == last))
        row["true"] = float(np.mean(truth == last)) if len(truth) else np.nan
        row["right"] = float(np.mean(said[known] == truth)) if len(truth) else np.nan
        rows.append(row | {"known": float(known.mean())})
    return pd.DataFrame(rows).set_index("window")


def say_what_tells(project: "Project", table: "pd.DataFrame") -> str:
    """Read that table in words.

    Parameters
    ----------
    project : Project
    table : pandas.DataFrame
        What :func:`what_tells` gave.
    """
    last = project.classes[-1]
    what = f"{project.target} = {last}"
    known = table[table["known"] > 0]
    late = table.index[table["known"] == 0]
    said = []
    if len(known) < 2:
        said.append("Outcomes of fewer than two windows are known: nothing can be compared yet.")
    else:
        true, decided = (known[name].max() - known[name].min() for name in ("true", "decided"))
        said.append(
            f"Between windows the share of {what} differs by {true:.3f}, the share decided so by "
            f"{decided:.3f}; {int(known['alarms'].sum())} columns raise an alarm."
        )
        if true > _MOVED and decided < true / 2:
            said.append("The scores hardly move while the world does: only outcomes tell.")
        elif true <= _MOVED:
            said.append("Neither moves much: a quiet time.")
        else:
            said.append("Scores move with the outcomes.")
    if len(late):
        said.append(f"Of {', '.join(late)} no outcome is known yet: nobody knows how it went.")
    never = float(np.mean([one.rows[project.target].isna().mean() for one in project.windows]))
    if never:
        said.append(f"Of {never:.1%} the outcome will never be known.")
    return " ".join(said)
