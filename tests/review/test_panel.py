"""The panel without a browser: what its buttons do, and what stands there without a kernel."""

import nbformat
import pytest
from nbclient import NotebookClient

from capstone_lib.course.page import to_page
from capstone_lib.review import ReviewQueue
from capstone_lib.store import open_store
from capstone_lib.widgets.review_panel import ReviewPanel

WORDS = {0: "without <work>", 1: "at work"}


@pytest.fixture
def panel(queue, artifact):
    return ReviewPanel(queue, reviewer="ana", artifact=artifact, words=WORDS)


def part(panel, description):
    """A control, by what stands on it."""
    todo = [panel.widget]
    while todo:
        one = todo.pop()
        if getattr(one, "description", None) == description:
            return one
        todo += getattr(one, "children", ())
    raise LookupError(description)


def said(panel):
    return panel.widget.children[1].value


def shown(panel):
    return panel.widget.children[2].children[0].value


def test_seen_and_decided_in_three_clicks(panel, queue, scored, clock):
    part(panel, "Next case").click()
    clock.now += 20
    case = queue.next("ana")
    assert f"Case {case.row_id}" in shown(panel)
    choice = part(panel, "Decision")
    words = [WORDS[case.label], WORDS[1 - case.label]]
    assert list(choice.options) == [f"Accept: {words[0]}", f"Override: {words[1]}", "Cannot say"]
    assert part(panel, "Decide").disabled
    choice.index = 1
    part(panel, "Decide").click()

    made = queue.decisions()
    assert made[["verdict", "label", "seconds"]].values.tolist() == [
        ["override", 1 - case.label, 20.0]
    ]
    assert (scored.predictions()["decided_by"] == "ana").sum() == 1
    assert "11 cases wait for you." in said(panel)
    assert shown(panel) == ""
    assert panel.widget.children[2].layout.display == "none"


def test_no_click_of_the_last_case_counts_for_the_next(panel):
    for _ in range(3):
        part(panel, "Next case").click()
        assert part(panel, "Decision").index is None
        assert part(panel, "Decide").disabled
        assert part(panel, "Note").value == ""
        part(panel, "Decide").click()  # does nothing
        part(panel, "Decision").index = 2
        part(panel, "Note").value = "no papers"
        part(panel, "Decide").click()
    assert panel.queue.decisions()["note"].tolist() == ["no papers"] * 3


def test_a_new_kernel_finds_the_case_that_was_in_hand(panel, queue, artifact):
    part(panel, "Next case").click()
    again = ReviewPanel(queue, reviewer="ana", artifact=artifact, words=WORDS)
    part(again, "Next case").click()
    assert shown(again) == shown(panel) != ""
    part(again, "Decision").index = 0
    part(again, "Decide").click()
    part(panel, "Decision").index = 0
    part(panel, "Decide").click()
    assert 'role="alert"' in said(panel)
    assert "you have decided the case" in said(panel)
    assert len(queue.decisions()) == 1


def test_what_goes_wrong_is_told_on_the_panel(queue, artifact, clock):
    panel = ReviewPanel(queue, artifact=artifact)
    part(panel, "Next case").click()
    assert 'role="alert"' in said(panel)
    assert "a reviewer has a name" in said(panel)
    part(panel, "Your name").value = "ana"
    part(panel, "Next case").click()
    clock.now += 601
    held = queue.next("bo")
    part(panel, "Decision").index = 0
    part(panel, "Decide").click()
    assert f"the case {held.case_id} is bo&#x27;s and not ana&#x27;s" in said(panel)


def test_a_case_is_put_back_and_an_empty_queue_says_so(panel, queue):
    part(panel, "Next case").click()
    part(panel, "Put it back").click()
    assert queue.peek().reviewer == ""
    while case := queue.next("ana"):
        queue.decide(case.case_id, reviewer="ana", verdict="accept")
    part(panel, "Next case").click()
    assert "No case waits for you." in said(panel)
    assert "No case waits." in panel._repr_html_()


def test_blind_the_answer_comes_after_the_decision(scored, artifact, people):
    queue = ReviewQueue(scored, blind=True, double_share=0)
    queue.fill_uncertain(artifact=artifact, source=people, n=3)
    panel = ReviewPanel(queue, reviewer="ana", artifact=artifact, words=WORDS)
    part(panel, "Next case").click()
    assert list(part(panel, "Decision").options) == [*WORDS.values(), "Cannot say"]
    assert "Probability" not in shown(panel)
    part(panel, "Next case").click()
    assert "Decide this case first" in said(panel)
    part(panel, "Decision").index = 1
    part(panel, "Decide").click()
    assert "at work" in said(panel)
    assert "the model says" in said(panel).lower()


def test_the_still_picture_takes_no_case(panel, queue):
    still = panel._repr_mimebundle_()["text/html"]
    assert f"Case {queue.peek('ana').row_id}" in still
    assert "&lt;work&gt;" in still
    assert queue.cases()["reviewer"].isna().all()


@pytest.mark.filterwarnings("ignore:.*unencrypted TCP.*")
def test_a_saved_notebook_shows_the_case(scored, artifact, people, tmp_path):
    ReviewQueue(scored).fill_uncertain(artifact=artifact, source=people, n=3)
    code = (
        "import capstone_lib as cap\n"
        "from capstone_lib.widgets.review_panel import ReviewPanel\n"
        f"queue = cap.ReviewQueue(cap.open_store({scored.url!r}))\n"
        f"ReviewPanel(queue, reviewer='ana', artifact=cap.load_model({str(artifact.path)!r}))"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    assert "application/vnd.jupyter.widget-view+json" in output.data
    page = to_page(notebook, title="x")
    with open_store(scored.url) as store:
        row_id = ReviewQueue(store).peek().row_id
    assert f"Case {row_id}" in page
    assert "What moved the score" in page
