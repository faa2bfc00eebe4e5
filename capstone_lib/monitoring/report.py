"""The drift report: all columns of a window beside the reference, and what to say of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias

from capstone_lib.artifact.window import Window
from capstone_lib.monitoring.classifier import DomainTest
from capstone_lib.monitoring.feature import FeatureDrift
from capstone_lib.monitoring.pairs import PairDrift

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from capstone_lib.store.measurement import Measurement

__all__ = ["DriftReport", "Finding"]

Finding: TypeAlias = FeatureDrift | PairDrift | DomainTest

_SHOWN = ("psi", "floor_psi", "effect", "effect_low", "effect_high", "missing", "unseen",
          "out_of_range", "p_value", "is_real", "is_large", "folklore")  # fmt: skip


@dataclass(frozen=True)
class DriftReport:
    """All columns of a window beside the reference.

    Attributes
    ----------
    features : tuple of FeatureDrift
        In the order of the columns; the model's ``score`` and ``label`` last.
    pairs : tuple of PairDrift
        The strongest evidence first; empty if pairs were not counted.
    classifier : DomainTest or None
        Whether a classifier can tell the two samples apart, if it was asked for.
    reference, current : Window
        What was compared.
    alpha : float
        The chance of any false alarm.
    correction : str
        How the family of tests was corrected for: ``"bh"`` or ``"bonferroni"``.
    thresholds : mapping of str to float
        From which value of which measure a real difference is large.
    """

    features: tuple[FeatureDrift, ...]
    pairs: tuple[PairDrift, ...]
    classifier: DomainTest | None
    reference: Window = field(repr=False)
    current: Window = field(repr=False)
    alpha: float
    correction: str
    thresholds: Mapping[str, float]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that is real, the largest first."""
        return tuple(sorted(filter(lambda one: one.is_real, self._all()), key=_largest_first))

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """All that is real and large, the largest first: what a person should look at."""
        return tuple(one for one in self.findings if one.is_large)

    @property
    def folklore_alarms(self) -> tuple[FeatureDrift, ...]:
        """What the rule of thumb would report: PSI from 0.1, whatever the size of the window."""
        return tuple(one for one in self.features if one.folklore != "stable")

    def __getitem__(self, name: str) -> FeatureDrift:
        for one in self.features:
            if one.name == name:
                return one
        names = ", ".join(one.name for one in self.features)
        raise KeyError(f"no column {name!r} in the report; there are {names}")

    def to_frame(self) -> "pd.DataFrame":
        """One row a column, what is real first; ``floor_…`` is each measure's noise floor."""
        import pandas as pd

        plain = [f.name for f in fields(FeatureDrift) if f.name not in ("rise", "floors")]
        rows = [
            {name: getattr(one, name) for name in plain}
            | {f"floor_{measure}": floor for measure, floor in one.floors.items()}
            | {"folklore": one.folklore}
            for one in self.features
        ]
        frame = pd.DataFrame(rows).set_index("name")
        return frame.sort_values(["is_real", "effect"], ascending=False, kind="stable")

    def measurements(self, **about: Any) -> "list[Measurement]":
        """All figures as measurements, for the store and for alert rules.

        Parameters
        ----------
        **about
            What to set on each, such as ``window_start``, ``window_end`` and ``traffic``; by
            default what the window says of itself.

        Returns
        -------
        list of Measurement
            ``drift_findings``, ``drift_alarms`` and ``pair_alarms`` (how many); by column
            ``drift_effect`` with its interval, ``drift_is_large`` (1 or 0: what an alert should
            look at), each measure with its noise floor as a note, and as its threshold if no other
            was set, and ``missing_share``, ``unseen_share`` and ``out_of_range_share``;
            ``pair_effect`` of each real pair and the strongest one;
            ``domain_auc`` if a classifier was asked for.
        """
        from capstone_lib.monitoring.drift_measurements import drift_measurements

        return drift_measurements(self, **about)

    def plot(self, column: str, *, ax: "Axes | None" = None) -> "Axes":
        """Draw one column: the reference's shares, and the window's with 95 % intervals."""
        from capstone_lib.monitoring.plots import draw_column

        return draw_column(self.reference, self.current, column, ax=ax)

    def __str__(self) -> str:
        """Say it in a few lines."""
        head = f"{self.current.n_rows:,} rows against {self.reference.n_rows:,}: "
        if not self.findings:
            return head + "no more than chance would show"
        counts = f"{len(self.findings)} real differences, {len(self.alarms)} of them large"
        return "\n".join([head + counts, *map(str, self.findings[:10])])

    def _repr_html_(self) -> str:
        table = self.to_frame()[list(_SHOWN)].head(12)
        lines = "".join(f"<p>{escape(line)}</p>" for line in str(self).splitlines()[:4])
        return lines + str(table.to_html(float_format=lambda value: f"{value:.3g}"))

    def _all(self) -> tuple[Any, ...]:
        test = () if self.classifier is None else (self.classifier,)
        return (*self.features, *self.pairs, *test)


def _largest_first(one: Finding) -> tuple[bool, float]:
    return not one.is_large, -one.effect
