"""A workspace: one folder that holds all that a student makes, under names that stay fixed.

Each notebook runs alone: what an earlier one would have left is made by the reference solution if
it is missing, and the notebook says so. The folder is never in git.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from capstone_lib.errors import ArtifactError, CapstoneError

if TYPE_CHECKING:
    from capstone_lib.artifact import Artifact
    from capstone_lib.store import Store

__all__ = ["VARIABLE", "Provided", "Workspace", "WorkspaceError", "write_atomic"]

VARIABLE = "CAPSTONE_WORKSPACE"


class WorkspaceError(CapstoneError, OSError):
    """A folder cannot serve as a workspace."""


@dataclass(frozen=True)
class Provided:
    """What a notebook needs from earlier ones, and where each comes from; a notebook shows it."""

    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join(self.notes)

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        return f'<ul role="status">{items}</ul>'


class Workspace:
    """The folder with a student's work.

    Parameters
    ----------
    path
        The folder; it is made if it is missing. Without a path: the one that ``capstone run`` or
        ``capstone lab`` named; else ``work`` beside the folder ``notebooks`` in which Python runs;
        else ``work`` where Python runs.

    Raises
    ------
    WorkspaceError
        The folder cannot be made or written to.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     ws = Workspace(Path(folder) / "work")
    ...     ws.model.name, ws.store_url.startswith("sqlite:///"), ws.results.name
    ('model.onnx', True, 'results.json')
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = Path(_default() if path is None else path).expanduser().absolute()
        self._prepare()

    def __repr__(self) -> str:
        return f"Workspace({str(self.path)!r})"

    @property
    def model(self) -> Path:
        """The artifact: ``model.onnx``."""
        return self.path / "model.onnx"

    @property
    def canary(self) -> Path:
        """A second version of the model, on trial: ``canary.onnx``."""
        return self.path / "canary.onnx"

    @property
    def fallback(self) -> Path:
        """A plain model for bad days: ``fallback.onnx``."""
        return self.path / "fallback.onnx"

    @property
    def store_path(self) -> Path:
        """The database: ``store.db``."""
        return self.path / "store.db"

    @property
    def store_url(self) -> str:
        """The database as a URL."""
        return f"sqlite:///{self.store_path.as_posix()}"

    @property
    def inbox(self) -> Path:
        """The folder with the census as it arrives: ``inbox/2016-01.parquet`` and so on."""
        return self.path / "inbox"

    @property
    def executed(self) -> Path:
        """The folder with executed notebooks and their pages."""
        return self.path / "executed"

    @property
    def results(self) -> Path:
        """What ``capstone run`` found: ``results.json``."""
        return self.path / "results.json"

    @property
    def report_html(self) -> Path:
        """The report for people: ``report.html``."""
        return self.path / "report.html"

    @property
    def report_json(self) -> Path:
        """The report for programs: ``report.json``."""
        return self.path / "report.json"

    @property
    def playbook(self) -> Path:
        """The alert rules: ``playbook.toml``."""
        return self.path / "playbook.toml"

    @property
    def decision(self) -> Path:
        """The advice that the student argues for: ``decision.json``."""
        return self.path / "decision.json"

    @property
    def capstone(self) -> "Workspace":
        """The workspace of the student's own project, notebook 08: ``capstone/`` in this one."""
        return Workspace(self.path / "capstone")

    def provide(self, *names: str) -> Provided:
        """Make sure that what this notebook needs is there.

        Parameters
        ----------
        names
            Of ``"artifact"`` (notebook 01), ``"inbox"`` and ``"predictions"`` (notebook 02),
            ``"canary"`` and ``"fallback"`` (other models, which no notebook makes).

        Returns
        -------
        Provided
            A sentence for each, which says whether it is yours or was made now.
        """
        makers: dict[str, Callable[[], str]] = {
            "artifact": self._provide_artifact,
            "inbox": self._provide_inbox,
            "predictions": self._provide_predictions,
            "canary": self._provide_canary,
            "fallback": self._provide_fallback,
        }
        unknown = [name for name in names if name not in makers]
        if unknown:
            raise ValueError(f"cannot provide {', '.join(unknown)}; ask for {', '.join(makers)}")
        return Provided(tuple(makers[name]() for name in names))

    def artifact(self) -> "Artifact":
        """Return the artifact; if there is none, the reference solution makes it first."""
        from capstone_lib.artifact import load_model

        self._provide_artifact()
        try:
            return load_model(self.model)
        except ArtifactError as error:
            raise ArtifactError(
                f"{error}\nDelete {self.model.name} in {self.path} to get that of the reference "
                "solution, or run notebook 01 again to make your own."
            ) from error

    def store(self) -> "Store":
        """Open the database; a new one is empty."""
        from capstone_lib.store import open_store

        return open_store(self.store_url)

    def new_store(self, name: str) -> "Store":
        """Open another database in this folder, empty; one of that name is thrown away first.

        Parameters
        ----------
        name
            Such as ``"watch.db"``: what a notebook plays through from its beginning each time.
        """
        from capstone_lib.store import open_store

        path = self.path / name
        if path == self.store_path or path.suffix != ".db" or path.parent != self.path:
            raise WorkspaceError(f"{name!r} is no name for a passing store; take one like watch.db")
        for ending in ("", "-wal", "-shm"):
            path.with_name(f"{path.name}{ending}").unlink(missing_ok=True)
        return open_store(f"sqlite:///{path.as_posix()}")

    def check_space(self, *, need_mb: float) -> None:
        """Raise :class:`WorkspaceError` if the disk has less room than this."""
        free_mb = shutil.disk_usage(self.path).free / 1e6
        if free_mb < need_mb:
            raise WorkspaceError(
                f"the disk of {self.path} has {free_mb:,.0f} MB left, {need_mb:,.0f} MB are "
                "needed; make room, or choose a workspace on another disk"
            )

    def _prepare(self) -> None:
        if "?" in str(self.path):
            raise WorkspaceError(
                f"{self.path} has a question mark in it, which a database URL cannot bear; "
                "choose another name for the workspace"
            )
        if self.path.exists() and not self.path.is_dir():
            raise WorkspaceError(
                f"{self.path} is a file, not a folder; rename it, or choose another workspace"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path) as probe:
                probe.write(b"can it be written to?")
        except OSError as error:
            raise WorkspaceError(
                f"{self.path} cannot be used as a workspace ({error.strerror}); "
                "choose a folder in which you may write, with room on its disk"
            ) from error

    def _provide_artifact(self) -> str:
        if self.model.exists():
            return "model.onnx is there, from an earlier notebook."
        from capstone_lib.course.reference import export_reference

        export_reference(self.model)
        return "model.onnx was missing (notebook 01 makes it): the reference solution made it now."

    def _provide_inbox(self) -> str:
        from capstone_lib.course.reference import monthly_inbox
        from capstone_lib.data import load_census

        made = monthly_inbox(load_census(), self.inbox)
        if not made:
            return "inbox/ is there, with a file for each month of 2016."
        return f"inbox/ now holds the people of 2016, month by month ({len(made)} files written)."

    def _provide_predictions(self) -> str:
        from capstone_lib.course.reference import score_inbox

        artifact = self.artifact()
        self._provide_inbox()
        scored = score_inbox(artifact, self.inbox.glob("2016-*.parquet"), store=self.store_url)
        if not scored:
            return "store.db is there, with predictions for each month of 2016."
        return (
            f"store.db lacked {scored} months of 2016 (notebook 02 scores them): "
            "the reference solution scored them now."
        )

    def _provide_canary(self) -> str:
        if self.canary.exists():
            return "canary.onnx is there: version 2.0.0 of the model."
        from capstone_lib.course.reference import export_canary

        export_canary(self.canary)
        return "canary.onnx was made now: version 2.0.0 of the model, with far fewer trees."

    def _provide_fallback(self) -> str:
        if self.fallback.exists():
            return "fallback.onnx is there: a plain model for bad days."
        from capstone_lib.course.reference import export_fallback

        export_fallback(self.fallback)
        return "fallback.onnx was made now: a plain model for bad days, a logistic regression."


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Raises
    ------
    WorkspaceError
        The file cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{uuid4().hex}")
        try:
            part.write_bytes(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise WorkspaceError(f"{path} cannot be written ({error.strerror})") from error


def _default() -> Path:
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    here = Path.cwd()
    return (here.parent if here.name == "notebooks" else here) / "work"
