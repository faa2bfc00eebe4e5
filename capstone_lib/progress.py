"""How far along: rows done, rows a second, time left; in a terminal and in a notebook.

It is tqdm. In a notebook its bar is one output that is updated in place and stays in the saved
notebook, with nothing to install and nothing that needs a live kernel to be seen.
"""

import sys
from collections.abc import Mapping
from html import escape
from importlib import import_module
from typing import Any

from tqdm.std import tqdm

__all__ = ["in_notebook", "progress"]

_EVERY_S = 0.2


def progress(
    total: int | None, *, unit: str = "rows", desc: str = "", show: bool | None = None
) -> "tqdm[Any]":
    """Open a progress display.

    Parameters
    ----------
    total : int, optional
        How many there will be; without it there is no time left to tell.
    unit : str
        What is counted.
    desc : str
        What is being done.
    show : bool, optional
        ``True`` shows it, ``False`` does not; by default it shows in a notebook and in a terminal,
        and is silent where output goes to a file.

    Returns
    -------
    tqdm
        A context manager with ``update(n)``.

    Examples
    --------
    >>> with progress(1_000, desc="scoring", show=False) as bar:
    ...     for _ in range(10):
    ...         _ = bar.update(100)
    >>> bar.n
    0
    """
    notebook = in_notebook()
    if show is None:
        show = notebook or bool(getattr(sys.stderr, "isatty", bool)())
    kind: type[tqdm[Any]] = _NotebookBar if notebook and show else tqdm
    return kind(
        total=total,
        unit=f" {unit}",
        desc=desc or None,
        disable=not show,
        unit_scale=True,
        mininterval=_EVERY_S,
        dynamic_ncols=True,
    )


def in_notebook() -> bool:
    """Whether the code runs in a Jupyter kernel."""
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive is not None else None
    return shell is not None and hasattr(shell, "kernel")


class _NotebookBar(tqdm):  # type: ignore[type-arg]  # tqdm is generic only for the type checker
    """The same counting, shown as HTML in one updated output."""

    monitor_interval = 0  # no second thread: outputs belong to the cell that runs

    def __init__(self, **options: Any) -> None:
        self._handle: Any = None
        self._shown = ""
        super().__init__(file=sys.stdout, gui=True, **options)
        self.display()

    def display(self, *_: Any, **__: Any) -> None:
        """Show the present state."""
        html = _html(self.format_dict)
        if html == self._shown:
            return
        self._shown = html
        ipython: Any = import_module("IPython.display")
        if self._handle is None:
            self._handle = ipython.display(ipython.HTML(html), display_id=True)
        else:
            self._handle.update(ipython.HTML(html))

    def refresh(self, *_: Any, **__: Any) -> None:
        """Show the present state; there is no line of a terminal to fight for."""
        self.display()

    def clear(self, *_: Any, **__: Any) -> None:
        """Leave what is shown."""

    def close(self) -> None:
        """Show the final state, which stays in the saved notebook."""
        if self.disable:
            return
        self.display()
        super().close()


def _html(state: Mapping[str, Any]) -> str:
    """One line: what, a bar, how many, how fast, how long still."""
    done, total, unit = state["n"], state["total"], state["unit"].strip()
    elapsed = state["elapsed"]
    rate = state["rate"] or (done / elapsed if elapsed > 0 else 0.0)
    if total is not None and done >= total:
        rate = done / elapsed if elapsed > 0 else 0.0
    words = [f"{done:,} of {total:,} {unit}" if total is not None else f"{done:,} {unit}"]
    if rate:
        words.append(f"{rate:,.0f} {unit}/s")
    if total is not None and 0 < done < total and rate:
        words.append(f"{tqdm.format_interval((total - done) / rate)} left")
    else:
        words.append(tqdm.format_interval(elapsed))
    desc = escape((state["prefix"] or "").rstrip(": "))
    value = "" if total is None else f" value='{min(done, total)}' max='{max(total, 1)}'"
    label = escape(" · ".join(words))
    return (
        "<div style='display:flex;gap:0.75em;align-items:center;color:inherit'>"
        f"<span>{desc}</span><progress aria-label='{desc or 'progress'}'{value} "
        f"style='width:16em'></progress><span>{label}</span></div>"
    )
