# %% [markdown]
# # Start here
#
# In twenty minutes you know whom this course is about, and what it takes until a model is finished.
#
# **You will be able to**
#
# - say what happens to a model after it is trained,
# - read a person in the data, in words,
# - compute a share within a group,
# - name the error that harms somebody.
#
# **Time:** 20 minutes
#
# **Needs:** nothing but the course. **Produces:** nothing; this notebook only looks.

# %% tags=["parameters"]
people_shown: int = 4  # how many people to show in words

# %% [markdown]
# Run a cell with Shift and Enter, from the top to the bottom. The first one loads the library.

# %%
import capstone_lib as cap
from capstone_lib import course, plots
from capstone_lib.course import exercises

ws = course.Workspace()
plots.use_style()

# %% [markdown]
# ## 1. The loop (4 minutes)
#
# A model is not finished when it is trained. It is finished when one and the same file answers in
# a nightly batch and behind a live service, when somebody notices that the world has changed, and
# when a person is asked before it does harm. This course walks round that loop, one notebook a
# stage.

# %%
figure = plots.draw_loop(here=["data", "train", "export", "batch"])
# %% [markdown]
# *The figure in words:* from the census data an arrow leads to training and on to export, which
# writes one file. The file works in two places, in batch and in real time. Both write into one
# store. Then the way goes back: monitor, alert, review by a person, decide, and from there to
# training again. The coloured stages are those of the first notebooks.
#
# Two things to keep in mind. There is **one file**: no second program that repeats its
# preparation of the data and gets it a little wrong. And the way **back** is as long as the way
# there.

# %% [markdown]
# ## 2. The people in the data (6 minutes)
#
# The data come from the American Community Survey, in Massachusetts, four years in a row. They are
# in the public domain and came with the course: nothing is downloaded.

# %%
census = cap.load_census()
census

# %% [markdown]
# Each row is a person. The first year trains the model. The later years are its working life:
# people it has never seen, one year after another. Here is one row as the model sees it.

# %%
people = census.frame(2015)
people[census.features].head(1).T.rename(columns={0: "code"})

# %% [markdown]
# Codes, nothing else. The data know what they mean; here are a few people in words.

# %%
some = people[["AGEP", "SEX", "SCHL", "MAR", "DIS", "employed"]]
census.decode(some.sample(people_shown, random_state=0), titles=True)

# %% [markdown]
# Read each line as a life for a moment. The last column is what the model shall say: was this
# person at work last week? *Not at work* has many reasons: a pension, a degree, a child, an
# illness, a job that was lost. The data do not tell which.
#
# Does age matter? Group the people by ten years, and take the share at work in each group.

# %%
decade = people["AGEP"] // 10 * 10
figure = plots.draw_shares(
    people["employed"], decade, xlabel="age, from … years on", ylabel="people at work"
)
# %% [markdown]
# *The figure in words:* one dot for each ten years of age, with the number of people below it. The
# share at work is middling among the youngest (17 to 19), high between twenty and sixty, and low
# after that. The bars through the dots say how sure we may be; with so many people they are short.
#
# **Your turn.** Compute the share of people at work for each code of `SEX` (1 male, 2 female).

# %%
at_work = ...  # ← your answer: one share for each code of SEX
exercises.ex_00_at_work.check(at_work)

# %% [markdown]
# Stuck? Put `exercises.ex_00_at_work.hint()` into a cell of your own, more than once if you like.
# `exercises.ex_00_at_work.solution()` shows a way. Nobody counts.

# %% [markdown]
# ## 3. A letter, and who does not get it (5 minutes)
#
# Our story: a state job service writes to people whom the model takes to be **without** work, and
# offers help. The model answers *employed* (positive) or *not employed* (negative), and errs in two
# ways:
#
# | | the model says *employed* | the model says *not employed* |
# |---|---|---|
# | **is at work** | right | false negative |
# | **is not at work** | false positive | right |
#
# Who gets a letter, who does not, and whom does that hurt?

# %%
harm = ...  # ← your answer: "false positive" or "false negative"
exercises.ex_00_harm.check(harm)

# %% [markdown]
# An average hides whom an error hits. So the course will ask of every rate: for whom? These are
# the columns by which it asks.

# %%
{name: census.dictionary[name].title for name in census.sensitive}

# %% [markdown]
# Leaving such columns out of the model does not settle it: others tell nearly the same. Marital
# status and place in the household know a good deal about age, for example.

# %% [markdown]
# ## 4. A first check (3 minutes)
#
# The rest of the course needs some memory, a port on this machine, and the data as they were
# shipped. Each check answers yes or no, and a no says what to do.

# %%
from capstone_lib.course import doctor

found = [doctor.check_memory(), doctor.check_port(), doctor.check_data()]
found.append(doctor.check_workspace(ws.path))
{check.name: "fine" if check.ok else check.cure for check in found}

# %% [markdown]
# Four times *fine*: go on. In a terminal, `capstone doctor` checks all this and the installed
# packages too.

# %% [markdown]
# ## Recap
#
# - A model is finished when it works, is watched, and is questioned: a loop, not a line.
# - One file carries the model and its preparation of the data everywhere.
# - Every row of the census is a person, and every code has a meaning.
# - The harm of this model is the false positive: a person without work who gets no letter.
#
# ## Ask yourself
#
# <details><summary>Why are children left out of the data?</summary>The survey asks about work
# from 16 years on, so every child is "not at work". Such easy cases make a model look better than
# it is.</details>
#
# <details><summary>Why does the first year train, and not a bit of every year?</summary>In real
# life a model is trained on what has been and works on what comes. Mixing the years would hide
# whether it bears that.</details>
#
# <details><summary>Could the model leave out SEX and be fair?</summary>Not by that alone. Other
# columns tell nearly the same, and without SEX nobody could even measure the
# difference.</details>
#
# ## Next
#
# **01 Export to ONNX**: train the model, put it into one file, and prove that the file gives the
# same answers.
