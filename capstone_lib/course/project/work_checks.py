"""Of the model at work: the batch's predictions, the same again, and the endpoint's answers."""

from typing import TYPE_CHECKING

import numpy as np

from capstone_lib.course.project.desk import Desk
from capstone_lib.course.project.verdict import Verdict

if TYPE_CHECKING:
    from capstone_lib.course.project.windows import Case

__all__ = ["check_endpoint", "check_idempotent", "check_predictions"]

_TOLERANCE = 1e-5
_ASKED = 25  # requests to the endpoint


def check_predictions(desk: Desk) -> Verdict:
    """Each window is scored, everybody once, with the artifact's own answers."""
    wrong = [said for one in desk.project.windows if (said := _of_window(desk, one))]
    n_windows = len(desk.project.windows)
    if not wrong:
        n_rows = sum(len(one.rows) for one in desk.project.windows)
        return Verdict(1, f"{n_rows:,} rows in {n_windows} windows, all as the artifact says")
    share = 1 - len(wrong) / n_windows
    return Verdict(share, "; ".join(wrong[:3]), "score these windows again with cap.score_batch")


def _of_window(desk: Desk, case: "Case") -> str:
    """What is wrong with the predictions of a window; empty if nothing is."""
    stored, rows = desk.stored(case), case.rows.set_index("row_id")
    if not len(stored):
        return f"{case.name}: nothing is scored as of {case.as_of}"
    missing = len(rows.index.difference(stored.index))
    if missing:
        return f"{case.name}: {missing:,} of {len(rows):,} rows have no prediction"
    strange = len(stored.index.difference(rows.index))
    if strange:
        return f"{case.name}: {strange:,} predictions are of nobody in the window"
    if stored.index.duplicated().any():
        return f"{case.name}: {int(stored.index.duplicated().sum()):,} rows are scored twice"
    said = desk.artifact.predict(rows)
    stored = stored.loc[rows.index]
    other = (stored["label"].to_numpy() != said.label) | (
        np.abs(stored["score"].to_numpy(dtype=float) - said.score) > _TOLERANCE
    )
    return f"{case.name}: {int(other.sum()):,} predictions are not the artifact's" * bool(
        other.any()
    )


def check_idempotent(desk: Desk) -> Verdict:
    """A window is scored again, in a copy of the store: nothing may change."""
    from capstone_lib.batch import score_batch

    case = desk.project.windows[-1]
    before = desk.stored(case)
    if not len(before):
        return Verdict(0, f"nothing is scored as of {case.as_of}", "score it, and then again")
    file = desk.project.write_inbox(desk.scratch / "inbox")[-1]
    run = score_batch(desk.artifact, file, store=desk.store, as_of=case.as_of, show_progress=False)
    columns = ["score", "label"]
    after = desk.stored(case)
    same = len(before) == len(after) and before[columns].sort_index().equals(
        after[columns].sort_index()
    )
    if not same:
        return Verdict(
            0,
            f"{case.name} scored again leaves other predictions ({len(before):,} rows before, "
            f"{len(after):,} after)",
            "score the whole file of the window, with the artifact as it is",
        )
    return Verdict(1, f"{case.name} scored again: {run.status}, and nothing changed")


def check_endpoint(desk: Desk) -> Verdict:
    """The definition starts an endpoint, and it answers as the artifact does."""
    from capstone_lib.serving.definition import read_definition

    definition = read_definition(desk.folder / "endpoint.toml")
    rows = desk.project.windows[-1].rows.head(_ASKED)
    said = desk.artifact.predict(rows)
    inputs = list(desk.artifact.schema.names)
    store = None if definition.store is None else desk.store_url
    asked = rows[inputs].astype(object).to_numpy().tolist()
    with definition.start(store=store) as endpoint:
        answers = [endpoint.predict(dict(zip(inputs, row, strict=True))) for row in asked]
    others = {one["route"] for one in answers if one["version"] != desk.artifact.version}
    if others:
        return Verdict(
            0.5, f"it starts, and {', '.join(sorted(map(str, others)))} answers in the place of "
            f"{desk.artifact.version}", "set the rollout back to stable, or name model.onnx",
        )  # fmt: skip
    differing = sum(
        one["label"] != label or abs(one["score"] - score) > _TOLERANCE
        for one, label, score in zip(answers, said.label, said.score.tolist(), strict=True)
    )
    if differing:
        return Verdict(0.5, f"it starts, and {differing} of {len(answers)} answers are not those "
                       "of model.onnx", "let its definition name model.onnx")  # fmt: skip
    return Verdict(1, f"{definition}: {len(answers)} answers, all as the artifact's")
