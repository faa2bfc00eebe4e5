"""What a run of the notebooks leaves for people and programs: ``results.json``.

One entry a notebook, the latest run of each; a notebook that was not run this time keeps its entry.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import platform, python_version
from typing import TYPE_CHECKING, Any, Literal

from capstone_lib.course.feedback import State
from capstone_lib.course.parameters import Value
from capstone_lib.course.verdict import Failure

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NotebookResult", "RunReport", "library_versions", "merge"]

_LIBRARIES = (
    "capstone-lib", "ipykernel", "numpy", "onnx", "onnxruntime", "pandas", "papermill", "pyarrow",
    "scikit-learn", "skl2onnx",
)  # fmt: skip


@dataclass(frozen=True)
class NotebookResult:
    """What came of one notebook.

    Attributes
    ----------
    notebook
        Its name, such as ``"01_export_to_onnx"``.
    status
        ``"passed"`` if every code cell ran and did what it says. Exercises do not count here.
    seconds, peak_memory_mb
        Wall-clock time; the most memory of its kernel and all processes below that.
    parameters
        Every parameter with the value it had.
    exercises
        Exercise id → its last state.
    error
        The failure, or None.
    executed, html
        The executed notebook and its page, relative to the workspace.
    finished_at
        In UTC, as ISO 8601.
    stopped
        Names of the processes that the notebook had left running.
    """

    notebook: str
    status: Literal["passed", "failed"]
    seconds: float
    peak_memory_mb: float
    parameters: Mapping[str, Value]
    exercises: Mapping[str, State]
    error: Failure | None
    executed: str
    html: str
    finished_at: str
    stopped: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as ``results.json`` holds it."""
        return asdict(self) | {"exercises": {k: str(v) for k, v in self.exercises.items()}}


@dataclass(frozen=True)
class RunReport:
    """What came of a run of notebooks, in the order in which they ran."""

    workspace: Path
    notebooks: tuple[NotebookResult, ...]
    libraries: Mapping[str, str]

    @property
    def passed(self) -> bool:
        """Whether every notebook passed."""
        return all(one.status == "passed" for one in self.notebooks)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as ``results.json`` holds it."""
        return {
            "status": "passed" if self.passed else "failed",
            "libraries": dict(self.libraries),
            "notebooks": [one.to_dict() for one in self.notebooks],
        }

    def to_frame(self) -> "pd.DataFrame":
        """Return a row a notebook: status, seconds, memory, exercises passed and in all."""
        import pandas as pd

        columns = ["notebook", "status", "seconds", "peak_memory_mb", "passed", "exercises"]
        rows = [
            (n.notebook, n.status, n.seconds, n.peak_memory_mb, *_count(n)) for n in self.notebooks
        ]
        return pd.DataFrame(rows, columns=columns)

    def _repr_html_(self) -> str:
        names = ("notebook", "status", "seconds", "peak memory, MB", "exercises passed")
        rows = [
            (n.notebook, n.status, f"{n.seconds:.1f}", f"{n.peak_memory_mb:.0f}", _share(n))
            for n in self.notebooks
        ]
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows
        )
        head = "".join(f"<th>{name}</th>" for name in names)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def merge(report: RunReport, earlier: object) -> dict[str, Any]:
    """Return what ``results.json`` should hold: this report, and older entries of other notebooks.

    Parameters
    ----------
    report
        The run that has just ended.
    earlier
        What the file held so far; anything that is not such a document is ignored.
    """
    document = report.to_dict()
    new = {entry["notebook"] for entry in document["notebooks"]}
    kept = [entry for entry in _entries(earlier) if entry["notebook"] not in new]
    entries = sorted([*kept, *document["notebooks"]], key=lambda entry: str(entry["notebook"]))
    passed = all(entry.get("status") == "passed" for entry in entries)
    return document | {"status": "passed" if passed else "failed", "notebooks": entries}


def library_versions(names: Sequence[str] = _LIBRARIES) -> dict[str, str]:
    """Return the versions of Python, the platform and the libraries that decide the figures."""
    found = {"python": python_version(), "platform": platform()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def read_json(path: Path) -> object:
    """Return what a JSON file holds, or None if there is no such file or it is not JSON."""
    try:
        document: object = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return document


def _entries(document: object) -> list[dict[str, Any]]:
    entries = document.get("notebooks") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        return []
    return [
        one for one in entries if isinstance(one, dict) and isinstance(one.get("notebook"), str)
    ]


def _count(result: NotebookResult) -> tuple[int, int]:
    states = list(result.exercises.values())
    return states.count(State.PASSED), len(states)


def _share(result: NotebookResult) -> str:
    passed, of = _count(result)
    return f"{passed} of {of}" if of else "–"
