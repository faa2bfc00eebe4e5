"""Feature parity: whether batch and live see the same values for the same ids.

A model that is right in both places is still wrong if one path feeds it defaults, another unit or
yesterday's value. Where the same id is known to both, each value can be compared; that needs no
statistics and finds what no distribution shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.artifact.tally import as_numbers, column_of, names_of
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.rates import share_of
from capstone_lib.store.measurement import Measurement

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ColumnParity", "FeatureParity", "compare_features"]

SHOWN = 5


@dataclass(frozen=True)
class ColumnParity:
    """How far one column agrees.

    Attributes
    ----------
    name : str
        The column.
    n : int
        Rows known to both.
    differing : int
        Rows whose values differ, a missing one on one side only too.
    only_batch, only_live : int
        Of these, rows with a value in one of the two only.
    mean_difference : float
        Live less batch, over rows with two numbers; NaN if there are none.
    most_common : Any
        The live value that differing rows have most often.
    most_common_share : float
        The share of differing rows that have it: near 1 for a path that fills in a default.
    total_variation : float
        How far the two distributions are apart: 0 though rows differ means that values went to the
        wrong rows.
    """

    name: str
    n: int
    differing: int
    only_batch: int
    only_live: int
    mean_difference: float
    most_common: Any
    most_common_share: float
    total_variation: float

    @property
    def share(self) -> float:
        """The share of rows that differ."""
        return self.differing / self.n if self.n else 0.0

    def __str__(self) -> str:
        """Say it in one sentence."""
        if not self.differing:
            return f"{self.name}: the same in {self.n:,} rows"
        said = f"{self.name}: {self.differing:,} of {self.n:,} rows differ ({self.share:.1%})"
        if self.most_common_share > 0.9 and self.differing > 1:
            return f"{said}; live says {self.most_common!r} in {self.most_common_share:.0%} of them"
        if self.total_variation < self.share / 20:
            return f"{said}, though the distributions agree: values stand in the wrong rows"
        return said


@dataclass(frozen=True)
class FeatureParity:
    """What batch and live have in common.

    Attributes
    ----------
    columns : tuple of ColumnParity
        In the order of the batch's columns.
    n : int
        Rows compared: ids known to both.
    only_batch, only_live : int
        Ids known to one only.
    repeated : int
        Live requests for an id that was asked before; the last one counts.
    rows : pandas.DataFrame
        Every value that differs: ``id``, ``column``, ``batch``, ``live``.
    """

    columns: tuple[ColumnParity, ...]
    n: int
    only_batch: int
    only_live: int
    repeated: int
    rows: "pd.DataFrame"

    @property
    def ok(self) -> bool:
        """Whether every value is the same, and there was something to compare."""
        return self.n > 0 and not len(self.rows)

    @property
    def disagreeing(self) -> tuple[ColumnParity, ...]:
        """The columns with a difference, the worst first."""
        some = [one for one in self.columns if one.differing]
        return tuple(sorted(some, key=lambda one: -one.differing))

    def to_frame(self) -> "pd.DataFrame":
        """One row a column."""
        import pandas as pd

        rows = [vars(one) | {"share": one.share} for one in self.columns]
        return pd.DataFrame(rows).set_index("name")

    def measurements(self, **about: Any) -> list[Measurement]:
        """``parity_differing_share`` by column, with its interval; ``about`` is set on each."""
        out = []
        for one in self.columns:
            share = share_of(one.differing, one.n)
            out.append(
                Measurement("parity_differing_share", share.value, share.low, share.high, n=one.n,
                            unit="share", feature=one.name, **about)
            )  # fmt: skip
        return out

    def __str__(self) -> str:
        """Say it in a few lines."""
        left = f"{self.only_batch:,} ids in batch only, {self.only_live:,} live only"
        if not self.n:
            return f"no id is known to both: {left}"
        head = f"{self.n:,} rows known to both ({left}): "
        if self.ok:
            return head + "every value is the same"
        n_rows = self.rows["id"].nunique()
        lines = [f"{head}{n_rows:,} rows differ in {len(self.disagreeing)} columns"]
        return "\n".join([*lines, *map(str, self.disagreeing)])

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{escape(line)}</p>" for line in str(self).splitlines()[:6])
        return lines + (str(self.rows.head(SHOWN).to_html(index=False)) if len(self.rows) else "")


def compare_features(
    batch: Any,
    live: Any,
    *,
    id: str = "row_id",  # noqa: A002 - the field's own name
    columns: Sequence[str] | None = None,
    tolerance: float = 0.0,
) -> FeatureParity:
    """Compare what batch and live saw for the same ids, value by value and by distribution.

    Parameters
    ----------
    batch, live : pandas.DataFrame, pyarrow.Table or mapping of str to array
        Tables with the ids and the features; ``live`` may be what ``store.requests()`` gives, whose
        column ``features`` is unpacked.
    id : str, default "row_id"
        The column with the ids. Missing ids are left aside.
    columns : sequence of str, optional
        Which features; by default those of the live requests that the batch has too.
    tolerance : float, default 0.0
        By how much two numbers may differ and still count as the same. Whole numbers and their
        floats are the same; text is never the same as a number.

    Returns
    -------
    FeatureParity

    Raises
    ------
    MonitoringError
        If a table lacks the ids or a column, or an id stands twice in the batch.

    Examples
    --------
    >>> batch = {"row_id": [1, 2, 3], "age": [30, 40, 50]}
    >>> live = {"row_id": [3, 2, 9], "age": [50.0, 0.0, 1.0]}
    >>> print(compare_features(batch, live))
    2 rows known to both (1 ids in batch only, 1 live only): 1 rows differ in 1 columns
    age: 1 of 2 rows differ (50.0%)
    """
    live = _unpacked(live)
    names = _columns(batch, live, id, columns)
    at_batch, at_live, repeated, left = _matched(column_of(batch, id), column_of(live, id))
    ids = column_of(batch, id)[at_batch]
    found = [
        _compare(name, column_of(batch, name)[at_batch], column_of(live, name)[at_live], tolerance)
        for name in names
    ]
    rows = _rows(ids, batch, live, at_batch, at_live, found)
    return FeatureParity(tuple(one for one, _ in found), len(ids), left[0], left[1], repeated, rows)


def _unpacked(live: Any) -> Any:
    """The features of a log of requests, beside its ids."""
    if "features" not in names_of(live) or "row_id" not in names_of(live):
        return live
    from capstone_lib.monitoring.live import features_of

    return features_of(live)


def _columns(batch: Any, live: Any, key: str, columns: Sequence[str] | None) -> list[str]:
    tables = {"batch": batch, "live": live}
    known = {what: names_of(rows) for what, rows in tables.items()}
    for what, names in known.items():
        if key not in names:
            raise MonitoringError(
                f"the {what} table has no column {key!r} to know the rows by; name it with id=…; "
                f"there are {', '.join(map(str, names[:8])) or 'none'}"
            )
    both = [name for name in known["batch"] if name in known["live"] and name != key]
    missing = [name for name in columns or () if name not in both]
    if missing or not both:
        raise MonitoringError(
            f"there is no column {', '.join(map(repr, missing)) or 'but the id'} in both tables; "
            f"both have {', '.join(both) or 'nothing'}"
        )
    return list(columns or both)


def _matched(
    batch: np.ndarray, live: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int, tuple[int, int]]:
    """Rows of the batch and rows live that have the same id, the last request of each."""
    import pandas as pd

    known = pd.Index(pd.Series(batch).dropna())
    if not known.is_unique:
        twice = known[known.duplicated()][0]
        raise MonitoringError(
            f"the id {twice!r} stands twice in the batch; which of the two rows is meant cannot be "
            "known: give one row for each id"
        )
    asked = pd.Series(live)
    last = asked[asked.notna()].drop_duplicates(keep="last")
    places = pd.Series(np.arange(len(batch)), index=batch)
    places = places[places.index.notna()].reindex(last.to_numpy())
    met = places.notna().to_numpy()
    at_live = last.index.to_numpy()[met]
    at_batch = places.to_numpy()[met].astype(np.intp)
    order = np.argsort(at_batch, kind="stable")
    n = int(met.sum())
    repeated = int(asked.notna().sum()) - len(last)
    return at_batch[order], at_live[order], repeated, (len(known) - n, len(last) - n)


def _compare(
    name: str, batch: np.ndarray, live: np.ndarray, tolerance: float
) -> tuple[ColumnParity, np.ndarray]:
    """One column's agreement, and which rows differ."""
    import pandas as pd

    gone_batch, gone_live = pd.isna(batch), pd.isna(live)
    numbers = [as_numbers(values) for values in (batch, live)]
    (a, strange_a), (b, strange_b) = numbers
    both = np.isfinite(a) & np.isfinite(b)
    same = both & (np.abs(np.where(both, b - a, 0.0)) <= tolerance)
    same |= gone_batch & gone_live
    for strange in (strange_a, strange_b):
        if strange is not None:  # text and the like is the same only if it is equal
            same = np.where(strange, _equal(batch, live), same)
    same |= np.isinf(a) & (a == b)
    differs = ~same
    common, share = _commonest(live[differs])
    return ColumnParity(
        name=name,
        n=len(batch),
        differing=int(differs.sum()),
        only_batch=int((differs & gone_live).sum()),
        only_live=int((differs & gone_batch).sum()),
        mean_difference=float((b - a)[both].mean()) if both.any() else float("nan"),
        most_common=common,
        most_common_share=share,
        total_variation=_apart(batch, live),
    ), differs


def _equal(batch: np.ndarray, live: np.ndarray) -> np.ndarray:
    return np.array(
        [type(a) is type(b) and a == b for a, b in zip(batch.tolist(), live.tolist(), strict=True)],
        dtype=bool,
    )


def _commonest(values: np.ndarray) -> tuple[Any, float]:
    import pandas as pd

    if not len(values):
        return None, 0.0
    counts = pd.Series(values).value_counts(dropna=False)
    value = counts.index[0]
    plain = value.item() if isinstance(value, np.generic) else value
    return (None if pd.isna(plain) else plain), float(counts.iloc[0] / len(values))


def _apart(batch: np.ndarray, live: np.ndarray) -> float:
    import pandas as pd

    if not len(batch):
        return 0.0
    shares = [pd.Series(v).value_counts(normalize=True, dropna=False) for v in (batch, live)]
    return float(shares[0].sub(shares[1], fill_value=0.0).abs().sum() / 2)


def _rows(
    ids: np.ndarray,
    batch: Any,
    live: Any,
    at_batch: np.ndarray,
    at_live: np.ndarray,
    found: Sequence[tuple[ColumnParity, np.ndarray]],
) -> "pd.DataFrame":
    import pandas as pd

    parts = [
        pd.DataFrame(
            {
                "id": ids[differs],
                "column": one.name,
                "batch": column_of(batch, one.name)[at_batch][differs].astype(object),
                "live": column_of(live, one.name)[at_live][differs].astype(object),
            }
        )
        for one, differs in found
        if one.differing
    ]
    if not parts:
        return pd.DataFrame({"id": ids[:0], "column": [], "batch": [], "live": []})
    return pd.concat(parts, ignore_index=True)
