"""Explanations of single rows: they add up, depend on nobody else, and agree with SHAP."""

import json
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression

import capstone_lib as cap
from capstone_lib.artifact import Artifact
from capstone_lib.artifact.model import seal
from capstone_lib.errors import ArtifactError, SchemaError
from capstone_lib.explain import Explainer, explain_row

ROW = {"age": 40, "pay": 31.5, "job": "cook", "flag": True}


def rows_of(artifact, frame):
    columns = artifact.schema.check(frame).columns
    return list(zip(*(columns[name].tolist() for name in artifact.schema.names), strict=True))


anyone = st.fixed_dictionaries(
    {
        "age": st.integers(17, 89),
        "pay": st.one_of(st.none(), st.floats(0, 60)),
        "job": st.sampled_from(["cook", "clerk", "king", "somebody else"]),
        "flag": st.booleans(),
    }
)


@settings(deadline=None)
@given(anyone)
def test_base_and_effects_add_up_to_the_score(artifact, row):
    found = explain_row(artifact, row)
    assert found.score == pytest.approx(
        float(artifact.predict({k: [v] for k, v in row.items()}).score[0])
    )
    assert found.base + sum(found.effects.values()) == pytest.approx(found.score, abs=1e-12)
    told = found.to_dict(top=2)
    total = told["base"] + sum(one["effect"] for one in told["reasons"]) + told["others"]
    assert total == pytest.approx(found.score, abs=1e-12)
    sizes = [abs(one.effect) for one in found.reasons]
    assert sizes == sorted(sizes, reverse=True)
    assert set(found.effects) == set(artifact.schema.names)


def test_it_says_what_it_was_made_with(artifact):
    told = explain_row(artifact, ROW).to_dict()
    assert told["method"] == "shapley-chains"
    assert told["version"] == 1
    assert told["background"] == artifact.background.sha256
    assert told["error"] == artifact.background.error > 0
    assert json.loads(json.dumps(told)) == told
    first = told["reasons"][0]
    assert (first["feature"], first["value"]) == ("job", "cook")
    assert first["text"].startswith("Job “a cook” lowers the score by 0.")
    assert first["error"] == artifact.background.errors["job"]


def test_a_missing_value_is_told_as_missing(artifact):
    found = explain_row(artifact, {**ROW, "pay": None})
    pay = next(one for one in found.reasons if one.feature == "pay")
    assert pay.value is None
    assert "which is missing" in pay.text


def test_neighbours_order_and_threads_change_no_bit(artifact, people):
    rows = rows_of(artifact, people[:60])
    explain = Explainer(artifact)
    alone = [explain([row])[0].to_dict() for row in rows]
    assert [one.to_dict() for one in explain(rows)] == alone
    assert [one.to_dict() for one in Explainer(artifact)(rows[::-1])] == alone[::-1]
    found = {}

    def work(k):
        found[k] = [one.to_dict() for one in explain(rows)]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[k] == alone for k in range(4))


def test_a_linear_model_too_is_explained_alike_alone_and_beside_others(people, tmp_path):
    X = people[["age", "flag"]].astype(float)
    model = LogisticRegression().fit(X, people["age"] < 50)
    linear = cap.export_model(model, X, tmp_path / "m.onnx", name="l", version="1")
    rows, explain = rows_of(linear, X), Explainer(linear)
    assert [explain([row])[0] for row in rows[:50]] == explain(rows)[:50]


def test_columns_may_come_in_another_order(artifact, people):
    names = artifact.schema.names[::-1]
    turned = Explainer(artifact, names=names)
    rows = rows_of(artifact, people[:5])
    assert turned([row[::-1] for row in rows]) == Explainer(artifact)(rows)


def test_it_is_one_call_of_the_model(artifact, people, monkeypatch):
    explain = Explainer(artifact)
    calls = []

    class Counted:
        def run(self, names, feed):
            calls.append(len(next(iter(feed.values()))))
            return artifact.session.run(names, feed)

    monkeypatch.setattr(explain._compare._mixtures, "_session", Counted())
    explain(rows_of(artifact, people[:3]))
    assert len(calls) == 1
    assert calls[0] <= 3 * (1 + 2 * len(artifact.background.nodes) * 3)


def test_with_three_classes_the_answered_ones_probability_is_explained(three, people):
    said = three.predict(people[:50])
    found = Explainer(three)(rows_of(three, people[:50]), labels=said.label.tolist())
    for one, label, score in zip(found, said.label, said.score, strict=True):
        assert one.label == label
        assert one.score == score
        assert one.base + sum(one.effects.values()) == pytest.approx(score, abs=1e-12)
        assert f"the score of {label}" in one.reasons[0].text
        assert one.to_dict()["label"] == label
    bases = {one.label: one.base for one in found}
    assert len(bases) == 3
    assert sum(bases.values()) == pytest.approx(1, abs=1e-6)
    assert Explainer(three)(rows_of(three, people[:50])) == found


def ranks(found, truth):
    return np.array([spearmanr(a, b).statistic for a, b in zip(found, truth, strict=True)])


def shap_values(artifact, rows, background, *, seed=0):
    """The shap library's permutations over real people."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap

    names = list(artifact.schema.names)

    def score(matrix):
        return artifact.predict(pd.DataFrame(matrix, columns=names).astype(int)).score

    masker = shap.maskers.Independent(background[names].to_numpy(float), max_samples=10**6)
    explain = shap.PermutationExplainer(score, masker, seed=seed)
    return explain(rows[names].to_numpy(float), max_evals=4 * 31, silent=True).values


@pytest.fixture(scope="session")
def census():
    return cap.load_census()


@pytest.fixture(scope="session")
def reference(folder):
    from capstone_lib.course.reference import export_reference

    return export_reference(folder / "reference.onnx")


def agreement(reference, census, n):
    """Ranks over all columns, against SHAP with 150 people of the reference year."""
    asked = census.frame(2016).sample(n, random_state=0)[census.features]
    background = census.split(2015)[1].sample(150, random_state=1)[census.features]
    found = Explainer(reference)(rows_of(reference, asked))
    names = list(reference.schema.names)
    ours = np.array([[one.effects[name] for name in names] for one in found])
    truth = shap_values(reference, asked, background)
    return ranks(ours, truth), ours, truth


def test_ranks_agree_with_shap_over_a_few_people(reference, census):
    found, ours, truth = agreement(reference, census, 30)
    assert found.mean() >= 0.88
    strongest = np.abs(truth).argmax(axis=1)
    picked = np.argsort(-np.abs(ours), axis=1)[:, :3]
    assert (picked == strongest[:, None]).any(axis=1).mean() >= 0.9


@pytest.mark.slow
def test_ranks_agree_with_shap_over_a_thousand_people(reference, census):
    found, ours, truth = agreement(reference, census, 1000)
    assert found.mean() >= 0.9
    assert np.quantile(found, 0.1) >= 0.75
    off = np.sqrt(((ours - truth) ** 2).mean())
    assert off <= 3 * reference.background.error


def test_a_row_that_does_not_fit_is_refused(artifact):
    with pytest.raises(SchemaError, match="age"):
        explain_row(artifact, {**ROW, "age": "old"})
    with pytest.raises(SchemaError, match="pay"):
        explain_row(artifact, {"age": 1, "job": "cook", "flag": True})


def test_a_file_of_an_older_version_says_what_to_do(artifact):
    import onnx

    passport = artifact.passport
    older = dict(passport.reference)
    del older["background"]
    from dataclasses import replace

    model = onnx.ModelProto.FromString(artifact.content)
    old = Artifact(seal(model, replace(passport, reference=older)))
    assert old.background is None
    with pytest.raises(ArtifactError, match="export the model again"):
        explain_row(old, ROW)


def test_it_shows_well(artifact):
    found = explain_row(artifact, ROW)
    assert str(found).count("\n") == 4
    assert "<ol><li>" in found._repr_html_()
    frame = found.to_frame()
    assert frame["effect"].sum() == pytest.approx(found.score - found.base)
    assert list(frame.columns) == ["feature", "value", "effect", "error", "text"]
