"""One line that moves while load is made: seconds, users, requests a second, latency, failures.

In a terminal it is rewritten in place on the error stream; in a notebook it is one output that is
updated, and its last state stays in the saved notebook.
"""

import shutil
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from html import escape
from importlib import import_module
from types import TracebackType
from typing import Any, Self

import numpy as np

from capstone_lib.loadtest.kinds import GOOD
from capstone_lib.loadtest.records import Notes
from capstone_lib.loadtest.step import ms_words
from capstone_lib.progress import in_notebook

__all__ = ["Live"]

_WINDOW_S = 2.0


class Live:
    """Shows the figures of the last two seconds while it is entered.

    Parameters
    ----------
    steps
        Of the plan.
    show
        ``None`` shows in a notebook and in a terminal, and is silent where output goes to a file.
    title
        What is being loaded.
    """

    def __init__(
        self, steps: Sequence[Mapping[str, Any]], *, show: bool | None, title: str
    ) -> None:
        self._steps = steps
        self._title = title
        self._total_s = sum(step["duration_s"] for step in steps)
        self._notebook = in_notebook()
        terminal = bool(getattr(sys.stderr, "isatty", bool)())
        self._on = (self._notebook or terminal) if show is None else show
        self._recent: deque[tuple[float, np.ndarray]] = deque()
        self._requests = self._bad = 0
        self._handle: Any = None
        self.line = ""

    def __enter__(self) -> Self:
        self._draw("starting Locust", 0.0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._draw(f"stopped after {self._requests:,} requests", 0.0)
        if self._on and not self._notebook:
            sys.stderr.write("\n")
            sys.stderr.flush()

    def look(self, notes: Notes) -> None:
        """Read what was noted since the last time, and show it."""
        part = notes.more()
        now = time.perf_counter()
        self._requests += len(part)
        self._bad += int((part["code"] != GOOD).sum())
        self._recent.append((now, part))
        while self._recent[0][0] < now - _WINDOW_S:
            self._recent.popleft()
        if notes.steps:
            self._draw(*self._words(notes.steps, now))

    def _words(self, begun: Mapping[int, Mapping[str, Any]], now: float) -> tuple[str, float]:
        index = max(begun)
        step = self._steps[index]
        inside_s = min(max(0.0, now - begun[index]["at"]), step["duration_s"])
        elapsed_s = sum(one["duration_s"] for one in self._steps[:index]) + inside_s
        seen = np.concatenate([part for _, part in self._recent])
        window_s = min(_WINDOW_S, max(now - begun[index]["at"], 0.1))
        seen = seen[seen["step"] == index]
        words = [
            f"{elapsed_s:.0f} of {self._total_s:.0f} s",
            f"{step['users']:,} users",
            f"{len(seen) / window_s:,.0f} requests/s",
        ]
        good = seen["ms"][seen["code"] == GOOD]
        if len(good):
            p50, p99 = np.percentile(good, [50, 99])
            words.append(f"p50 {ms_words(p50)} ms, p99 {ms_words(p99)} ms")
        words.append(f"{self._bad:,} of {self._requests:,} failed")
        return " · ".join(words), elapsed_s / self._total_s

    def _draw(self, words: str, share: float) -> None:
        self.line = f"{self._title}: {words}"
        if not self._on:
            return
        if not self._notebook:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{self.line[:width]}")
            sys.stderr.flush()
            return
        ipython: Any = import_module("IPython.display")
        html = ipython.HTML(
            "<div style='display:flex;gap:0.75em;align-items:center;color:inherit'>"
            f"<span>{escape(self._title)}</span><progress aria-label='load test' "
            f"value='{share:.3f}' max='1' style='width:10em'></progress>"
            f"<span>{escape(words)}</span></div>"
        )
        if self._handle is None:
            self._handle = ipython.display(html, display_id=True)
        else:
            self._handle.update(html)
