# %% [markdown]
# # Decide how to serve
#
# In forty-five minutes you argue for an architecture, with figures that you have measured.
#
# **You will be able to**
#
# - fill a table of batch, real time and hybrid from your own runs,
# - say what an application needs, and who is harmed if it gets it wrong,
# - find the break-even between scoring everybody and answering those who ask,
# - serve the night's answers while they are fresh, and compute the others.
#
# **Time:** 45 minutes
#
# **Needs:** the artifact of notebook 01. **Produces:** your decision, in `decision.json`.

# %% tags=["parameters"]
load_seconds: float = 2.0  # how long each step of a load test lasts
questions_per_day: int = 20_000  # how many people are asked about in a day
people_scored: int = 3_000_000  # how many people a batch run scores, asked about or not
edge_seconds: float = 6.0  # in section 4, how long the night's answers stay fresh

# %%
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd

import capstone_lib as cap
from capstone_lib import course, plots
from capstone_lib.course import exercises
from capstone_lib.decide import Prices, Volume, monthly_costs

ws = course.Workspace()
plots.use_style()
ws.provide("artifact", "inbox")

# %% [markdown]
# ## 1. The table, from your own runs (12 minutes)
#
# **Batch** scores everybody ahead; **real time** answers when asked; **hybrid** passes the night's
# answers on while they are fresh, and computes the others. Textbooks compare them in a table. So do
# we, but every figure is asked from your store. Whatever was not measured says so. (As in notebook
# 03, one line undoes what an earlier run may have left.)

# %%
artifact, store = ws.artifact(), ws.store()
store.change_rollout(
    who="notebook 07", why="begin", route="stable", canary_share=0.0, paused=False, shadow=False
)
desk = ws.path / "watch.db"  # where you reviewed, in notebook 06
told = {
    "volume": Volume(people=people_scored, questions_per_day=questions_per_day),
    "reviews": cap.open_store(desk) if desk.exists() else None,
}
cap.compare_architectures(store, artifact, **told)

# %% [markdown]
# If you come from the earlier notebooks, some cells are filled. For the others, three nights of
# batch, and an endpoint under load; a run that is in the store already is not made again.

# %%
for month, day in {"01": "31", "02": "29", "03": "31"}.items():
    source = ws.inbox / f"2016-{month}.parquet"
    cap.score_batch(ws.model, source, store=store, as_of=f"2016-{month}-{day}")

census = cap.load_census()
people = census.frame(2018).sample(4_000, random_state=0)[["row_id", *census.features]]
about = {"model": artifact.name, "version": artifact.version}
with cap.serve(ws.model, store=store, mode="process") as endpoint:
    test = cap.load_test(endpoint.url, people, id="row_id", users=[1, 8], duration_s=load_seconds)
store.write_measurements(test.measurements(**about))

# %%
table = cap.compare_architectures(store, artifact, **told)
table

# %% [markdown]
# Read a row at a time. *Latency*: a run takes a moment, but its answers are as old as the last run.
# *Throughput*: in large pieces far more rows a second go through the same model. *Cost model*: one
# is paid by the run, the other by the hour, asked or not. The hybrid column waits for section 4.
#
# Follow a figure: it links to its **source** below the table, a question to the store. What nobody
# can count again is an opinion.
#
# **Your turn.** Count the throughput of batch again from the runs that its source finds: rows a
# second, of the median run. (Rejected rows count.)

# %%
figures = table.figures()
question = figures.query("row == 'throughput' and column == 'batch'")["sql"].iloc[0]
rows = pd.read_sql(question, ws.store_url)
rows

# %%
again = ...  # ← your answer
exercises.ex_07_again.check(again, rows=rows)

# %% [markdown]
# ## 2. The checklist, and who is harmed (13 minutes)
#
# Figures do not decide; needs do. How soon must an answer come? How old may its facts be? Who is
# known ahead? Whom does a wrong answer hurt? Four applications:
#
# - **Letters**: people without work are invited to a course, by post. *Harmed*: the group that is
#   missed more often; nobody sees it happen.
# - **Counter**: a clerk advises whoever comes, today. Nine of ten have a file. *Harmed*: as above,
#   and they sit there.
# - **Card fraud**: a payment waits. *Harmed*: nobody much, it can be made good by a call.
# - **Triage** in an emergency room: *harmed*: a life.

# %%
day = 86_400
letters = cap.UseCase(
    "letters", answer_within_s=2 * day, staleness_h=720, stakes="fairness", reviews_per_day=60
)
counter = cap.UseCase(
    "counter", answer_within_s=2, staleness_h=48, known_ahead=0.9, stakes="fairness"
)
fraud = cap.UseCase("card fraud", answer_within_s=0.1, staleness_h=0, known_ahead=0)
triage = cap.UseCase(
    "triage", answer_within_s=5, staleness_h=0.1, known_ahead=0, stakes="safety", on_call=False
)
cases = [letters, counter, fraud, triage]
pd.DataFrame([cap.advise(case).to_dict() for case in cases])[["name", "architecture", "review"]]

# %% [markdown]
# Four needs, four answers, by rules that anybody can read. Where somebody is harmed, a person
# decides what the model is not sure of (`review`). Look at the last one in full.

# %%
cap.advise(triage)

# %% [markdown]
# The *reasons* stand in the order in which they counted. *Open risks* are yours to answer: a person
# needs two minutes, and the patient has seconds. *What would change it* was found by asking again.
#
# Now change the answers of the counter. Which ones turn the advice?

# %%
from capstone_lib.widgets.decide import Checklist

Checklist(counter)

# %% [markdown]
# **Your turn.** A housing office is called by people who may have a right to benefit. They are told
# on the phone, within ten seconds. Facts of yesterday will do, say 36 hours. Seven of ten callers
# are known when the nightly batch runs. Answers are wrong for some groups more often than for
# others.

# %%
case = ...  # ← cap.UseCase("housing benefit", …)
exercises.ex_07_case.check(case)

# %% [markdown]
# ## 3. The break-even (10 minutes)
#
# A price list is assumed; the speeds are yours. `utilization` is how full a core may be; `duty` (on
# the dial `busy_share`), in which share of the day people ask.

# %%
speed, volume, prices = table.speed(), told["volume"], Prices()
pd.Series(vars(prices), name="assumed").to_frame()

# %%
monthly_costs(speed, volume, prices)

# %% [markdown]
# With so few questions the endpoint has hardly anything to do, and costs what it costs: at least
# `floor_cores` stay on, the **autoscaling floor**. So one pays not for answers but for being there.
# And hybrid pays for both: it is chosen for latency and bad nights, seldom for money.
#
# A batch is cheap while it is rare. But its answers age until the next run: **staleness** is what
# one saves by. Turn the sliders.

# %%
from capstone_lib.widgets.decide import explore_costs

explore_costs(speed, volume, prices)

# %% [markdown]
# *The figure in words:* the time between two runs to the right, cost of machines a month upwards,
# both logarithmic. Batch falls as runs become rarer; real time is level; hybrid lies above both and
# meets real time on the right. A dotted line marks a run a day. Where batch crosses real time is
# the **break-even**: left of it, an endpoint is cheaper, and fresher.
#
# More questions do not move the endpoint's line until the floor is too small; more people move the
# batch's.
#
# **Your turn.** The dial tells minutes; now compute it. How many hours must lie between two runs,
# so that batch costs no more than the endpoint? (`capstone_lib.decide` has `break_even`, in runs a
# day.)

# %%
hours = ...  # ← your answer
exercises.ex_07_hours.check(hours, speed=speed, volume=volume, prices=prices)

# %% [markdown]
# ## 4. The hybrid (10 minutes)
#
# Tonight's batch knows 3,000 people. Then an endpoint that passes its answers on, until they are
# too old. Here that takes seconds.

# %%
now = datetime.now(UTC)
midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
tonight = cap.score_batch(ws.model, people.head(3_000), store=store, as_of=now.date(), id="row_id")
max_age = datetime.now(UTC) - midnight + timedelta(seconds=edge_seconds)
edge = midnight + max_age
asked = pd.concat([people.iloc[:20], people.iloc[3_000:3_010]]).set_index("row_id")

# %% [markdown]
# Twenty who are known and ten who are not come again and again, across the edge.

# %%
began, live = time.time(), []
with cap.serve(ws.model, store=store, hybrid=max_age) as endpoint:
    while datetime.now(UTC) < edge + timedelta(seconds=3):
        live += [endpoint.predict(row, id=str(who)) for who, row in asked.iterrows()]
        time.sleep(0.2)
log = store.requests(since=began)
marks = pd.DataFrame({"changed_at": [pd.Timestamp(edge).tz_localize(None)], "why": ["too old"]})
axes = plots.draw_routes(log, marks)

# %% [markdown]
# *The figure in words:* a stroke for each answer, its time to the right, a line for each route.
# Until the dotted line there are strokes on *batch*, and on *stable* for those who are not known;
# after it all are on *stable*. Nobody was turned away.
#
# Did the edge change anybody's score? Compare with the batch, and with the model itself.

# %%
batch = store.predictions(run_id=tonight.run_id).set_index("row_id")["score"]
model = pd.Series(artifact.predict(asked).score, index=asked.index)
said = pd.DataFrame(live).assign(who=lambda one: one["id"].astype(int))
passed_on, computed = (said[said["route"] == route] for route in ("batch", "stable"))
as_batch = (passed_on["who"].map(batch) == passed_on["score"]).sum()
as_model = (computed["who"].map(model) == computed["score"]).sum()
pd.DataFrame(
    {"answers": [len(passed_on), len(computed)], "of these equal": [as_batch, as_model]},
    index=["passed on, and the batch", "computed, and the model"],
)

# %% [markdown]
# All of them: one file and one gate, so the path shows only in `route`, and in `as_of`. Now the
# same under load, with scores that count for 36 hours, and the table once more.

# %%
with cap.serve(ws.model, store=store, hybrid="36h", mode="process") as endpoint:
    test = cap.load_test(endpoint.url, people, id="row_id", users=8, duration_s=load_seconds)
store.write_measurements(test.measurements(**about, feature="hybrid"))
table = cap.compare_architectures(store, artifact, **told)
table

# %% [markdown]
# The hybrid column is filled: the **hit rate** (*answered by a nightly score*), the age of what was
# passed on, what was too old. The hit rate is that of whom you asked, here about three of four; at
# a counter it is what it is. Watch it:
# on the day the batch fails, it falls to nothing, and the endpoint must bear everybody.
#
# Decide. For the counter, with your costs. A report takes the file (`capstone report --decision`).

# %%
costs = monthly_costs(table.speed(), volume, prices)
decision = cap.advise(replace(counter, cost=costs.to_dict()))
ws.decision.write_text(json.dumps(decision.to_dict(), indent=2), encoding="utf-8")
store.close()
decision

# %% [markdown]
# ## Recap
#
# - A comparison is worth what its figures are: yours can be counted again.
# - Needs decide: time, freshness, who is known ahead. Money decides among what is left.
# - Ask who is harmed, before you ask what is fast. Then a person decides what is unsure.
# - A batch buys staleness cheaply; an endpoint is paid for being there.
# - Hybrid is two paths and one answer; watch the hit rate and the age.
#
# ## Ask yourself
#
# <details><summary>The endpoint is idle at night. Why not let it sleep?</summary>You may: a floor
# of zero. Then the first who asks waits until it is up: ask how long that takes, and whether they
# can wait.</details>
#
# <details><summary>Real time costs far more than batch here. Is that an argument
# against it?</summary>Only if the batch meets the need. Both may be small beside a clerk's hour, or
# beside what a late answer costs.</details>
#
# <details><summary>Why not serve stale answers rather than none?</summary>For letters, perhaps. In
# triage a stale answer is about another patient than the one who lies there. The application says,
# not the architecture.</details>
#
# ## Next
#
# You have a model, two ways to serve it, a watch over it, and a decision with reasons. In notebook
# 08 you do it all once more: with your own data.
