"""Which groups a window is looked at by: those that are asked for, or those of the baseline."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from capstone_lib.artifact.bands import Cuts, banded, cuts_of
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.gather import Rows

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.artifact.model import Artifact

__all__ = ["columns_asked", "groups_of"]


def columns_asked(
    artifact: "Artifact", sensitive: Sequence[str] | Mapping[str, Sequence[float] | None] | None
) -> Cuts:
    """Sensitive columns, each with the cuts between its bands; those of the baseline if not told.

    Parameters
    ----------
    artifact : Artifact
        Whose passport may hold a baseline of decisions by group.
    sensitive : sequence of str, mapping of str to cuts, or None
        As given to :func:`capstone_lib.monitoring.measure`.

    Returns
    -------
    dict of str to tuple of float
        No cuts for columns without bands; empty if nothing is asked for and there is no baseline.
    """
    return artifact.reference_cuts if sensitive is None else cuts_of(sensitive)


def groups_of(rows: Rows, columns: Cuts) -> "pd.DataFrame | None":
    """The groups of each row; None if no column is asked for, or nothing is known of the rows.

    Parameters
    ----------
    rows : Rows
        Of one window and one kind of traffic.
    columns : dict of str to tuple of float
        As :func:`columns_asked` gives them.

    Returns
    -------
    pandas.DataFrame of the same rows, or None

    Raises
    ------
    MonitoringError
        If there is no such column.
    """
    if rows.features is None or not columns:
        return None
    strange = [name for name in columns if name not in rows.features.columns]
    if strange:
        raise MonitoringError(
            f"there is no column {strange[0]!r} to form groups by; the {rows.traffic} rows have "
            f"{', '.join(map(str, rows.features.columns[:20]))}"
        )
    return banded(rows.features, columns)
