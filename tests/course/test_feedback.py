from html.parser import HTMLParser

import pytest
from IPython.core.interactiveshell import InteractiveShell

from capstone_lib.course.exercise import Examples, Exercise, Right
from capstone_lib.course.feedback import MIME, Feedback, State, harvest


class Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("state", State)
def test_every_state_is_told_by_word_and_icon_and_reads_in_any_theme(state: State) -> None:
    page = Reader(Feedback("01.2", state, "look <here> & there")._repr_html_())
    (outer, attributes), *inner = page.tags
    assert (outer, attributes["role"]) == ("div", "status")
    assert "look <here> & there" in page.text, "what a student wrote is text, never markup"
    assert "color:inherit" in str(attributes["style"])
    badge = next(str(a["style"]) for tag, a in inner if tag == "strong")
    colour = badge.partition("background:")[2][:7]
    assert 1.05 / (luminance(colour) + 0.05) >= 4.5, "WCAG AA for white on the badge"


def test_the_four_states_look_and_read_differently() -> None:
    plain = {repr(Feedback("01.2", state, "m")) for state in State}
    assert len(plain) == len(State)


def test_ipython_puts_the_record_into_the_output() -> None:
    shell = InteractiveShell.instance()
    data, _ = shell.display_formatter.format(Feedback("01.2", State.PASSED, "good"))
    assert data[MIME] == {"exercise": "01.2", "state": "passed", "message": "good"}
    assert data["text/plain"].startswith("✓ Passed")
    assert 'role="status"' in data["text/html"]


def output(exercise: object, state: object) -> dict[str, object]:
    return {"output_type": "execute_result", "data": {MIME: {"exercise": exercise, "state": state}}}


def test_the_last_state_wins_and_what_was_never_checked_is_not_attempted() -> None:
    outputs = [output("01.1", "failed"), output("01.1", "passed"), output("01.2", "error")]
    assert harvest(outputs, ["01.1", "01.2", "01.3"]) == {
        "01.1": State.PASSED,
        "01.2": State.ERROR,
        "01.3": State.NOT_ATTEMPTED,
    }


@pytest.mark.parametrize(
    "hostile",
    [
        output("02.1", "passed"),
        output("01.1", "excellent"),
        output("01.1", ["passed"]),
        output(["01.1"], "passed"),
        {"data": {MIME: "passed"}},
        {"data": {MIME: None}},
        {"output_type": "stream", "text": "01.1 passed"},
    ],
)
def test_an_output_that_is_no_record_of_this_notebook_changes_nothing(
    hostile: dict[str, object],
) -> None:
    assert harvest([hostile], ["01.1"]) == {"01.1": State.NOT_ATTEMPTED}


def test_two_values_and_one_of_them_open_names_only_the_open_one() -> None:
    exercise = Exercise(
        "99.1",
        lambda low, high: Right("ok"),
        starter="low = ...\nhigh = ...",
        hints=("h",),
        answer="low = high = 1",
        because="b",
        examples=Examples(mistakes={}, also_right=()),
    )
    feedback = exercise.check(1, ...)
    assert feedback.state is State.NOT_ATTEMPTED
    assert "high" in feedback.message
    assert "low" not in feedback.message
