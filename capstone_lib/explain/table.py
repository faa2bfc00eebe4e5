"""The explanation of many rows: effects by row and column, and what they come to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.explain.explanation import TOP
from capstone_lib.explain.words import say_effect
from capstone_lib.schema import Schema

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["BatchExplanation"]


@dataclass(frozen=True)
class BatchExplanation:
    """SHAP values of a sample of rows: a row's effects and its base add up to its score.

    Attributes
    ----------
    columns : tuple of str
        The columns of the model.
    ids : tuple
        Of the rows.
    values : numpy.ndarray of float64, shape (n_rows, n_columns)
        Effects in units of the score.
    base_values : numpy.ndarray of float64, shape (n_rows,)
        The mean score of the people compared with; with more than two classes it depends on the
        row's label, whose probability is explained.
    scores : numpy.ndarray of float64, shape (n_rows,)
    data : mapping of str to numpy.ndarray of shape (n_rows,)
        The rows' values.
    schema : Schema
        Their words.
    labels : tuple or None
        With more than two classes, the rows' labels.
    method : mapping
        What computed them, in which version and with which settings.
    background : str
        The SHA-256 of the people compared with.
    seed : int
    key : int or None
        Under which the store keeps it.
    """

    columns: tuple[str, ...]
    ids: tuple[Any, ...]
    values: np.ndarray = field(repr=False)
    base_values: np.ndarray = field(repr=False)
    scores: np.ndarray = field(repr=False)
    data: Mapping[str, np.ndarray] = field(repr=False)
    schema: Schema = field(repr=False)
    labels: tuple[Any, ...] | None = field(repr=False)
    method: Mapping[str, Any]
    background: str
    seed: int
    key: int | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def base(self) -> float:
        """The mean of the base values."""
        return float(self.base_values.mean())

    @property
    def additivity(self) -> float:
        """The largest difference between a score and what base and effects add up to."""
        return float(np.abs(self.base_values + self.values.sum(axis=1) - self.scores).max())

    def importances(self) -> "pd.DataFrame":
        """How much each column moves scores, the strongest first.

        Returns
        -------
        pandas.DataFrame
            ``column``; ``importance``, the mean size of its effects in units of the score (0: it
            moves none); ``low`` and ``high``, the 95 % interval of that mean over the rows from
            which the sample was drawn (normal; NaN for a single row).
        """
        import pandas as pd

        sizes = np.abs(self.values)
        mean, n_rows = sizes.mean(axis=0), len(self)
        spread = sizes.std(axis=0, ddof=1) if n_rows > 1 else np.full(len(mean), np.nan)
        reach = 1.96 * spread / np.sqrt(n_rows)
        frame = pd.DataFrame(
            {
                "column": self.columns,
                "importance": mean,
                "low": (mean - reach).clip(min=0),
                "high": mean + reach,
            }
        )
        order = np.argsort(-mean, kind="stable")
        return frame.iloc[order].reset_index(drop=True)

    def reasons(self, row: int, *, top: int = TOP) -> list[dict[str, Any]]:
        """The strongest effects of one row, as explanations of single answers have them.

        Parameters
        ----------
        row : int
            Its place in the sample.
        top : int
        """
        about = "the score" if self.labels is None else f"the score of {self.labels[row]}"
        effects = self.values[row]
        out = []
        for place in np.argsort(-np.abs(effects), kind="stable")[:top].tolist():
            name, effect = self.columns[place], float(effects[place])
            value = self.data[name][row : row + 1].tolist()[0]
            value = None if value != value else value
            text = say_effect(self.schema[name], value, effect, about=about)
            out.append({"feature": name, "value": value, "effect": effect, "text": text})
        return out

    def to_frame(self) -> "pd.DataFrame":
        """One row a row: its id, score, base and the effect of each column."""
        import pandas as pd

        effects = pd.DataFrame(self.values, columns=list(self.columns))
        effects.insert(0, "row_id", list(self.ids))
        effects.insert(1, "score", self.scores)
        effects.insert(2, "base", self.base_values)
        return effects

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON: how it was made, importances, and the reasons of each row."""
        return {
            "key": self.key,
            "method": dict(self.method),
            "background": self.background,
            "seed": self.seed,
            "base": self.base,
            "importances": self.importances().to_dict("records"),
            "rows": [
                {"id": one, "score": float(self.scores[k]), "reasons": self.reasons(k)}
                for k, one in enumerate(self.ids)
            ],
        }

    def plot(self, *, top: int = 12, ax: "Axes | None" = None) -> "Axes":
        """Draw every effect as a dot, coloured by its value: see :func:`draw_effects`."""
        from capstone_lib.explain.plots import draw_effects

        return draw_effects(self, top=top, ax=ax)

    def plot_importances(self, *, top: int = 12, ax: "Axes | None" = None) -> "Axes":
        """Draw the importances with their intervals: see :func:`draw_importances`."""
        from capstone_lib.explain.plots import draw_importances

        return draw_importances(self, top=top, ax=ax)

    def _repr_html_(self) -> str:
        head = f"<p>{len(self):,} rows, against a mean score of {self.base:.4f}</p>"
        return head + str(self.importances().to_html(index=False, float_format="{:.4f}".format))
