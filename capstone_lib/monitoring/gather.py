"""The rows of a window, of a batch or live, as one kind of table: answers beside what was asked.

A store keeps a batch's answers but not its features: these come from the source that was scored.
The log of an endpoint holds both.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from capstone_lib.errors import MonitoringError, SourceError
from capstone_lib.monitoring.live import features_of
from capstone_lib.store import Store
from capstone_lib.store.folder import FolderStore
from capstone_lib.store.ids import encode_ids

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.artifact.model import Artifact

__all__ = ["Rows", "batch_rows", "live_rows", "read_source", "runs_of"]

NO_SOURCE = "a store keeps answers and no features: name the source that was scored"


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one window and one kind of traffic.

    Attributes
    ----------
    traffic : str
        ``batch`` or ``live``.
    answers : pandas.DataFrame of n_rows
        As the store gives them.
    features : pandas.DataFrame of n_rows, or None
        What was asked, row by row; None if nobody knows.
    found : numpy.ndarray of bool, shape (n_rows,)
        Of which answers the features are known.
    rejected : pandas.DataFrame or None
        The features of rows that were not scored.
    why : str
        Why there are no rows, or no features; empty if there are.
    passed_on : pandas.DataFrame or None
        Nightly scores that an endpoint passed on; they are not among the answers.
    """

    traffic: str
    answers: "pd.DataFrame"
    features: "pd.DataFrame | None"
    found: np.ndarray
    rejected: "pd.DataFrame | None" = None
    why: str = ""
    passed_on: "pd.DataFrame | None" = None

    def __len__(self) -> int:
        return len(self.answers)


def runs_of(
    store: Store, artifact: "Artifact", *, start: datetime | None, end: datetime | None
) -> "pd.DataFrame":
    """The attempts of batch runs with this model whose as-of date lies in the window.

    Parameters
    ----------
    store : Store
    artifact : Artifact
        Its name and version are looked for.
    start, end : datetime or None
        The first moment, and the first one after the window; None leaves it open.

    Returns
    -------
    pandas.DataFrame
        Rows of ``store.runs()``.
    """
    runs = store.runs()
    mine = (runs["model"] == artifact.name) & (runs["version"] == artifact.version)
    return runs[mine & _inside(_days(runs["as_of"]), start, end)]


def batch_rows(
    artifact: "Artifact",
    store: Store,
    runs: "pd.DataFrame",
    *,
    source: "pd.DataFrame | None" = None,
) -> Rows:
    """What the published ones of these runs answered, and what they had been asked.

    Parameters
    ----------
    artifact, store
        As above.
    runs : pandas.DataFrame
        What :func:`runs_of` found.
    source : pandas.DataFrame, optional
        The rows that were scored, with the ids by which the runs knew them.

    Returns
    -------
    Rows
        Without features if there is no source.

    Raises
    ------
    MonitoringError
        If the source has no such ids, or one of them twice.

    Notes
    -----
    Where two runs of one day answer the same id, the one scored last counts.
    """
    import pandas as pd

    published = runs[runs["status"] == "published"]
    me = {"model": artifact.name, "version": artifact.version}
    days = sorted(published["as_of"].unique())
    # the model is judged, and not its reviewers
    parts = [store.predictions(as_of=day, **me, overrides=False) for day in days]
    if not parts:
        nothing = store.predictions(run_id="none", overrides=False)
        why = f"no run of {artifact.name} {artifact.version} was published for this window"
        return Rows("batch", nothing, None, np.zeros(0, dtype=bool), why=why)
    answers = pd.concat(parts, ignore_index=True).sort_values("scored_at", kind="stable")
    answers = answers.drop_duplicates(["row_id", "as_of"], keep="last").reset_index(drop=True)
    if source is None:
        return Rows("batch", answers, None, np.zeros(len(answers), dtype=bool), why=NO_SOURCE)
    source = _with_ids(source, list(dict.fromkeys(published["id_column"])))
    features, found = _looked_up(answers["row_id"], source)
    rejects = [store.rejects(as_of=day, **me) for day in days]
    rejected = pd.concat(rejects, ignore_index=True)["row_id"].dropna().drop_duplicates()
    refused, there = _looked_up(rejected, source)
    why = "" if found.any() else "no row of the source has the id of an answer"
    return Rows("batch", answers, features if found.any() else None, found, refused[there], why)


def live_rows(
    artifact: "Artifact",
    store: Store,
    *,
    start: datetime | None,
    end: datetime | None,
) -> Rows:
    """What an endpoint answered with this model, and what it had been asked.

    Parameters
    ----------
    artifact, store, start, end
        As of :func:`runs_of`; the moment of arrival counts.

    Returns
    -------
    Rows
        None of a folder, which keeps no log.

    Notes
    -----
    A shadow's answers are left out: nobody was given them. Nightly scores that were passed on stand
    apart, in ``passed_on``: a batch has made them, and is measured by its own rows.
    """
    if isinstance(store, FolderStore):
        why = "a folder keeps no log of requests; give the database that the endpoint writes to"
        return Rows("live", _no_requests(), None, np.zeros(0, dtype=bool), why=why)
    log = store.requests(since=start, version=artifact.version)
    mine = (log["model"] == artifact.name) & (log["route"] != "shadow") & log["score"].notna()
    log = log[mine & _inside(log["received_at"], None, end)]
    nightly = log["route"] == "batch"
    passed_on = log[nightly].reset_index(drop=True)
    log = log[~nightly].reset_index(drop=True)
    if not len(log):
        why = f"{artifact.name} {artifact.version} answered no request in this window"
        why += ", but passed nightly scores on" if len(passed_on) else ""
        nobody = np.zeros(0, dtype=bool)
        return Rows("live", log, None, nobody, why=why, passed_on=passed_on)
    known = np.ones(len(log), dtype=bool)
    return Rows("live", log, features_of(log), known, passed_on=passed_on)


def read_source(source: Any) -> "pd.DataFrame":
    """Read what was scored.

    Parameters
    ----------
    source : pandas.DataFrame, pyarrow.Table, path or sequence of paths
        Files are Parquet or CSV by their ending; several are put one after the other.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    SourceError
        If a file cannot be read, or is of another kind.
    """
    import pandas as pd

    if hasattr(source, "iloc"):
        frame: pd.DataFrame = source
        return frame
    if isinstance(source, pa.Table):
        return pd.DataFrame(source.to_pandas())
    files = [source] if isinstance(source, str | Path) else list(source)
    return pd.concat([_read_file(Path(file)) for file in files], ignore_index=True)


def _read_file(file: Path) -> "pd.DataFrame":
    import pandas as pd

    readers: dict[str, Any] = {".parquet": pd.read_parquet, ".pq": pd.read_parquet,
                               ".csv": pd.read_csv}  # fmt: skip
    if file.suffix not in readers:
        raise SourceError(f"{file} is none of {', '.join(readers)}; give a file that was scored")
    try:
        frame: pd.DataFrame = readers[file.suffix](file)
    except (ValueError, OSError) as error:  # pyarrow's and pandas' own errors are ValueErrors
        raise SourceError(f"{file} cannot be read as a table: {error}") from error
    return frame


def _with_ids(source: "pd.DataFrame", id_columns: Sequence[str]) -> "pd.DataFrame":
    """The source with its ids as index, in the store's form."""
    names = [name for name in id_columns if name in source.columns]
    if names:
        ids = encode_ids(source[names[0]].to_numpy())
    elif "" in id_columns:
        ids = list(range(len(source)))  # the run numbered its rows
    else:
        raise MonitoringError(
            f"the source has no column {id_columns[0]!r}, by which the run knew its rows; it has "
            f"{', '.join(map(str, source.columns[:8]))}"
        )
    known = source.set_axis(np.array(ids, dtype=object), axis=0)
    twice = known.index[known.index.duplicated()]
    if len(twice):
        raise MonitoringError(
            f"the id {twice[0]!r} stands twice in the source; give the rows that were scored in "
            "this window, each once"
        )
    return known


def _looked_up(ids: Iterable[Any], source: "pd.DataFrame") -> tuple["pd.DataFrame", np.ndarray]:
    """A row of the source for every id, and for which there is one.

    Where all are found, the columns keep their types.
    """
    import pandas as pd

    asked = pd.Index(np.array(encode_ids(list(ids)), dtype=object))
    places = source.index.get_indexer(asked)
    found = places >= 0
    if found.all():
        return source.iloc[places].reset_index(drop=True), found
    frame = source.iloc[places[found]].set_axis(np.flatnonzero(found), axis=0)
    return frame.reindex(np.arange(len(places))), found


def _inside(
    times: "pd.Series[Any]", start: datetime | None, end: datetime | None
) -> "pd.Series[bool]":
    inside = times.notna()
    if start is not None:
        inside &= times >= start.replace(tzinfo=None)
    if end is not None:
        inside &= times < end.replace(tzinfo=None)
    return inside


def _days(as_of: "pd.Series[Any]") -> "pd.Series[Any]":
    import pandas as pd

    return pd.to_datetime(as_of.astype("str"), format="ISO8601")


def _no_requests() -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame({"row_id": np.empty(0, dtype=np.int64)})
