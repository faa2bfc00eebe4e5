# %% [markdown]
# # Audit fairness
#
# In forty-five minutes you know whom the model's errors hit, and what a cure costs.
#
# **You will be able to**
#
# - say which error harms whom, and compute its rate by group,
# - read a gap with its interval, and tell it from noise,
# - name the groups that are too small to judge,
# - audit batch and live answers from the same counts,
# - close a gap, and say who pays for it.
#
# **Time:** 45 minutes
#
# **Needs:** the artifact of notebook 01, the predictions of 02. **Produces:** rates by group in
# `store.db`, and `two_thresholds.onnx`.

# %% tags=["parameters"]
office_people: int = 800  # how many people a small office knows
live_people: int = 300  # how many people to ask about live
seed: int = 0  # which people those are

# %%
import time

import pandas as pd

import capstone_lib as cap
from capstone_lib import course, plots
from capstone_lib.course import exercises

ws = course.Workspace()
plots.use_style()
ws.provide("artifact", "predictions")

# %% [markdown]
# ## 1. Which error, and whose? (8 minutes)
#
# The job service writes to people whom the model takes to be without work. At the end of 2016 the
# survey tells who really was at work; what was decided stands in the store.

# %%
artifact, store, census = ws.artifact(), ws.store(), cap.load_census()
decided = store.latest("2016-12-31", version=artifact.version).set_index("row_id")
people = census.frame(2016).set_index("row_id").join(decided[["score", "label"]])
truth = people["employed"].map({0: "without work", 1: "at work"}).rename("in truth")
pd.crosstab(truth, people["label"].map({0: "letter", 1: "no letter"}).rename("decided"))

# %% [markdown]
# *Without work, no letter* is the **false positive**: somebody who needed help was not asked. *At
# work, letter* is the **false negative**: a stamp was lost. So the rate to watch is the
# **false-positive rate**: of those without work, the share who get no letter.
#
# For whom? We put the sensitive columns into words, and age into bands.

# %%
words = census.decode(people[["SEX", "RAC1P", "DIS"]])
people["sex"], people["disability"] = words["SEX"], words["DIS"].str.removesuffix(" a disability")
people["race"] = words["RAC1P"].str.split(",").str[0].str.removesuffix(" alone")
ends, bands = [16, 24, 34, 44, 54, 64, 89], ["17–24", "25–34", "35–44", "45–54", "55–64", "65–89"]
people["age"] = pd.cut(people["AGEP"], ends, labels=bands).astype(str)
sensitive = ["sex", "race", "disability", "age"]
people[[*sensitive, "employed", "label"]].head(3)

# %% [markdown]
# **Your turn.** Of the people without work, which share gets no letter: with a disability, and
# without one?

# %%
missed = ...  # ← your answer: one share for each value of "disability"
exercises.ex_04_missed.check(missed, people=people)

# %% [markdown]
# Both errors, with the library:

# %%
audit = cap.audit_fairness(
    people["employed"], people["label"], sensitive_features=people[sensitive]
)
columns = ["n", "base_rate", "false_positive_rate", "false_negative_rate"]
audit.over("disability").to_frame().set_index("group")[columns].round(3)

# %% [markdown]
# People with a disability nearly always get their letter, and that is no kindness: the model takes
# nearly all of them to be without work. For letters this costs stamps. Let an employer shortlist by
# the same score, and it shuts them out. **The use decides which error harms, not the model.**
#
# ## 2. Rates, intervals, and people too few to judge (10 minutes)
#
# A **gap** is the largest rate of a group less the smallest. `lower_bound` is what is there at
# least; 0 means that chance alone may explain what is seen.

# %%
gaps = audit.gaps_frame().query("name == 'false_positive_rate'").set_index("over")
columns = ["difference", "low", "high", "lower_bound", "highest", "lowest"]
gaps.loc[sensitive, columns].round(3)

# %%
axes = audit.plot("false_positive_rate", over="race")

# %% [markdown]
# *The figure in words:* one line a group, with its number of people without work; a point at their
# false-positive rate, a bar for the interval, short for large groups and long for small ones.
# Hollow grey points have too few people to be judged. The dashed line is everybody.
#
# The rate of a handful can be 0 or 100 % and mean nothing: it stays out of the gap. Not judged does
# not mean well treated; nobody knows.

# %%
axes = audit.plot("false_positive_rate", over="age")

# %% [markdown]
# *The figure in words:* one line an age band. The rate is high from the middle twenties to the
# middle sixties, and close to nothing after that.
#
# At an age when most work, those who do not are the ones whom the model overlooks. And columns
# meet in one person: **intersections**.

# %%
crossed = [group for group in audit.groups if len(group.over) == 4]
small = [group for group in crossed if group.n < audit.min_group]
print(f"all four: {len(small)} of {len(crossed)} groups have fewer than {audit.min_group} people")
axes = audit.over("sex", "age").plot(over=("sex", "age"))

# %% [markdown]
# *The figure in words:* the age bands twice, women above and men below. In each band but the last
# the women's point lies further right than the men's, and the distance is wider than over sex
# alone.
#
# The average hid it: many of the women without work are old, and their low rate pulls that of all
# women down. But the finer we look, the fewer people stand behind a rate.
#
# ## 3. A gap that is noise (7 minutes)
#
# The month in which a person arrived was drawn by lot when the data were made, so nobody is
# treated differently because of it. Is there a gap between the months?

# %%
month = people["arrived_at"].dt.strftime("%m").rename("month")
by_month = cap.audit_fairness(people["employed"], people["label"], sensitive_features=month)
gap = by_month.gap("false_positive_rate")
print(f"{gap.difference:.3f} from {gap.lowest} to {gap.highest}; at least {gap.lower_bound:.3f}")
axes = by_month.plot()

# %% [markdown]
# *The figure in words:* twelve points close to the dashed line, on both sides of it; nearly all of
# their bars cross it.
#
# Of course there is: twelve rates are never equal. An alarm on the difference would always ring; on
# the lower bound it keeps still.
#
# The other way round: a small office knows only some of the people.

# %%
few = people.sample(office_people, random_state=seed)
office = cap.audit_fairness(
    few["employed"], few["label"], sensitive_features=few[sensitive], intersections=False
)
gaps = office.gaps_frame().query("name == 'false_positive_rate'").set_index("over")
gaps[["difference", "low", "high", "lower_bound", "n_groups"]].round(3)

# %% [markdown]
# (NaN: fewer than two groups can be judged.) **Your turn.** Over which columns can the office show
# a gap that is more than chance?

# %%
real = ...  # ← your answer: a set, like {"race", "sex"}
exercises.ex_04_real.check(real, office=office)

# %% [markdown]
# Compare with section 2: what *may be chance* here need not be fair. The office knows too few
# people to see it.
#
# ## 4. Batch and live, one count (6 minutes)
#
# Who audits only the nightly batch does not know what the endpoint says. Here it answers about some
# of the same people.

# %%
asked = people.sample(live_people, random_state=seed)
began = time.time()
# notebook 03 may have left another rollout
store.change_rollout(who="notebook 04", why="begin", route="stable", canary_share=0.0)
with cap.serve(ws.model, store=store) as endpoint:
    for row_id, row in asked[census.features].iterrows():
        endpoint.predict(row, id=str(row_id))
log = store.requests(since=began).astype({"row_id": int}).set_index("row_id")

# %%
from capstone_lib.monitoring import FairnessAudit, GroupCounts


def count(rows, labels):
    return GroupCounts.of(rows["employed"], labels, sensitive_features=rows[["sex", "disability"]])


live, batch = count(asked, log["label"].loc[asked.index]), count(asked, asked["label"])
months = [count(rows, rows["label"]) for _, rows in people.groupby(month)]
year = FairnessAudit.of(sum(months[1:], months[0]))
{
    "live is batch": live.to_dict() == batch.to_dict(),
    "months add up": year.gaps == audit.over("sex", "disability").gaps,
}

# %% [markdown]
# The same counts, so the same rates, gaps and intervals. And months add up to the year: who keeps
# the counts need not keep the people. The store gets one flat table; doing it again replaces the
# same lines.

# %%
window = {"window_start": "2016-01-01", "window_end": "2017-01-01", "traffic": "batch"}
who = {"model": artifact.name, "version": artifact.version}
store.write_measurements(year.measurements(**window, **who))
rates = store.measurements(name="false_positive_rate", feature="sex", **who)
store.close()
rates.set_index("group")[["name", "value", "low", "high", "n"]].round(3)

# %% [markdown]
# ## 5. Mitigate, and pay (12 minutes)
#
# To close a gap, each group can get its own threshold. What does that cost over disability? Half of
# the held-out households choose the thresholds, the others judge them.

# %%
from capstone_lib.course.reference import train_employment_model
from capstone_lib.monitoring import fit_group_thresholds, tradeoff

pipeline = train_employment_model(census)
train, held_out = census.split(2015)
X, y = held_out[census.features], held_out["employed"]
chosen = {"sensitive_features": X["DIS"], "fit_on": held_out["household"] % 2 == 0}
curve = tradeoff(pipeline, X, y, **chosen, tolerances=[0.4, 0.3, 0.2, 0.1, 0.0])
axes = curve.plot()

# %% [markdown]
# *The figure in words:* the gap to the right, the share of wrong decisions upwards, with intervals.
# The plain threshold is the diamond, far right and low. The stricter the rule, the higher its dot,
# and mostly the further left: other households are not those that chose.
#
# That is the price. Who pays it? The share called *employed*, before and after:

# %%
strict = curve.points[-1].rule
people["strict"] = strict.decide(people["score"], people["DIS"]).astype(int)
people.groupby([truth, "disability"])[["label", "strict"]].mean().round(3)

# %% [markdown]
# See those without work *with* a disability. The rates are close now mostly because **they** have
# lost their letters. This is *levelling down*, and the metric applauds.
#
# Fairlearn's `ThresholdOptimizer` can equalise both errors at once, here over sex, by drawing lots:

# %%
fit_group_thresholds(
    pipeline, X, y, sensitive_features=X["SEX"], constraint="equalized_odds", case="row_id"
)

# %% [markdown]
# `p0` and `p1` say how often which threshold counts. Could you explain to somebody that a coin
# decided? One threshold a group makes one rate equal without a coin. It goes into the file, and
# the parity gate proves it:

# %%
parity = "false_positive_rate_parity"
rule = fit_group_thresholds(
    pipeline, X, y, sensitive_features=X["SEX"], constraint=parity, coin=False
)
made = {"name": artifact.name, "version": "1.2.0", "X_calibration": X, "y_calibration": y}
path = ws.path / "two_thresholds.onnx"
equal = cap.export_model(pipeline, train[census.features], path, **made, group_thresholds=rule)
print(rule)
people["equal"] = equal.predict(people[census.features]).label
one = cap.audit_fairness(people["employed"], people["equal"], sensitive_features=people["sex"])
gap = one.gap("false_positive_rate")
print(f"gap: {gap.difference:.3f}; at least {gap.lower_bound:.3f}")

# %% [markdown]
# It holds for people of another year. But what became of the men (`SEX` 1)?
#
# **Your turn.** Close the gap so that *nobody* loses a letter. Men keep 0.5; find the threshold
# for women at which, among the held-out people, their false-positive rate is that of the men.

# %%
held = held_out.assign(score=artifact.predict(X).score)
for_women = ...  # ← your answer: a threshold
exercises.ex_04_for_women.check(for_women, held=held)

# %% [markdown]
# **What no metric says.** Whether *employed last week* is the right question. Who is missing from
# the survey. Whether a letter helps. Which gaps may stay: where base rates differ, not all rates
# can be equal at once, and somebody must choose. Whether people may be treated by their group at
# all: for employment tests US law forbids cutoffs by group, and European law restricts the very
# use of such columns. Ask lawyers and those concerned first, and write down why.
#
# ## Recap
#
# - The use decides which error harms; look at its rate, by group.
# - A rate has a denominator and an interval; groups too small to judge are named.
# - A difference is never 0: ask for its lower bound.
# - Counts are enough: they add up, and are the same in batch and live.
# - Equal rates can be had by making some worse off: look who pays.
#
# ## Ask yourself
#
# <details><summary>The gap is 0. Is the model fair?</summary>It is equal in one rate, over the
# columns that were looked at. Another rate, or two columns together, may tell another
# story.</details>
#
# <details><summary>Why not leave the sensitive columns out?</summary>Others tell nearly the same,
# and without them nobody can measure a gap.</details>
#
# <details><summary>A group has twelve people. What do you do?</summary>Say so, count longer, and
# have a person look at the cases, which needs no statistics.</details>
#
# ## Next
#
# This audit looked back at a year. What follows is to watch, month by month, whether the people
# change, and whether the answers stay as good as they were.
