"""Outcomes find their answers: by id, late, again, and against a plain loop."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.outcomes import join_outcomes
from capstone_lib.store import open_store

DAY = pd.Timestamp("2016-01-01")


def answers(*pairs, column="as_of"):
    ids, days = zip(*pairs, strict=True)
    return pd.DataFrame({"row_id": list(ids), column: [DAY + pd.Timedelta(days=d) for d in days]})


def outcomes(*triples):
    ids, labels, days = zip(*triples, strict=True) if triples else ((), (), ())
    observed = pd.to_datetime([DAY + pd.Timedelta(days=d) for d in days])
    return pd.DataFrame(
        {"row_id": np.array(ids, dtype=object if ids else np.int64), "outcome": list(labels),
         "observed_at": observed}
    )  # fmt: skip


def test_of_each_answer_the_first_outcome_at_or_after_it():
    said = answers((7, 0), (8, 0), (7, 10), (9, 0))
    came = outcomes((7, 1, 20), (7, 0, 5), (8, 1, 0), (9, 1, -3))

    joined = join_outcomes(said, came)

    assert joined.known.tolist() == [True, True, True, False]
    assert joined.truth.tolist() == [0, 1, 1]
    assert (joined.n_early, joined.n_known, joined.missing_share) == (1, 3, 0.25)
    assert joined.median_delay_days == 5
    assert str(joined).startswith("as of 2016-01-21 00:00, 3 of 4 outcomes known (1 only from")


def test_late_outcomes_are_not_known_yet():
    said, came = answers((7, 0), (8, 0)), outcomes((7, 1, 5), (8, 1, 90))
    shares = [join_outcomes(said, came, as_of=day).missing_share
              for day in ("2016-01-03", "2016-01-06", datetime(2016, 12, 31), None)]  # fmt: skip
    assert shares == [1.0, 0.5, 0.0, 0.0]


@pytest.mark.parametrize("ids", [["7", "8"], [7.0, 8.0], ["7", "x"]])
def test_ids_meet_however_they_are_written(ids):
    said = answers((7, 0), (8, 0)).astype({"row_id": "int64"})
    came = outcomes((7, 1, 5), (8, 0, 5)).assign(row_id=ids)
    assert join_outcomes(said, came).n_known == (1 if "x" in ids else 2)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=8),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 9)), max_size=8,
             unique_by=lambda one: (one[0], one[2])),
    st.integers(-1, 9),
)  # fmt: skip
def test_it_is_what_a_plain_loop_finds(said, came, until):
    expected = [
        min(((day, label) for row, label, day in came if row == one and at <= day <= until),
            default=(None, None))[1]
        for one, at in said
    ]  # fmt: skip
    table = answers(*said) if said else answers((0, 0)).iloc[:0]
    joined = join_outcomes(table, outcomes(*came), as_of=DAY + pd.Timedelta(days=until))
    assert joined.known.tolist() == [label is not None for label in expected]
    assert list(joined.truth) == [label for label in expected if label is not None]


def test_people_of_the_past_asked_about_today_have_their_last_outcome():
    said = answers((7, 3650), (8, 3651), (9, 3650), column="received_at")
    came = outcomes((7, 1, 5), (7, 0, 9), (8, 1, 2), (8, 0, 20))
    joined = join_outcomes(said, came, only_later=False, as_of=DAY + pd.Timedelta(days=10))
    assert (joined.known.tolist(), joined.truth.tolist()) == ([True, True, False], [0, 1])
    assert joined.n_early == 0
    assert join_outcomes(said, outcomes(), only_later=False).n_known == 0
    assert join_outcomes(said.iloc[:0], came, only_later=False).n == 0


def test_it_joins_what_a_store_gives_back(tmp_path):
    with open_store(tmp_path / "s.db") as store:
        assert join_outcomes(answers((7, 0)), store.outcomes()).missing_share == 1.0
        said = pd.DataFrame({"row_id": ["7", "x"], "outcome": ["yes", "no"]})
        store.record_outcomes(said, observed_at="2016-02-01")
        joined = join_outcomes(answers(("x", 0), (7, 3), column="received_at"), store.outcomes())
    assert joined.truth.tolist() == ["no", "yes"]


def test_tables_without_the_columns_are_refused():
    with pytest.raises(MonitoringError, match=r"the answers lack the columns as_of; they have row"):
        join_outcomes(pd.DataFrame({"row_id": [1]}), outcomes())
    with pytest.raises(MonitoringError, match="the outcomes lack the columns outcome, observed_at"):
        join_outcomes(answers((1, 0)), pd.DataFrame({"row_id": [1]}))


def reviewed(frame, *sources):
    return frame.assign(source=list(sources))


def test_a_reviewers_word_is_left_aside_unless_asked_for():
    said = answers((7, 0), (8, 0), (9, 0))
    came = reviewed(outcomes((7, 1, 5), (8, 0, 50)), "observed", "review")
    joined = join_outcomes(said, came)
    assert joined.known.tolist() == [True, False, False]
    assert (joined.n_reviewed, joined.as_of.day) == (0, 6)

    joined = join_outcomes(said, came, reviews=True)
    assert joined.known.tolist() == [True, True, False]
    assert joined.truth.tolist() == [1, 0]
    assert joined.n_reviewed == 1
    assert "2 of 3 outcomes known (1 by a reviewer's word)" in str(joined)


def test_what_was_observed_goes_before_a_reviewers_word():
    said = answers((7, 0), (8, 9))
    came = reviewed(
        outcomes((7, 0, 3), (7, 1, 20), (8, 0, 1), (8, 1, 12)), "review", "observed",
        "observed", "review",
    )  # fmt: skip
    joined = join_outcomes(said, came, reviews=True)
    assert joined.truth.tolist() == [1, 1]
    assert joined.n_reviewed == 1


def test_of_reviewers_words_the_last_counts_and_none_from_before_the_answer():
    said = answers((7, 0), (8, 9))
    came = reviewed(outcomes((7, 0, 3), (7, 1, 4), (8, 1, 5)), "review", "review", "review")
    joined = join_outcomes(said, came, reviews=True)
    assert (joined.known.tolist(), joined.truth.tolist()) == ([True, False], [1])
    assert joined.n_early == 1
    joined = join_outcomes(said, came, reviews=True, only_later=False)
    assert joined.truth.tolist() == [1, 1]


def test_only_reviewers_words_are_no_outcomes():
    said, came = answers((7, 0)), reviewed(outcomes((7, 0, 3)), "review")
    assert join_outcomes(said, came).n_known == 0


@pytest.mark.parametrize("ids", [["a", "b"], ["a", "7"], [1, 2], []])
def test_ids_of_every_kind_wait_for_their_first_outcome(ids):
    answers = pd.DataFrame({"row_id": ids, "as_of": pd.to_datetime(["2016-01-31"] * len(ids))})
    for theirs in ([], ["x"], [3]):
        came = pd.DataFrame(
            {
                "row_id": theirs,
                "outcome": [1] * len(theirs),
                "observed_at": pd.to_datetime(["2016-03-01"] * len(theirs)),
            }
        )
        joined = join_outcomes(answers, came)
        assert (joined.n, joined.n_known) == (len(ids), 0)
