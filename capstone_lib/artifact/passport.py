"""The passport: what an artifact says of itself, inside its own file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from typing import Any

from capstone_lib.artifact.conformal import Conformal, ReviewRule
from capstone_lib.artifact.group_rule import GroupThresholds
from capstone_lib.errors import ArtifactError
from capstone_lib.schema import Schema

__all__ = ["FORMAT", "KEY", "Passport"]

FORMAT = 1
KEY = "capstone.passport"


@dataclass(frozen=True)
class Passport:
    """Who the model is, what it was made of and what was proved about it.

    Attributes
    ----------
    name, version : str
        What predictions are stored under.
    pipeline, conversion : str
        The scikit-learn steps, and how they became a graph.
    schema : Schema
        What a row must look like.
    classes : tuple of int, str or bool
        In the order of the probabilities; with two, the second is the one that the score speaks of.
    threshold : float or None
        The operating threshold on the score. None: the class with the largest probability.
    conformal : Conformal or None
        The calibration of the prediction sets.
    review : ReviewRule
        When a person is asked.
    training, calibration : mapping
        ``rows`` and ``sha256`` of the data.
    libraries : mapping of str to str
        The versions that made the file.
    parity : mapping
        What the comparison with the pipeline found: ``rows``, ``labels_wrong``,
        ``max_difference``, ``tolerance`` and ``edge_cases``.
    reference : mapping or None
        What later rows are compared with. ``window`` holds counts of rows that the model was not
        trained on, if there were any; see :class:`capstone_lib.artifact.window.Window`.
    group_rule : GroupThresholds or None
        A rule for each group in place of the threshold.
    extras : tuple of str
        Columns of the schema that only this rule reads, and the model does not.
    """

    name: str
    version: str
    pipeline: str
    conversion: str
    schema: Schema
    classes: tuple[Any, ...]
    threshold: float | None
    conformal: Conformal | None
    review: ReviewRule
    training: Mapping[str, Any]
    calibration: Mapping[str, Any] | None
    libraries: Mapping[str, str]
    parity: Mapping[str, Any] = field(default_factory=dict)
    reference: Mapping[str, Any] | None = field(default=None, repr=False)
    group_rule: GroupThresholds | None = None
    extras: tuple[str, ...] = ()

    @cached_property
    def features(self) -> Schema:
        """The columns that the model itself reads."""
        if not self.extras:
            return self.schema
        columns = tuple(c for c in self.schema.columns if c.name not in self.extras)
        return replace(self.schema, columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "format": FORMAT,
            "name": self.name,
            "version": self.version,
            "pipeline": self.pipeline,
            "conversion": self.conversion,
            "schema": self.schema.to_dict(),
            "classes": list(self.classes),
            "threshold": self.threshold,
            "conformal": self.conformal.to_dict() if self.conformal else None,
            "review": vars(self.review),
            "training": dict(self.training),
            "calibration": dict(self.calibration) if self.calibration else None,
            "libraries": dict(self.libraries),
            "parity": dict(self.parity),
            "reference": dict(self.reference) if self.reference else None,
        } | self._rule_to_dict()

    def _rule_to_dict(self) -> dict[str, Any]:
        """Nothing at all without a rule: files without one stay as they were."""
        if self.group_rule is None:
            return {}
        return {"group_rule": self.group_rule.to_dict(), "extras": list(self.extras)}

    def to_json(self) -> str:
        """The same text for the same passport."""
        return json.dumps(self.to_dict(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Passport":
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        ArtifactError
            If the text is not a passport of a format known here.
        """
        try:
            data = json.loads(text)
            if data.pop("format") != FORMAT:
                raise ArtifactError(
                    "the passport has a format of another version of capstone_lib; "
                    "upgrade capstone_lib or export the model again"
                )
            data["schema"] = Schema.from_dict(data["schema"])
            data["classes"] = tuple(data["classes"])
            conformal = data["conformal"]
            data["conformal"] = Conformal.from_dict(conformal) if conformal else None
            data["review"] = ReviewRule(**data["review"])
            if "group_rule" in data:
                data["group_rule"] = GroupThresholds.from_dict(data["group_rule"])
                data["extras"] = tuple(data["extras"])
            return cls(**data)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, ArtifactError):
                raise
            raise ArtifactError(
                f"the passport cannot be read ({error}); export the model again"
            ) from error

    def lines(self) -> list[tuple[str, str]]:
        """What a person wants to know, as pairs of words and values."""
        sets = "not calibrated: the set is the label alone"
        if self.conformal:
            kind = "within each class" if self.conformal.class_conditional else "over all rows"
            sets = f"{self.conformal.coverage:.0%} coverage {kind}"
        rule = {
            "set": "when the prediction set is not a single label",
            "budget": f"when the uncertainty is at least {self.review.cut} bits "
            f"(at most {(self.review.budget or 0):.0%} of rows)",
            "never": "never",
        }[self.review.rule]
        parity = self.parity
        return [
            ("Model", f"{self.name} {self.version}"),
            ("Pipeline", self.pipeline),
            ("Converted", self.conversion),
            ("Answers", " or ".join(map(str, self.classes))),
            ("Decides", self._decision()),
            ("Prediction set", sets),
            ("Asks a person", rule),
            ("Columns", ", ".join(self.schema.names)),
            ("Trained on", _data(self.training)),
            ("Calibrated on", _data(self.calibration)),
            (
                "Parity",
                f"{parity['rows']:,} rows, {parity['labels_wrong']:,} labels wrong, "
                f"largest difference {parity['max_difference']:.1e}"
                if parity
                else "not tried",
            ),
            ("Compared with", _reference(self.reference)),
            ("Made with", ", ".join(f"{k} {v}" for k, v in self.libraries.items())),
        ]

    def _decision(self) -> str:
        if self.group_rule is not None:
            return f"{self.classes[1]} {self.group_rule}"
        if self.threshold is None:
            return "the class with the largest probability"
        return f"{self.classes[1]} if its score is at least {self.threshold:g}"

    def __str__(self) -> str:
        return "\n".join(f"{name:<15} {value}" for name, value in self.lines())

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left;vertical-align:top'>{escape(name)}</th>"
            f"<td style='text-align:left;max-width:44em'>{escape(value)}</td></tr>"
            for name, value in self.lines()
        )
        return f"<table>{rows}</table>"


def _reference(reference: Mapping[str, Any] | None) -> str:
    if not reference or "window" not in reference:
        return "nothing: the file carries no reference"
    window = reference["window"]
    said = f"counts of {window['n_rows']:,} rows in {len(window['counts'])} columns"
    groups = reference.get("groups")
    return said if groups is None else f"{said}, decisions by {', '.join(groups['columns'])}"


def _data(data: Mapping[str, Any] | None) -> str:
    return f"{data['rows']:,} rows, SHA-256 {data['sha256'][:12]}…" if data else "nothing"
