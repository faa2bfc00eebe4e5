"""What a passport keeps of held-out rows, for later windows to be compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from capstone_lib.artifact.admission import class_index
from capstone_lib.artifact.bands import banded, cuts_of
from capstone_lib.artifact.binning import Binning
from capstone_lib.artifact.choose import choose_background
from capstone_lib.artifact.group_proof import with_cases
from capstone_lib.artifact.groups import GroupCounts
from capstone_lib.artifact.model import Artifact
from capstone_lib.artifact.passport import Passport
from capstone_lib.artifact.recalibration import Recalibration
from capstone_lib.artifact.window import Window

__all__ = ["reference_of", "with_meaning"]


def reference_of(
    artifact: Artifact,
    rows: Any,
    y: Any,
    sensitive: Sequence[str] | Mapping[str, Sequence[float] | None],
) -> dict[str, Any]:
    """What the model says of reference rows, and how later ones are compared and explained.

    Parameters
    ----------
    artifact : Artifact
        As it will be written, but for this.
    rows : pandas.DataFrame of n_rows
    y : array of shape (n_rows,), or None
        Labels, needed only for ``sensitive``.
    sensitive : sequence of str, or mapping of str to cuts
        Columns of ``rows``; cuts put numbers into bands.
    """
    passport = artifact.passport
    said = artifact.predict(with_cases(passport.group_rule, rows))
    binning = Binning.of(rows, passport.features, predictions=said)
    window = Window.of(rows, binning=binning, predictions=said, name="reference")
    kept = {
        "window": window.to_dict(),
        "background": choose_background(artifact, rows).to_dict(),
    }
    if not sensitive:
        return kept
    cuts = cuts_of(sensitive)
    counts = GroupCounts.of(
        y,
        said.label,
        sensitive_features=banded(rows, cuts),
        y_score=said.score if len(passport.classes) == 2 else None,
        classes=passport.classes,
    )
    bands = {"cuts": {name: ends for name, ends in cuts.items() if ends}}
    return kept | {"groups": counts.to_dict() | bands}


def with_meaning(passport: Passport, bare: Artifact, X: Any, y: Any) -> Passport:
    """Add what scores have meant on held-out rows, if there are any of which this is known."""
    if X is None or y is None:
        return passport
    said, truth = bare.predict(X), class_index(passport.classes, y, len(X))
    binary = len(passport.classes) == 2
    came_true = truth == 1 if binary else np.array(passport.classes)[truth] == said.label
    curve = Recalibration.fit(said.score, came_true)
    if curve is None:
        return passport
    return replace(
        passport, reference={**(passport.reference or {}), "recalibration": curve.to_dict()}
    )
