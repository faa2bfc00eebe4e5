"""The course's own solution: the model that notebook 01 exports, what 02 makes of it, 03's others.

A notebook that is run before the ones it builds on gets its input from here. The figures that the
course speaks of are this model's.
"""

import calendar
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from capstone_lib.course.workspace import write_atomic

if TYPE_CHECKING:
    from capstone_lib.artifact import Artifact
    from capstone_lib.data import Census

__all__ = [
    "export_canary",
    "export_fallback",
    "export_reference",
    "month_end",
    "monthly_inbox",
    "score_inbox",
    "train_employment_model",
]

NAME, VERSION = "employment", "1.0.0"
CANARY_VERSION, CANARY_TREES = "2.0.0", 5
FALLBACK_VERSION = "0.9.0"
TRAINING_YEAR, PRODUCTION_YEAR = 2015, 2016
BANDS = {"AGEP": (25, 35, 45, 55, 65)}
"""Of the sensitive columns the one that is a number: the ages of notebook 04."""


def train_employment_model(census: "Census", *, seed: int = 0, trees: int = 100) -> Any:
    """Train the course's model, which says whether an adult is at work.

    Parameters
    ----------
    census
        Three quarters of the households of 2015 are trained on; the others calibrate.
    seed
        For the gradient boosting.
    trees
        How many.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Codes one-hot encoded, the age as it is, then gradient boosting over histograms.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    codes = [name for name in census.features if name != "AGEP"]
    encode = ColumnTransformer(
        [("codes", OneHotEncoder(handle_unknown="ignore", sparse_output=False), codes)],
        remainder="passthrough",
    )
    boosting = HistGradientBoostingClassifier(max_iter=trees, random_state=seed)
    return _fit(Pipeline([("encode", encode), ("trees", boosting)]), census)


def export_reference(path: Path, *, seed: int = 0) -> "Artifact":
    """Train the course's model and export it, calibrated on the held-out households of 2015.

    Parameters
    ----------
    path
        Where the artifact goes; an existing file is replaced at once.
    seed
        For the training.
    """
    from capstone_lib.data import load_census

    census = load_census()
    return _export(train_employment_model(census, seed=seed), census, path, version=VERSION)


def export_canary(path: Path, *, seed: int = 0) -> "Artifact":
    """Export version 2.0.0, a model on trial: the same recipe with a twentieth of the trees.

    Its labels are nearly as good, and it knows it less surely: it asks a person more often.
    """
    from capstone_lib.data import load_census

    census = load_census()
    small = train_employment_model(census, seed=seed, trees=CANARY_TREES)
    return _export(small, census, path, version=CANARY_VERSION)


def export_fallback(path: Path) -> "Artifact":
    """Export version 0.9.0, a model for bad days: a logistic regression, small and plain."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    from capstone_lib.data import load_census

    census = load_census()
    codes = [name for name in census.features if name != "AGEP"]
    encode = ColumnTransformer(
        [("codes", OneHotEncoder(handle_unknown="ignore"), codes)], remainder=StandardScaler()
    )
    plain = make_pipeline(encode, LogisticRegression(max_iter=1_000))
    return _export(_fit(plain, census), census, path, version=FALLBACK_VERSION)


def monthly_inbox(
    census: "Census", folder: Path, *, year: int = PRODUCTION_YEAR
) -> tuple[Path, ...]:
    """Lay out one year as it arrives: a Parquet file a month, without what the model should say.

    Parameters
    ----------
    census
        Where the people come from.
    folder
        Gets ``2016-01.parquet`` and so on; a file that is there stays as it is.
    year
        Which year.

    Returns
    -------
    tuple of Path
        The files that were written now.
    """
    months = [f"{year}-{month:02}" for month in range(1, 13)]
    missing = [month for month in months if not (folder / f"{month}.parquet").exists()]
    if not missing:
        return ()
    people = census.table(year).select(["row_id", *census.features, "arrived_at"])
    arrived = pc.strftime(people["arrived_at"], format="%Y-%m")
    written = []
    for month in missing:
        path = folder / f"{month}.parquet"
        write_atomic(path, _parquet(people.filter(pc.equal(arrived, month))))
        written.append(path)
    return tuple(written)


def month_end(name: str) -> str:
    """Return the last day of a month, the as-of date of its batch.

    Examples
    --------
    >>> month_end("2016-02")
    '2016-02-29'
    """
    year, month = map(int, name.split("-"))
    return f"{name}-{calendar.monthrange(year, month)[1]:02}"


def score_inbox(artifact: "Artifact", files: Iterable[Path], *, store: str) -> int:
    """Score each file as of the end of its month; return how many had not been scored before."""
    from capstone_lib.batch import score_batch

    runs = [
        score_batch(artifact, file, store=store, as_of=month_end(file.stem), show_progress=False)
        for file in sorted(files)
    ]
    return sum(run.status == "published" for run in runs)


def _fit(pipeline: Any, census: "Census") -> Any:
    threads: Any = import_module("threadpoolctl")  # it has no types
    people, _ = census.split(TRAINING_YEAR)
    # threads that wait for one another turn 5 s into 2 minutes where another program is busy
    with threads.threadpool_limits(1, user_api="openmp"):
        return pipeline.fit(people[census.features], people[census.target])


def _export(pipeline: Any, census: "Census", path: Path, *, version: str) -> "Artifact":
    from capstone_lib.artifact import export_model

    train, held_out = census.split(TRAINING_YEAR)
    return export_model(
        pipeline,
        train[census.features],
        path,
        name=NAME,
        version=version,
        X_calibration=held_out[census.features],
        y_calibration=held_out[census.target],
        coverage=0.9,
        sensitive={name: BANDS.get(name) for name in census.sensitive},
        words=census.schema,
    )


def _parquet(people: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(people.sort_by("arrived_at"), sink)
    return bytes(sink.getvalue())
