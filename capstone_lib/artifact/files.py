"""Writing a file whole or not at all, and naming data by its content."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from capstone_lib.errors import ArtifactError

__all__ = ["frame_sha256", "write_whole"]


def write_whole(path: Path, data: bytes) -> None:
    """Write beside the target, flush to disk, then rename: a reader sees the old file or the new.

    Raises
    ------
    ArtifactError
        If the folder cannot be written to, or the disk is full.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise ArtifactError(
            f"the artifact cannot be written to {str(path)!r}: {error.strerror or error}; "
            "choose a folder you may write to, on a disk with room"
        ) from error


def frame_sha256(frame: Any) -> str:
    """The SHA-256 of a frame's column names and values, whatever its index.

    Parameters
    ----------
    frame : pandas.DataFrame of shape (n_rows, n_columns)
    """
    digest = hashlib.sha256()
    for name in frame.columns:
        values = frame[name].to_numpy()
        digest.update(f"{name}\x00{frame[name].dtype}\x00{len(values)}\x00".encode())
        if values.dtype.kind in "biuf":
            digest.update(np.ascontiguousarray(values).tobytes())
        else:
            digest.update("\x1f".join(map(repr, values.tolist())).encode("utf-8", "replace"))
    return digest.hexdigest()
