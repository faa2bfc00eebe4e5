"""The load generator's own notes, read back while it runs and when it is done.

One record a request, 12 bytes: the step, the code of what became of it
(:mod:`capstone_lib.loadtest.kinds`), when the answer came (seconds since the step began) and how
long it took (milliseconds).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["RECORD", "Notes"]

RECORD = np.dtype([("step", "<u2"), ("code", "<u2"), ("at_s", "<f4"), ("ms", "<f4")])


class Notes:
    """What a load generator has written into its folder so far.

    Attributes
    ----------
    steps : dict of int to dict
        By number of the step: when it began, and its sums once it is over.
    """

    def __init__(self, folder: Path) -> None:
        self._records = folder / "records.bin"
        self._steps = folder / "steps.jsonl"
        self._read = 0
        self._parts: list[np.ndarray] = []
        self.steps: dict[int, dict[str, Any]] = {}

    def more(self) -> np.ndarray:
        """The whole records written since the last look."""
        self._look_at_steps()
        if not self._records.exists():
            return np.empty(0, dtype=RECORD)
        with self._records.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        whole = len(data) - len(data) % RECORD.itemsize
        self._read += whole
        part = np.frombuffer(data[:whole], dtype=RECORD)
        if len(part):
            self._parts.append(part)
        return part

    def all(self) -> np.ndarray:
        """Every record seen so far."""
        return np.concatenate(self._parts) if self._parts else np.empty(0, dtype=RECORD)

    def _look_at_steps(self) -> None:
        if not self._steps.exists():
            return
        for line in self._steps.read_text("utf-8").splitlines(keepends=True):
            if line.endswith("\n"):  # the last one may still be being written
                said = json.loads(line)
                self.steps.setdefault(said["index"], {}).update(said)
