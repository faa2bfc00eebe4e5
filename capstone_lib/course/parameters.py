"""A notebook's parameters: read from its tagged cell, and checked before a kernel starts.

The cell is parsed, not guessed at: one literal a line, ``rows: int = 2_000  # how many to score``.
``NAME: str = None  # …`` must be given; ``NAME: str | None = None`` need not. papermill's own
reading misses a line with two ``=`` and a union annotation, and lets an unknown name pass.
"""

import ast
import io
import math
import re
import sys
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from capstone_lib.errors import CapstoneError

__all__ = [
    "Parameter",
    "ParameterError",
    "ParameterFormError",
    "Value",
    "check_parameters",
    "describe",
    "read_parameters",
]

Value = int | float | str | bool | None

_KINDS: dict[str, type] = {"int": int, "float": float, "str": str, "bool": bool}
_RULE = "write one literal a line, such as `rows: int = 2000  # how many rows`"


class ParameterError(CapstoneError, ValueError):
    """A notebook is given a parameter it does not take, or not one that it needs."""


class ParameterFormError(CapstoneError, ValueError):
    """A notebook's parameters cell is not written as one literal a line."""


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell."""

    name: str
    kind: str
    optional: bool
    default: Value
    help: str

    @property
    def required(self) -> bool:
        """Whether a value must be given: the default is None, which the annotation rules out."""
        return self.default is None and not self.optional

    @property
    def annotation(self) -> str:
        """The kind as it is written: ``int``, or ``int | None``."""
        return f"{self.kind} | None" if self.optional else self.kind

    def __str__(self) -> str:
        default = "must be given" if self.required else f"default {self.default!r}"
        return f"{self.name}: {self.annotation} ({default})  {self.help}".rstrip()


def read_parameters(source: str) -> tuple[Parameter, ...]:
    r"""Read the parameters cell of a notebook.

    Parameters
    ----------
    source
        The cell's code.

    Raises
    ------
    ParameterFormError
        Something other than one literal a line stands in it.

    Examples
    --------
    >>> for one in read_parameters("rows: int = 2_000  # how many\nname: str = None  # whose"):
    ...     print(one)
    rows: int (default 2000)  how many
    name: str (must be given)  whose
    """
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise ParameterFormError(
            f"the parameters cell is not Python ({error.msg}); {_RULE}"
        ) from None
    comments = _comments(source)
    found = [_parameter(node, comments) for node in body if not _is_docstring(node)]
    names = [one.name for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ParameterFormError(f"the parameters cell sets {', '.join(twice)} twice; {_RULE}")
    return tuple(found)


def check_parameters(declared: Sequence[Parameter], given: Mapping[str, Any]) -> dict[str, Value]:
    """Return the given values in the declared types, or say all that is wrong with them.

    Parameters
    ----------
    declared
        What :func:`read_parameters` gave.
    given
        Name to value: text from a command line, or a Python value. Text is read as the declared
        type; a whole number is a float too; nothing else is converted.

    Raises
    ------
    ParameterError
        A name is unknown, a value that must be given is missing, or a value is of another type.
    """
    known = {one.name: one for one in declared}
    problems = [f"unknown parameter {name!r}" for name in given if name not in known]
    problems += [
        f"parameter {one.name!r} must be given"
        for one in declared
        if one.required and one.name not in given
    ]
    values: dict[str, Value] = {}
    for name in known.keys() & given.keys():
        try:
            values[name] = _convert(known[name], given[name])
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ParameterError("; ".join(sorted(problems)) + "\n" + describe(declared))
    return {name: values[name] for name in known if name in values}


def describe(declared: Iterable[Parameter]) -> str:
    """Say which parameters a notebook takes, one a line."""
    lines = [f"  {one}" for one in declared]
    return "\n".join(["it takes:", *lines]) if lines else "it takes no parameters"


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ").strip() for t in tokens if t.type == tokenize.COMMENT}


def _parameter(node: ast.stmt, comments: Mapping[int, str]) -> Parameter:
    line = ast.unparse(node)
    match node:
        case ast.AnnAssign(
            target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value
        ):
            kind, optional = _annotation(annotation, line)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            kind, optional = "", False
        case _:
            raise ParameterFormError(f"the parameters cell has `{line}`; {_RULE}")
    default = _literal(value, line)
    kind = kind or type(default).__name__
    declared = Parameter(name, kind, optional, default, comments.get(node.end_lineno or 0, ""))
    if kind not in _KINDS:
        raise ParameterFormError(f"the parameters cell does not say the type in `{line}`; {_RULE}")
    if default is not None:
        try:
            default = _convert(declared, default)
        except ValueError:
            raise ParameterFormError(
                f"in `{line}` the value is not the type it says; {_RULE}"
            ) from None
    return Parameter(name, kind, optional, default, declared.help)


def _annotation(node: ast.expr, line: str) -> tuple[str, bool]:
    text = (
        node.value
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        else ast.unparse(node)
    )
    text = re.sub(r"^(?:typing\.)?Optional\[(.*)\]$", r"\1 | None", text)
    parts = [part.strip() for part in text.split("|")]
    kinds = [part for part in parts if part != "None"]
    if len(kinds) != 1 or kinds[0] not in _KINDS:
        raise ParameterFormError(
            f"`{line}` is not an int, float, str or bool, or one of them | None; {_RULE}"
        )
    return kinds[0], len(parts) > 1


def _literal(node: ast.expr, line: str) -> Value:
    try:
        value: object = ast.literal_eval(node)
    except ValueError:
        raise ParameterFormError(
            f"the parameters cell computes something in `{line}`; {_RULE}"
        ) from None
    if value is None or isinstance(value, int | float | str):
        return value
    raise ParameterFormError(f"the value in `{line}` is not a number, text or bool; {_RULE}")


def _convert(parameter: Parameter, value: object) -> Value:
    if value is None and parameter.optional:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str) and parameter.kind != "str":
        return _from_text(parameter, value)
    if parameter.kind == "float" and type(value) is int and abs(value) <= sys.float_info.max:
        value = float(value)
    if not isinstance(value, int | float | str) or type(value) is not _KINDS[parameter.kind]:
        raise ValueError(_ill_typed(parameter, value))
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(_ill_typed(parameter, value))
    return value


def _from_text(parameter: Parameter, text: str) -> Value:
    word = text.strip()
    if parameter.optional and word == "None":
        return None
    try:
        if parameter.kind == "bool":
            return {"true": True, "false": False}[word.lower()]
        number: int | float = _KINDS[parameter.kind](word)
    except (ValueError, KeyError):
        raise ValueError(_ill_typed(parameter, text)) from None
    if not math.isfinite(number):
        raise ValueError(_ill_typed(parameter, text))
    return number


def _ill_typed(parameter: Parameter, value: object) -> str:
    wanted = "true or false" if parameter.kind == "bool" else parameter.annotation
    return f"parameter {parameter.name!r} must be {wanted}, not {str(value)[:60]!r}"
