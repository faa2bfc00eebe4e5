"""The desk on which a project's files are looked at: each opened once, the store as a copy."""

import shutil
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

from capstone_lib.course.project.claims import ClaimError, read_bytes

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.artifact import Artifact
    from capstone_lib.course.project.project import Project
    from capstone_lib.course.project.trial import Trial
    from capstone_lib.course.project.windows import Case
    from capstone_lib.store import Store

__all__ = ["Desk"]

_LARGEST_MODEL, _LARGEST_STORE = 200_000_000, 2_000_000_000


class Desk:
    """A project's folder, open for checks; a context manager.

    Attributes
    ----------
    folder : Path
    project : Project
        The data, as whoever checks has opened them.
    pipeline : object or None
        What the artifact was exported from, if it is at hand.
    seed : int
        For what is drawn.
    """

    def __init__(
        self, folder: Path, project: "Project", *, pipeline: Any = None, seed: int = 0
    ) -> None:
        self.folder, self.project, self.pipeline, self.seed = folder, project, pipeline, seed
        self._own = TemporaryDirectory(ignore_cleanup_errors=True)
        self._store: Store | None = None

    @cached_property
    def artifact(self) -> "Artifact":
        """The artifact, if its seal is whole and it can score."""
        from capstone_lib.artifact import load_model

        path = self.folder / "model.onnx"
        read_bytes(path, most=_LARGEST_MODEL)
        return load_model(path)

    @cached_property
    def store_url(self) -> str:
        """A copy of the store: whatever is tried with it, the student's own stays as it is."""
        path = self.folder / "store.db"
        if path.is_symlink() or not path.is_file():
            raise ClaimError("store.db is no file of its own")
        if path.stat().st_size > _LARGEST_STORE:
            raise ClaimError(f"store.db has {path.stat().st_size:,} bytes: too large to look at")
        copy = Path(self._own.name, "store.db")
        shutil.copyfile(path, copy)
        log = path.with_name("store.db-wal")  # what is written, and not yet in the file
        if log.is_file() and not log.is_symlink():
            shutil.copyfile(log, copy.with_name(log.name))
        return f"sqlite:///{copy.as_posix()}"

    @cached_property
    def store(self) -> "Store":
        """That copy, open."""
        from capstone_lib.store import open_store

        self._store = open_store(self.store_url)
        return self._store

    @property
    def scratch(self) -> Path:
        """A folder for what is tried; it is thrown away."""
        return Path(self._own.name)

    @cached_property
    def trial(self) -> "Trial":
        """Quiet and broken windows for the playbook."""
        from capstone_lib.course.project.trial import hold_trial

        return hold_trial(self.project, self.artifact, seed=self.seed)

    def stored(self, case: "Case") -> "pd.DataFrame":
        """What the store says of a window: the model's own answers, by row id."""
        said = self.store.predictions(
            as_of=case.as_of, model=self.artifact.name, version=self.artifact.version,
            overrides=False,
        )  # fmt: skip
        return said.set_index("row_id")

    def close(self) -> None:
        """Throw the copies away."""
        if self._store is not None:
            self._store.close()
        self._own.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
