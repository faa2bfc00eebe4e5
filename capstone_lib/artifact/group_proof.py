"""A rule by group on its way into the artifact: checked, put into the passport, and proved.

The graph's labels must be those that the rule gives in Python, on every row that has a group, and
for groups that are missing or unknown.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from capstone_lib.artifact import parity
from capstone_lib.artifact.group_rule import GroupThresholds
from capstone_lib.artifact.model import Artifact
from capstone_lib.artifact.passport import Passport
from capstone_lib.errors import ArtifactError, ParityError

__all__ = ["add_rule", "check_rule", "decided", "prove_rule", "with_cases"]


def check_rule(
    rule: GroupThresholds | None, classes: tuple[Any, ...], threshold: float | None, rows: Any
) -> None:
    """Refuse a rule that does not fit the model, or that could not be proved on these rows."""
    if rule is None:
        return
    if len(classes) != 2:
        raise ArtifactError(
            f"group_thresholds need exactly two classes; this model has {len(classes)}"
        )
    if threshold is not None:
        raise ArtifactError(
            "threshold and group_thresholds both decide the label; give one of them "
            "(GroupThresholds(…, otherwise=…) is for people of no known group)"
        )
    if rule.column not in rows:
        raise ArtifactError(
            f"group_thresholds decide by {rule.column!r}, which the rows given do not have; add "
            "the column to X_calibration"
        )


def add_rule(passport: Passport, rule: GroupThresholds) -> Passport:
    """The passport with the rule, and with the columns that it needs beside the features."""
    schema = passport.schema
    if rule.column in schema.names and schema[rule.column].is_text != rule.is_text:
        kind = "text" if schema[rule.column].is_text else "numbers"
        raise ArtifactError(
            f"group_thresholds name groups of {rule.column!r} as {list(rule.groups)[:3]}; the "
            f"column holds {kind}: name them as the rows do"
        )
    if rule.case in schema.names and rule.is_random:
        raise ArtifactError(
            f"the case's number {rule.case!r} is a feature of the model; the coin needs a number "
            "that only says whose case it is"
        )
    extra = rule.extra_columns(schema.names)
    return replace(
        passport,
        schema=replace(schema, columns=(*schema.columns, *extra)),
        group_rule=rule,
        extras=tuple(column.name for column in extra),
    )


def decided(passport: Passport, expected: parity.Expected, rows: Any) -> parity.Expected:
    """What is expected of the labels once the rule has decided; the same without a rule."""
    rule = passport.group_rule
    if rule is None:
        return expected
    cases = rows[rule.case].to_numpy() if rule.is_random else None
    yes = rule.decide(expected.probabilities[:, 1], rows[rule.column].to_numpy(), cases)
    return parity.Expected(np.array(passport.classes)[yes.astype(np.int64)], expected.probabilities)


def with_cases(rule: GroupThresholds | None, rows: Any) -> Any:
    """Rows without numbers of cases get some: for counting and proving any will do."""
    if rule is None or not rule.is_random or rule.case in rows:
        return rows
    return rows.assign(**{rule.case: np.arange(len(rows))})


def prove_rule(artifact: Artifact, rule: GroupThresholds, pipeline: Any, rows: Any) -> None:
    """Compare labels on all the rows, and again with groups that are missing or unknown.

    Raises
    ------
    ParityError
        If any label differs.
    """
    rows = with_cases(rule, rows)
    features = rows[list(artifact.passport.features.names)]
    said = parity.expect(pipeline, features, threshold=None)
    tolerance = float(artifact.passport.parity["tolerance"])
    for sample in (rows, *_strangers(artifact, rule, rows)):
        want = parity.Expected(said.label[: len(sample)], said.probabilities[: len(sample)])
        want = decided(artifact.passport, want, sample)
        report = parity.compare(artifact, sample, want, tolerance=tolerance)
        if report.labels_wrong:
            lines = [f"the graph does not decide by {rule.column} as the rule does: {report}"]
            lines += [f"  {line}" for line in report.worst_lines()]
            raise ParityError("\n".join([*lines, "No file was written."]), report)


def _strangers(artifact: Artifact, rule: GroupThresholds, rows: Any) -> list[Any]:
    """A thousand rows whose group is missing, or not in the rule.

    Only a column beside the features may be changed: the features decide the score.
    """
    if rule.column not in artifact.passport.extras:
        return []
    few, kind = rows.iloc[:1000], object if rule.is_text else float
    unknown = "never seen before" if rule.is_text else max(map(int, rule.groups)) + 1
    values: list[Any] = [None if rule.is_text else np.nan]
    if not isinstance(next(iter(rule.groups)), bool):
        values.append(unknown)
    return [few.assign(**{rule.column: np.full(len(few), one, kind)}) for one in values]
