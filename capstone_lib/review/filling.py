"""From answers, batch or live, to cases for the queue: who, and why."""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.errors import ReviewError
from capstone_lib.monitoring.gather import Rows, batch_rows, live_rows, read_source, runs_of
from capstone_lib.review.case import SOURCES
from capstone_lib.review.sampling import draw, in_group, strata_of
from capstone_lib.schema import Column
from capstone_lib.store import Store
from capstone_lib.store.ids import encode_id
from capstone_lib.store.staleness import parse_moment

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.artifact.model import Artifact

__all__ = [
    "PRIORITIES",
    "Part",
    "answers_in",
    "audited",
    "case_row",
    "last_answer",
    "most_uncertain",
]

PRIORITIES = {"uncertainty": 0.0, "audit": 1.0, "appeal": 2.0}
"""The higher comes first: somebody who objects is waiting for an answer."""


def answers_in(
    artifact: "Artifact",
    store: Store,
    *,
    window: tuple[Any, Any] = (None, None),
    source: Any = None,
    traffic: str = "",
) -> "pd.DataFrame":
    """The answers of a window whose features are known, the last of each id.

    Returns
    -------
    pandas.DataFrame
        As the store gives answers, and the model's columns, each as ``("in", name)``. In the order
        of the ids, so that it does not depend on that of the source.

    Raises
    ------
    ReviewError
        If there is none; it says why.
    """
    import pandas as pd

    if traffic not in ("", "batch", "live"):
        raise ReviewError(f"traffic is 'batch', 'live' or empty for both; seen {traffic!r}")
    start, end = (None if one is None else parse_moment(one, name="window") for one in window)
    kinds: list[Rows] = []
    if traffic != "live":
        runs = runs_of(store, artifact, start=start, end=end)
        table = None if source is None else read_source(source)
        kinds.append(batch_rows(artifact, store, runs, source=table))
    if traffic != "batch":
        kinds.append(live_rows(artifact, store, start=start, end=end))
    parts = [_known(rows, artifact.schema.columns) for rows in kinds if rows.features is not None]
    if not parts:
        raise ReviewError(
            f"there is no answer that a person could look at: {'; '.join(r.why for r in kinds)}"
        )
    found = pd.concat(parts, ignore_index=True)
    found["row_id"] = found["row_id"].astype(str)
    found = found.drop_duplicates("row_id", keep="last")
    return found.sort_values("row_id", kind="stable").reset_index(drop=True)


def _known(rows: Rows, columns: Sequence[Column]) -> "pd.DataFrame":
    """Answers with their features beside them; live ones last, so that of one id they count."""
    import pandas as pd

    assert rows.features is not None
    names = ["row_id", "score", "label", "uncertainty", "prediction_set", "review"]
    said = rows.answers.loc[rows.found, names].reset_index(drop=True)
    asked = rows.features.loc[rows.found].reset_index(drop=True)
    said["prediction_set"] = said["prediction_set"].astype(str)
    said["label"] = said["label"].astype(object)
    said["explanation"] = (
        rows.answers["explanation"].to_numpy() if "explanation" in rows.answers else None
    )
    lacking = [column.name for column in columns if column.name not in asked.columns]
    if lacking:
        raise ReviewError(
            f"the {rows.traffic} rows lack the column {lacking[0]!r} of the model; a reviewer must "
            "see what the model saw: give the source that was scored"
        )
    return pd.concat([said, *_columns(asked, columns)], axis=1)


def _columns(asked: "pd.DataFrame", columns: Sequence[Column]) -> Iterator["pd.Series[Any]"]:
    for column in columns:
        yield asked[column.name].rename(("in", column.name))


def most_uncertain(answers: "pd.DataFrame", n: int | None) -> list[int]:
    """Places of the answers that ask for a person, the least certain first, ``n`` at most."""
    asks = np.flatnonzero(answers["review"].to_numpy(dtype=bool))
    order = np.argsort(-answers["uncertainty"].to_numpy()[asks], kind="stable")
    return [int(place) for place in asks[order][: len(asks) if n is None else n]]


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the people of an audit.

    Attributes
    ----------
    name : str
        The group, or ``not`` the group.
    members : numpy.ndarray of bool, shape (n_rows,)
    wanted : int
        How many cases of them are to be open.
    """

    name: str
    members: np.ndarray
    wanted: int

    def fresh(
        self, answers: "pd.DataFrame", known: Sequence[Any], *, seed: int, alert_id: str
    ) -> list[int]:
        """Places of people to add to the alert's cases that are known, none of them once more."""
        sampled = {str(row.row_id) for row in known}
        open_now = sum(row.group == self.name and row.closed_at is None for row in known)
        fresh = self.members & ~answers["row_id"].isin(sampled).to_numpy()
        places = np.flatnonzero(fresh)
        some = answers.iloc[places]
        strata = strata_of(some["label"].tolist(), some["score"].to_numpy())
        number = int(hashlib.sha256(f"{alert_id}/{self.name}".encode()).hexdigest()[:8], 16)
        drawn = draw(strata, max(0, self.wanted - open_now), seed=[seed, number])
        return [int(places[k]) for k in drawn]


def audited(answers: "pd.DataFrame", group: str, *, n: int, others: int) -> list[Part]:
    """The group that an audit is about, and everybody else.

    Raises
    ------
    ReviewError
        If nobody is in the group.
    """
    if not group:
        return [Part("", np.ones(len(answers), dtype=bool), n)]
    every: list[Any] = list(answers.columns)
    columns = [name for name in every if isinstance(name, tuple)]
    asked = answers[columns].set_axis([name for _, name in columns], axis=1)
    inside = in_group(asked, group)
    if not inside.any():
        raise ReviewError(f"nobody of {group} is among the {len(answers):,} answers that are known")
    return [Part(group, inside, n), Part(f"not {group}", ~inside, others)]


def last_answer(answers: "pd.DataFrame", row_id: str) -> int:
    """The place of somebody's answer.

    Raises
    ------
    ReviewError
        If there is none.
    """
    found = np.flatnonzero((answers["row_id"] == row_id).to_numpy())
    if not len(found):
        raise ReviewError(
            f"no answer about {row_id!r} is known with what was asked; check the id, or give the "
            "source that was scored"
        )
    return int(found[-1])


def case_row(
    artifact: "Artifact",
    answers: "pd.DataFrame",
    place: int,
    *,
    source: str,
    why: str = "",
    reason: str = "",
    group: str = "",
    double_share: float = 0.0,
) -> dict[str, Any]:
    """The row of the table for one answer.

    ``why`` tells cases of one answer apart: the alert of an audit, the words of an appeal.
    """
    said = answers.iloc[place]
    columns = artifact.schema.columns
    features = json.dumps(
        {column.name: _plain(said[("in", column.name)], column) for column in columns},
        ensure_ascii=False,
    )
    named = [said["row_id"], source, why, artifact.name, artifact.version, features]
    case_id = hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]
    # as good as drawn, and the same for ever
    chance, other = (int(part, 16) / 2**32 for part in (case_id[:8], case_id[8:]))
    unsure = float(said["uncertainty"]) / math.log2(max(2, len(artifact.classes)))
    explanation = said["explanation"]
    return {
        "case_id": case_id,
        "row_id": encode_id(said["row_id"]),
        "source": source,
        "reason": reason or SOURCES[source],
        "alert_id": why if source == "audit" else "",
        "group": group,
        # an audit's cases come in a random order: theirs must not tell the group from the others
        "priority": PRIORITIES[source] + 0.99 * (chance if source == "audit" else min(1.0, unsure)),
        "model": artifact.name,
        "version": artifact.version,
        "features": features,
        "classes": json.dumps([_label(name) for name in artifact.classes], ensure_ascii=False),
        "score": float(said["score"]),
        "label": _label(said["label"]),
        "uncertainty": float(said["uncertainty"]),
        "prediction_set": json.dumps(
            [_label(name) for name in json.loads(said["prediction_set"])], ensure_ascii=False
        ),
        "reasons": explanation if isinstance(explanation, str) else None,
        "wanted": 2 if other < double_share else 1,
    }


def _label(value: Any) -> Any:
    """A label as the store keeps it: true/false is 1/0."""
    value = value.item() if isinstance(value, np.generic) else value
    return int(value) if isinstance(value, bool) else value


def _plain(value: Any, column: Column) -> Any:
    """A value as JSON has it, the same whether it came by a file or by the wire."""
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or value != value:
        return None
    if column.kind == "boolean":
        return bool(value)
    if isinstance(value, float) and value.is_integer() and column.kind != "number":
        return int(value)
    return float(value) if column.kind == "number" else value
