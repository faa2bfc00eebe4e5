# %% [markdown]
# # Score in batch
#
# In forty minutes a year of people is in a database, and you know what happens when a run fails.
#
# **You will be able to**
#
# - name the six steps of a batch run, and do them by hand,
# - score a year in monthly batches, and ask how old a score is,
# - show that a run may be repeated, or killed, without harm,
# - keep two versions of a model side by side, and bad rows apart,
# - choose how many rows to score at a time.
#
# **Time:** 40 minutes
#
# **Needs:** the artifact of notebook 01. **Produces:** predictions for 2016, in `store.db`.

# %% tags=["parameters"]
months: int = 12  # how many months of 2016 to score
largest_batch: int = 10_000  # the most rows a call, when speed is measured

# %%
import pandas as pd

import capstone_lib as cap
from capstone_lib import course, plots
from capstone_lib.course import exercises, mishaps
from capstone_lib.course.reference import month_end

ws = course.Workspace()
plots.use_style()
ws.provide("artifact", "inbox")

# %% [markdown]
# ## 1. The six steps (8 minutes)
#
# Every batch run, in any company, does six things: **extract** the rows, **transform** them,
# **load features**, **load the model**, **predict**, **write**. Here is the first month's file, and
# the first five steps by hand.

# %%
from capstone_lib.batch import steps
from capstone_lib.batch.source import open_source

artifact = steps.load_model(ws.model)
files = sorted(ws.inbox.glob("2016-*.parquet"))[:months]
stretch = next(iter(steps.extract(open_source(files[0]), ["row_id", *artifact.schema.names])))
len(stretch.data)

# %% [markdown]
# The rows have come out of the file. *Transform* leads them through one gate, the schema that the
# artifact carries, and marks those that cannot be scored. *Load features* takes the others.

# %%
checked = steps.transform(artifact.schema, stretch.data)
columns = steps.load_features(checked)
steps.predict(artifact, columns).to_frame().head()

# %% [markdown]
# A line for each person: how likely they are at work, what follows from it, how unsure the model
# is, and whether a person should look. Now the same in one call, which also writes.

# %%
january = cap.score_batch(artifact, files[0], store=ws.store_url, as_of=month_end(files[0].stem))
january

# %% [markdown]
# Read the table from the top: it is the run's own record, with the time that each step was at
# work. The steps work side by side, and opening files and store takes a moment of its own: so the
# times do not add up to that of the run. (If you have run this notebook before, it says that there
# was nothing to do. Section 3 tells why.)

# %% [markdown]
# ## 2. A year, month by month (8 minutes)
#
# People arrive during the year, and each month is scored at its end: the **as-of date** says of
# which day the predictions speak. When they were made is written down beside it.

# %%
runs = []
for file in files:
    day = month_end(file.stem)
    runs.append(cap.score_batch(artifact, file, store=ws.store_url, as_of=day, show_progress=False))
pd.DataFrame(runs)[["as_of", "status", "rows", "rejected"]]

# %% [markdown]
# January was there, so it was *reused*; so is every month that an earlier run has scored.
# What does a row in the store know about itself?

# %%
store = ws.store()
store.predictions(as_of=runs[0].as_of).head(1).T.rename(columns={0: "a prediction"})

# %% [markdown]
# Who was scored, what was said, of which day, when, by which model, from which file (its
# SHA-256), in which run. A year from now somebody will ask why a letter was sent. This line is
# the answer.
#
# A score also grows old. How old would they be, if somebody looked at New Year's Eve?

# %%
store.staleness("2016-12-31")

# %% [markdown]
# **Your turn.** Find a day in 2016 on which the scores of January are more than 90 days old, and
# those of February are not. (Each month is scored as of its last day.)

# %%
asked_on = ...  # ← your answer, like "2016-12-31"
exercises.ex_02_asked_on.check(asked_on)

# %% [markdown]
# ## 3. Twice, and killed (9 minutes)
#
# At night things are started twice, and machines go down. First: twice. Does the store change?

# %%
before = store.predictions()
again = cap.score_batch(artifact, files[0], store=store, as_of=runs[0].as_of)
after = store.predictions()
again.status, before.equals(after)

# %% [markdown]
# *Reused*, and nothing has changed, not even the times. This is called **idempotent**: doing it
# again is the same as doing it once. Whoever is unsure whether a run went through may start it
# again.
#
# Now the worse case, in a store of its own. A second process scores January; when it has written
# its rows, and before it publishes them, it is killed. It cannot tidy up.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

folder = TemporaryDirectory(ignore_cleanup_errors=True)
trial = f"sqlite:///{Path(folder.name, 'trial.db').as_posix()}"
mishaps.start_and_kill(ws.model, files[0], store=trial, as_of=runs[0].as_of)

# %%
trial_store = cap.open_store(trial)
len(trial_store.predictions()), list(trial_store.runs()["status"])

# %% [markdown]
# The record still says *running*: nobody was left to correct it. The rows are on the disk, and
# yet no reader sees one: a run is published in one stroke, or not at all. Half a month that looks
# like a month would be worse than none. The next run sees that the process is gone, and clears up
# after it:

# %%
cap.score_batch(artifact, files[0], store=trial_store, as_of=runs[0].as_of, show_progress=False)
healed = trial_store.predictions().sort_values("row_id", ignore_index=True)
undisturbed = store.predictions(run_id=january.run_id).sort_values("row_id", ignore_index=True)
healed.drop(columns="scored_at").equals(undisturbed.drop(columns="scored_at"))

# %% [markdown]
# Row by row what the undisturbed run had written; only the time of scoring is another.
#
# **Your turn.** Which of these changes make it *another run*? `"as_of"` (another day), `"content"`
# (a value in the file), `"file_name"`, `"version"` (of the model), `"workers"` (more threads).

# %%
other_run = ...  # ← your answer: a set, like {"workers", "file_name"}
exercises.ex_02_other_run.check(other_run)

# %% [markdown]
# ## 4. Another version, and bad rows (9 minutes)
#
# A colleague brings a simpler model: version 1.1.0, a logistic regression.

# %%
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

census = cap.load_census()
train, held_out = census.split(2015)
X, y = train[census.features], train[census.target]
pipeline = make_pipeline(
    OneHotEncoder(handle_unknown="ignore"), LogisticRegression(max_iter=1_000)
).fit(X, y)

# %%
simpler = cap.export_model(
    pipeline,
    X,
    Path(folder.name, "simpler.onnx"),
    name=artifact.name,
    version="1.1.0",
    X_calibration=held_out[census.features],
    y_calibration=held_out[census.target],
)
simpler

# %%
cap.score_batch(simpler, files[0], store=trial_store, as_of=runs[0].as_of, show_progress=False)
both = trial_store.predictions(as_of=runs[0].as_of)
both.groupby("version")[["score", "uncertainty", "review"]].mean()

# %% [markdown]
# Two answers for every person, side by side; neither has overwritten the other. How often do the
# two versions differ about somebody?

# %%
labels = both.pivot(index="row_id", columns="version", values="label")
f"{(labels.nunique(axis=1) > 1).mean():.1%} of {len(labels):,} people"

# %% [markdown]
# For each of these people the choice of version decides whether a letter is sent. Notice how much
# can hide behind two models that look equally good.
#
# Now bad rows. A file from elsewhere has gaps. **Your turn:** spoil exactly three of these rows, so
# that the gate refuses them.

# %%
rows = census.frame(2016).head(200)
three_refused = ...  # ← your answer: a frame like rows, with three rows spoiled
exercises.ex_02_refused.check(three_refused)

# %% [markdown]
# And what does a run do with such rows? Here a few ages are missing.

# %%
gaps = rows.astype({"AGEP": float})
gaps.loc[0:4, "AGEP"] = None
cap.score_batch(artifact, gaps, store=trial_store, as_of="2016-12-31", show_progress=False)
trial_store.rejects()[["row_id", "position", "reason"]]

# %% [markdown]
# Bad rows do not stop the night. They are set aside with the reason, and the others are scored. But
# there is a limit, `max_reject_share`: when too many are bad, something else is wrong.

# %%
from textwrap import fill

from capstone_lib.errors import RunError

night = {"store": trial_store, "as_of": "2017-01-01", "show_progress": False}
try:
    cap.score_batch(artifact, gaps, max_reject_share=0.01, **night)
except RunError as error:
    print(fill(f"Failed: {error}", 90))
len(trial_store.predictions(as_of="2017-01-01"))

# %% [markdown]
# The error says how many, and why. The number below it counts what was published: nothing.
#
# ## 5. How many rows at a time? (6 minutes)
#
# The simpler model, three ways: the artifact, the pipeline with a whole batch, and the pipeline
# one row after the other, as a loop over people would do it.

# %%
from capstone_lib.course.measure import measure_throughput, row_by_row

sizes = [size for size in (1, 10, 100, 1_000, 10_000, 100_000) if size <= largest_batch]
whole = {"artifact": simpler.predict, "scikit-learn, whole batch": pipeline.predict_proba}
measured = measure_throughput(whole, X, batch_sizes=sizes)
loop = {"scikit-learn, row by row": row_by_row(pipeline.predict_proba)}
slow = measure_throughput(loop, X, batch_sizes=sizes[:3])
figure = plots.draw_throughput(pd.concat([measured, slow]))
# %% [markdown]
# *The figure in words:* rows a second against rows a call, both growing tenfold from line to
# line. The curves of the artifact and of the whole batch climb with the size of the batch, and
# the artifact's starts higher. The loop over rows stays flat at the bottom: it pays for a
# call again with every row.
#
# Two lessons. Hand over many rows at a time, whatever the tool. And the advantage of the artifact
# is greatest when there are few rows, and a live service gets one at a time.

# %%
store.close()
trial_store.close()
folder.cleanup()

# %% [markdown]
# ## Recap
#
# - Six steps: extract, transform, load features, load the model, predict, write.
# - Day, content and model make a run; doing it again changes nothing.
# - A run is published in one stroke: a killed one leaves nothing that a reader could see.
# - Versions stand side by side, and bad rows are set aside with a reason.
# - Many rows a call are fast; a loop over rows is slow.
#
# ## Ask yourself
#
# <details><summary>Why is the as-of date not simply the day on which the run was made?</summary>A
# run of last week may have to be repeated today. It still speaks of last week.</details>
#
# <details><summary>Why does a run fail when too many rows are bad, since the others could be
# scored?</summary>Many bad rows mean that the source has changed. Then the good-looking rows may
# be wrong too, and a person should look first.</details>
#
# <details><summary>When is a nightly batch not enough?</summary>When somebody cannot wait for the
# next one: a person who arrives today has no score, and one whose life has changed has an old
# one.</details>
#
# ## Next
#
# You have a model, one file, and a year of predictions in a store. Notebook 03 puts the same file
# behind an address that answers live.
