"""The project: a data set in one shape, its model, and the windows in which cases arrive.

From a data set's name, or a file of one's own, the same steps follow: that is the point of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.artifact.bands import banded
from capstone_lib.course.project.models import make_pipeline_of
from capstone_lib.course.project.own import open_own
from capstone_lib.course.project.parts import Parts
from capstone_lib.course.project.price import mistakes_at, mistakes_when_sure
from capstone_lib.course.project.roles import Columns
from capstone_lib.course.project.shipped import SHIPPED
from capstone_lib.course.project.windows import Case, windows_of
from capstone_lib.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.artifact import Artifact

__all__ = ["VERSION", "Project", "open_project"]

VERSION = "1.0.0"
_LEAST_ROWS = 60


@dataclass(frozen=True, eq=False)
class Project:
    """A data set, cut without leakage, with all that the capstone asks of it.

    Made by :func:`open_project`.

    Attributes
    ----------
    parts : Parts
        What is trained on, calibrated with, and watched.
    windows : tuple of Case
        Production, window by window, in order.
    seed : int
    settings : mapping
        What :func:`open_project` was given: with it anybody opens the same project again.
    """

    parts: Parts = field(repr=False)
    windows: tuple[Case, ...] = field(repr=False)
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.parts.name

    @property
    def target(self) -> str:
        """The column of the outcome."""
        return self.parts.target

    @property
    def features(self) -> list[str]:
        """The columns to predict from."""
        return list(self.parts.features)

    @property
    def groups(self) -> dict[str, tuple[float, ...]]:
        """The columns by which fairness is looked at, with the cuts of numbers."""
        return dict(self.parts.groups)

    @property
    def classes(self) -> list[Any]:
        """The classes there are to decide between."""
        return sorted(self.parts.train[self.target].unique().tolist())

    @property
    def is_binary(self) -> bool:
        """Whether there are two classes, so that a threshold means something."""
        return len(self.classes) == 2

    def in_groups(self, rows: "pd.DataFrame") -> "pd.DataFrame | None":
        """The group columns of rows, numbers in bands; None if no column was named."""
        return banded(rows, self.groups) if self.groups else None

    def fit(self, model: str = "boosting") -> Any:
        """Train a pipeline: ``"boosting"``, ``"linear"`` or ``"forest"``."""
        train = self.parts.train
        pipeline = make_pipeline_of(model, train[self.features], seed=self.seed)
        return pipeline.fit(train[self.features], train[self.target])

    def export(self, pipeline: Any, path: Path, *, threshold: Any = None) -> "Artifact":
        """Export it, proved on the rows it was trained on and those that calibrate.

        Parameters
        ----------
        pipeline : fitted scikit-learn pipeline
        path : Path
            Of the artifact.
        threshold : float or ..., optional
            With two classes from which score on the second is decided; ``...`` is none. With more
            classes it says below which largest probability a person is asked.
        """
        from capstone_lib.artifact import export_model

        held_out = self.parts.calibration
        chosen: dict[str, Any] = {}
        if threshold is not None and threshold is not ...:
            chosen = self._chosen(pipeline, float(threshold))
        return export_model(
            pipeline,
            self.parts.train[self.features],
            path,
            name=self.name,
            version=VERSION,
            X_calibration=held_out[list(dict.fromkeys([*self.features, *self.groups]))],
            y_calibration=held_out[self.target],
            sensitive=self.groups,
            words=self.parts.words,
            **chosen,
        )

    def _chosen(self, pipeline: Any, threshold: float) -> dict[str, Any]:
        if self.is_binary:
            return {"threshold": threshold}
        sure = pipeline.predict_proba(self.parts.calibration[self.features]).max(axis=1)
        return {"review_budget": float(np.mean(sure < threshold))}

    def mistakes(self, pipeline: Any) -> "pd.DataFrame":
        """What each threshold would cost, in cases of a thousand that calibrate.

        Returns
        -------
        pandas.DataFrame
            Index ``threshold``. With two classes ``wrongly_yes`` and ``wrongly_no``; with more
            ``wrong`` among those decided, and ``asked``, whom a person decides.
        """
        held_out = self.parts.calibration
        said = pipeline.predict_proba(held_out[self.features])
        place = np.searchsorted(self.classes, held_out[self.target].to_numpy())
        if self.is_binary:
            return mistakes_at(said[:, 1], place == 1)
        return mistakes_when_sure(said.max(axis=1), said.argmax(axis=1) == place)

    def write_inbox(self, folder: Path) -> list[Path]:
        """Lay out production as it arrives: a Parquet file a window, without the outcomes."""
        from capstone_lib.course.workspace import write_atomic

        files = []
        columns = list(dict.fromkeys(["row_id", *self.features, *self.groups, "arrived_at"]))
        for one in self.windows:
            path = folder / f"{self.name}-{one.name}.parquet"
            write_atomic(path, one.rows[columns].to_parquet(index=False))
            files.append(path)
        return files

    def outcomes(self, until: Any = None) -> "pd.DataFrame":
        """Outcomes of production as they become known: ``row_id``, ``outcome``, ``observed_at``.

        Parameters
        ----------
        until : date, optional
            Only those known by then.
        """
        import pandas as pd

        parts = []
        for one in self.windows:
            known = one.rows["known_at"]
            if known.isna().all():  # nobody says when: with the window
                known = pd.Series(pd.Timestamp(one.as_of), index=one.rows.index)
            some = one.rows[self.target].notna() & known.notna()
            outcome = one.rows.loc[some, self.target]
            whole = {"outcome": outcome.astype(int) if outcome.dtype.kind == "f" else outcome}
            parts.append(
                pd.DataFrame({"row_id": one.rows["row_id"][some], **whole}).assign(
                    observed_at=known[some].astype("datetime64[us]")
                )
            )
        everything = pd.concat(parts, ignore_index=True)
        if until is None:
            return everything
        return everything[everything["observed_at"] <= pd.Timestamp(until)].reset_index(drop=True)

    def to_frame(self) -> "pd.DataFrame":
        """One row a part or window: its rows, its time, the outcomes that will ever be known."""
        import pandas as pd

        named = {"train": self.parts.train, "calibration": self.parts.calibration}
        named |= {one.name: one.rows for one in self.windows}
        second = self.classes[-1]
        rows = []
        for name, part in named.items():
            outcome = part[self.target].dropna()
            row: dict[str, Any] = {"part": name, "rows": len(part)}
            row |= {"from": part["arrived_at"].min().date(), "to": part["arrived_at"].max().date()}
            row |= {f"share of {self.target} = {second}": float((outcome == second).mean())}
            row |= {"never known": float(part[self.target].isna().mean())}
            rows.append(row)
        return pd.DataFrame(rows).set_index("part")

    def __str__(self) -> str:
        parts = self.parts
        lines = [f"{parts.question} {len(self.features)} columns, {len(self.classes)} classes"]
        lines += [parts.how, *parts.notes]
        return "\n".join(f"- {line}" if place else line for place, line in enumerate(lines))

    def _repr_html_(self) -> str:
        head, *lines = str(self).splitlines()
        items = "".join(f"<li>{escape(line[2:])}</li>" for line in lines)
        return f"<p><b>{escape(head)}</b></p><ul>{items}</ul>" + str(
            self.to_frame().round(3).to_html()
        )


def open_project(
    dataset: str = "census",
    *,
    target: str = "",
    id: str = "",  # noqa: A002 - the column's role
    sensitive: str = "",
    time: str = "",
    known: str = "",
    seed: int = 0,
    rows: int = 20_000,
    n_windows: int = 4,
) -> Project:
    """Open a data set as a project.

    Parameters
    ----------
    dataset : str
        ``"census"``, ``"flights"``, ``"wine"``, or the path of a Parquet or CSV file.
    target, id, time, known : str
        Of a file of one's own: the columns of the outcome, of who it is, of when the case came and
        of when its outcome was known. All but the target may be left out.
    sensitive : str
        Columns by which fairness is looked at, with commas between them.
    seed : int
        Of the cut and the samples.
    rows : int
        The most rows to train on; half as many calibrate, a quarter is scored in each window.
    n_windows : int
        The most windows of production: months, or stretches if there is less than a month each.

    Returns
    -------
    Project

    Raises
    ------
    DataError
        If the data cannot be used; the message names the column, and what to do.

    Examples
    --------
    >>> project = open_project("wine")
    >>> project.classes, len(project.windows)
    (['class_0', 'class_1', 'class_2'], 1)
    """
    if rows < _LEAST_ROWS:
        raise DataError(f"rows is {rows}; train on {_LEAST_ROWS} or more")
    if n_windows < 1:
        raise DataError(f"n_windows is {n_windows}; there must be one at least")
    names = tuple(filter(None, (name.strip() for name in sensitive.split(","))))
    named = Columns(target=target, id=id, sensitive=names, time=time, known=known)
    if dataset in SHIPPED:
        if named != Columns(target=""):
            raise DataError(
                f"{dataset} has columns of its own: leave out target, id, sensitive, time and known"
            )
        parts = SHIPPED[dataset](seed=seed, rows=rows)
    else:
        parts = open_own(Path(dataset).expanduser(), named, seed=seed, rows=rows)
    settings = {
        "dataset": dataset, "target": target, "id": id, "sensitive": sensitive, "time": time,
        "known": known, "seed": seed, "rows": rows, "n_windows": n_windows,
    }  # fmt: skip
    return Project(parts, windows_of(parts, n_windows, rows // 4, seed=seed), seed, settings)
