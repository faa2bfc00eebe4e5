"""Explaining single answers: fast enough to be asked for with each of them.

An explanation follows from the artifact and the row alone. There is no chance in it, so the same
values get the same reasons whoever asks, and it can be done again from the log.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from capstone_lib.artifact import Artifact
from capstone_lib.artifact.comparison import Compared, Comparison
from capstone_lib.errors import ArtifactError
from capstone_lib.explain.explanation import Explanation

__all__ = ["Explainer", "explain_row"]


class Explainer:
    """Explains an artifact's scores.

    Parameters
    ----------
    artifact : Artifact
    names : sequence of str, optional
        The columns of the rows that it is given, in their order; by default the schema's.

    Raises
    ------
    ArtifactError
        If the file carries no background, because an older version exported it.
    """

    def __init__(self, artifact: Artifact, *, names: Sequence[str] | None = None) -> None:
        background = artifact.background
        if background is None:
            raise ArtifactError(
                f"{artifact.name} {artifact.version} carries nobody to compare a person with: it "
                "was exported by an older version of capstone_lib; export the model again"
            )
        self.artifact, self.background = artifact, background
        self._columns = artifact.passport.features.columns
        given = tuple(artifact.schema.names if names is None else names)
        self._places = [given.index(column.name) for column in self._columns]
        self._compare = Comparison(artifact, background.node_columns(), background.orders)
        self._many = len(artifact.classes) > 2

    def __call__(
        self, rows: Sequence[Sequence[Any]], *, labels: Sequence[Any] | None = None
    ) -> list[Explanation]:
        """Explain rows, all in one call of the artifact; safe from several threads at once.

        Parameters
        ----------
        rows : sequence of n_rows sequences
            Values past the gate, in the order of ``names``.
        labels : sequence of n_rows labels, optional
            With more than two classes, what was answered; by default the likeliest.
        """
        people = [[row[place] for place in self._places] for row in rows]
        places = None
        if self._many and labels is not None:
            places = [self.artifact.classes.index(label) for label in labels]
        compared = self._compare(people, places=places)
        return [self._tell(row, one) for row, one in zip(people, compared, strict=True)]

    def _tell(self, values: Sequence[Any], found: Compared) -> Explanation:
        weights, background = self.background.weights, self.background
        return Explanation(
            score=found.score,
            base=float(weights @ found.starts),
            columns=self._columns,
            values=tuple(None if value != value else value for value in values),
            moves=tuple((weights @ found.effects).tolist()),
            errors=background.errors,
            error=background.error,
            background=background.sha256,
            seed=background.seed,
            label=self.artifact.classes[found.place] if self._many else None,
        )


def explain_row(artifact: Artifact, row: Mapping[str, Any]) -> Explanation:
    """Explain the score of one row.

    Parameters
    ----------
    artifact : Artifact
    row : mapping of str to value, or pandas.Series
        The values by column.

    Returns
    -------
    Explanation

    Raises
    ------
    SchemaError
        If the row does not fit the schema.
    ArtifactError
        If an older version exported the artifact.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> from capstone_lib import export_model
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> X = pd.DataFrame({"age": [20, 30, 40, 50, 60, 70], "sex": [1, 2, 1, 2, 1, 2]})
    >>> model = DecisionTreeClassifier().fit(X, [1, 1, 1, 0, 0, 0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     artifact = export_model(model, X, f"{folder}/m.onnx", name="work", version="1")
    >>> print(explain_row(artifact, {"age": 25, "sex": 1}))
    score 1.0000, on average 0.5...
    age 25 raises the score by 0.5...
    sex 1 hardly moves the score
    """
    checked = artifact.schema.check({name: [row[name]] for name in row.keys()})  # noqa: SIM118 - a Series is iterated by value
    checked.raise_for_errors()
    values = [checked.columns[name].tolist()[0] for name in artifact.schema.names]
    return _explainer(artifact)([values])[0]


@lru_cache(maxsize=4)
def _explainer(artifact: Artifact) -> Explainer:
    return Explainer(artifact)
