"""The typed step and the gate of the batch path say the same of every row."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capstone_lib.errors import SchemaError
from capstone_lib.schema import Column, Schema
from capstone_lib.serving.problems import ProblemError, body_of
from capstone_lib.serving.record import LONGEST_ID, Record, RecordReader

HARD_NAMES = ["x", "class", "größe ☃", "a b", "", "a/b~c", 'a"b', "back\\slash", "two\nlines", "c0"]


def reader(schema, **settings):
    return RecordReader(schema, gate=lambda case: schema, **{"max_rows": 5, **settings})


def body(features, **rest):
    return json.dumps({"features": features, **rest}).encode()


def refusal(read, content):
    with pytest.raises(ProblemError) as caught:
        read.read(content)
    body_of(caught.value)  # it can be sent
    return caught.value


def verdict_of_gate(schema, features):
    """What the gate of the batch path says: values or None, errors, warnings."""
    try:
        checked = schema.check({name: [value] for name, value in features.items()})
    except SchemaError as error:
        return None, codes(error.problems, "error"), None
    errors = codes(checked.problems, "error")
    values = None if errors else [checked.columns[name][0] for name in schema.names]
    return values, errors, None if errors else codes(checked.problems, "warning")


def codes(problems, severity):
    return sorted((p.column, p.code) for p in problems if p.severity == severity)


def verdict_of_reader(read, content):
    try:
        found = read.read(content)
    except ProblemError as problem:
        return None, sorted((one.field, one.code) for one in problem.errors), None
    record = found[0] if isinstance(found, list) else found
    return list(record.values), [], sorted((one.field, one.code) for one in record.warnings)


def same_values(ours, theirs):
    """Equal as the model sees them: missing is NaN for numbers and None for text."""
    if ours is None or theirs is None:
        return ours is theirs
    return all(
        a == b if isinstance(a, str) or isinstance(b, str) else _as_double(a) == _as_double(b)
        for a, b in zip(ours, theirs, strict=True)
    )


def _as_double(value):
    number = float("nan" if value is None else value)
    if abs(number) > float(np.finfo(np.float32).max):  # no artifact of ours lets it in as a number
        return math.copysign(math.inf, number)
    return "missing" if math.isnan(number) else number


bounds = st.none() | st.integers(-20, 20).map(float)
shared = {"nullable": st.booleans(), "on_unknown": st.sampled_from(["warn", "reject"])}
kinds = st.one_of(
    st.builds(
        Column,
        name=st.just("x"),
        kind=st.sampled_from(["integer", "number"]),
        minimum=bounds,
        maximum=bounds,
        limit=st.none() | st.sampled_from([0.0, 5.0, 1e6]),
        **shared,
    ),
    st.builds(
        Column,
        name=st.just("x"),
        kind=st.just("category"),
        categories=st.lists(st.integers(-9, 9), min_size=1, max_size=5, unique=True).map(tuple),
        limit=st.none() | st.just(7.0),
        **shared,
    ),
    st.builds(
        Column,
        name=st.just("x"),
        kind=st.just("category"),
        categories=st.sampled_from([("a",), ("a", "b"), ("é", ""), ("1", "a")]),
        **shared,
    ),
    st.builds(Column, name=st.just("x"), kind=st.just("boolean"), **shared),
)


@st.composite
def schemas(draw):
    names = draw(st.lists(st.sampled_from(HARD_NAMES), min_size=1, max_size=3, unique=True))
    columns = [draw(kinds) for _ in names]
    spare = draw(st.sampled_from([None, "row_id"]))
    return Schema(
        tuple(
            Column(**{**vars(column), "name": name})
            for name, column in zip(names, columns, strict=True)
        ),
        id=spare,
    )


wholes = st.integers(-25, 25) | st.sampled_from([10**6, 2**53, -(2**53), 2**53 + 2, 2**70, 10**400])
values = st.one_of(
    wholes,
    wholes.filter(lambda value: abs(value) < 2**100).map(float),
    st.sampled_from([0.5, -0.0, 1e-310, 1e300, 7.000001]),
    st.booleans(),
    st.none(),
    st.sampled_from(["a", "b", "é", "", "1", "40", "NaN", "日本"]),
    st.sampled_from([[], [1], {}, {"a": 1}]),
)


@st.composite
def cases(draw):
    """A schema and a row that mostly fits it."""
    schema = draw(schemas())
    features = {}
    for column in schema.columns:
        good = st.sampled_from(column.categories) if column.categories else st.integers(0, 3)
        if column.kind == "boolean":
            good = st.booleans()
        if draw(st.integers(0, 9)):  # now and then a column is missing
            features[column.name] = draw(good | good | good | values)
    if draw(st.integers(0, 4)) == 0:
        features[draw(st.sampled_from(["stranger", "row_id", "features", "X"]))] = draw(values)
    keys = draw(st.permutations(list(features)))
    return schema, {key: features[key] for key in keys}


@settings(deadline=None)
@given(cases())
def test_the_reader_says_what_the_gate_says(case):
    schema, features = case
    read = reader(schema)
    expected = verdict_of_gate(schema, features)
    alone = verdict_of_reader(read, body(features))
    among = verdict_of_reader(read, json.dumps({"instances": [{"features": features}]}).encode())
    assert alone[1:] == among[1:] == expected[1:]
    assert same_values(alone[0], expected[0])
    assert same_values(among[0], expected[0])


@settings(deadline=None)
@given(cases(), st.data())
def test_one_wrong_row_among_many_does_not_change_what_is_said_of_the_others(case, data):
    """A refused row sends its neighbours through the second reading: they pass it unchanged."""
    schema, features = case
    _, errors, _ = verdict_of_gate(schema, features)
    rows = [{"features": features, "id": f"case {k}"} for k in range(3)]
    place = data.draw(st.integers(0, 3))
    rows.insert(place, {"features": {}, "id": "bad"})
    problem = refusal(reader(schema), json.dumps({"instances": rows}).encode())
    said = sorted(
        (one.field, one.code)
        for one in problem.errors
        if not one.pointer.startswith(f"/instances/{place}/")
    )
    assert said == sorted(errors * 3)


@pytest.fixture
def people():
    return Schema(
        (
            Column("age", "integer", minimum=17, maximum=90),
            Column("pay/year~€", "number", nullable=True, minimum=0.0, maximum=1e6),
            Column("job", "category", categories=("cook", "clerk"), on_unknown="warn"),
        )
    )


GOOD = {"age": 40, "pay/year~€": 10.5, "job": "cook"}


def test_a_good_row_takes_the_typed_step_and_keeps_its_order(people):
    record = reader(people).read(body(dict(reversed(GOOD.items()))))
    assert isinstance(record, Record)
    assert record.values == (40, 10.5, "cook")
    assert record.schema is None  # nothing remains to be asked of any gate


def test_what_the_gate_only_warns_of_is_let_in_with_the_warning(people):
    record = reader(people).read(body({**GOOD, "age": 97, "job": "king", "shoe": 44}))
    assert {(one.field, one.code) for one in record.warnings} == {
        ("age", "out_of_range"),
        ("job", "unknown_category"),
        ("shoe", "unexpected_column"),
    }
    assert record.schema is people
    assert record.features == {"age": 97, "pay/year~€": 10.5, "job": "king"}


def test_of_a_name_that_comes_twice_the_last_value_counts_on_both_ways(people):
    """JSON does not forbid it (RFC 8259); both readings take the last, as most readers do."""
    good = json.dumps(GOOD)[1:-1]
    typed = reader(people).read(f'{{"features":{{"age":17,{good}}},"id":"a","id":"b"}}'.encode())
    assert (typed.schema, typed.id, typed.values[0]) == (None, "b", 40)
    slow = reader(people).read(f'{{"features":{{"age":"no",{good}}},"id":1,"id":"b"}}'.encode())
    assert (slow.id, slow.values[0]) == ("b", 40)
    refusal(reader(people), f'{{"features":{{{good},"age":"no"}}}}'.encode())


def test_every_problem_is_named_with_a_pointer_to_it(people):
    wrong = {"age": 40.5, "pay/year~€": "much", "job": None}
    content = {"instances": [{"features": GOOD}, {"features": wrong, "id": 7, "why/~": 1}]}
    problem = refusal(reader(people), json.dumps(content).encode())
    assert {(one.pointer, one.code) for one in problem.errors} == {
        ("/instances/1/why~1~0", "unknown_member"),
        ("/instances/1/id", "wrong_type"),
        ("/instances/1/features/age", "fractional"),
        ("/instances/1/features/pay~1year~0€", "wrong_type"),
        ("/instances/1/features/job", "null"),
    }


def test_members_of_the_wrong_kind_are_named(people):
    read = reader(people)
    for content in ("[]", "1", '"text"', "null", "true"):
        assert refusal(read, content.encode()).status == 422
    for features in ([], 1, None, "text"):
        assert [one.field for one in refusal(read, body(features)).errors] == ["features"]
    assert [one.field for one in refusal(read, b"{}").errors] == ["features"]
    for explain in (1, 0, "true", [], {}):
        assert refusal(read, body(GOOD, explain=explain)).errors[0].field == "explain"
    for instances in ([], {}, 1, None, [{"features": GOOD}] * 6):
        problem = refusal(read, json.dumps({"instances": instances}).encode())
        assert [one.field for one in problem.errors] == ["instances"]
    problem = refusal(read, json.dumps({"instances": [7, None, [GOOD]]}).encode())
    assert [one.pointer for one in problem.errors] == [f"/instances/{k}" for k in range(3)]


@pytest.mark.parametrize("case", ["a", "1", "☃" * LONGEST_ID, "'; DROP TABLE", " ", "\x00", "a\nb"])
def test_any_text_up_to_its_length_names_a_case(people, case):
    read = reader(people)
    assert read.read(body(GOOD, id=case)).id == case
    assert read.read(body({**GOOD, "age": 99}, id=case)).id == case


@pytest.mark.parametrize("case", ["", "x" * (LONGEST_ID + 1), 1, 1.5, True, [], {}, "\ud800"])
def test_anything_else_is_no_name_of_a_case(people, case):
    read = reader(people)
    for features in (GOOD, {**GOOD, "age": 99}):
        one = {"features": features, "id": case}
        assert refusal(read, json.dumps(one).encode()).errors[0].field == "id"
        problem = refusal(read, json.dumps({"instances": [one]}).encode())
        assert problem.errors[0].pointer == "/instances/0/id"


def test_cases_without_a_name_are_named_and_never_twice(people):
    read, other = reader(people), reader(people)
    content = json.dumps({"instances": [{"features": GOOD}, {"features": GOOD, "id": None}]})
    names = [one.id for r in (read, other) for _ in range(3) for one in r.read(content.encode())]
    names.append(read.read(body({**GOOD, "age": 99})).id)
    assert len(set(names)) == len(names) == 13


def test_half_a_surrogate_pair_is_told_and_can_be_sent(people):
    read = reader(people)
    record = read.read(body({**GOOD, "\ud800": 1}))
    assert [(one.field, one.pointer) for one in record.warnings] == [("?", "/features/?")]
    record.warnings[0].message.encode()
    assert refusal(read, body({**GOOD, "age": None, "\udfff": 1})).errors[0].field == "age"
    assert refusal(read, body(GOOD, **{"\ud800": 1})).errors[0].field == "?"
    assert {one.field for one in refusal(read, body({**GOOD, "job": "\ud800"})).errors} == {"job"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"{",
        b"{'features': 1}",
        b'{"features": {}} x',
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b'{"features": {"age": NaN}}',
        b'{"features": {"age": -Infinity}}',
        b'{"features": {"age": 01}}',
        b'{"features": {"age": ' + b"9" * 5000 + b"}}",
        b"[" * 100_000,
        b'{"features":' * 5000 + b"1" + b"}" * 5000,
        '{"features": {"age": 1}}'.encode("utf-16"),
    ],
    ids=range(14),
)
def test_what_is_not_json_is_400(people, content):
    assert refusal(reader(people), content).status == 400


def test_a_number_too_large_for_a_double_is_infinite_and_refused(people):
    problem = refusal(reader(people), b'{"features": {"age": 40, "pay/year~\xe2\x82\xac": 1e999, '
                                      b'"job": "cook"}}')  # fmt: skip
    assert [one.code for one in problem.errors] == ["infinite"]


def test_whose_gate_decides_is_asked_by_the_name_of_the_case(people):
    lenient = people.with_columns([Column("age", "integer", nullable=True)])
    read = RecordReader(people, gate=lambda case: lenient if case == "new" else people, max_rows=5)
    old = {**GOOD, "age": None}
    record = read.read(body(old, id="new"))
    assert record.schema is lenient
    assert np.isnan(record.values[0])
    assert refusal(read, body(old, id="old")).errors[0].code == "null"
