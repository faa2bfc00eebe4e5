"""The checklist gives the advice that its rules say, and more need never moves it the wrong way."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capstone_lib.decide.checklist import ARCHITECTURES, advise
from capstone_lib.decide.use_case import UseCase

LETTERS = UseCase(
    "letters to people without work",
    answer_within_s=86_400 * 2,
    staleness_h=720,
    stakes="fairness",
    cases_per_day=2_000,
    review_share=0.02,
    reviews_per_day=60,
)
COUNTER = UseCase(
    "advice at the counter", answer_within_s=2, staleness_h=48, known_ahead=0.9, stakes="fairness"
)
FRAUD = UseCase("card fraud", answer_within_s=0.1, staleness_h=0, known_ahead=0)
TRIAGE = UseCase(
    "triage", answer_within_s=5, staleness_h=0.1, known_ahead=0, stakes="safety", on_call=False
)

spans = st.floats(0, 1e7)
shares = st.floats(0, 1)
prices = st.fixed_dictionaries(
    {name: st.floats(1, 1e4) for name in ("batch", "hybrid", "real time")}
)
use_cases = st.builds(
    UseCase,
    name=st.just("any"),
    answer_within_s=spans,
    staleness_h=st.floats(0, 1e4),
    known_ahead=shares,
    stakes=st.sampled_from(["none", "fairness", "safety"]),
    cases_per_day=st.floats(0, 1e7),
    review_share=shares,
    reviews_per_day=st.floats(0, 1e5),
    on_call=st.booleans(),
    batch_every_h=st.floats(0.1, 200),
    batch_takes_h=st.floats(0.01, 20),
    budget=st.none() | st.floats(0, 1e4),
    cost=prices,
)


def rank(case: UseCase) -> int:
    """Its place between batch and real time, whether reviewed or not."""
    return ARCHITECTURES.index(advise(case).architecture.removesuffix(" with review"))


@pytest.mark.parametrize(
    ("case", "architecture"),
    [
        (LETTERS, "batch"),
        (COUNTER, "hybrid"),
        (FRAUD, "real time"),
        (TRIAGE, "real time with review"),
    ],
)
def test_four_worked_applications(case, architecture):
    assert advise(case).architecture == architecture


@given(use_cases, shares)
def test_more_need_for_instant_answers_never_moves_towards_batch(case, share):
    quicker = replace(case, answer_within_s=case.answer_within_s * share)
    assert rank(quicker) >= rank(case)


@given(use_cases, shares)
def test_fresher_facts_never_move_towards_batch(case, share):
    assert rank(replace(case, staleness_h=case.staleness_h * share)) >= rank(case)


@given(use_cases, shares)
def test_fewer_who_are_known_ahead_never_move_towards_batch(case, share):
    case = replace(case, budget=None)  # with one, the cheaper of two may be the one they can pay
    assert rank(replace(case, known_ahead=case.known_ahead * share)) >= rank(case)


@given(use_cases)
def test_higher_stakes_bring_a_person_and_change_nothing_else(case):
    alone, hurt = (advise(replace(case, stakes=stakes)) for stakes in ("none", "safety"))
    assert not alone.review
    assert "review" not in alone.architecture
    assert hurt.review
    assert hurt.architecture.removesuffix(" with review") == alone.architecture


@given(use_cases, shares, st.floats(0, 1e4))
def test_a_smaller_budget_never_chooses_what_costs_more(case, share, budget):
    def price(some):
        return some.cost[advise(some).architecture.removesuffix(" with review")]

    rich = replace(case, budget=budget)
    poor = replace(case, budget=budget * share)
    assert price(poor) <= price(rich)


@given(use_cases)
def test_an_advice_gives_its_reasons_and_what_would_change_it(case):
    advice = advise(case)
    assert 3 <= len(advice.reasons) <= 5
    for change in advice.changes:
        assert change.advice != advice.architecture
        changed = replace(case, **{change.answer: change.then})
        assert advise(changed).architecture == change.advice
    assert advise(case) == advice


def test_what_would_change_an_answer_is_the_nearest_that_does():
    (staleness,) = (one for one in advise(LETTERS).changes if one.answer == "staleness_h")
    assert staleness.advice == "real time with review"
    assert staleness.then == 24  # a nightly answer is up to 25 hours old
    assert str(staleness) == (
        "facts that may be as old as 24 hours instead of 30 days → real time with review"
    )


@given(use_cases)
def test_every_change_is_said_in_words(case):
    for change in advise(case).changes:
        assert "_" not in str(change)
        assert str(change).endswith(f"→ {change.advice}")


def test_open_risks_are_said():
    short = replace(LETTERS, reviews_per_day=10)
    assert any("40 cases a day" in risk for risk in advise(short).risks)
    assert not advise(LETTERS).risks
    assert any("nobody is on call" in risk for risk in advise(TRIAGE).risks)
    poor = replace(FRAUD, budget=1.0, cost={"batch": 2.0, "hybrid": 3.0, "real time": 4.0})
    assert any("ask for more" in risk for risk in advise(poor).risks)


def test_it_can_be_shown_and_kept():
    advice = advise(replace(COUNTER, name="<b>counter</b>"))
    page = advice._repr_html_()
    assert "&lt;b&gt;counter" in page
    assert "hybrid" in page
    kept = advice.to_dict()
    assert kept["architecture"] == "hybrid"
    assert kept["case"]["known_ahead"] == 0.9
    assert len(kept["reasons"]) == len(advice.reasons)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"known_ahead": 1.5}, r"known_ahead must be 0 to 1, a share; seen 1\.5"),
        ({"answer_within_s": -1}, r"answer_within_s must be 0 or more; seen -1"),
        ({"answer_within_s": float("nan")}, r"answer_within_s must be 0 or more; seen nan"),
        ({"batch_every_h": 0}, r"batch_every_h must be more than 0; seen 0"),
        ({"stakes": "money"}, r"stakes must be none, fairness or safety; seen 'money'"),
        ({"budget": -1.0}, r"budget must be 0 or more"),
        ({"budget": 5.0, "cost": {"batch": 1.0}}, r"cost must be a cost of hybrid, real time, too"),
    ],
)
def test_answers_that_cannot_be_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        replace(LETTERS, **wrong)
