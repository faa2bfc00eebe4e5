"""Counting while a run goes on: rows, rejects, problems; and when to call it off."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from capstone_lib.batch.pipeline import Scored
from capstone_lib.errors import TooManyRejectsError
from capstone_lib.schema import Problem

__all__ = ["Tally"]

_EXAMPLES = 3
_KEPT = 50
_REASONS = 3
_ROW = re.compile(r"^row (\d+)")


@dataclass
class Tally:
    """The counts of one run.

    Parameters
    ----------
    expected : int or None
        How many rows the source has, if that is known.
    max_reject_share : float
        The run is called off above it.
    """

    expected: int | None
    max_reject_share: float

    def __post_init__(self) -> None:
        self.rows = 0
        self.rejected = 0
        self._problems: dict[tuple[str, str, str], Problem] = {}
        self._reasons: Counter[str] = Counter()

    def add(self, scored: Scored) -> None:
        """Count a stretch."""
        self.rows += len(scored.batch)
        self.rejected += len(scored.batch.rejects)
        for reject in scored.batch.rejects:
            self._reasons[reject.reason if reject.position is not None else "malformed line"] += 1
        self.note(scored.problems, first=scored.first)

    def add_late(self, late: int) -> None:
        """Count rows that were rejected only when they were written, for a repeated id."""
        self.rows -= late
        self.rejected += late
        if late:
            self._reasons["row id: duplicate_id"] += late

    def note(self, problems: Iterable[Problem], *, first: int = 0) -> None:
        """Add what the gate found in a stretch that begins at row ``first``."""
        for found in problems:
            key = (found.column, found.code, found.severity)
            moved = tuple(_moved(example, first) for example in found.examples)
            known = self._problems.get(key, replace(found, count=0, examples=()))
            self._problems[key] = replace(
                known,
                count=known.count + found.count,
                examples=(*known.examples, *moved)[:_EXAMPLES],
            )

    def problems(self) -> tuple[dict[str, Any], ...]:
        """The problems of all stretches together, errors first, at most fifty kinds."""
        found = sorted(self._problems.values(), key=lambda p: (p.severity != "error", -p.count))
        return tuple({**asdict(p), "examples": list(p.examples)} for p in found[:_KEPT])

    def check(self, run_id: str, *, at_end: bool) -> None:
        """Raise a :class:`TooManyRejectsError` if more rows are bad than the caller can bear."""
        total = self.rows + self.rejected if at_end else self.expected
        if total is None or self.rejected <= self.max_reject_share * total:
            return
        reasons = "; ".join(f"{text} ({n:,})" for text, n in self._reasons.most_common(_REASONS))
        raise TooManyRejectsError(
            f"{self.rejected:,} of {total:,} rows were rejected"
            f"{'' if at_end else ' so far'}, and at most {self.max_reject_share:.1%} may be: "
            f"nothing was published. Most often: {reasons}. See store.rejects(run_id={run_id!r}); "
            "mend the source, or allow more with a larger max_reject_share"
        )


def _moved(example: str, first: int) -> str:
    """The example with the row's number in the whole source."""
    return _ROW.sub(lambda match: f"row {int(match[1]) + first}", example)
