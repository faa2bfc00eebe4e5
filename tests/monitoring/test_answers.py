"""Answers read from an artifact, a store or a log are the same answers."""

import numpy as np
import pandas as pd
import pytest

from capstone_lib.artifact.model import Predictions
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.answers import Answers

SETS = np.array([[True, False], [True, True], [False, True], [False, False]])


def predictions(classes=(0, 1), label=(0, 1, 1, 0)):
    return Predictions(
        np.array([0.1, 0.5, 0.9, 0.4], dtype=np.float32),
        np.array([classes[place] for place in label]),
        np.array([0.469, 1.0, 0.469, 0.971], dtype=np.float32),
        SETS,
        np.array([False, True, False, True]),
        classes,
    )


def same(one, two):
    names = ("score", "label", "uncertainty", "sets", "review")
    return all(np.array_equal(getattr(one, n), getattr(two, n)) for n in names)


@pytest.mark.parametrize("classes", [(0, 1), (False, True), ("no", "yes")])
def test_predictions_their_frame_and_the_stores_json_say_the_same(classes):
    given = predictions(classes)
    frame = given.to_frame()
    stored = frame.assign(
        prediction_set=pd.Categorical(
            [str(list(one)).replace("'", '"').lower() for one in frame["prediction_set"]]
        )
    )
    listed = frame.assign(prediction_set=frame["prediction_set"].map(list))
    answers = Answers.of(given)

    assert answers.set_size.tolist() == [1, 2, 1, 0]
    assert answers.classes == classes
    for table in (frame, stored, listed):
        assert same(answers, Answers.of(table))
        assert same(answers, Answers.of(table, classes=classes))
    assert Answers.of(answers) is answers


def test_outcomes_may_come_as_text_or_as_truth():
    answers = Answers.of(predictions((False, True)))
    for said in ([0, 1, 1, 0], ["0", "1", "1", "0"], [False, True, True, False],
                 np.array([0.0, 1.0, 1.0, 0.0])):  # fmt: skip
        assert answers.truth(said).tolist() == [0, 1, 1, 0]
    assert answers.covers(answers.truth([0, 1, 0, 0])).tolist() == [True, True, False, False]
    assert same(answers[[2, 0]], Answers.of(predictions((False, True)))[[2, 0]])


def test_three_classes_keep_their_order():
    frame = pd.DataFrame(
        {"score": [0.5], "label": ["b"], "uncertainty": [1.5], "prediction_set": ['["c", "b"]'],
         "review": [True]}
    )  # fmt: skip
    answers = Answers.of(frame, classes=("c", "b", "a"))
    assert (answers.label.tolist(), answers.sets.tolist()) == ([1], [[True, True, False]])
    assert not answers.is_binary


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda f: f.drop(columns=["review", "label"]), "lacks review, label"),
        (lambda f: f.assign(score=[0.1, np.nan, 0.2, np.nan]), "2 answers have no score"),
        (lambda f: f.assign(label=["0", "1", "maybe", "1"]), "the labels hold 'maybe'"),
        (lambda f: [1, 2], "this list lacks"),
    ],
)
def test_what_is_no_answer_is_refused(break_it, message):
    with pytest.raises(MonitoringError, match=message):
        Answers.of(break_it(predictions().to_frame()), classes=(0, 1))


@pytest.mark.parametrize(
    ("y_true", "message"),
    [([0, 1], "4 answers and outcomes of shape"), ([0, 1, 2, 0], "hold 2, which is none of"),
     ([0, 1, None, 0], "hold None|hold nan")],
)  # fmt: skip
def test_outcomes_that_do_not_fit_are_refused(y_true, message):
    with pytest.raises(MonitoringError, match=message):
        Answers.of(predictions()).truth(y_true)
