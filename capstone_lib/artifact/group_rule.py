"""A decision by group: which score is enough for whom, with or without a coin.

The rule is a table of a few numbers a group that stands in the graph, so a nightly batch and a live
request decide alike. The coin of a randomised rule is a hash of the case's number, made in the
graph too: the same case gets the same answer twice, and anybody can compute it again.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.data.hashing import hash_ids, unit_interval
from capstone_lib.errors import ArtifactError
from capstone_lib.schema import Column

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GroupThresholds", "Interpolation"]

_LARGEST_CASE = 2.0**53  # larger whole numbers are not themselves as a double
_PURPOSE = "decision"


@dataclass(frozen=True)
class Interpolation:
    """One group's rule: a mixture of two thresholds and a constant, as Fairlearn makes it.

    The chance of the second class is ``p_ignore * constant + (1 - p_ignore) * (p0 * x0 + p1 *
    x1)``, where ``x0`` is 1 if the score is at least ``threshold0`` (or, if ``below0``, if it is
    not). A rule without a coin has chances of 0 and 1 only.
    """

    threshold0: float
    threshold1: float = 0.5
    p0: float = 1.0
    p1: float = 0.0
    p_ignore: float = 0.0
    constant: float = 0.0
    below0: bool = False
    below1: bool = False

    def __post_init__(self) -> None:
        shares = (self.p0, self.p1, self.p_ignore, self.constant)
        if any(math.isnan(value) for value in (*shares, self.threshold0, self.threshold1)):
            raise ArtifactError(f"a group's rule must hold numbers; seen {self}")
        if not all(0 <= share <= 1 for share in shares) or abs(self.p0 + self.p1 - 1) > 1e-9:
            raise ArtifactError(
                f"p0, p1, p_ignore and constant are shares, and p0 + p1 is 1; seen {self}"
            )

    @property
    def is_random(self) -> bool:
        """Whether some people's answer hangs on a coin."""
        constant = self.p_ignore > 0 and 0 < self.constant < 1
        mixed = self.p_ignore < 1 and 0 < self.p0 < 1 and self._differ
        return constant or mixed or (0 < self.p_ignore < 1)

    @property
    def _differ(self) -> bool:
        return (self.threshold0, self.below0) != (self.threshold1, self.below1)

    def chance(self, score: np.ndarray) -> np.ndarray:
        """The chance of the second class at each score."""
        first = (score >= self.threshold0) != self.below0
        second = (score >= self.threshold1) != self.below1
        mixed = self.p0 * first + self.p1 * second
        return np.asarray(self.p_ignore * self.constant + (1 - self.p_ignore) * mixed)

    def row(self) -> list[float]:
        """The numbers in the order of the graph's table; infinite thresholds beyond any score."""
        numbers = [float(value) for value in astuple(self)]
        return [*(min(max(value, -1.0), 2.0) for value in numbers[:2]), *numbers[2:]]

    @classmethod
    def of_row(cls, row: Sequence[float]) -> "Interpolation":
        """Read what :meth:`row` wrote."""
        threshold0, threshold1, p0, p1, p_ignore, constant, below0, below1 = row
        shares = (p0, p1, p_ignore, constant)
        return cls(threshold0, threshold1, *shares, bool(below0), bool(below1))


@dataclass(frozen=True)
class GroupThresholds:
    """Each group's own rule for the label; pass it to ``export_model(group_thresholds=…)``.

    Treating people differently because of their group is itself unequal treatment. In employment,
    credit, housing or public services it may be unlawful, whatever it does for a metric; the
    US Civil Rights Act of 1991 (section 106) forbids group cutoffs on employment tests by name,
    and Article 9 of the GDPR restricts the very use of such columns. And a threshold does not
    repair why scores differ. Ask lawyers and the people concerned first, and write down why.

    Parameters
    ----------
    column : str
        The column that names the group. It need not be one of the model's features; rows must then
        carry it beside them.
    groups : mapping
        From each value of the column to a threshold on the score (the label is the second class
        from there on) or to an :class:`Interpolation`.
    otherwise : float, default 0.5
        The threshold for values that are missing or not in ``groups``.
    case : str, default ""
        The column with the number of the case, a whole number, for rules with a coin: the coin is
        a hash of it.
    seed : int, default 0
        Another seed, other coins.

    Raises
    ------
    ArtifactError
        If there is no group, groups are not all whole numbers or all text, or a rule with a coin
        has no ``case``.

    Examples
    --------
    >>> import numpy as np
    >>> rule = GroupThresholds("SEX", {1: 0.48, 2: 0.55})
    >>> rule.decide(np.array([0.5, 0.5, 0.5]), np.array([1, 2, 9])).tolist()
    [True, False, True]
    """

    column: str
    groups: Mapping[Any, Any]
    otherwise: float = 0.5
    case: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        kinds = {type(_plain(value)) for value in self.groups}
        if kinds not in ({int}, {str}, {bool}):
            raise ArtifactError(
                f"group_thresholds for {self.column!r}: groups must be all whole numbers or all "
                f"text, and at least one; seen {list(self.groups)[:5]}"
            )
        rules = {_plain(value): _rule(self.column, rule) for value, rule in self.groups.items()}
        object.__setattr__(self, "groups", rules)
        if self.is_random and not self.case:
            raise ArtifactError(
                f"group_thresholds for {self.column!r} decide by a coin; name the column with the "
                "case's number, case=…, so that the same case gets the same answer twice"
            )
        if self.case == self.column:
            raise ArtifactError(f"{self.case!r} cannot be both the group and the case's number")

    @property
    def is_random(self) -> bool:
        """Whether some people's answer hangs on a coin."""
        return any(rule.is_random for rule in self.groups.values())

    @property
    def is_text(self) -> bool:
        """Whether groups are named by text."""
        return isinstance(next(iter(self.groups)), str)

    def chance(self, score: Any, groups: Any) -> np.ndarray:
        """The chance of the second class for people of such scores and groups."""
        score, groups = np.asarray(score, dtype=np.float64), np.asarray(groups)
        found = (score >= self.otherwise).astype(np.float64)
        for value, rule in self.groups.items():
            mine = np.asarray(groups == value)
            found[mine] = rule.chance(score[mine])
        return np.asarray(found)

    def coin(self, cases: Any) -> np.ndarray:
        """Each case's coin, from 0 to below 1: a hash of its number."""
        return np.asarray(
            unit_interval(hash_ids(np.asarray(cases), seed=self.seed, purpose=_PURPOSE))
        )

    def decide(self, score: Any, groups: Any, cases: Any = None) -> np.ndarray:
        """Whether the label is the second class; ``cases`` are needed for a rule with a coin.

        Raises
        ------
        ArtifactError
            If the rule has a coin and there are no cases.
        """
        chance = self.chance(score, groups)
        if not self.is_random:
            return np.asarray(chance >= 0.5)
        if cases is None:
            raise ArtifactError(f"this rule decides by a coin: pass the numbers of {self.case!r}")
        return np.asarray(self.coin(cases) < chance)

    def extra_columns(self, features: tuple[str, ...]) -> list[Column]:
        """What rows must carry beside the model's features."""
        known = tuple(self.groups)
        kind: Any = "boolean" if isinstance(known[0], bool) else "category"
        categories = None if kind == "boolean" else known
        wanted = [
            Column(self.column, kind, nullable=True, categories=categories, on_unknown="warn")
        ]
        if self.is_random:
            wanted.append(Column(self.case, "integer", limit=_LARGEST_CASE))
        return [column for column in wanted if column.name not in features]

    def to_frame(self) -> "pd.DataFrame":
        """One row a group: six numbers, two of them thresholds, and which way each points."""
        import pandas as pd

        rows = {value: vars(rule) for value, rule in self.groups.items()}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis(self.column)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "column": self.column,
            "groups": [[value, rule.row()] for value, rule in self.groups.items()],
            "otherwise": self.otherwise,
            "case": self.case,
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "GroupThresholds":
        """Read what :meth:`to_dict` wrote."""
        groups = {value: Interpolation.of_row(row) for value, row in data["groups"]}
        return cls(data["column"], groups, data["otherwise"], data["case"], data["seed"])

    def __str__(self) -> str:
        if self.is_random:
            coin = f"a coin that is a hash of {self.case}"
            return f"by {self.column}, {len(self.groups)} groups, with {coin}"
        said = ", ".join(
            f"{value}: {rule.threshold0:.4g}" for value, rule in list(self.groups.items())[:6]
        )
        more = "" if len(self.groups) <= 6 else ", …"
        return f"from a score that depends on {self.column} ({said}{more})"

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(float_format="{:.4f}".format))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _rule(column: str, rule: Any) -> Interpolation:
    if isinstance(rule, Interpolation):
        return rule
    if isinstance(rule, int | float | np.number) and not isinstance(rule, bool):
        return Interpolation(float(rule), float(rule))
    raise ArtifactError(
        f"group_thresholds for {column!r}: a group has a threshold or an Interpolation; "
        f"seen {rule!r}"
    )
