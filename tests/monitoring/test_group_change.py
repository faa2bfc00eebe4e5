"""Each group beside its own past: rates as in the audit, a level that is kept, clear refusals."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency

import capstone_lib as cap
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring import GroupCounts
from capstone_lib.monitoring.group_change import compare_everybody, compare_groups
from capstone_lib.monitoring.rates import newcombe

RATES = {"a": (0.7, 0.2), "b": (0.6, 0.4)}  # of true and of false positives


def draw(n, seed, *, rates=RATES, share_b=0.3):
    rng = np.random.default_rng(seed)
    group = np.where(rng.random(n) < share_b, "b", "a")
    truth = rng.random(n) < 0.5
    chance = np.array(
        [rates[name][0 if true else 1] for name, true in zip(group, truth, strict=True)]
    )
    decided = rng.random(n) < chance
    return truth.astype(int), decided.astype(int), group


def count(n, seed, **how):
    truth, decided, group = draw(n, seed, **how)
    return GroupCounts.of(truth, decided, sensitive_features={"who": group})


def test_rates_are_those_of_the_audit_and_evidence_is_that_of_scipy():
    then, now = (draw(4_000, seed) for seed in (0, 1))
    audits = [
        cap.audit_fairness(*rows[:2], sensitive_features={"who": rows[2]}) for rows in (then, now)
    ]
    changes = compare_groups(*(audit.counts for audit in audits))
    assert {(one.group, one.rate) for one in changes} == {
        (f"who={name}", rate)
        for name in "ab"
        for rate in ("true_positive_rate", "false_positive_rate")
    }
    for one in changes:
        before, after = (audit[one.group].rates[one.rate] for audit in audits)
        assert (one.before, one.now) == (before.value, after.value)
        assert (one.n_before, one.n) == (before.n, after.n)
        hits = [[one.before * one.n_before, one.now * one.n],
                [(1 - one.before) * one.n_before, (1 - one.now) * one.n]]  # fmt: skip
        assert one.p_value == pytest.approx(chi2_contingency(hits, correction=False).pvalue)


def test_the_group_and_rate_that_changed_come_first():
    changed = RATES | {"b": (0.6, 0.6)}
    changes = compare_groups(count(5_000, 0), count(2_000, 1, rates=changed))
    assert (changes[0].group, changes[0].rate) == ("who=b", "false_positive_rate")
    assert changes[0].difference == pytest.approx(0.2, abs=0.08)
    assert [one.is_real for one in changes] == [True, False, False, False]
    assert "real" in str(changes[0])
    assert "no more than chance" in str(changes[-1])


@pytest.mark.parametrize("n", [300, 3_000])
def test_when_nothing_has_changed_it_is_silent_as_often_as_it_says(n):
    rounds = 400
    fired = sum(
        any(one.is_real for one in compare_groups(count(5_000, 2 * k), count(n, 2 * k + 1)))
        for k in range(rounds)
    )
    assert fired / rounds <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / rounds)


def test_small_and_new_groups_are_not_judged():
    truth, decided, group = draw(3_000, 0)
    then = GroupCounts.of(truth, decided, sensitive_features={"who": group})
    few = np.where(np.arange(3_000) < 40, "c", "a")
    now = GroupCounts.of(truth, decided, sensitive_features={"who": few})
    assert {one.group for one in compare_groups(then, now)} == {"who=a"}
    assert compare_groups(then, now, min_group=10_000) == ()


def test_every_column_is_looked_at_by_itself():
    truth, decided, group = draw(3_000, 0)
    other = np.where(np.arange(3_000) % 2, "x", "y")
    counts = GroupCounts.of(truth, decided, sensitive_features={"who": group, "side": other})
    names = {one.group for one in compare_groups(counts, counts)}
    assert names == {"who=a", "who=b", "side=x", "side=y"}
    assert all(one.p_value == 1 and one.difference == 0 for one in compare_groups(counts, counts))


def test_what_cannot_be_compared_is_refused():
    counts = count(500, 0)
    truth, decided, group = draw(500, 0)
    other = GroupCounts.of(truth, decided, sensitive_features={"whom": group})
    with pytest.raises(MonitoringError, match="count both alike"):
        compare_groups(counts, other)
    with pytest.raises(MonitoringError, match="no rate 'tpr'; there are"):
        compare_groups(counts, counts, rates=["tpr"])
    three = GroupCounts.of([0, 1, 2], [0, 1, 2], sensitive_features={"who": ["a", "a", "b"]})
    with pytest.raises(MonitoringError, match="two classes; seen 3"):
        compare_groups(three, three)


def test_a_change_has_an_interval_that_is_as_wide_as_so_many_looks_ask_for():
    changes = compare_groups(count(4_000, 0), count(4_000, 1, rates=RATES | {"b": (0.6, 0.6)}))
    for one in changes:
        counts = (one.now * one.n, one.n), (one.before * one.n_before, one.n_before)
        table = [[part, whole - part] for part, whole in counts]
        level = 1 - 0.05 / len(changes)
        ends = newcombe(*counts[0], *counts[1], level=level)
        assert (one.low, one.high) == pytest.approx(tuple(map(float, ends)))
        assert one.low < one.difference < one.high
        assert one.is_real == (chi2_contingency(table, correction=False).pvalue < 1 - level)
    assert changes[0].low > 0.1


def test_everybody_is_compared_whatever_the_columns_and_however_many_classes():
    then, now = (draw(3_000, seed) for seed in (0, 1))
    by_who = GroupCounts.of(*then[:2], sensitive_features={"who": then[2]})
    by_other = GroupCounts.of(*now[:2], sensitive_features={"other": now[2]})
    one = compare_everybody(by_who, by_other)
    assert (one.before, one.now) == (np.mean(then[0] == then[1]), np.mean(now[0] == now[1]))
    assert (one.group, one.rate, one.is_real) == ("", "accuracy", False)
    three = GroupCounts.of([0, 1, 2] * 50, [0, 1, 1] * 50, sensitive_features=["a"] * 150)
    assert compare_everybody(three, three).now == pytest.approx(2 / 3)
    with pytest.raises(MonitoringError, match="count both alike"):
        compare_everybody(three, by_who)
