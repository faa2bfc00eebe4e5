"""What a store knows of a run: what it computes, how far it got, and what it wrote."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from capstone_lib.store.decisions import Coded, DecisionBook

__all__ = [
    "Reject",
    "RunIdentity",
    "RunRecord",
    "ScoredBatch",
    "Status",
    "Step",
    "now",
    "parse_day",
]

Status = Literal["running", "published", "failed", "superseded"]


def now() -> str:
    """The present as ISO text in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def parse_day(value: str | date | datetime, *, name: str = "as_of") -> str:
    """Read a date, given as text or as a date, as ISO text.

    Raises
    ------
    ValueError
        If it is not a date such as 2016-01-31.
    """
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, date):
        return value.isoformat()
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a date such as '2016-01-31'; seen {value!r}") from None


@dataclass(frozen=True)
class RunIdentity:
    """What a run computes. Two attempts of the same identity leave the same rows.

    Attributes
    ----------
    as_of : str
        The date the predictions speak of, ISO.
    snapshot : str
        SHA-256 of the source.
    model, version : str
        The artifact's name and version.
    artifact : str
        SHA-256 of the artifact's content.
    id_column : str
        The source's column of row ids; empty when rows are numbered.
    """

    as_of: str
    snapshot: str
    model: str
    version: str
    artifact: str
    id_column: str = ""

    @property
    def run_id(self) -> str:
        """A short name that follows from the identity alone."""
        parts = (self.as_of, self.snapshot, self.model, self.version, self.artifact, self.id_column)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Step:
    """One step of a run: rows through it, and seconds at work (steps overlap in time)."""

    name: str
    rows: int
    seconds: float

    @property
    def rows_per_s(self) -> float:
        """Rows a second; NaN for a step that took no time."""
        return self.rows / self.seconds if self.seconds > 0 else float("nan")


@dataclass(frozen=True)
class RunRecord:
    """The record of one attempt, as the store keeps it."""

    identity: RunIdentity
    status: Status
    source: str
    engine: str
    classes: tuple[Any, ...]
    scored_at: str
    finished_at: str | None = None
    rows: int | None = None
    rejected: int | None = None
    seconds: float | None = None
    steps: tuple[Step, ...] = ()
    problems: tuple[dict[str, Any], ...] = ()
    error: str | None = None

    @property
    def run_id(self) -> str:
        """The identity's short name."""
        return self.identity.run_id

    def finished(
        self,
        status: Status,
        *,
        rows: int,
        rejected: int,
        seconds: float,
        steps: Sequence[Step] = (),
        problems: Sequence[dict[str, Any]] = (),
        error: str | None = None,
    ) -> "RunRecord":
        """The record of the same attempt at its end."""
        return replace(
            self,
            status=status,
            finished_at=now(),
            rows=rows,
            rejected=rejected,
            seconds=seconds,
            steps=tuple(steps),
            problems=tuple(problems),
            error=error,
        )

    def to_dict(self) -> dict[str, Any]:
        """Flat and ready for JSON; :meth:`from_dict` reads it back equal."""
        flat = {name: getattr(self, name) for name in _PLAIN_FIELDS}
        return {
            "run_id": self.run_id,
            **vars(self.identity),
            **flat,
            "classes": list(self.classes),
            "steps": [vars(step) for step in self.steps],
            "problems": list(self.problems),
        }

    @classmethod
    def from_dict(cls, data: Any) -> "RunRecord":
        """Read what :meth:`to_dict` wrote, or a row of the table ``runs``."""
        identity = RunIdentity(**{name: data[name] for name in _IDENTITY_FIELDS})
        return cls(
            identity,
            classes=tuple(data["classes"]),
            steps=tuple(Step(**step) for step in data["steps"] or ()),
            problems=tuple(data["problems"] or ()),
            **{name: data[name] for name in _PLAIN_FIELDS},
        )


_IDENTITY_FIELDS = tuple(RunIdentity.__dataclass_fields__)
_PLAIN_FIELDS = tuple(
    name
    for name in RunRecord.__dataclass_fields__
    if name not in ("identity", "classes", "steps", "problems")
)


@dataclass(frozen=True)
class Reject:
    """A row that was not scored, and why.

    ``position`` is its number in the source from 0; ``None`` for a line that is no row at all.
    """

    position: int | None
    row_id: int | str | None
    reason: str


@dataclass(frozen=True)
class ScoredBatch:
    """Rows ready to be written, in the order of the source.

    Attributes
    ----------
    ids : pyarrow.Array of int64 or string
    score, uncertainty : float32 arrays of shape (n_rows,)
    decided : Coded
    positions : int64 array of shape (n_rows,)
        Row numbers in the source.
    rejects : tuple of Reject
        Rows of the same stretch of the source that are not to be written.
    """

    ids: pa.Array
    score: np.ndarray
    uncertainty: np.ndarray
    decided: Coded
    positions: np.ndarray
    rejects: tuple[Reject, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.score)

    @classmethod
    def joined(cls, batches: Sequence["ScoredBatch"]) -> "ScoredBatch":
        """Several batches as one."""
        ids = [batch.ids for batch in batches]
        if len({part.type for part in ids}) > 1:
            ids = [part.cast(pa.string()) for part in ids]
        book = DecisionBook()
        index = np.concatenate([book.number(batch.decided)[0] for batch in batches])
        return cls(
            pa.concat_arrays(ids),
            np.concatenate([batch.score for batch in batches]),
            np.concatenate([batch.uncertainty for batch in batches]),
            Coded(tuple(book.decisions), index),
            np.concatenate([batch.positions for batch in batches]),
            tuple(reject for batch in batches for reject in batch.rejects),
        )

    def without(self, repeated: np.ndarray) -> "ScoredBatch":
        """The batch with the rows of the mask moved to the rejects, as repeated ids."""
        said = tuple(
            Reject(position, row_id, "row id: duplicate_id (an earlier row of the run has it)")
            for position, row_id in zip(
                self.positions[repeated].tolist(),
                self.ids.filter(pa.array(repeated)).to_pylist(),
                strict=True,
            )
        )
        keep = ~repeated
        return ScoredBatch(
            self.ids.filter(pa.array(keep)),
            self.score[keep],
            self.uncertainty[keep],
            Coded(self.decided.distinct, self.decided.index[keep]),
            self.positions[keep],
            (*self.rejects, *said),
        )
