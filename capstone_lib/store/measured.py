"""What a store remembers of measurements. Only a database does; a folder refuses here."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from capstone_lib.store.refusal import needs_database

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.store.measurement import Measurement

__all__ = ["MeasuredStore"]


class MeasuredStore:
    """The part of a store that keeps measurements.

    A store that can overrides ``_write_measurements`` and ``_read_measurements``, which refuse.
    """

    url: str

    def write_measurements(
        self, measurements: "Iterable[Measurement]", *, whole: bool = False
    ) -> int:
        """Keep measurements, all or none. What is computed again takes the place of what was.

        Parameters
        ----------
        measurements : iterable of Measurement
            A measurement replaces the one of the same name, feature, group, window, traffic, model
            and version. Of two such in one call the last stands.
        whole : bool, default False
            Whether these are all measurements of their windows: then those of the same window,
            model and version that are not among them go too.

        Returns
        -------
        int
            How many were kept.

        Raises
        ------
        StoreError
            If the store cannot be used, or is a folder.
        """
        return self._write_measurements(measurements, whole=whole)

    def measurements(
        self,
        *,
        name: str | None = None,
        feature: str | None = None,
        group: str | None = None,
        model: str | None = None,
        version: str | None = None,
        traffic: str | None = None,
        since: Any = None,
        until: Any = None,
    ) -> "pd.DataFrame":
        """Measurements that were kept: all, or those that match.

        Parameters
        ----------
        name, feature, group, model, version, traffic : str, optional
            As written; the empty text asks for those of no feature, of everybody and so on.
        since, until : str, date or datetime, optional
            Windows that begin at ``since`` or later, and end at ``until`` or earlier.

        Returns
        -------
        DataFrame
            The fields of :class:`~capstone_lib.store.measurement.Measurement` and ``recorded_at``
            (UTC); oldest window first. A value or a threshold that is not known is NaN.

        Raises
        ------
        StoreError
            If the store cannot be used, or is a folder.
        """
        return self._read_measurements(
            name=name,
            feature=feature,
            group=group,
            model=model,
            version=version,
            traffic=traffic,
            since=since,
            until=until,
        )

    def _write_measurements(self, measurements: "Iterable[Measurement]", *, whole: bool) -> int:
        raise needs_database(self.url, who="measurements need")

    def _read_measurements(self, **wanted: Any) -> "pd.DataFrame":
        raise needs_database(self.url, who="measurements need")
