"""Writing a report to its two files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from capstone_lib.alerts import Playbook
from capstone_lib.artifact.files import write_whole
from capstone_lib.errors import ArtifactError, ReportError
from capstone_lib.report.document import Report
from capstone_lib.report.gather import gather_report
from capstone_lib.store import Store

if TYPE_CHECKING:
    from capstone_lib.artifact.model import Artifact

__all__ = ["write_report"]


def write_report(
    artifact: "Artifact",
    store: Store,
    *,
    html: str | Path | None = None,
    json: str | Path | None = None,
    decision: Any = None,
    measured: Any = None,
    window: Any = None,
    title: str = "",
    playbook: Playbook | str | Path | None = None,
    now: Any = None,
) -> Report:
    """Write what is known of a model at work, for people and for programs.

    Parameters
    ----------
    artifact : Artifact
        The model.
    store : Store
        What it answered, what was measured of it, and what followed.
    html : path, optional
        Where the page goes: one file that needs no network and runs no script, and prints well.
    json : path, optional
        Where the document goes; README.md beside this module says what stands in it.
    decision, measured, window, title, playbook, now
        As for :func:`capstone_lib.report.gather.gather_report`.

    Returns
    -------
    Report
        What was found; with neither path nothing is written.

    Raises
    ------
    ReportError
        If the window is none, the decision is no decision, or a file cannot be written.
    MissingExtraError
        If the page needs Jinja or Matplotlib, and it is not installed.
    StoreError
        If the store cannot be used.

    Examples
    --------
    >>> import capstone_lib as cap
    >>> artifact = cap.load_model("model.onnx")  # doctest: +SKIP
    >>> report = cap.write_report(artifact, store, html="report.html")  # doctest: +SKIP
    >>> print(report.summary[1])  # doctest: +SKIP
    It is well as far as it was measured: no alert is open; newest measurements: batch 2016-12.
    """
    report = gather_report(
        artifact,
        store,
        decision=decision,
        measured=measured,
        window=window,
        title=title,
        playbook=playbook,
        now=now,
    )
    pages = [] if html is None else [(html, report.to_html())]
    if json is not None:
        pages.append((json, report.to_json() + "\n"))
    for path, text in pages:
        _write(Path(path), text)
    return report


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text.encode("utf-8", "replace"))
    except ArtifactError as error:
        why = getattr(error.__cause__, "strerror", None) or error.__cause__
        raise ReportError(
            f"the report cannot be written to {str(path)!r}: {why}; choose a folder you may write "
            "to, on a disk with room"
        ) from error
