"""Effects in words: signs, titles, labels, what is missing and what nobody knows."""

import pytest

from capstone_lib.explain.words import say_effect
from capstone_lib.schema import Column

AGE = Column("AGEP", "integer", title="Age")
SEX = Column("SEX", "category", categories=(1, 2), title="Sex", labels={"1": "male", "2": "female"})
JOB = Column("job", "category", categories=("cook",), on_unknown="warn")
PAY = Column("pay", "number", nullable=True)
FLAG = Column("flag", "boolean")


@pytest.mark.parametrize(
    ("column", "value", "effect", "text"),
    [
        (AGE, 71, -0.3217, "Age 71 lowers the score by 0.32"),
        (AGE, 71, 0.3217, "Age 71 raises the score by 0.32"),
        (AGE, 71, 0.0049, "Age 71 hardly moves the score"),
        (AGE, 71, -0.005, "Age 71 lowers the score by 0.01"),
        (AGE, 71.0, 0.1, "Age 71 raises the score by 0.10"),
        (SEX, 2, 0.051, "Sex “female” raises the score by 0.05"),
        (SEX, 2.0, 0.051, "Sex “female” raises the score by 0.05"),
        (SEX, 9, 0.051, "Sex 9, never seen in training, raises the score by 0.05"),
        (JOB, "cook", 0.2, "job “cook” raises the score by 0.20"),
        (JOB, "king", 0.2, "job “king”, never seen in training, raises the score by 0.20"),
        (PAY, None, -0.2, "pay, which is missing, lowers the score by 0.20"),
        (PAY, float("nan"), -0.2, "pay, which is missing, lowers the score by 0.20"),
        (PAY, 30.25, -0.2, "pay 30.25 lowers the score by 0.20"),
        (FLAG, True, 0.0, "flag true hardly moves the score"),
        (FLAG, 0.0, 0.1, "flag 0 raises the score by 0.10"),
    ],
)
def test_a_sentence(column, value, effect, text):
    assert say_effect(column, value, effect) == text


def test_what_is_moved_can_be_named():
    assert say_effect(AGE, 3, 0.1, about="the score of much") == (
        "Age 3 raises the score of much by 0.10"
    )
