"""A decision by group in the graph: Fairlearn's own decision, in a batch and live alike."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from fairlearn.postprocessing import ThresholdOptimizer
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

import capstone_lib as cap
from capstone_lib.artifact import GroupThresholds, Interpolation
from capstone_lib.artifact.group_head import group_lines
from capstone_lib.artifact.passport import Passport
from capstone_lib.data.hashing import hash_ids, unit_interval
from capstone_lib.errors import ArtifactError, SchemaError
from capstone_lib.monitoring.mitigation import group_thresholds_of

MIXED = {1: Interpolation(0.3, 0.6, 0.4, 0.6), 2: Interpolation(0.5, 0.7, 0.5, 0.5, 0.2, 0.4)}


class Census:
    def __init__(self):
        census = cap.load_census()
        train, held_out = census.split(2015)
        self.train = train.sample(3000, random_state=0)
        self.held_out = held_out.sample(3000, random_state=0).reset_index(drop=True)
        self.later = census.frame(2017).sample(9000, random_state=0).reset_index(drop=True)
        self.features = census.features
        self.blind = [name for name in census.features if name != "SEX"]
        y = self.train["employed"]
        self.trees = HistGradientBoostingClassifier(max_iter=20).fit(self.train[self.features], y)
        linear = LogisticRegression(max_iter=4000, solver="newton-cholesky")
        self.linear = linear.fit(self.train[self.blind], y)

    def export(self, path, model, rule, **more):
        columns = self.blind if model is self.linear else self.features
        return cap.export_model(
            model, self.train[columns], path, name="work", version="1",
            X_calibration=self.held_out, y_calibration=self.held_out["employed"],
            group_thresholds=rule, **more,
        )  # fmt: skip


@pytest.fixture(scope="module")
def census():
    return Census()


def optimizer_of(census, model, columns, constraint):
    optimizer = ThresholdOptimizer(
        estimator=model, constraints=constraint, prefit=True, predict_method="predict_proba"
    )
    held_out = census.held_out
    return optimizer.fit(
        held_out[columns], held_out["employed"], sensitive_features=held_out["DIS"]
    )


@pytest.mark.parametrize("constraint", ["equalized_odds", "false_positive_rate_parity"])
@pytest.mark.parametrize("which", ["trees", "linear"])
def test_the_graph_decides_as_threshold_optimizer_does(census, tmp_path, which, constraint):
    model = getattr(census, which)
    columns = census.features if which == "trees" else census.blind
    optimizer = optimizer_of(census, model, columns, constraint)
    rule = group_thresholds_of(optimizer, column="DIS", case="row_id")
    artifact = census.export(tmp_path / "m.onnx", model, rule)
    rows = census.later

    chance = optimizer._pmf_predict(rows[columns], sensitive_features=rows["DIS"])[:, 1]
    score = model.predict_proba(rows[columns])[:, 1]
    np.testing.assert_allclose(rule.chance(score, rows["DIS"]), chance, atol=1e-15)
    coin = unit_interval(hash_ids(rows["row_id"], seed=0, purpose="decision"))
    assert artifact.predict(rows).label.tolist() == (coin < chance).astype(int).tolist()
    assert ((chance > 0) & (chance < 1)).mean() > 0.01  # the coin matters
    assert artifact.predict(rows).label.mean() == pytest.approx(chance.mean(), abs=0.02)


def test_thresholds_without_a_coin_need_no_case_and_no_new_column(census, tmp_path):
    rule = GroupThresholds("SEX", {1: 0.4, 2: 0.6}, otherwise=0.5)
    artifact = census.export(tmp_path / "m.onnx", census.trees, rule)
    rows = census.later
    assert artifact.schema.names == tuple(census.features)
    score = census.trees.predict_proba(rows[census.features])[:, 1]
    want = score >= np.where(rows["SEX"] == 1, 0.4, 0.6)
    assert artifact.predict(rows).label.tolist() == want.astype(int).tolist()
    assert cap.verify_parity(artifact, census.trees, rows).ok
    assert "SEX (1: 0.4, 2: 0.6)" in str(artifact.passport)


def test_the_same_case_gets_the_same_answer_live_in_a_batch_and_twice(census, tmp_path):
    rule = GroupThresholds("SEX", MIXED, case="row_id", seed=5)
    artifact = census.export(tmp_path / "m.onnx", census.linear, rule)
    assert artifact.schema.names[-2:] == ("SEX", "row_id")
    assert artifact.passport.features.names == tuple(census.blind)
    rows = census.later.iloc[:300]
    labels = artifact.predict(rows).label
    shuffled = rows.sample(frac=1, random_state=1)
    assert (artifact.predict(shuffled).label == labels[shuffled.index]).all()

    source = rows[list(artifact.schema.names)]
    store = cap.open_store(f"sqlite:///{tmp_path}/s.db")
    cap.score_batch(
        artifact, source, store=store, as_of="2017-01-31", id="row_id", show_progress=False
    )
    batch = store.predictions().set_index("row_id")["label"]
    assert batch.loc[rows["row_id"]].tolist() == labels.tolist()
    with cap.serve(artifact) as endpoint:
        live = [endpoint.predict(row)["label"] for row in source.head(40).to_dict("records")]
    assert live == labels[:40].tolist()


def test_a_row_without_group_or_case_is_refused_or_decided_otherwise(census, tmp_path):
    rule = GroupThresholds("SEX", MIXED, otherwise=0.9, case="row_id")
    artifact = census.export(tmp_path / "m.onnx", census.linear, rule)
    rows = census.later.iloc[:500]
    for stranger in (np.nan, 7.0):
        said = artifact.predict(rows.assign(SEX=np.full(500, stranger)))
        assert (said.label == (said.score >= np.float32(0.9))).all()
    with pytest.raises(SchemaError, match="row_id: the column is missing"):
        artifact.predict(rows.drop(columns="row_id"))
    with pytest.raises(SchemaError, match="row_id: a missing value"):
        artifact.predict(rows.assign(row_id=np.nan))
    with pytest.raises(SchemaError, match="row_id: a fraction"):
        artifact.predict(rows.assign(row_id=0.5))


def test_groups_may_be_words(tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"hours": rng.normal(35, 9, 600), "town": rng.choice(["Ü", "b", "c"], 600)})
    y = np.where(X["hours"] + rng.normal(0, 5, 600) > 35, "work", "none")
    model = RandomForestClassifier(20, max_depth=4, random_state=0).fit(X[["hours"]], y)
    rule = GroupThresholds("town", {"Ü": 0.2, "b": Interpolation(0.1, 0.9, 0.5, 0.5)}, case="no")
    artifact = cap.export_model(
        model, X[["hours"]], tmp_path / "m.onnx", name="work", version="1",
        X_calibration=X, y_calibration=y, group_thresholds=rule,
    )  # fmt: skip
    rows = X.assign(no=np.arange(600), town=[None, "zzz", *X["town"][2:]])
    score = model.predict_proba(X[["hours"]])[:, 1]
    want = rule.decide(score, rows["town"].to_numpy(), rows["no"])
    assert (artifact.predict(rows).label == np.where(want, "work", "none")).all()


@given(st.lists(st.integers(-(2**53), 2**53), min_size=1, max_size=30), st.integers(0, 2**40))
@settings(max_examples=10, deadline=None)
def test_the_coin_in_the_graph_is_the_hash_of_the_case(cases, seed):
    """To the last bit, for negative and for very large numbers too."""
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper, parser

    from capstone_lib.artifact.graph import IR_VERSION, OPSET

    rule = GroupThresholds("g", {1: Interpolation(0.5, 0.5, 1, 0, 0.5, 0.5)}, case="c", seed=seed)
    constants = {"head.last": np.array([1]), "head.flat": np.array([-1])}
    text = "g (double[N,2] probabilities) => (double[N,1] head_coin) {\n"
    text += "\n".join(group_lines(rule, constants)) + "\n}"
    graph = parser.parse_graph(text.replace("head.", "headc_"))
    graph.input.extend(
        [
            helper.make_tensor_value_info("capstone_group", TensorProto.DOUBLE, [None, 1]),
            helper.make_tensor_value_info("capstone_case", TensorProto.INT64, [None, 1]),
        ]
    )
    used = {name for node in graph.node for name in node.input}
    graph.initializer.extend(
        numpy_helper.from_array(value, name.replace("head.", "headc_"))
        for name, value in constants.items()
        if name.replace("head.", "headc_") in used
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options)
    n = len(cases)
    feed = {
        "probabilities": np.zeros((n, 2)),
        "capstone_group": np.ones((n, 1)),
        "capstone_case": np.array(cases).reshape(-1, 1),
    }
    assert session.run(None, feed)[0].ravel().tolist() == rule.coin(cases).tolist()


def test_rules_come_back_from_json_equal():
    rule = GroupThresholds(
        "g", {"a": 0.3, "b": Interpolation(0.4, 0.5, 0.25, 0.75, 0.1, 0.5, True)},
        otherwise=0.6, case="c", seed=3,
    )  # fmt: skip
    assert GroupThresholds.from_dict(rule.to_dict()) == rule
    never = Interpolation(np.inf, -np.inf, 0.5, 0.5)
    again = Interpolation.of_row(never.row())
    score = np.linspace(0, 1, 11)
    assert again.chance(score).tolist() == never.chance(score).tolist() == [0.5] * 11


def test_without_a_rule_the_passport_says_nothing_of_one(census, tmp_path):
    plain = census.export(tmp_path / "m.onnx", census.trees, None)
    text = plain.passport.to_json()
    assert "group_rule" not in text
    assert Passport.from_json(text) == plain.passport
    assert {item.name for item in plain.session.get_inputs()} == {"capstone.numbers"}


def test_onnxruntime_has_nothing_to_say_of_the_rule(census, tmp_path):
    rules = [
        GroupThresholds("SEX", {1: 0.4, 2: 0.6}),
        GroupThresholds("SEX", MIXED, case="row_id"),
    ]
    paths = [tmp_path / "0.onnx", tmp_path / "1.onnx"]
    for path, rule in zip(paths, rules, strict=True):
        assert census.export(path, census.trees, rule).passport.group_rule == rule
        assert cap.load_model(path).passport.group_rule == rule
    code = "import sys, onnxruntime as o\nfor p in sys.argv[1:]: o.InferenceSession(p)"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, paths)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


BAD = {
    "no group": (lambda: GroupThresholds("g", {}), "at least one"),
    "mixed groups": (lambda: GroupThresholds("g", {1: 0.5, "a": 0.5}), "all whole numbers or all"),
    "a word": (lambda: GroupThresholds("g", {1: "high"}), "a threshold or an Interpolation"),
    "no case": (lambda: GroupThresholds("g", MIXED), "decide by a coin; name the column"),
    "same column": (lambda: GroupThresholds("g", MIXED, case="g"), "cannot be both"),
    "nan": (lambda: Interpolation(float("nan")), "must hold numbers"),
    "shares": (lambda: Interpolation(0.5, 0.5, 0.9, 0.9), "p0 . p1 is 1"),
    "no cases": (
        lambda: GroupThresholds("g", MIXED, case="c").decide([0.4], [1]),
        "pass the numbers of 'c'",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_rules_without_sense_are_refused_in_words(name):
    make, message = BAD[name]
    with pytest.raises(ArtifactError, match=message):
        make()


def test_rules_that_do_not_fit_the_model_are_refused(census, tmp_path):
    path = tmp_path / "m.onnx"
    with pytest.raises(ArtifactError, match="both decide the label"):
        census.export(path, census.trees, GroupThresholds("SEX", {1: 0.5}), threshold=0.5)
    with pytest.raises(ArtifactError, match="which the rows given do not have"):
        census.export(path, census.trees, GroupThresholds("region", {1: 0.5}))
    with pytest.raises(ArtifactError, match="name them as the rows do"):
        census.export(path, census.trees, GroupThresholds("SEX", {"men": 0.5}))
    with pytest.raises(ArtifactError, match="is a feature of the model"):
        census.export(path, census.trees, GroupThresholds("SEX", MIXED, case="AGEP"))
    assert not path.exists()


def test_the_file_carries_decisions_by_group_if_it_is_asked_to(census, tmp_path):
    rule = GroupThresholds("SEX", {1: 0.4, 2: 0.6})
    census.export(tmp_path / "m.onnx", census.linear, rule, sensitive=["SEX", "DIS"])
    artifact = cap.load_model(tmp_path / "m.onnx")
    rows = census.held_out
    said = artifact.predict(rows)
    audit = cap.audit_fairness(
        rows["employed"], said.label, y_score=said.score, sensitive_features=rows[["SEX", "DIS"]]
    )
    kept = artifact.reference_groups
    assert cap.FairnessAudit.of(kept).groups == audit.groups
    assert artifact.reference.n_rows == len(rows)
    assert "decisions by SEX, DIS" in str(artifact.passport)
    assert census.export(tmp_path / "n.onnx", census.trees, None).reference_groups is None
    for wrong, message in ((["region"], "lacks the sensitive"), ("SEX", "write .'SEX'.")):
        with pytest.raises(ArtifactError, match=message):
            census.export(tmp_path / "n.onnx", census.trees, None, sensitive=wrong)
