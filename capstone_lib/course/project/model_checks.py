"""Of the model: whether it is whole, its threshold chosen, and the file as good as the pipeline."""

import numpy as np

from capstone_lib.course.project.claims import read_claim
from capstone_lib.course.project.desk import Desk
from capstone_lib.course.project.price import mistakes_at, mistakes_when_sure, price_of
from capstone_lib.course.project.verdict import Verdict

__all__ = ["check_artifact", "check_parity", "check_threshold"]


def check_artifact(desk: Desk) -> Verdict:
    """It is whole, fits the data, was calibrated, and is better than always saying the same."""
    artifact, project = desk.artifact, desk.project
    lacking = [
        word
        for word, there in {
            "calibration rows (X_calibration=)": artifact.passport.conformal is not None
            or artifact.passport.review.rule == "budget",
            "a reference for drift": artifact.reference is not None,
            "counts by group (sensitive=)": artifact.reference_groups is not None
            or not project.groups,
        }.items()
        if not there
    ]
    skill, guess, what = _skill(desk)
    seen = f"{artifact.name} {artifact.version}: on held-out rows {what} is {skill:.3f}"
    seen += f", {guess:.3f} by guessing"
    if lacking:
        return Verdict(0.5, f"{seen}; it lacks {', '.join(lacking)}", "export it again with these")
    if skill <= guess + 0.05:
        return Verdict(0.5, seen, "train a better model: as it is, nobody needs it")
    return Verdict(1, seen)


def _skill(desk: Desk) -> tuple[float, float, str]:
    """How good it is whatever the threshold, what guessing would give, and what was measured."""
    from sklearn.metrics import roc_auc_score

    project = desk.project
    held_out, truth = project.parts.calibration, project.parts.calibration[project.target]
    said = desk.artifact.predict(held_out)
    if project.is_binary:
        yes = truth == project.classes[1]
        return float(roc_auc_score(yes, said.score)), 0.5, "the area under the curve"
    usual = float(truth.value_counts(normalize=True).iloc[0])
    return float(np.mean(said.label == truth)), usual, "the share of right answers"


def check_threshold(desk: Desk) -> Verdict:
    """The student's weights and threshold, weighed again with the artifact's own scores."""
    own = read_claim(desk.folder / "threshold.json", "own")["own"]
    if own is None:
        return Verdict(None, "no weights of your own are in threshold.json", "weigh: exercise 08.1")
    project, artifact = desk.project, desk.artifact
    harm, threshold = dict(own["harm"]), float(own["threshold"])
    if project.is_binary and artifact.threshold != threshold:
        return Verdict(
            0, f"threshold.json says {threshold:g}, and the artifact decides at "
            f"{artifact.threshold or 'no threshold of its own'}",
            "export again with your threshold",
        )  # fmt: skip
    held_out = project.parts.calibration
    said, truth = artifact.predict(held_out), held_out[project.target].to_numpy()
    if project.is_binary:
        table = mistakes_at(said.score, truth == project.classes[1])
    else:
        table = mistakes_when_sure(said.score, said.label == truth)
    if set(harm) != set(table.columns) or min(harm.values()) <= 0:
        return Verdict(0, f"harm has no number above 0 for each of {', '.join(table.columns)}",
                       "weigh both mistakes")  # fmt: skip
    price = price_of(table, harm, threshold)
    if not price.is_near:
        return Verdict(
            0.5, f"by its own weights {threshold:g} does harm of {price.here:,.0f}, and "
            f"{price.best:g} of {price.least:,.0f}", "choose it by the harm you state",
        )  # fmt: skip
    return Verdict(1, f"{threshold:g} follows from the weights {harm}")


def check_parity(desk: Desk) -> Verdict:
    """The file gives the pipeline's answers: as it says, and computed again where possible."""
    from capstone_lib.artifact import verify_parity

    said = desk.artifact.passport.parity
    if not said or said.get("labels_wrong") != 0:
        return Verdict(0, "the passport does not say that file and pipeline agree", "export again")
    seen = f"{said['rows']:,} rows compared at export, none differs"
    if desk.pipeline is None:
        return Verdict(1, seen)
    rows = desk.project.windows[-1].rows
    report = verify_parity(desk.artifact, desk.pipeline, rows)
    if not report.ok:
        return Verdict(0, f"{report.labels_wrong} of {report.n_rows} labels differ", "export again")
    return Verdict(1, f"{seen}; {report.n_rows:,} rows of {desk.project.windows[-1].name} too")
