"""What every notebook of the course looks like, as a check that says what is missing.

In this order: title · promise · *You will be able to* · time · *Needs / Produces* · parameters ·
setup · three to five numbered sections with their minutes · recap · three self-questions with
folded answers · next. And what no notebook does: install, reach for the network, name a machine's
folders, silence warnings, hold long functions.
"""

import re
from collections.abc import Iterator
from typing import Any

from capstone_lib.course.code_rules import code_problems
from capstone_lib.course.exercise import Exercise
from capstone_lib.course.parameters import ParameterFormError, read_parameters

__all__ = ["anatomy_problems"]

MAX_CELLS = 45
MAX_WORDS = 1_300
MAX_MINUTES = 45
_SECTION = re.compile(r"^## (\d+)\. .+ \((\d+) minutes?\)$", re.MULTILINE)
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_TIME = re.compile(r"^\*\*Time:\*\* (\d+) minutes", re.MULTILINE)
_LATEX = re.compile(r"\$\$|\$[^$\n]*\\[a-z]+[^$\n]*\$")


def anatomy_problems(notebook: Any, exercises: dict[str, Exercise] | None = None) -> list[str]:
    """Return what is wrong with a notebook: a sentence each, none if it is as it should be.

    Parameters
    ----------
    notebook
        An nbformat node, or the same as plain dictionaries with ``source`` as text.
    exercises
        The notebook's exercises by the name of their variable; each must stand in it with its
        starter.
    """
    cells = notebook["cells"]
    prose = [cell["source"] for cell in cells if cell["cell_type"] == "markdown"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    return [
        *_size(cells, prose),
        *_opening(cells),
        *_parameters(cells),
        *_sections("\n\n".join(prose)),
        *_closing("\n\n".join(prose)),
        *_pictures("\n\n".join(prose)),
        *code_problems([cell["source"] for cell in code], exercises or {}),
    ]


def count_words(prose: str) -> int:
    """Count the words a reader reads: without HTML tags and the addresses of links."""
    text = re.sub(r"<[^>]+>|\]\([^)]*\)", " ", prose)
    return len(re.findall(r"\w[\w'’.,%-]*", text))


def _size(cells: list[Any], prose: list[str]) -> Iterator[str]:
    if len(cells) > MAX_CELLS:
        yield f"{len(cells)} cells; {MAX_CELLS} at most"
    words = sum(map(count_words, prose))
    if words > MAX_WORDS:
        yield f"{words:,} words of prose; {MAX_WORDS:,} at most"


def _opening(cells: list[Any]) -> Iterator[str]:
    tagged = [i for i, cell in enumerate(cells) if "parameters" in _tags(cell)]
    before = cells[: tagged[0]] if tagged else cells[:1]
    text = "\n\n".join(cell["source"] for cell in before if cell["cell_type"] == "markdown")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or not lines[0].startswith("# "):
        yield "the first cell must begin with a title: # …"
        return
    if len(lines) < 2 or not re.match(r"[\w*_`“\"].*[.!?]$", lines[1]):
        yield "below the title there must be a promise: one sentence in one line"
    verbs = _bullets(text, "**You will be able to**")
    if not 3 <= verbs <= 5:
        yield f"**You will be able to** must stand above 3 to 5 bullets; there are {verbs}"
    if not _TIME.search(text):
        yield "the time in all must be given: **Time:** 40 minutes"
    for word in ("Needs", "Produces"):
        if not re.search(rf"\*\*{word}:\*\* \S", text):
            yield f"the opening must say what it {word.lower()}: **{word}:** …"


def _parameters(cells: list[Any]) -> Iterator[str]:
    tagged = [cell for cell in cells if "parameters" in _tags(cell)]
    if len(tagged) != 1 or tagged[0]["cell_type"] != "code":
        yield f"one code cell must have the tag parameters; {len(tagged)} cells have it"
        return
    try:
        declared = read_parameters(tagged[0]["source"])
    except ParameterFormError as error:
        yield str(error)
        return
    for one in declared:
        if not one.help:
            yield f"the parameter {one.name} needs a comment that says what it is"


def _sections(prose: str) -> Iterator[str]:
    found = [(int(number), int(minutes)) for number, minutes in _SECTION.findall(prose)]
    numbers = [number for number, _ in found]
    if not 3 <= len(numbers) <= 5 or numbers != list(range(1, len(numbers) + 1)):
        seen = ", ".join(map(str, numbers)) or "none"
        yield f"3 to 5 sections must be numbered: ## 1. The data (8 minutes); there are: {seen}"
    total = _TIME.search(prose)
    if total is None:
        return
    minutes = int(total[1])
    if minutes > MAX_MINUTES:
        yield f"{minutes} minutes; {MAX_MINUTES} at most"
    if sum(minutes for _, minutes in found) > minutes:
        yield f"the sections take {sum(m for _, m in found)} minutes, the notebook says {minutes}"


def _closing(prose: str) -> Iterator[str]:
    headings = [h.strip() for h in _HEADING.findall(prose)]
    last = [h for h in headings if h in ("Recap", "Ask yourself", "Next")]
    if last != ["Recap", "Ask yourself", "Next"] or headings[-3:] != last:
        yield "it must end with ## Recap, ## Ask yourself and ## Next, in this order"
        return
    claims = _bullets(prose, "## Recap")
    if not 3 <= claims <= 5:
        yield f"## Recap must hold 3 to 5 claims as bullets; there are {claims}"
    questions = prose.partition("## Ask yourself")[2].partition("## Next")[0]
    folded = len(re.findall(r"<details>\s*<summary>.+?</details>", questions, re.DOTALL))
    if folded != 3:
        yield f"## Ask yourself must hold 3 questions with <details> answers; there are {folded}"
    if not prose.partition("## Next")[2].strip():
        yield "## Next must say where to go on"


def _pictures(prose: str) -> Iterator[str]:
    if re.search(r"!\[\s*\]\(", prose) or re.search(r"<img(?![^>]*\balt=\"[^\"]+\")[^>]*>", prose):
        yield "a picture in the prose needs alternative text"
    if re.search(r"!\[[^]]*\]\(https?:|<(?:img|script|iframe|link)[^>]*https?:", prose):
        yield "a picture in the prose comes from the network; put it beside the notebook"
    if _LATEX.search(prose):
        yield "a formula in TeX is not shown offline; write it in words or plain characters"


def _bullets(text: str, heading: str) -> int:
    """Count the bullets that follow a heading, up to the next paragraph that is none."""
    if heading not in text:
        return 0
    count = 0
    for line in text.partition(heading)[2].splitlines()[1:]:
        if re.match(r"[-*] ", line):
            count += 1
        elif line.strip() and not line.startswith(" "):
            break
    return count


def _tags(cell: Any) -> list[str]:
    return list(cell["metadata"].get("tags", []))
