"""The course's notebooks are what their sources give, and look as every notebook of it does."""

import json
from pathlib import Path

import nbformat
import pytest

from capstone_lib.course import exercises
from capstone_lib.course.anatomy import anatomy_problems, count_words
from capstone_lib.course.catalogue import notebooks_folder
from capstone_lib.course.exercise import Examples, Exercise, Right
from capstone_lib.course.sync import differences, generate, main, sources

FOLDER = notebooks_folder()

GOOD = """\
# %% [markdown]
# # Start here
#
# In twenty minutes you will know the people in the data.
#
# **You will be able to**
#
# - load the census,
# - read a code
#   that goes on in a second line,
# - name the harm.
#
# **Time:** 20 minutes
#
# **Needs:** nothing. **Produces:** nothing.

# %% tags=["parameters"]
rows: int = 10  # how many rows to show

# %%
from capstone_lib.course import exercises

# %% [markdown]
# ## 1. The people (8 minutes)
# Why, and ![a loop of five boxes](loop.png).

# %%
share = ...  # ← your answer
exercises.ex_77_share.check(share)

# %% [markdown]
# ## 2. The task (5 minutes)

# %%
low = ...
high = ...

# %%
exercises.ex_77_bounds.check(low, high)

# %% [markdown]
# ## 3. The harm (5 minutes)

# %%
share

# %% [markdown]
# ## Recap
# - one,
# - two,
# - three.
#
# ## Ask yourself
# <details><summary>Why?</summary>Because.</details>
# <details><summary>Who?</summary>People.</details>
# <details><summary>What?</summary>This.</details>
#
# ## Next
# Notebook 01.
"""


def exercise(place: int, starter: str) -> Exercise:
    return Exercise(
        f"77.{place}", lambda: Right(""), starter=starter, hints=("",), answer="", because="",
        examples=Examples(mistakes={}, also_right=()),
    )  # fmt: skip


OURS = {
    "ex_77_share": exercise(1, "share = ..."),
    "ex_77_bounds": exercise(2, "low = ...\nhigh = ..."),
}


def problems(source: str, ours: dict[str, Exercise] = OURS) -> list[str]:
    return anatomy_problems(nbformat.reads(generate(source), as_version=4), ours)


# ------------------------------------------------------------------ the course as it is


def test_every_generated_notebook_is_what_its_source_gives() -> None:
    assert differences(FOLDER) == []


def test_every_notebook_has_the_anatomy() -> None:
    registry = exercises.registry()
    found = {}
    for path in sources(FOLDER):
        ours = {name: one for name, one in registry.items() if one.notebook == path.name[:2]}
        notebook = nbformat.reads(generate(path.read_text("utf-8")), as_version=4)
        found[path.name] = anatomy_problems(notebook, ours)
    assert {name: said for name, said in found.items() if said} == {}
    names = [path.name[:2] for path in sources(FOLDER)]
    assert names == [f"{number:02}" for number in range(len(names))], "00, 01, … without a gap"


# ------------------------------------------------------------------ the check can fail


def test_a_good_notebook_has_no_problems() -> None:
    assert problems(GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("# # Start here", "# Start here", "title"),
        ("you will know the people in the data.", "you will know", "promise"),
        ("# - name the harm.\n", "", "3 to 5 bullets; there are 2"),
        ("# **Time:** 20 minutes", "# Takes a while.", "the time in all"),
        ("20 minutes", "60 minutes", "45 at most"),
        ("**Needs:** nothing.", "", "needs"),
        ("**Produces:** nothing.", "", "produces"),
        (' tags=["parameters"]', "", "tag parameters; 0 cells"),
        ("  # how many rows to show", "", "rows needs a comment"),
        ("rows: int = 10", "rows: int = 5 * 2", "computes"),
        ("## 2. The task", "## 4. The task", "there are: 1, 4, 3"),
        ("## 3. The harm (5 minutes)", "The harm", "there are: 1, 2"),
        ("(5 minutes)", "(9 minutes)", "the sections take 26 minutes"),
        ("## Recap", "## The end", "## Recap"),
        ("# - three.\n", "", "3 to 5 claims"),
        ("<details><summary>Who?</summary>People.</details>", "Who?", "there are 2"),
        ("# Notebook 01.", "#", "where to go on"),
        ("![a loop of five boxes]", "![]", "alternative text"),
        ("(loop.png)", "(https://host.example/loop.png)", "from the network"),
        ("# Why, and", "# <img src='loop.png'> and", "alternative text"),
        ("# Why, and", "# $\\frac{1}{2}$ and", "TeX"),
        ("# %%\nshare\n", "# %%\n!pip install numpy\n", "installs something"),
        ("# %%\nshare\n", "# %%\nimport subprocess\n'uv pip install x'\n", "installs something"),
        ("# %%\nshare\n", "# %%\nimport urllib.request\n", "reaches for the network"),
        ("# %%\nshare\n", "# %%\nfrom requests import get\n", "reaches for the network"),
        ("# %%\nshare\n", "# %%\nopen('/home/me/x')\n", "folder of one machine"),
        ("# %%\nshare\n", "# %%\nopen('C:\\\\x')\n", "folder of one machine"),
        ("# %%\nshare\n", "# %%\nlink = 'https://host.example'\n", "reaches for the network"),
        ("# %%\nshare\n", "# %%\nwarnings.simplefilter('ignore')\n", "silences"),
        ("# %%\nshare\n", "# %%\ncourse.Workspace('work')\n", "pass no path"),
        ("# %%\nshare\n", "# %%\n" + "share\n" * 16, "16 lines; 15 at most"),
        ("# %%\nshare\n", "# %%\nshare\n\n" * 40, "45 at most"),
        ("# %%\nshare\n", "# %%\nshare +\n", "is not Python"),
        ("# %%\nshare\n", "# %%\ndef f():\n" + "    share\n" * 5, "f has 6 lines"),
        ("# %%\nshare\n", ("# %%\n" + "share\n" * 15 + "\n") * 12, "lines of code; 170 at most"),
        ("# Why, and", "# " + "why " * 1300, "1,300 at most"),
        ("share = ...", "share = 0.5", "starter of ex_77_share is not there: share = ..."),
        ("exercises.ex_77_share.check(share)\n", "share\n", "ex_77_share is never checked"),
        ("exercises.ex_77_share.check(share)\n", "exercises.ex_77_share.check(share)\nshare\n",
         "last line"),
        ("ex_77_share.check", "ex_77_shore.check", "ex_77_shore is not an exercise"),
    ],
)  # fmt: skip
def test_a_notebook_that_is_not_so_is_told_why(old: str, new: str, said: str) -> None:
    changed = GOOD.replace(old, new)
    assert changed != GOOD
    found = problems(changed)
    assert any(said in problem for problem in found), found


def test_one_exercise_is_too_few() -> None:
    found = problems(GOOD, {"ex_77_share": OURS["ex_77_share"]})
    assert any("2 to 4 exercises" in problem for problem in found)


def test_words_are_those_a_reader_reads() -> None:
    assert count_words("One **two** [three](https://a.b/c-d) <b class='x'>four</b> 5.5 don't") == 6


# ------------------------------------------------------------------ generating


def test_generating_is_the_same_every_time_and_leaves_nothing_of_a_run() -> None:
    text = generate(GOOD)
    assert text == generate(GOOD)
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert all(
        c.outputs == [] and c.execution_count is None for c in notebook.cells if "outputs" in c
    )
    assert notebook.cells[1].metadata.tags == ["parameters"]
    assert str(Path.cwd()) not in text


def test_cell_ids_are_unique_and_stay_when_a_cell_comes_before_them() -> None:
    before = [cell["id"] for cell in json.loads(generate(GOOD + "\n# %%\nshare\n"))["cells"]]
    assert len(set(before)) == len(before), "two cells of one content differ too"
    after = json.loads(generate("# %%\n'new'\n\n" + GOOD + "\n# %%\nshare\n"))["cells"]
    assert [cell["id"] for cell in after][1:] == before


def test_sync_writes_what_is_missing_and_check_tells_what_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "00_start_here.py").write_text(GOOD, "utf-8")
    assert main(["--check"], folder=tmp_path) == 1
    assert "00_start_here.ipynb is missing" in capsys.readouterr().err
    assert main([], folder=tmp_path) == 0
    assert main(["--check"], folder=tmp_path) == 0
    made = tmp_path / "00_start_here.ipynb"
    made.write_text(made.read_text("utf-8").replace("Recap", "Re-cap"), "utf-8")
    (tmp_path / "01_orphan.ipynb").write_text("{}")
    assert main(["--check"], folder=tmp_path) == 1
    said = capsys.readouterr().err
    assert "00_start_here.ipynb is not what source/00_start_here.py gives" in said
    assert "01_orphan.ipynb has no source" in said
    assert main(["--help"], folder=tmp_path) == 2
