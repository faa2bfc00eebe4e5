# %% [markdown]
# # Serve in real time
#
# In forty-five minutes the artifact answers live, and you know tail latency: you have caused it.
#
# **You will be able to**
#
# - start an endpoint, ask it, and read what it says when it refuses,
# - show that batch and live give the same answer,
# - measure latency under load, and read a p99,
# - choose how many requests may be in flight,
# - try a second version on a part of the traffic, and take it back.
#
# **Time:** 45 minutes
#
# **Needs:** the artifact of notebook 01. **Produces:** a log of live answers, in `store.db`.

# %% tags=["parameters"]
load_seconds: float = 2.0  # how long each step of a load test lasts
most_users: int = 32  # how many ask at once, at most
canary_share: float = 0.4  # the share of people whom the new version answers

# %%
import time

import pandas as pd

import capstone_lib as cap
from capstone_lib import course, plots
from capstone_lib.course import exercises, mishaps

ws = course.Workspace()
plots.use_style()
ws.provide("artifact", "inbox", "canary", "fallback")

# %% [markdown]
# ## 1. Ask, and be refused (8 minutes)
#
# An **endpoint** is an address that answers as long as somebody keeps it running. (The line about
# the rollout undoes what an earlier run may have left; section 5 explains it.)

# %%
store = ws.store()
store.change_rollout(
    who="notebook 03", why="begin", route="stable", canary_share=0.0, paused=False, shadow=False
)
endpoint = cap.serve(ws.model, store=store)
endpoint

# %% [markdown]
# Open the address: there is a form to try. Only this machine reaches it, and it ends with
# `endpoint.stop()`, or with this kernel. Now the same from Python.

# %%
census = cap.load_census()
people = census.frame(2016).set_index("row_id")[census.features].head(5_000)
person = people.iloc[0]
endpoint.predict(person, id="the first person")

# %% [markdown]
# The five answers that you know from the batch, and who gave them. Now a program with mistakes: an
# age in words, half a school year, a column left out.

# %%
from capstone_lib.errors import EndpointError

broken = {**person, "AGEP": "forty", "SCHL": 16.5}
del broken["MAR"]
try:
    endpoint.predict(broken)
except EndpointError as error:
    problem = error.problem
problem

# %% [markdown]
# It is the gate of notebook 02, speaking HTTP. Status 422 says *understood, and of no use*. Every
# problem is named at once, in a form that programs read too (RFC 9457), and nothing of the inside
# is told: no file names, no stack trace.
#
# ## 2. The same person, both ways (6 minutes)
#
# January's people have a score in the store from the nightly batch. Ask live about some of them.

# %%
run = cap.score_batch(ws.model, ws.inbox / "2016-01.parquet", store=store, as_of="2016-01-31")
batch = store.predictions(run_id=run.run_id).set_index("row_id").head(200)
january = census.frame(2016).set_index("row_id").loc[batch.index, census.features]
live = pd.DataFrame(
    [endpoint.predict(row, id=str(row_id)) for row_id, row in january.iterrows()],
    index=batch.index,
)
columns = ["score", "label", "review"]
(batch[columns] == live[columns]).mean()

# %% [markdown]
# One means: equal for all, the score to its last bit. Both ways lead through the same file and the
# same gate, and trees compute each row alone. Where batch and live are two programs, somebody has
# to explain one day why a person got two answers.

# %% [markdown]
# ## 3. Load, and the tail (13 minutes)
#
# **Locust** plays users who ask again as soon as they have an answer. From now on an endpoint lives
# in a `with` block: it stops when the block is left, even by an error.

# %%
endpoint.stop()
with cap.serve(ws.model) as endpoint:
    ramp = cap.load_test(endpoint.url, people, users=[1, 8, most_users], duration_s=load_seconds)
ramp

# %%
axes = ramp.plot()

# %% [markdown]
# *The figure in words:* users on the x axis; on the left latency, a line for each percentile; on
# the right, dashed, good answers a second. Latency climbs with the users, the p99 on top; the
# dashed line cannot keep up. A dotted line, if any, is the **knee**: beyond it more users mostly
# wait.
#
# **p50** is the time within which half of the answers came, **p99** within which 99 of 100 did. Up
# to how many users can we promise three times what a single one saw?

# %%
ramp.sla(p99_ms=3 * ramp.steps[0].p99_ms)

# %% [markdown]
# That endpoint was a *thread* of this kernel, and the cell was waiting. What if the cell computes?
# Once more as a thread, then as a process of its own.

# %%
rows = {"thread, cell waits": ramp.steps[0]}
for mode in ("thread", "process"):
    with cap.serve(ws.model, mode=mode) as endpoint, mishaps.busy_interpreter():
        test = cap.load_test(endpoint.url, people, users=1, duration_s=load_seconds)
    rows[f"{mode}, cell computes"] = test.steps[0]
figures = ["good_per_s", "mean_ms", "p50_ms", "p99_ms"]
pd.DataFrame({name: {f: getattr(row, f) for f in figures} for name, row in rows.items()}).T

# %% [markdown]
# A thread shares the interpreter with the cell and waits for its turn; a process has its own. So a
# thread will do while the cell waits; else take a process.
#
# Now a slow kind of request: one in fifty also asks *why* (`explain`), which costs about a hundred
# questions to the model. Each answer is logged with its latency.

# %%
began = time.time()
with cap.serve(ws.model, mode="process", store=store) as endpoint:
    cap.load_test(endpoint.url, people, users=2, duration_s=2 * load_seconds, explain_share=0.02)
log = store.requests(since=began)
latencies = log["latency_ms"].to_numpy()
explained = log["explanation"].notna()
log.groupby(explained)["latency_ms"].agg(["count", "mean", "max"])

# %% [markdown]
# The line `True`: those who asked why, few and slow. (The log's clock starts when a request has
# arrived, Locust's when it is sent.) What does this do to all together?

# %%
axes = plots.draw_tail({"all answers": latencies, "without a why": latencies[~explained]})

# %% [markdown]
# *The figure in words:* for each time on the x axis, which share of the answers took longer, both
# logarithmic; a dot at the mean, a diamond at the p99. The lines begin together and part towards
# the bottom, where that of all answers runs further out.
#
# The average moves a little, the p99 far more: the slow requests are in the tail. And whoever asks
# a hundred times a day meets it on most days.
#
# **Your turn.** Read the p99 off `latencies`.

# %%
p99 = ...  # ← your answer, in milliseconds
exercises.ex_03_p99.check(p99, latencies=latencies)

# %% [markdown]
# ## 4. More than it can bear (8 minutes)
#
# Now all ask why, and twice as often as it can answer, whether earlier answers have come or not:
# the queue grows. Unless only so many may be **in flight**, and the next is told to come again:
# status 503, `Retry-After`.

# %%
with cap.serve(ws.model) as endpoint:
    full = cap.load_test(endpoint.url, people, users=8, duration_s=load_seconds, explain_share=1)
load = {"users": 64, "rate": 2 * full.good_per_s, "explain_share": 1, "duration_s": load_seconds}
tests = []
for bound in (2, 8, 32, 128):
    limits = cap.Limits(max_in_flight=bound)
    with cap.serve(ws.model, limits=limits) as endpoint:
        test = cap.load_test(endpoint.url, people, **load, show_progress=False)
    tests.append(test.to_frame().assign(max_in_flight=bound))
trials = pd.concat(tests, ignore_index=True)
trials[["max_in_flight", "requests", "good_per_s", "shed", "mean_ms", "p99_ms"]]

# %% [markdown]
# There are 64 connections, so the last bound sheds nobody: all get an answer, when it is too late.
# The tighter bounds serve those whom they let in; the others know at once.
#
# We promise a p99 within three times the best. **Your turn:** choose the largest bound that keeps
# the promise; a smaller one turns away more people than it must.

# %%
promise_ms = 3 * trials["p99_ms"].min()
print(f"promised: a p99 within {promise_ms:.1f} ms")
bound = ...  # ← your answer: one of the bounds
exercises.ex_03_bound.check(bound, trials=trials, promise_ms=promise_ms)

# %% [markdown]
# ## 5. Two versions, and a way back (10 minutes)
#
# A colleague brings version 2.0.0: a twentieth of the trees, and nearly as good, they say. It comes
# as a **canary** that answers a part of the people. Which part stands in the store; the endpoint
# follows within a second, and each change is recorded.

# %%
endpoint = cap.serve(ws.model, canary=ws.canary, fallback=ws.fallback, store=store, mode="process")


def change(**what):
    wanted = store.change_rollout(who="you", **what)
    while endpoint.rollout.key < wanted.key:
        time.sleep(0.05)
    return endpoint.rollout


change(why="try 2.0.0", canary_share=canary_share)

# %% [markdown]
# The person's id decides, as by a die: who asks again gets the same version. So these are two
# groups by chance, an **A/B test**. How often does each version call for a person (`review`)?

# %%
asking = people.reset_index()
began = time.time()
cap.load_test(endpoint.url, asking, users=4, duration_s=2 * load_seconds, id="row_id")
log = store.requests(since=began).drop_duplicates("row_id")
cap.compare_routes(log, a="stable", b="canary", measure="review")

# %% [markdown]
# The last row is the difference. With zero in its interval, we do not know yet; else we see what
# the small model costs: people's time.
#
# So: pause the canary; on a bad day, **degrade** to a plain, cheap model; and recover.

# %%
drill = {
    "trial": {"paused": False},
    "pause": {"paused": True},
    "degrade": {"route": "degraded"},
    "recover": {"route": "stable", "canary_share": 0.0, "paused": False},
}
began = time.time()
for why, what in drill.items():
    change(why=why, **what)
    for row_id, row in people.head(150).iterrows():
        endpoint.predict(row, id=str(row_id))
endpoint.stop()
changes = store.rollout_history().tail(len(drill))
axes = plots.draw_routes(store.requests(since=began), changes)

# %% [markdown]
# *The figure in words:* a stroke for each answer, its time to the right, a line for each route;
# dotted lines at the four changes. After *trial* there are strokes on stable and canary; after
# *pause* on stable alone; after *degrade* on degraded alone; after *recover* on stable again.
#
# Nothing was restarted, no request was lost, and `stop()` has written the rest of the log.

# %%
question = """
SELECT version, route, count(*) AS answers, avg(latency_ms) AS mean_ms, max(latency_ms) AS max_ms
FROM requests WHERE received_at > :began GROUP BY version, route
"""
store.close()
pd.read_sql(question, ws.store_url, params={"began": began})

# %% [markdown]
# **Your turn.** Ask for the share of answers with `review`, for each route. (When it passes, ask
# your own log: `pd.read_sql(review_sql, ws.store_url)`.)

# %%
review_sql = ...  # ← your answer: "SELECT …"
exercises.ex_03_review_sql.check(review_sql)

# %% [markdown]
# ## Recap
#
# - One file and one gate: batch and live give a person the same answer.
# - An average hides the tail; ask for the p99, under the load that you expect.
# - An endpoint that accepts everything keeps everybody waiting: bound what is in flight.
# - A new version gets a share of the people, and the log says what it did, with an interval.
# - Pause, degrade and recover are rows in a table: quick, recorded, for a person or a rule to add.
#
# ## Ask yourself
#
# <details><summary>Why do users who wait for their answer make a slow server look
# better?</summary>While the server stalls, they ask nothing: the requests that would have waited
# are missing from the figures. Requests at a fixed rate have no such blind spot.</details>
#
# <details><summary>Why is a refused request better than a late answer?</summary>Because the one who
# is refused knows it at once, and can come again or do without. A late answer has cost the work and
# helps nobody.</details>
#
# <details><summary>The canary has the better p99. Should it take over?</summary>Not for that alone.
# Ask what it decides: whom it misses, how often it needs a person. That needs the log, an interval,
# and later the truth.</details>
#
# ## Next
#
# You have served the model both ways, and everything it said is in one store. What follows is to
# watch it: whether the people change, and whether the answers stay good and fair.
