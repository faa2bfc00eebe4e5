"""An effect in words that a person understands: "Age 71 lowers the score by 0.32"."""

from typing import Any

from capstone_lib.schema import Column

__all__ = ["in_words", "say_effect"]

_HARDLY = 0.005


def say_effect(column: Column, value: Any, effect: float, *, about: str = "the score") -> str:
    """Say in a sentence what a value does to the score.

    Parameters
    ----------
    column : Column
        Its title and labels are the words; without them the name and the code stand there.
    value : Any
        As the schema has it; None or NaN where missing.
    effect : float
        In units of the score. Below 0.005 it hardly moves it.
    about : str
        What is moved, where it is not the score.

    Examples
    --------
    >>> age = Column("AGEP", "integer", title="Age")
    >>> say_effect(age, 71, -0.3217)
    'Age 71 lowers the score by 0.32'
    >>> say_effect(age, None, 0.004)
    'Age, which is missing, hardly moves the score'
    >>> sex = Column("SEX", "category", categories=(1, 2), labels={"1": "male", "2": "female"})
    >>> say_effect(sex, 2, 0.05)
    'SEX “female” raises the score by 0.05'
    >>> say_effect(sex, 7, 0.05)
    'SEX 7, never seen in training, raises the score by 0.05'
    """
    subject = f"{column.title or column.name}{in_words(column, value)}"
    if abs(effect) < _HARDLY:
        return f"{subject} hardly moves {about}"
    return f"{subject} {'raises' if effect > 0 else 'lowers'} {about} by {abs(effect):.2f}"


def in_words(column: Column, value: Any) -> str:
    """A value as it stands behind its column's title."""
    if value is None or value != value:
        return ", which is missing,"
    value = _plain(column, value)
    label = column.labels.get(str(value)) if column.labels else None
    if label is not None:
        return f" “{label}”"
    shown = f"“{value}”" if isinstance(value, str) else _number(value)
    if column.categories is not None and value not in column.categories:
        return f" {shown}, never seen in training,"
    return f" {shown}"


def _plain(column: Column, value: Any) -> Any:
    """A code that came as 3.0 is 3."""
    if isinstance(value, float) and column.kind in ("category", "integer") and value.is_integer():
        return int(value)
    return value


def _number(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
