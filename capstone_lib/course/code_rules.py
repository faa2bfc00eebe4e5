"""What the code in a notebook may be: short cells, no installs, no network, no machine's folders.

Read from the source alone; nothing is run.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence

from capstone_lib.course.exercise import Exercise

__all__ = ["code_problems"]

MAX_LINES = 15
MAX_TOTAL_LINES = 170
MAX_FUNCTION_LINES = 5
_NETWORK = {"ftplib", "httpx", "requests", "urllib"}
_FOLDERS = re.compile(
    r"^(?:~|/(?:home|root|tmp|usr|var|mnt|opt|etc|Users|work|content)\b|[A-Z]:[\\/])"
)
_INSTALL = re.compile(r"\b(?:pip3?|conda|mamba|uv|apt(?:-get)?)\b.*\binstall\b")
_CHECKED = re.compile(r"\bexercises\.(ex_\w+)\.check\(")


def code_problems(cells: Sequence[str], exercises: Mapping[str, Exercise]) -> list[str]:
    """Return what is wrong with the code of a notebook, a sentence each.

    Parameters
    ----------
    cells
        The sources of the code cells.
    exercises
        The exercises that the notebook must contain, by the name of their variable.
    """
    total = sum(map(_count_lines, cells))
    long = [f"{total} lines of code; {MAX_TOTAL_LINES} at most"] if total > MAX_TOTAL_LINES else []
    each = [
        f"code cell {number}: {problem}"
        for number, source in enumerate(cells, start=1)
        for problem in _cell_problems(source)
    ]
    return [*long, *each, *_exercise_problems(cells, exercises)]


def _count_lines(source: str) -> int:
    return sum(1 for line in source.splitlines() if line.strip())


def _cell_problems(source: str) -> Iterator[str]:
    lines = _count_lines(source)
    if lines > MAX_LINES:
        yield f"{lines} lines; {MAX_LINES} at most"
    if _INSTALL.search(source):
        yield "it installs something; the environment has all that is needed"
    if re.search(r"^\s*[!%]", source, re.MULTILINE):
        yield "it has a shell or magic command; write Python"
        return
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        yield f"it is not Python ({error.msg})"
        return
    for node in ast.walk(tree):
        yield from _node_problems(node)


def _node_problems(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            if _FOLDERS.match(text):
                yield f"it names a folder of one machine, {text!r}; use the workspace"
            if re.match(r"https?://(?!127\.0\.0\.1|localhost)", text):
                yield f"it reaches for the network, {text!r}"
        case ast.Import(names=names):
            for name in names:
                yield from _import_problems(name.name)
        case ast.ImportFrom(module=str(module)):
            yield from _import_problems(module)
        case ast.FunctionDef() | ast.ClassDef() | ast.AsyncFunctionDef():
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield f"{node.name} has {length} lines; put it into the library"
        case ast.Attribute(attr="filterwarnings" | "simplefilter" | "catch_warnings"):
            yield "it silences or changes warnings"
        case ast.Call(
            func=ast.Name(id="Workspace") | ast.Attribute(attr="Workspace"), args=[_, *_]
        ):
            yield "Workspace() takes the folder that the runner gives; pass no path"


def _import_problems(module: str) -> Iterator[str]:
    if module.partition(".")[0] in _NETWORK:
        yield f"it imports {module}, which reaches for the network"


def _exercise_problems(cells: Sequence[str], exercises: Mapping[str, Exercise]) -> Iterator[str]:
    checked = [name for source in cells for name in _CHECKED.findall(source)]
    if not 2 <= len(exercises) <= 4:
        yield f"a notebook has 2 to 4 exercises; this one has {len(exercises)}"
    for name in sorted(set(checked) - exercises.keys()):
        yield f"{name} is not an exercise of this notebook"
    for name, exercise in exercises.items():
        if name not in checked:
            yield f"the exercise {name} is never checked: exercises.{name}.check(…)"
            continue
        holder = next(source for source in cells if f"exercises.{name}.check(" in source)
        if not holder.strip().splitlines()[-1].startswith(f"exercises.{name}.check("):
            yield f"exercises.{name}.check(…) must be the last line of its cell, to be shown"
        missing = [line for line in _starter_lines(exercise) if line not in _bare_lines(cells)]
        for line in missing:
            yield f"the starter of {name} is not there: {line}"


def _starter_lines(exercise: Exercise) -> list[str]:
    return [line.strip() for line in exercise.starter.splitlines() if line.strip()]


def _bare_lines(cells: Sequence[str]) -> set[str]:
    """Every line of the notebook without its trailing comment."""
    return {line.partition("  #")[0].strip() for source in cells for line in source.splitlines()}
