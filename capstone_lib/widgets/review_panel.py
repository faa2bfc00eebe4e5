"""The review desk in a notebook: one case at a time, seen and decided in three clicks.

All that matters is in the store. A kernel that dies takes nothing along: run the cell again, ask
for the next case, and the one that was in hand is there.
"""

from collections.abc import Callable, Mapping
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

from capstone_lib.errors import CapstoneError, MissingExtraError
from capstone_lib.review.markup import CASE_CSS, case_html
from capstone_lib.review.view import CaseView, view_case

if TYPE_CHECKING:
    from capstone_lib.artifact.model import Artifact
    from capstone_lib.review import Case, ReviewQueue

__all__ = ["ReviewPanel"]

_COLOURS = """
.cap-case, .cap-said {
  --case-ink: #1b1f24; --case-quiet: #59616c; --case-line: #d5d9de; --case-track: #e3e6ea;
  --case-accent: #005f96; --case-down: #a5480d; --case-care: #7a5200; --case-bad: #a12a00;
  font-size: 14px; max-width: 60em; padding: 0 2px;
}
[data-jp-theme-light="false"] .cap-case, [data-jp-theme-light="false"] .cap-said {
  --case-ink: #e8eaed; --case-quiet: #a4adb7; --case-line: #363c43; --case-track: #343a41;
  --case-accent: #6cbcf0; --case-down: #f0a868; --case-care: #f0c060; --case-bad: #ff9e7a;
}
.cap-said { color: var(--case-ink); margin: 4px 0; line-height: 1.45; }
.cap-said.cap-wrong { color: var(--case-bad); font-weight: 600; }
"""
_STYLE = f"<style>{_COLOURS}{CASE_CSS}</style>"


class ReviewPanel:
    """A panel for one reviewer; show it as the last line of a cell.

    Parameters
    ----------
    queue : ReviewQueue
        Where cases come from. Where it is ``blind``, the model's answer is hidden until the
        decision.
    reviewer : str
        Who decides; may be left empty and typed into the panel.
    artifact : Artifact, optional
        The model: with it values stand in words, and reasons can be given.
    words : mapping, optional
        The labels in words, such as ``{0: "without work", 1: "at work"}``.

    Attributes
    ----------
    widget : ipywidgets.VBox
        The panel itself.

    Raises
    ------
    MissingExtraError
        If ipywidgets is not installed.
    """

    def __init__(
        self,
        queue: "ReviewQueue",
        *,
        reviewer: str = "",
        artifact: "Artifact | None" = None,
        words: Mapping[Any, str] | None = None,
    ) -> None:
        try:
            w: Any = import_module("ipywidgets")
        except ModuleNotFoundError as error:
            raise MissingExtraError(str(error.name), "notebook") from error

        self.queue, self.artifact, self.words = queue, artifact, words
        self._view: CaseView | None = None
        wide = w.Layout(width="auto", max_width="60em")
        short = {"description_width": "initial"}
        self._name = w.Text(
            value=reviewer, description="Your name", placeholder="who decides", style=short
        )
        self._next = w.Button(
            description="Next case", button_style="primary", tooltip="Show the next case"
        )
        self._said = w.HTML()
        self._shown = w.HTML()
        self._choice = w.RadioButtons(
            options=["Cannot say"], index=None, description="Decision", layout=wide, style=short
        )
        self._note = w.Textarea(
            description="Note", placeholder="optional: what you saw that the model does not",
            layout=wide, style=short, rows=2,
        )  # fmt: skip
        self._decide = w.Button(
            description="Decide",
            button_style="primary",
            tooltip="Write the decision",
            disabled=True,
        )
        self._back = w.Button(description="Put it back", tooltip="Let somebody else decide")
        self._case = w.VBox(
            [self._shown, self._choice, self._note, w.HBox([self._decide, self._back])]
        )
        self.widget = w.VBox([w.HBox([self._name, self._next]), self._said, self._case])
        self._next.on_click(self._guarded(self._take))
        self._decide.on_click(self._guarded(self._write))
        self._back.on_click(self._guarded(self._give_back))
        self._choice.observe(self._enable, names="index")
        self._show(None)
        self._guarded(self._greet)()

    def _greet(self) -> None:
        self._say(f"{self._waiting()} {self._how()}" if self._name.value.strip() else self._how())

    def _how(self) -> str:
        if self.queue.blind:
            return "What the model said is shown after your decision."
        return "You see what the model said, and why, before you decide."

    def _take(self) -> None:
        if self._view is not None:
            self._say("Decide this case first, or put it back.")
            return
        case = self.queue.next(self._name.value)
        if case is None:
            self._show(None)
            self._say("No case waits for you.")
            return
        view = self._look_at(case)
        self.queue.see(case)
        self._show(view)
        self._say(f"Case {case.row_id} is yours.")

    def _write(self) -> None:
        if self._view is None or self._choice.index is None:
            return
        chosen = self._view.choices()[self._choice.index]
        made = self.queue.decide(
            self._view.case.case_id,
            reviewer=self._view.case.reviewer,
            verdict=chosen.verdict,
            label=chosen.label if chosen.verdict == "override" else None,
            note=self._note.value,
        )
        words = self._view.labels
        self._show(None)
        self._say(f"{made.in_words(words)} {self._waiting()}")
        self._next.focus()

    def _give_back(self) -> None:
        if self._view is None:
            return
        self.queue.put_back(self._view.case.case_id, reviewer=self._view.case.reviewer)
        self._show(None)
        self._say("The case is back in the queue.")
        self._next.focus()

    def _waiting(self) -> str:
        n = self.queue.waiting(self._name.value)
        return "1 case waits for you." if n == 1 else f"{n:,} cases wait for you."

    def _look_at(self, case: "Case") -> CaseView:
        return view_case(case, self.queue, artifact=self.artifact, words=self.words)

    def _enable(self, _: Any = None) -> None:
        self._decide.disabled = self._choice.index is None

    def _show(self, view: CaseView | None) -> None:
        """Put a case on the panel, or take it off."""
        self._view = view
        self._case.layout.display = "none" if view is None else ""
        self._shown.value = "" if view is None else _STYLE + case_html(view)
        self._note.value = ""
        # a new case begins without a choice: no click of the last one may count for it
        self._choice.index = None
        self._choice.options = ["Cannot say"] if view is None else [c.words for c in view.choices()]
        self._choice.index = None
        self._enable()

    def _say(self, text: str, *, wrong: bool = False) -> None:
        role, kind = ("alert", "cap-said cap-wrong") if wrong else ("status", "cap-said")
        self._said.value = f'{_STYLE}<div class="{kind}" role="{role}">{escape(text)}</div>'

    def _guarded(self, does: Callable[[], None]) -> Callable[..., None]:
        """What goes wrong is told on the panel, in a sentence."""

        def act(*_: Any) -> None:
            try:
                does()
            except CapstoneError as error:
                self._say(str(error), wrong=True)

        return act

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The widget, and the still picture for where no kernel is."""
        bundle = self.widget._repr_mimebundle_(**options)
        return {**bundle, "text/html": self._repr_html_()}

    def _repr_html_(self) -> str:
        """The case that would come next, as it looks; nobody is given it by that."""
        view = self._view
        if view is None:
            case = self.queue.peek(self._name.value)
            view = None if case is None else self._look_at(case)
        if view is None:
            return f'{_STYLE}<div class="cap-said">No case waits.</div>'
        said = "A case as its reviewer sees it. While the notebook runs, it can be decided here."
        return f'{_STYLE}<div class="cap-said"><em>{said}</em></div>{case_html(view)}'
