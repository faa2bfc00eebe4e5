"""Every exercise of the course, by one generic test: a new one needs nothing here."""

import pytest

from capstone_lib.course import exercises
from capstone_lib.course.exercise import Exercise
from capstone_lib.course.feedback import Feedback, State

EXERCISES = exercises.registry()
every_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda one: one.id)


def check(exercise: Exercise, code: str) -> Feedback:
    """Check what the code defines, with what the notebook hands over."""
    names = dict(exercise.examples.given())
    exec(code, names)
    values = [names[variable] for variable in exercise.variables]
    return exercise.check(*values, **{name: names[name] for name in exercise.given})


class Bomb:
    """Whatever is done with it explodes."""

    def _boom(self, *_: object) -> None:
        raise RuntimeError("boom")

    __eq__ = __lt__ = __gt__ = __le__ = __ge__ = __len__ = __iter__ = __getitem__ = _boom
    __float__ = __int__ = __bool__ = __str__ = __repr__ = __format__ = __hash__ = _boom
    __array__ = __contains__ = __call__ = __add__ = __sub__ = __getattr__ = _boom


class SilentError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("an error that cannot even be told")


class SilentBomb(Bomb):
    def _hush(self, *_: object) -> None:
        raise SilentError

    __float__ = __str__ = __iter__ = __len__ = __eq__ = __hash__ = __getattr__ = _hush


WEIRD = [
    "text", "", b"\xff", float("nan"), float("inf"), 10**400, -1, 0, True, [], {}, (), {1: 2}, [[]],
    object(), Exception("x"), type, len, lambda: 1 / 0, Bomb(), SilentBomb(), {"": Bomb()},
    [Bomb()], range(10**9), "\ud800",
]  # fmt: skip


@every_exercise
def test_the_starter_is_not_attempted_and_names_every_variable(exercise: Exercise) -> None:
    feedback = check(exercise, exercise.starter)
    assert feedback.state is State.NOT_ATTEMPTED
    assert all(variable in feedback.message for variable in exercise.variables)


@every_exercise
def test_the_solution_passes(exercise: Exercise) -> None:
    feedback = check(exercise, exercise.answer)
    assert feedback.state is State.PASSED, feedback.message


@every_exercise
def test_other_right_answers_pass(exercise: Exercise) -> None:
    assert exercise.examples.also_right
    for code in exercise.examples.also_right:
        feedback = check(exercise, code)
        assert feedback.state is State.PASSED, (code, feedback.message)


@every_exercise
def test_typical_mistakes_get_their_own_messages(exercise: Exercise) -> None:
    said = []
    for code, expected in exercise.examples.mistakes.items():
        feedback = check(exercise, code)
        assert feedback.state in (State.FAILED, State.ERROR), code
        assert expected in feedback.message, code
        assert any(name in feedback.message for name in exercise.variables), "name the variable"
        said.append(feedback.message)
    assert len(set(said)) == len(said) >= 2


@every_exercise
def test_no_value_makes_check_raise(exercise: Exercise) -> None:
    names = dict(exercise.examples.given())
    given = {name: names[name] for name in exercise.given}
    for value in WEIRD:
        for handed_over in (given, dict.fromkeys(given, value)):
            feedback = exercise.check(*[value] * len(exercise.variables), **handed_over)
            assert feedback.state is not State.NOT_ATTEMPTED
            assert "text/html" in feedback._repr_mimebundle_()


@every_exercise
def test_none_is_not_attempted_and_a_wrong_number_of_values_says_how_to_call(
    exercise: Exercise,
) -> None:
    given = dict.fromkeys(exercise.given, 1)
    nothing = [None] * len(exercise.variables)
    assert exercise.check(*nothing, **given).state is State.NOT_ATTEMPTED
    feedback = exercise.check(*[1] * (len(exercise.variables) + 1), **given)
    assert feedback.state is State.ERROR
    how = ", ".join([*exercise.variables, *(f"{name}={name}" for name in exercise.given)])
    assert f"check({how})" in feedback.message


@every_exercise
def test_hints_come_in_order_and_the_last_one_stays(exercise: Exercise) -> None:
    shown = [exercise.hint() for _ in range(len(exercise.hints) + 1)]
    assert [hint.text for hint in shown] == [*exercise.hints, exercise.hints[-1]]
    assert exercise.answer in exercise.solution()._repr_markdown_()


@every_exercise
def test_names_and_numbers_agree(exercise: Exercise) -> None:
    name = next(name for name, one in EXERCISES.items() if one is exercise)
    assert name.startswith(f"ex_{exercise.notebook}_")
    assert getattr(exercises, name) is exercise
    assert exercises.for_notebook(exercise.notebook)[exercise.id] is exercise


def test_numbers_are_unique_and_an_unknown_name_says_which_there_are() -> None:
    assert len({one.id for one in EXERCISES.values()}) == len(EXERCISES) > 0
    with pytest.raises(AttributeError, match="ex_00_harm"):
        _ = exercises.ex_00_nonsense
    assert "ex_00_harm" in dir(exercises)
