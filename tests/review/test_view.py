"""What a reviewer is shown: true, in words, escaped, and nothing of it when blind."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capstone_lib.review import ReviewQueue
from capstone_lib.review.case import Case
from capstone_lib.review.markup import CASE_CSS, case_html
from capstone_lib.review.similar import gower, similar_cases
from capstone_lib.review.view import view_case
from capstone_lib.schema import Column

WORDS = {0: "without <b>work</b>", 1: "at work"}


class Parsed(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_the_person_stands_there_in_words(queue, artifact, people):
    case = queue.next("ana")
    view = view_case(case, queue, artifact=artifact, words=WORDS)
    person = people.set_index("row_id").loc[int(case.row_id)]
    assert [(one.title, one.words) for one in view.values] == [
        ("Age in years", str(int(person["age"]))),
        ("Sex", {1: "male", 2: "female"}[int(person["sex"])]),
        ("Hours <a week>", f"{person['hours']:g}"),
    ]


def test_the_page_says_what_the_model_said(queue, artifact):
    case = queue.next("ana")
    page = Parsed(case_html(view_case(case, queue, artifact=artifact, words=WORDS)))
    assert f"Probability of “at work”: {case.score:.2f}; from 0.50 the answer turns" in page.text
    assert f"work 1.0 says {WORDS[case.label]}" in page.text
    assert f"Uncertainty {case.uncertainty:.2f} of 1.00 bits" in page.text
    assert "the model is not sure of this answer" in page.text
    bars = [attrs for tag, attrs in page.tags if tag == "rect" and attrs["class"] == "cap-bar"]
    assert [float(bar["width"]) for bar in bars] == [pytest.approx(100 * case.score, abs=0.1)]
    assert not [1 for tag, attrs in page.tags if tag in ("script", "style", "b", "a")
                or any(name == "style" or name.startswith("on") for name in attrs)]  # fmt: skip


def test_reasons_are_kept_so_that_all_see_the_same(queue, artifact):
    case = queue.next("ana")
    first = view_case(case, queue, artifact=artifact)
    assert len(first.reasons) >= 3
    kept = json.loads(queue.cases().set_index("case_id").loc[case.case_id, "reasons"])
    kept["reasons"][0]["text"] = "as it was kept"
    again = view_case(replace(case, reasons=kept), queue, artifact=artifact)
    assert again.reasons[0].text == "as it was kept"
    assert [one.effect for one in again.reasons] == [one.effect for one in first.reasons]


def test_reasons_add_up_to_the_score(queue, artifact):
    case = queue.next("ana")
    view_case(case, queue, artifact=artifact)
    kept = json.loads(queue.cases().set_index("case_id").loc[case.case_id, "reasons"])
    total = kept["base"] + sum(one["effect"] for one in kept["reasons"]) + kept["others"]
    assert total == pytest.approx(case.score, abs=kept["error"] + 1e-6)


def test_without_the_right_model_it_says_why_there_are_no_reasons(queue, artifact):
    case = queue.next("ana")
    assert "no model is at hand" in view_case(case, queue).reasons_note
    other = view_case(replace(case, version="0.9"), queue, artifact=artifact)
    assert other.reasons_note == ("No reasons: the answer is of work 0.9, and at hand is work 1.0.")
    page = Parsed(case_html(view_case(case, queue)))
    assert str(case.features["hours"]) in page.text
    assert "No reasons: no model is at hand" in page.text


def test_blind_nothing_gives_the_answer_away(scored, artifact, people):
    queue = ReviewQueue(scored, blind=True, double_share=0)
    queue.fill_uncertain(artifact=artifact, source=people, n=20)
    choices = set()
    while case := queue.next("ana"):
        view = view_case(case, queue, artifact=artifact, words={0: "no", 1: "yes"})
        # the same person, had the model said something else
        turned = replace(
            case, label=1 - case.label, score=0.01, uncertainty=0.1, reasons={"reasons": []}
        )
        other = view_case(turned, queue, artifact=artifact, words={0: "no", 1: "yes"})
        assert case_html(view) == case_html(other)
        choices.add(tuple(one.words for one in view.choices()))
        queue.decide(case.case_id, reviewer="ana", verdict="accept")
    assert choices == {("no", "yes", "Cannot say")}


def test_an_appeal_shows_the_persons_own_words(queue, artifact, people):
    queue.appeal(1007, "<img src=x onerror=alert(1)>", artifact=artifact, source=people)
    page = Parsed(case_html(view_case(queue.next("ana"), queue, artifact=artifact)))
    assert "the person objects: “<img src=x onerror=alert(1)>”" in page.text
    assert not [tag for tag, _ in page.tags if tag == "img"]


def test_odd_values_are_marked(queue, artifact):
    case = queue.next("ana")
    odd = replace(case, features={"age": 130, "sex": 7, "hours": None})
    view = view_case(odd, queue, artifact=None)
    assert [one.odd for one in view.values] == ["", "", ""]
    case_of = replace(odd, reasons={"reasons": []})
    view = view_case(case_of, queue, artifact=artifact)
    assert [(one.words, one.odd) for one in view.values] == [
        ("130", "training saw 17 to 90"),
        ("7", "not known to the model"),
        ("missing", ""),
    ]


COLUMNS = [
    Column("age", "integer", minimum=20, maximum=70, nullable=True),
    Column("pay", "number", minimum=0, maximum=10),
    Column("sex", "category", categories=(1, 2)),
    Column("married", "boolean"),
]
PERSON = st.fixed_dictionaries(
    {
        "age": st.none() | st.integers(0, 100),
        "pay": st.floats(-5, 15),
        "sex": st.sampled_from([1, 2]),
        "married": st.booleans(),
    }
)


def plain_gower(one, other):
    """Column by column, as in the paper."""
    total = 0.0
    for column in COLUMNS:
        a, b = one[column.name], other[column.name]
        if a is None or b is None:
            total += (a is None) != (b is None)
        elif column.name in ("age", "pay"):
            total += min(1.0, abs(a - b) / (column.maximum - column.minimum))
        else:
            total += a != b
    return total / len(COLUMNS)


@given(PERSON, st.lists(PERSON, min_size=1, max_size=5))
def test_the_distance_is_gowers(one, others):
    found = gower(COLUMNS, one, others)
    assert found == pytest.approx([plain_gower(one, other) for other in others])
    assert gower(COLUMNS, one, [one])[0] == 0
    assert found == pytest.approx([gower(COLUMNS, other, [one])[0] for other in others])


def decided(*rows):
    names = ["case_id", "row_id", "model", "label", "model_label", "features"]
    return pd.DataFrame(rows, columns=names)


def test_the_like_are_the_nearest_other_people_of_the_same_model():
    said = {"score": 0.5, "label": 1, "uncertainty": 1.0, "prediction_set": (0, 1)}
    mine = {"features": {"age": 30}, "classes": (0, 1), "reasons": None, "seen_at": None}
    me = Case("c", "7", "audit", "", "m", "1", **said, **mine, reviewer="ana", held_until=0.0)
    rows = [
        (str(k), str(row), model, label, 1, json.dumps({"age": age}))
        for k, (row, model, label, age) in enumerate(
            [(7, "m", 0, 30), (8, "m", 0, 35), (9, "m", 1, 31), (10, "other", 1, 30),
             (11, "m", None, 30), (12, "m", 1, 69), (13, "m", 0, 30)]
        )
    ]  # fmt: skip
    found = similar_cases(me, decided(*rows), COLUMNS[:1])
    assert [one.features["age"] for one in found] == [30, 31, 35]
    assert [one.label for one in found] == [0, 1, 0]
    assert [one.distance for one in found] == pytest.approx([0, 0.02, 0.1])
    assert [one.differing for one in found] == [(), ("age",), ("age",)]


def test_what_was_decided_of_the_like_is_shown(queue, artifact):
    first = queue.next("ana")
    queue.decide(first.case_id, reviewer="ana", verdict="override", label=1 - first.label)
    view = view_case(queue.next("ana"), queue, artifact=artifact, words={0: "no", 1: "yes"})
    assert len(view.similar) <= 1
    said = "the model had said" in Parsed(case_html(view)).text
    assert said == (len(view.similar) == 1)


def test_every_class_of_the_markup_has_a_look(queue, artifact):
    queue.decide(queue.next("bo").case_id, reviewer="bo", verdict="accept")
    page = Parsed(case_html(view_case(queue.next("ana"), queue, artifact=artifact)))
    used = {name for _, attrs in page.tags for name in attrs.get("class", "").split()}
    assert [name for name in used if f".{name}" not in CASE_CSS] == []
    assert np.all([name in CASE_CSS for name in ("cap-up", "cap-down")])
