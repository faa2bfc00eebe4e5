"""The result of a batch run."""

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from capstone_lib.store import RunRecord, Step

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BatchRun"]


@dataclass(frozen=True)
class BatchRun:
    """What a batch run did.

    Attributes
    ----------
    run_id : str
        Follows from the as-of date, the source's content and the model's version.
    status : {"published", "reused"}
        Whether this call did the work, or found it done.
    as_of, model, version : str
        What the predictions speak of, and who made them.
    source, snapshot : str
        Where the rows came from, and the SHA-256 of their content.
    id_column : str
        The column of row ids; empty where rows are numbered.
    store : str
        Where the predictions are.
    rows, rejected : int
        Rows scored, and rows set aside with a reason.
    seconds : float
        How long the run took (a reused one: when it was done).
    steps : tuple of Step
        Rows and seconds at work of each of the six steps. They overlap, so they add up to more
        than ``seconds``.
    problems : tuple of dict
        What the schema's gate found: column, code, severity, count, examples.
    """

    run_id: str
    status: Literal["published", "reused"]
    as_of: str
    model: str
    version: str
    source: str
    snapshot: str
    id_column: str
    store: str
    rows: int
    rejected: int
    seconds: float
    steps: tuple[Step, ...]
    problems: tuple[dict[str, Any], ...]

    @classmethod
    def of(
        cls, record: RunRecord, *, status: Literal["published", "reused"], store: str
    ) -> "BatchRun":
        """The result that a published run's record tells."""
        identity = record.identity
        return cls(
            run_id=record.run_id,
            status=status,
            as_of=identity.as_of,
            model=identity.model,
            version=identity.version,
            source=record.source,
            snapshot=identity.snapshot,
            id_column=identity.id_column,
            store=store,
            rows=record.rows or 0,
            rejected=record.rejected or 0,
            seconds=record.seconds or 0.0,
            steps=record.steps,
            problems=record.problems,
        )

    @property
    def rows_per_s(self) -> float:
        """Rows a second, end to end."""
        return self.rows / self.seconds if self.seconds > 0 else float("nan")

    def to_frame(self) -> "pd.DataFrame":
        """One row a step: rows, seconds at work, rows a second."""
        import pandas as pd

        rows = [(s.name, s.rows, s.seconds, s.rows_per_s) for s in self.steps]
        return pd.DataFrame(rows, columns=["step", "rows", "seconds", "rows_per_s"])

    def _repr_html_(self) -> str:
        cell = "<td style='text-align:right'>{}</td>".format
        body = "".join(
            f"<tr><td style='text-align:left'>{escape(s.name)}</td>{cell(f'{s.rows:,}')}"
            f"{cell(f'{s.seconds:.2f}')}{cell(_speed(s))}</tr>"
            for s in self.steps
        )
        done = "scored" if self.status == "published" else "had been scored before; nothing to do:"
        head = (
            f"<p><b>{escape(self.model)} {escape(self.version)}</b>, as of {self.as_of}: {done} "
            f"{self.rows:,} rows in {self.seconds:.1f} s ({self.rows_per_s:,.0f} rows/s), "
            f"{self.rejected:,} rejected. Run <code>{self.run_id}</code>.</p>"
        )
        columns = (
            "<tr><th style='text-align:left'>step</th><th>rows</th><th>seconds at work</th>"
            "<th>rows/s</th></tr>"
        )
        return f"{head}<table><thead>{columns}</thead><tbody>{body}</tbody></table>"


def _speed(step: Step) -> str:
    """Rows a second in words; a step of microseconds has no speed worth telling."""
    return f"{step.rows_per_s:,.0f}" if step.rows and step.seconds >= 0.001 else ""
