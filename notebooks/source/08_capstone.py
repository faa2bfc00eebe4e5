# %% [markdown]
# # The capstone
#
# In forty-five minutes your own model is at work, watched, and argued for in a report.
#
# **You will be able to**
#
# - cut any data set so that nothing leaks,
# - choose a threshold by the harm it does,
# - leave an endpoint that others can start from a file,
# - write the rule that hears what no column tells,
# - decide for an architecture, and say what would change your mind.
#
# **Time:** 45 minutes
#
# **Needs:** a data set: the census, the flights, the wines, or a file of yours. **Produces:** a
# folder `capstone/` with everything, which the last section checks.

# %% tags=["parameters"]
dataset: str = "census"  # census, flights, wine, or the path of your Parquet or CSV file
target: str = ""  # your file: the column to predict
id_column: str = ""  # your file: whose row it is; empty: rows are numbered
sensitive: str = ""  # your file: columns to judge fairness by, with commas
time_column: str = ""  # your file: when a case came; empty: simulated
known_column: str = ""  # your file: when its outcome was known; empty: with the window
model: str = "boosting"  # boosting, linear or forest
seed: int = 0  # another seed, another sample
rows: int = 12_000  # the most rows to train on
answer_within_s: float = 60.0  # your use case: how soon an answer is needed
staleness_h: float = 48.0  # how many hours old it may be
known_ahead: float = 0.8  # the share of cases known before they ask
stakes: str = "fairness"  # whom an error hurts: none, fairness or safety
cases_per_day: float = 500.0  # how many ask
reviews_per_day: float = 100.0  # how many a team can decide

# %%
from datetime import UTC, datetime

import pandas as pd

import capstone_lib as cap
from capstone_lib import course, plots
from capstone_lib.course import exercises
from capstone_lib.course.project import check_capstone, claims, open_project, rubric_frame

ws = course.Workspace().capstone
plots.use_style()

# %% [markdown]
# ## 1. The data and the question (7 minutes)
#
# Every cell below works for any of the data sets. Change the parameters above, run all, and it is
# another project. First: what is asked, and of whom?

# %%
names = {"target": target, "id": id_column, "time": time_column, "known": known_column}
project = open_project(dataset, sensitive=sensitive, seed=seed, rows=rows, **names)
claims.write_claim(ws.path / "project.json", project.settings)
project

# %% [markdown]
# One line a part. The model learns from *train*; *calibration* says what its scores mean, and
# is what later windows are compared with; the others are **production**, in the order of time.
# A household or a moment is in one part only: what leaks flatters.
#
# *Never known* is the share without an outcome, ever. Ask who they are before you leave them out: a
# cancelled flight would have been late.
#
# **For you to write down**, in a cell of your own: Who asks, who is hurt by which error, and who is
# not in these data?
#
# ## 2. A model, and its price (9 minutes)
#
# Train, and count what each threshold would cost among a thousand held-out cases. (With more than
# two classes the threshold says how sure the model must be; below it a person is asked.)

# %%
pipeline = project.fit(model)
mistakes = project.mistakes(pipeline)
mistakes.iloc[1::3].round(0).astype(int)

# %% [markdown]
# A row for each threshold. As one mistake becomes rarer, the other becomes more frequent; no
# statistic says which is worse. You do.
#
# **Your turn.** How bad is each of the two (`harm`, a number for each column of `mistakes`), and
# which threshold of `mistakes` then does the least harm in all?

# %%
harm = ...  # ← such as {"wrongly_yes": 3, "wrongly_no": 1}: your weights
threshold = ...  # ← your answer
exercises.ex_08_threshold.check(harm, threshold, mistakes=mistakes)

# %% [markdown]
# The export takes your threshold; without one the most probable class is decided.

# %%
claims.write_claim(ws.path / "threshold.json", claims.threshold_claim(harm, threshold))
artifact = project.export(pipeline, ws.model, threshold=threshold)
artifact

# %% [markdown]
# One file, proved on every row it was given, with its reference and counts by group inside.
#
# ## 3. At work, twice (8 minutes)
#
# Each window arrives as a file, without outcomes. In batch:

# %%
store, files = ws.store(), project.write_inbox(ws.inbox)
runs = [
    cap.score_batch(artifact, file, store=store, as_of=one.as_of, show_progress=False)
    for file, one in zip(files, project.windows, strict=True)
]
pd.DataFrame(runs)[["as_of", "status", "rows", "rejected"]]

# %% [markdown]
# And live. The endpoint is written down, so that a colleague can start the same one, and we start
# it from that file:

# %%
from capstone_lib.serving.definition import EndpointDefinition, read_definition

definition = EndpointDefinition(ws.path, model=ws.model.name, store=ws.store_path.name)
path = ws.path / "endpoint.toml"
path.write_text(definition.to_toml(), encoding="utf-8")
asked = project.windows[-1].rows.head(100).set_index("row_id")
began = datetime.now(UTC)
with read_definition(path).start() as endpoint:
    answers = {
        row_id: endpoint.predict(row, id=str(row_id))
        for row_id, row in asked[project.features].astype(object).iterrows()
    }
print(read_definition(path))

# %%
batch = store.predictions(as_of=runs[-1].as_of, model=artifact.name).set_index("row_id")
live = pd.DataFrame(answers.values(), index=pd.Index(answers))
both = batch.loc[live.index]
pd.Series(
    {
        "asked": len(live),
        "another label than the batch": int((live["label"] != both["label"]).sum()),
        "largest difference of scores": float((live["score"] - both["score"]).abs().max()),
        "for a person to see": int(live["review"].sum()),
    },
    dtype=object,
)

# %% [markdown]
# The same file, the same answers.
#
# ## 4. Watched (11 minutes)
#
# It is now the end of the last window. What has become known by then goes into the store, and each
# window is measured.

# %%
today = project.windows[-1].end
store.record_outcomes(project.outcomes(today))
how = {"sensitive": project.groups, "outcomes_until": today}
found = cap.measure(artifact, store, window=(began, None), replayed=True, **how)
measured = [one for one in found if one.traffic == "live"]
for file, one in zip(files, project.windows, strict=True):
    found = cap.measure(artifact, store, window=one.window, source=file, now=one.end, **how)
    measured += [one for one in found if one.traffic != "live"]
store.write_measurements(measured)
why = pd.Series([one.note for one in measured if not one.is_known], dtype=object)
counted = why.value_counts().rename_axis("not measured, because").reset_index(name="figures")
left = [{"selector": "th, td", "props": "text-align: left"}]
counted.style.hide().set_table_styles(left)

# %% [markdown]
# What could not be measured says why. Next, two audits, each written down as a claim that anybody
# can compute again. Whom do errors hit?

# %%
audit = claims.audit_project(project, artifact, until=today)
claims.write_claim(ws.path / "fairness.json", claims.fairness_claim(artifact, audit, until=today))
if audit:
    axes = audit.plot()
    columns = ["name", "over", "difference", "lower_bound", "highest", "lowest"]
    gaps = audit.gaps_frame().sort_values("lower_bound", ascending=False)
    print(gaps[columns].head(6).round(3).to_string(index=False))

# %% [markdown]
# *The figure in words:* a line for each group, with a point at its rate and a bar for the interval;
# hollow where there are too few to judge. The dashed line is everybody. Above it stand the largest
# gaps, by what is there at least (`lower_bound`; 0 may be chance, NaN: too few to judge). Without
# groups there is nothing to see, and that is a finding too.

# %%
from capstone_lib.monitoring.plots import draw_heatmap

reports = claims.drift_of(project, artifact)
claims.write_claim(ws.path / "drift.json", claims.drift_claim(artifact, reports))
axes = draw_heatmap(list(reports.values()))

# %% [markdown]
# *The figure in words:* a row for each column, the score and the label; a column for each window;
# darker where more cases moved from value to value. A dot is *real*, a ring *real and large*.
#
# Now lay what scores say beside what outcomes say:

# %%
from textwrap import fill

from capstone_lib.course.project.telling import say_what_tells, what_tells

told = what_tells(project, artifact, reports, until=today)
print(fill(say_what_tells(project, told), 90))
told.round(3)

# %% [markdown]
# `decided` and `true` are shares of the last class: decided so, and ended so. The sentence above
# is computed from this run. On the flights it is the whole point: the schedule stays, the weather
# does not, and a monitor of columns sleeps through it. On the census the newest outcomes are
# not in yet.
#
# So the playbook needs a rule that listens to outcomes. The one to begin with, the *base*, has
# none. It is tried on quiet windows, and on two faults:

# %%
from capstone_lib.course.project.rules import playbook_text, read_rules
from capstone_lib.course.project.trial import FAULTS, hold_trial

trial = hold_trial(project, artifact, seed=seed)
print(*(f"{name}: {what}" for name, what in FAULTS.items()), sep="\n")
print()
print(trial.judge(read_rules(playbook_text(project))))

# %% [markdown]
# The fault in a column should be heard, that in the outcomes is not. **Your turn:** write a rule
# that hears it, and is silent when nothing happens. It is TOML, as in `playbook.toml` of notebook
# 06; `print(playbook_text(project))` shows the base.

# %%
own_rule = ...  # ← your answer: text that begins with [[rule]]
exercises.ex_08_rule.check(own_rule, trial=trial)

# %%
ws.playbook.write_text(playbook_text(project, own_rule), encoding="utf-8")
alerts = cap.evaluate_alerts(cap.load_playbook(ws.playbook), measured)
cap.AlertBook(store).record(alerts)
print("\n".join(f"{one.state}: {one.title}" for one in alerts) or "no alert")

# %% [markdown]
# A line for each alert; none if nothing is wrong. *Unknown* means that nobody measures what the
# rule needs: no alarm, and no comfort either.
#
# ## 5. Decided, and judged (10 minutes)
#
# The checklist, with your use case, and a review share that was measured.

# %%
from capstone_lib.decide import UseCase, advise

scored = pd.concat([store.predictions(as_of=run.as_of, model=artifact.name) for run in runs])
needs = {"answer_within_s": answer_within_s, "staleness_h": staleness_h}
needs |= {"known_ahead": known_ahead, "stakes": stakes, "cases_per_day": cases_per_day}
needs |= {"review_share": float(scored["review"].mean()), "reviews_per_day": reviews_per_day}
advice = advise(UseCase(project.name, **needs))
advice

# %% [markdown]
# **Your turn.** Decide. You may contradict the checklist, if you argue it well. `because` quotes a
# figure that you measured; `would_change` names the answer that would overturn it
# (`[one.answer for one in advice.changes]`).

# %%
decision = ...  # ← "batch", "hybrid", "real time" or "real time with review"
because = ...  # ← a sentence or two, with a figure
would_change = ...  # ← such as "staleness_h"
exercises.ex_08_decision.check(decision, because, would_change, advice=advice)

# %%
own = claims.decision_claim(advice, decision, because, would_change)
claims.write_claim(ws.path / "decision.json", own)
pages = {"html": ws.report_html, "json": ws.report_json}
report = cap.write_report(artifact, store, decision=advice, playbook=ws.playbook, **pages)
store.close()
report

# %% [markdown]
# `report.html` opens in any browser and prints. And this is what your folder is judged by:

# %%
rubric_frame().reset_index().style.hide().set_table_styles(left)

# %% [markdown]
# The same checks, now, on the files in your folder; what cells have printed counts for nothing. An
# instructor's grade uses other data.

# %%
check_capstone(ws.path, project, pipeline=pipeline)

# %% [markdown]
# ## Recap
#
# - A project is its files: whoever has the folder can score, serve, audit and judge it.
# - A threshold is a statement about harm; write down whose.
# - Columns tell who comes; only outcomes tell whether the answers are right, and they come late.
# - A rule is worth something once it has fired when it should and been silent when it should.
# - A decision names the figure it rests on, and what would overturn it.
#
# ## Ask yourself
#
# <details><summary>The checks give full points. Is it safe to use the model?</summary>They say that
# the files are consistent. Whether the question is right, and who is missing from the data, no
# check knows.</details>
#
# <details><summary>Why may the trial of the playbook use held-out rows, and not production?
# </summary>In production something may really have happened; in the held-out rows nothing
# has but what we did to them.</details>
#
# <details><summary>The outcomes come after a year. What do you do meanwhile?</summary>Have a sample
# reviewed by people, watch who comes, and decide beforehand when to stop.</details>
#
# ## Next
#
# What was not covered, and where to go on: *causes* (whether a letter helps is another question
# than whether a score is right; read Hernán and Robins, *Causal Inference: What If*); *training
# again* without learning from one's own decisions; *privacy* (the artifact holds counts of people);
# *attacks* on models and endpoints; *text and images*, whose drift has no columns; *many machines*;
# and the *law*. For measured caution read Barocas, Hardt and Narayanan, *Fairness and Machine
# Learning*. Then bring a data set of yours, and run this notebook again.
