# %% [markdown]
# # Alert, act, review
#
# In forty-five minutes a number stops a rollout, and a person has the last word on ten answers.
#
# **You will be able to**
#
# - read a playbook, and write down what it may pass over,
# - watch alerts act on a running endpoint, and take their actions back,
# - tune a rule so that it neither cries wolf nor sleeps,
# - decide cases with an explanation before you,
# - say whether reviews help, and how sure that is.
#
# **Time:** 45 minutes
#
# **Needs:** the artifact of notebook 01. **Produces:** `playbook.toml`; alerts, tickets and
# decisions in `watch.db`.

# %% tags=["parameters"]
rows: int = 1_500  # how many people come in a month
stretches: int = 60  # how many stretches of weeks a rule is tried on, of each kind
reviewer_error: float = 0.1  # how often the simulated reviewers err
seed: int = 0  # another seed draws other people

# %%
import json
import time

import pandas as pd

import capstone_lib as cap
from capstone_lib import course, plots
from capstone_lib.alerts.alert import alerts_frame
from capstone_lib.course import exercises
from capstone_lib.course.lines import follow, wait_for
from capstone_lib.course.stream import measure_month, month_of, play

ws = course.Workspace()
plots.use_style()
ws.provide("artifact", "canary", "fallback")

# %% [markdown]
# ## 1. From number to rule (9 minutes)
#
# A monitor measures and judges nothing. What is too much, and what is done then, stands in a
# **playbook**: one file of **rules**, written down before anything happens.

# %%
playbook = cap.load_playbook()
playbook.to_frame()[["measurement", "threshold", "severity", "actions"]].head(9)

# %% [markdown]
# A rule that holds raises an **alert**. Its **severity** says who gets up for it: *info* nobody,
# *warning* somebody tomorrow, *critical* somebody now. Its **actions** are done at once: a
# **ticket** is a task with an owner; the others you will see at work. One rule in full, on
# **parity**: do batch and live see the same values?

# %%
vars(playbook["parity"])

# %% [markdown]
# It uses the `low` end of the interval, so a few rows do not ring. And it has two
# thresholds: raised above 0.01, cleared below 0.005. Between the two nothing changes, so a number
# that trembles on a line does not ring and fall silent in turn: **hysteresis**.
#
# Now something to watch: an endpoint of two workers, with a canary, and a month of people. Each is
# asked about live, scored in a batch, and at the month's end it is known who was at work. (A month
# passes in seconds; the log is dated to the days on which people came.)

# %%
artifact, census = ws.artifact(), cap.load_census()
store = ws.new_store("watch.db")
store.change_rollout(who="you", why="try 2.0.0", canary_share=0.2)
endpoint = cap.serve(
    ws.model, canary=ws.canary, fallback=ws.fallback, store=store, mode="process", workers=2
)
running = {"url": endpoint.url, "artifact": artifact, "store": store}
january = month_of(census, "2016-01", rows=rows, seed=seed)
play(january, **running)
january

# %%
measured = measure_month(january, artifact, store)
alerts = [one for one in cap.evaluate_alerts(playbook, measured) if one.state == "firing"]
watched = ["rule", "state", "severity", "feature", "group"]
print(f"{len(measured):,} measurements")
alerts_frame(alerts)[watched]

# %% [markdown]
# Nothing is wrong in January, and yet it rings: errors differ between groups, as you know from
# notebook 04. Once somebody has looked at such a gap and decided, the rule may pass over it, and
# the playbook says so. (Rules on speed and stale scores are left out, too.)
#
# **Your turn.** Which columns may the rule pass over, and no others?

# %%
known = ...  # ← your answer: a list of columns
exercises.ex_06_known.check(known, alerts=alerts)

# %%
from capstone_lib.course.playbooks import KNOWN_GAPS, write_playbook

playbook = write_playbook(ws.playbook, KNOWN_GAPS)
firing = [one for one in cap.evaluate_alerts(playbook, measured) if one.state == "firing"]
print(f"with the course's playbook: {len(firing)} alerts fire")

# %% [markdown]
# A quiet month should be silent now. `playbook.toml` explains every line; in `but_not` stands what
# the course passes over.
#
# ## 2. Before your eyes (12 minutes)
#
# A month is judged like this: measure, evaluate with what was measured before, act.

# %%
book = cap.AlertBook(store)


def judge(month):
    found, history = measure_month(month, artifact, store), store.measurements()
    alerts = cap.evaluate_alerts(playbook, found, history=history, silences=book.silences())
    about = {"playbook": playbook, "source": month.people, "now": month.window[1]}
    return alerts, cap.act(alerts, store, artifact=artifact, who="notebook 06", **about)


# %% [markdown]
# In February the *client*, the program that asks the endpoint, begins to fill in defaults.

# %%
february = month_of(census, "2016-02", rows=rows, seed=seed, client="live_defaults")
play(february, **running)
alerts, done = judge(february)
began = time.monotonic()
said = follow(endpoint.url, route="degraded", paused=True)
print(f"{time.monotonic() - began:.1f} s later both workers say:")
said

# %%
acted = pd.DataFrame([one.to_dict() for one in done])[["rule", "action", "state", "result"]]
acted.assign(result=acted["result"].str.partition(" (")[0].str.slice(0, 60))

# %% [markdown]
# The canary is paused, so that nobody takes the fault for the new version's; the plain fallback
# answers; and each owner has a ticket. All of it happened in a running endpoint, through a row in
# the store. Read one ticket:

# %%
print(book.tickets()["body"].iloc[-1].partition("## What the playbook")[0])

# %% [markdown]
# You **acknowledge** the alert, so that others know that you are at it. The client is mended, and
# you **undo** what the rule did: the usual model answers again. While the columns settle, you
# **silence** a rule: its alerts are written down, and not acted on.

# %%
from datetime import timedelta

raised = book.open().set_index("rule")["alert_id"]
you = {"who": "you", "now": "2016-03-08"}
book.acknowledge(raised["parity"], **you)
book.undo(raised["parity"], "degrade_route", why="the client is mended", **you)
book.silence("joined_wrongly", for_=timedelta(hours=2), who="you", why="the client is mended")
follow(endpoint.url, route="stable")

# %% [markdown]
# In March all is well again. From April on, women of 25 to 54 lose their work (simulated).

# %%
later = [("2016-03", "nothing")] + [(f"2016-0{k}", "job_losses_women") for k in (4, 5)]
found = {}
for name, world in later:
    month = month_of(census, name, rows=rows, seed=seed, world=world)
    play(month, **running)
    found[name] = judge(month)[0]
states = {name: {one.rule.name: one.state for one in some} for name, some in found.items()}
table = pd.DataFrame(states).fillna("")
table[~table.isin(["unknown"]).any(axis=1)]

# %% [markdown]
# In March drift is firing still: it wants two quiet windows before it clears. In April no feature
# rings, since nobody's features have changed; the outcomes tell it.

# %%
from matplotlib import pyplot as plt

from capstone_lib.alerts.plots import draw_timeline

figure, axes = plt.subplots(3, 1, figsize=(9, 9))
seen, past, acts = store.measurements(), book.history(), book.actions()
for ax, name in zip(axes, ("parity", "accuracy_lost", "unequal_errors"), strict=True):
    draw_timeline(seen, past, playbook[name], actions=acts, ax=ax)

# %% [markdown]
# *The figure in words:* three numbers over five months, a point at each month's end, with the
# threshold (dashed) and, inside it, the line beyond which the alert clears (dotted).
# The first leaps in February; its alert is open for a month (shaded), with lines where the
# route was degraded and where you took that back. Accuracy falls and the gap between women
# and men rises in April; both alerts stay open.
#
# ## 3. Neither cry wolf nor sleep (11 minutes)
#
# A month is long. Who watches a week's 500 people hears sooner, and meets more chance. Here are
# stretches of twelve weeks: in half of them nothing happens, in the others women lose their work in
# the first week: a crisis. What is watched is the gap between women and men itself, not its lower
# bound.

# %%
from capstone_lib.alerts.plots import draw_trial
from capstone_lib.course.weeks import draw_weeks
from capstone_lib.widgets import explore

weeks = draw_weeks(artifact, census, n=stretches, seed=seed)
weeks


# %%
def turn(threshold=0.1, for_windows=1, weeks=weeks):
    trial = weeks.try_rule(threshold=threshold, for_windows=for_windows)
    draw_trial(trial, weeks.quiet, weeks.broken)
    return f"{trial}, {trial.heard(4):.0%} within 4"


alt = "Left: gaps by week, quiet and broken, with a threshold. Right: how many have rung by when."
explore(turn, alt=alt, threshold=(0.04, 0.4, 0.02), for_windows=[1, 2, 3, 4])

# %% [markdown]
# *The figure in words:* left, a thin line for each stretch: the broken ones mostly above the quiet
# ones, but mixed with them. Right, the share of stretches that have rung by each week. Crying wolf
# lifts the quiet line; sleeping leaves the other low.
#
# **Your turn.** At most one quiet stretch in ten may ring, and nine crises in ten are to be heard
# within four weeks. It is judged on weeks that you have not seen.

# %%
unseen = draw_weeks(artifact, census, n=stretches, seed=seed + 1)
threshold = ...  # ← your answer: a gap
for_windows = ...  # ← your answer: for how many weeks it must hold
exercises.ex_06_rule.check(threshold, for_windows, unseen=unseen)

# %% [markdown]
# ## 4. Ten cases (8 minutes)
#
# The alert about women has begun an audit (`human_audit`): a sample of them, and as many others, so
# that nobody can tell from the queue whom it is about. Be the reviewer: *Next case*, choose,
# *Decide*. If you choose another label than the model's, that is an **override**: it holds from
# then on.

# %%
from capstone_lib.widgets.review_panel import ReviewPanel

queue = cap.ReviewQueue(store)
words = {0: "without work", 1: "at work"}
ReviewPanel(queue, reviewer="you", artifact=artifact, words=words)

# %% [markdown]
# You see the person, the answer, and its **reasons**: what each value adds to the score or
# takes from it, beside everybody's mean. They say how the model came to its answer, and not whether
# it is true.
#
# Go on when you have decided some. What is left of ten cases a **simulated** reviewer decides. It
# knows what became of people, as no real one does, and errs now and then.

# %%
from capstone_lib.course.reviewer import SimulatedReviewer

months = [month_of(census, f"2016-0{k}", rows=rows, seed=seed, world=later[1][1]) for k in (4, 5)]
truth = pd.concat([one.people for one in months]).set_index("row_id")[census.target].to_dict()
ben = SimulatedReviewer(truth, name="Ben (simulated)", error=reviewer_error, seed=seed)
ben.work(ben.desk(store), n=max(0, 10 - len(queue.decisions())), overrides=1)
queue.decisions()[["reviewer", "row_id", "model_label", "verdict", "label", "seconds"]].round(0)

# %% [markdown]
# What was overridden comes back: live, from every worker within a second, and in the batch.

# %%
over = queue.decisions().query("verdict == 'override'").iloc[0]
asked = json.loads(over["features"])
wait_for(lambda: "decided_by" in endpoint.predict(asked, id=str(over["row_id"])), what="an answer")
live = endpoint.predict(asked, id=str(over["row_id"]))
batch = store.predictions(ids=[over["row_id"]]).iloc[-1]
endpoint.stop()
pd.DataFrame({"live": live, "batch": batch}).loc[["score", "label", "review", "decided_by"]]

# %% [markdown]
# ## 5. Did it help? (5 minutes)
#
# Reviews cost time, and people err too. So reviews are measured like a model: errors before and
# after them, about the same people, where it is known what was true.

# %%
from capstone_lib.review import measure_reviews


def reviews():
    frame = pd.DataFrame([vars(one) for one in measure_reviews(store, artifact=artifact)])
    return frame.set_index(["name", "group"])[["value", "low", "high", "n"]].round(3)


first = reviews()
ten = first.loc[("review_help", "")]
first.loc[["review_error_before", "review_error_after", "review_help", "review_seconds"]]

# %% [markdown]
# `review_help` is the first less the second. Now two more simulated reviewers go on; of some cases
# both have a word, which measures how far they agree (`review_kappa`: 1 always, 0 as by chance).

# %%
for number, name in enumerate(("Cleo (simulated)", "Dan (simulated)"), start=1):
    one = SimulatedReviewer(truth, name=name, error=reviewer_error, seed=seed + number)
    one.work(one.desk(store), n=75)
after = reviews()
everything = after.loc[("review_help", "")]
asked = ["override_rate", "review_help", "review_kappa"], ["", "SEX=1", "SEX=2"]
after[after.index.isin(asked[0], level="name") & after.index.isin(asked[1], level="group")]

# %% [markdown]
# The override rate by group, too: if women are overridden far more often than men, the model is
# wrong about them, or the reviewers are.
#
# **Your turn.** What do both intervals of `review_help` say: `"they help"`, `"they harm"` or
# `"not known"`?

# %%
after_ten = ...  # ← your answer, from ten
after_all = ...  # ← your answer, from everything
exercises.ex_06_helped.check(after_ten, after_all, ten=ten, everything=everything)

# %% [markdown]
# ## Recap
#
# - A playbook says before the fact what is too much, what is done, who is asked, and why.
# - Alerts act on what is running, once; a person can see, silence and undo each action.
# - A threshold and patience are chosen together, on quiet windows and on broken ones.
# - An override is data: it comes back in every answer, and is judged like any other.
# - Ten cases say little; an interval says how little.
#
# ## Ask yourself
#
# <details><summary>Why does the rule pause the canary, though the client was at
# fault?</summary>While data are broken, nothing that is compared can be trusted. To pause costs
# little, and is undone in a second.</details>
#
# <details><summary>Why does the audit draw men, too?</summary>To compare with; and because a
# reviewer who knows whom the suspicion is about decides differently.</details>
#
# <details><summary>A reviewer agrees with the model in 98 % of the cases. Is all
# well?</summary>Perhaps. Or they wave it through. Let some decide before
# they see the answer (`ReviewQueue(blind=True)`), and compare with what becomes of
# people.</details>
#
# ## Next
#
# In notebook 07 you decide: batch, real time, review, or all of them, with the figures of your own
# runs.
