"""Who answers whom: shares, stickiness, strangers, and a canary with a gate of its own."""

import uuid
from dataclasses import replace
from math import log2

import numpy as np
import pytest
from scipy.stats import binom, chi2_contingency, kstest

import capstone_lib as cap
from capstone_lib.errors import ArtifactError, EndpointError
from capstone_lib.serving.routes import Routes, draw
from capstone_lib.store import Rollout

N = 20_000
SEQUENTIAL = [str(k) for k in range(N)]
NAMES = {
    "sequential": SEQUENTIAL,
    "padded": [f"case-{k:08d}" for k in range(N)],
    "random": [
        str(uuid.UUID(int=int(k))) for k in np.random.default_rng(0).integers(2**62, size=N)
    ],
    "unicode": [f"größe ☃ {k}" for k in range(N)],
}


def is_within_binomial(hits, n, share, tail=1e-6):
    low, high = binom.interval(1 - tail, n, share)
    return low <= hits <= high


@pytest.fixture(scope="module")
def routes(artifact, canary):
    return Routes(artifact, canary=canary)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("names", NAMES)
def test_a_share_is_within_its_binomial_interval(routes, names, share):
    rollout = Rollout(canary_share=share)
    hits = sum(routes.choose(rollout, name).route == "canary" for name in NAMES[names])
    assert is_within_binomial(hits, N, share)


@pytest.mark.parametrize("names", NAMES)
def test_draws_are_uniform(names):
    assert kstest([draw(name, "a 1") for name in NAMES[names]], "uniform").pvalue > 1e-4


def test_another_canary_draws_anew():
    """The same people must not always be the ones on trial."""
    first, second = (
        np.array([draw(name, salt) for name in SEQUENTIAL]) < 0.3 for salt in ("a 1", "a 2")
    )
    table = [[(first & second).sum(), (first & ~second).sum()],
             [(~first & second).sum(), (~first & ~second).sum()]]  # fmt: skip
    assert chi2_contingency(table).pvalue > 1e-4


def test_a_case_stays_with_its_model_while_the_share_grows(routes):
    before = set()
    for share in (0, 0.05, 0.2, 0.7, 1):
        chosen = {
            name
            for name in SEQUENTIAL[:3000]
            if routes.choose(Rollout(canary_share=share), name).route == "canary"
        }
        assert before <= chosen
        before = chosen
    assert len(before) == 3000


def test_a_case_stays_with_its_model_after_a_restart(artifact, canary, routes):
    again, rollout = Routes(artifact, canary=canary), Rollout(canary_share=0.3)
    for name in SEQUENTIAL[:1000]:
        assert routes.choose(rollout, name).route == again.choose(rollout, name).route


def test_pause_degrade_and_no_canary(artifact, routes):
    on = Rollout(canary_share=1)
    assert routes.choose(on, "1").route == "canary"
    assert routes.choose(replace(on, paused=True), "1").route == "stable"
    assert routes.choose(replace(on, route="degraded"), "1").route == "degraded"
    assert Routes(artifact).choose(on, "1").route == "stable"


def test_without_a_fallback_the_degraded_answer_knows_nothing_and_asks_a_person(artifact):
    model = Routes(artifact).degraded
    answers = model.score([[40, 35.0, "cook", True]] * 3)
    assert len(answers) == 3
    assert answers[0].score == 1 / 2
    assert answers[0].uncertainty == log2(2)
    assert answers[0].prediction_set == ["no", "yes"]
    assert answers[0].review is True
    assert answers[0].label in artifact.classes
    assert model.name == "constant"


def test_a_fallback_answers_when_there_is_one(artifact, fallback, people):
    model = Routes(artifact, fallback=fallback).degraded
    columns = artifact.schema.check(people).columns
    rows = list(zip(*(columns[name].tolist() for name in artifact.schema.names), strict=True))
    assert [one.score for one in model.score(rows)] == fallback.predict(people).score.tolist()


def test_columns_in_another_order_make_no_difference(artifact, canary, routes, people):
    assert canary.schema.names == artifact.schema.names[::-1]
    columns = artifact.schema.check(people).columns
    rows = list(zip(*(columns[name].tolist() for name in artifact.schema.names), strict=True))
    expected = canary.predict(people)
    answers = routes.canary.score(rows)
    assert [one.score for one in answers] == expected.score.tolist()
    assert [one.label for one in answers] == expected.label.tolist()


def strange(artifact, **changed):
    """The same model with something else in its passport."""
    passport = replace(artifact.passport, version="9", **changed)
    other = cap.load_model(artifact.path)
    other.passport = passport
    return other


def test_strangers_are_refused_and_the_difference_named(artifact):
    columns = artifact.schema.columns
    without = replace(artifact.schema, columns=columns[1:])
    as_number = artifact.schema.with_columns([replace(columns[0], kind="number")])
    for schema in (without, as_number):
        with pytest.raises(ArtifactError, match=r"differ in the columns .*age"):
            Routes(artifact, canary=strange(artifact, schema=schema))
    with pytest.raises(ArtifactError, match="knows the classes"):
        Routes(artifact, fallback=strange(artifact, classes=("no", "perhaps")))


def test_ranges_that_do_not_meet_leave_every_row_to_the_gates(artifact, people):
    other = artifact.schema.with_columns(
        [replace(artifact.schema["age"], minimum=200.0, maximum=300.0)]
    )
    with cap.serve(artifact, canary=strange(artifact, schema=other)) as endpoint:
        answer = endpoint.predict({**people.iloc[0], "class": "cook"})
        assert "warnings" not in answer


@pytest.fixture
def both(artifact, canary, tmp_path):
    """Both models at work; half of the cases ask the canary."""
    with cap.open_store(tmp_path / "s.db") as store:
        store.change_rollout(who="test", why="a trial", canary_share=0.5)
        with cap.serve(artifact, canary=canary, store=store) as endpoint:
            yield endpoint, Routes(artifact, canary=canary)


def test_every_case_is_answered_by_its_own_model(both, artifact, canary, people, rows):
    endpoint, routes = both
    expected = {"stable": artifact.predict(people), "canary": canary.predict(people)}
    asked = [(str(k), row) for k, row in enumerate(rows[:120])]
    many = endpoint._client.post(
        "/predict", {"instances": [{"features": row, "id": case} for case, row in asked]}
    )["predictions"]
    alone = [endpoint.predict(row, id=case) for case, row in asked[:40]]
    for one in [*many, *alone]:
        del one["uncertainty"]  # its logarithm moves in the last bit with the size of a batch
    assert alone == many[:40]
    for k, answer in enumerate(many):
        route = routes.choose(Rollout(canary_share=0.5), str(k)).route
        assert answer["route"] == route
        assert answer["version"] == {"stable": "1.0.0", "canary": "2.0.0"}[route]
        assert answer["score"] == float(expected[route].score[k])
        assert answer["label"] == expected[route].label[k]


def test_what_a_canary_knows_is_let_in_for_its_cases_alone(both, canary, people):
    endpoint, routes = both
    king = {**people.iloc[0], "class": "king"}
    names = {routes.choose(Rollout(canary_share=0.5), str(k)).route: str(k) for k in range(50)}
    answer = endpoint.predict(king, id=names["canary"])
    assert "warnings" not in answer
    expected = canary.predict(people.head(1).assign(**{"class": ["king"]}))
    assert answer["score"] == float(expected.score[0])
    (warning,) = endpoint.predict(king, id=names["stable"])["warnings"]
    assert warning["code"] == "unknown_category"


def test_a_value_that_a_canary_refuses_is_refused_for_its_cases_alone(artifact, tmp_path, rows):
    schema = artifact.schema.with_columns([replace(artifact.schema["age"], limit=60.0)])
    strict, old = strange(artifact, schema=schema), {**rows[0], "age": 70}
    with cap.open_store(tmp_path / "s.db") as store:
        store.change_rollout(who="test", why="a trial", canary_share=0.5)
        with cap.serve(artifact, canary=strict, store=store) as endpoint:
            routes = Routes(artifact, canary=strict)
            for case in map(str, range(12)):
                if routes.choose(endpoint.rollout, case).route == "stable":
                    assert endpoint.predict(old, id=case)["route"] == "stable"
                else:
                    with pytest.raises(EndpointError, match="magnitude"):
                        endpoint.predict(old, id=case)
