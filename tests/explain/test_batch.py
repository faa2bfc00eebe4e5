"""Batches explained by the shap library: additive, seeded, kept, and drawn."""

import json
from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
import pytest

import capstone_lib as cap
from capstone_lib.artifact.comparison import Comparison
from capstone_lib.cli import main
from capstone_lib.errors import ArtifactError, RunError, SourceError, StoreError
from capstone_lib.explain import Explanations, explain_batch
from capstone_lib.explain.sample import draw_sample


@pytest.fixture(scope="module")
def found(artifact, people):
    return explain_batch(people, artifact, n=40, seed=3)


def exact(artifact, row):
    """The definition, over all subsets of columns and all made-up people."""
    background = artifact.background
    names = list(background.names)
    others = pd.DataFrame(background.rows, columns=names)
    n = len(names)

    def value(taken):
        mixed = others.copy()
        for name in taken:
            mixed[name] = [row[name]] * len(mixed)
        return float(artifact.predict(mixed).score.astype(np.float64).mean())

    effects = []
    for name in names:
        rest = [one for one in names if one != name]
        effects.append(
            sum(
                factorial(k) * factorial(n - k - 1) / factorial(n)
                * (value({*some, name}) - value(some))
                for k in range(n)
                for some in combinations(rest, k)
            )
        )  # fmt: skip
    return np.array(effects)


def test_effects_and_base_add_up_to_every_score(found, artifact, people):
    assert found.additivity < 1e-6
    said = artifact.predict(people.iloc[list(found.ids)])
    assert found.scores == pytest.approx(said.score)
    assert len(found) == 40
    assert found.ids == tuple(sorted(found.ids))


def test_they_are_the_shapley_values_over_the_background(found, artifact, people):
    for k in range(3):
        truth = exact(artifact, people.iloc[found.ids[k]].to_dict())
        assert found.values[k] == pytest.approx(truth, abs=0.02)


def test_live_and_batch_tell_the_same_story(found, artifact, people):
    for k in range(40):
        live = cap.explain_row(artifact, people.iloc[found.ids[k]]).effects
        assert [live[name] for name in found.columns] == pytest.approx(found.values[k], abs=0.06)


def test_the_same_seed_gives_the_same_and_another_one_other_rows(found, artifact, people):
    again = explain_batch(people, artifact, n=40, seed=3)
    assert again.ids == found.ids
    assert (again.values == found.values).all()
    assert explain_batch(people, artifact, n=5, seed=4).ids != found.ids[:5]


def test_importances_are_mean_sizes_with_intervals(found):
    table = found.importances().set_index("column")
    for place, name in enumerate(found.columns):
        sizes = np.abs(found.values[:, place])
        assert table.loc[name, "importance"] == pytest.approx(sizes.mean())
        assert table.loc[name, "low"] <= sizes.mean() <= table.loc[name, "high"]
    assert table["importance"].is_monotonic_decreasing
    assert set(table.index[:2]) == {"age", "job"}
    assert "pay" in found._repr_html_()


def test_reasons_are_in_words_the_strongest_first(found):
    reasons = found.reasons(0, top=3)
    sizes = [abs(one["effect"]) for one in reasons]
    assert sizes == sorted(sizes, reverse=True)
    assert len(reasons) == 3
    assert all("the score" in one["text"] for one in reasons)
    assert found.to_frame()["age"].tolist() == found.values[:, found.columns.index("age")].tolist()


def test_with_three_classes_each_rows_label_is_explained(three, people):
    found = explain_batch(people, three, n=30)
    assert found.additivity < 1e-6
    assert set(found.labels) == {"none", "some", "much"}
    assert "the score of " in found.reasons(0)[0]["text"]


@pytest.fixture(scope="module")
def scored(artifact, people, tmp_path_factory):
    """A run over a file, one of whose rows does not fit."""
    folder = tmp_path_factory.mktemp("run")
    rows = people.assign(row_id=[f"p{k}" for k in range(len(people))])
    rows["age"] = rows["age"].astype(float)
    rows.loc[7, "age"] = np.nan
    rows.to_parquet(folder / "people.parquet")
    url = f"sqlite:///{folder / 'store.db'}"
    run = cap.score_batch(
        artifact, folder / "people.parquet", store=url, as_of="2016-01-31", show_progress=False
    )
    return run, url, folder


def test_reasons_are_kept_beside_the_predictions(scored, artifact):
    run, url, _ = scored
    with cap.open_store(url) as store:
        found = explain_batch(run, artifact, n=25, store=store)
        explanations = Explanations(store)
        kept = explanations.reasons(key=found.key)
        scores = store.predictions(run_id=run.run_id).set_index("row_id")["score"]
        (one,) = explanations.runs().to_dict("records")
    assert sorted(kept["row_id"]) == sorted(found.ids)
    by_id = kept.set_index("row_id")["reasons"]
    for place, case in enumerate(found.ids):
        assert by_id[case] == json.loads(json.dumps(found.reasons(place)))
        assert scores[case] == pytest.approx(found.scores[place])
    assert one["run_id"] == run.run_id
    assert one["background"] == artifact.background.sha256
    assert one["method"]["name"] == "shap.PermutationExplainer"
    assert one["importance"]["job"] == pytest.approx(
        found.importances().set_index("column").loc["job", "importance"]
    )
    assert one["base_value"] == pytest.approx(found.base)


def test_the_last_explanation_of_a_row_counts(scored, artifact):
    run, url, _ = scored
    with cap.open_store(url) as store:
        first = explain_batch(run.run_id, artifact, n=3, seed=1, store=store)
        second = explain_batch(run.run_id, artifact, n=3, seed=1, store=store)
        kept = Explanations(store).reasons(ids=first.ids)
        assert set(kept["explanation_key"]) == {second.key}
        assert Explanations(store).reasons(ids=["nobody"]).empty


def test_the_command_explains_a_run(scored, artifact, capsys):
    run, url, _ = scored
    given = ["explain", "--run", run.run_id, "--store", url, "--model", str(artifact.path)]
    assert main([*given, "--rows", "10"]) == 0
    out = capsys.readouterr().out
    assert "10 rows of run" in out
    assert "kept in the store as explanation" in out
    assert main([*given, "--rows", "4", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 4


def test_a_run_that_cannot_be_explained_says_why(scored, artifact, other, people, tmp_path):
    run, url, folder = scored
    with cap.open_store(url) as store:
        with pytest.raises(RunError, match="no published run 'nope'"):
            explain_batch("nope", artifact, store=store)
        with pytest.raises(RunError, match="not by this other"):
            explain_batch(run, other, store=store)
        with pytest.raises(RunError, match="no longer those that were scored"):
            explain_batch(run, artifact, store=store, source=people)
        moved = tmp_path / "moved.parquet"
        moved.write_bytes((folder / "people.parquet").read_bytes())
        assert len(explain_batch(run, artifact, n=2, store=store, source=moved)) == 2
    with cap.open_store(tmp_path / "runs/") as store, pytest.raises(StoreError, match="a database"):
        explain_batch(run, artifact, store=store)


def test_rows_that_make_no_sense_are_refused(artifact, people):
    with pytest.raises(ValueError, match="one row at least"):
        explain_batch(people, artifact, n=0)
    with pytest.raises(SourceError, match="no column 'who'"):
        explain_batch(people, artifact, id="who")
    with pytest.raises(SourceError, match="no row that fits"):
        explain_batch(people.assign(age=np.nan), artifact)
    with pytest.raises((SourceError, ArtifactError)):
        explain_batch("nowhere.parquet", artifact)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_sample_is_drawn_evenly_from_files_and_without_what_does_not_fit(
    artifact, people, tmp_path, kind
):
    rows = pd.concat([people] * 3, ignore_index=True)
    rows["row_id"] = np.arange(len(rows))
    bad = rows.index[::10]
    rows["age"] = rows["age"].astype("Int64")
    rows.loc[bad, "age"] = pd.NA
    path = tmp_path / f"people.{kind}"
    rows.to_csv(path, index=False) if kind == "csv" else rows.to_parquet(path)
    drawn = [
        draw_sample(path, artifact.schema, id_column="row_id", n=100, seed=seed)
        for seed in range(30)
    ]
    ids = np.array([[int(one) for one in sample.ids] for sample in drawn])
    assert ids.shape == (30, 100)
    assert not set(ids.ravel().tolist()) & set(bad.tolist())
    assert abs(ids.mean() - 600) < 4 * 1200 / np.sqrt(12 * ids.size)
    first = drawn[0]
    for case, age in zip(first.ids, first.columns["age"], strict=True):
        assert rows["age"][int(case)] == age


def test_it_draws_in_the_style_of_the_course(found):
    import matplotlib

    matplotlib.use("Agg")
    ax = found.plot(top=3)
    assert [one.get_text() for one in ax.get_yticklabels()][::-1] == [
        {"age": "Age", "job": "Job"}.get(name, name) for name in found.importances()["column"][:3]
    ]
    assert ax.get_xlabel() == "effect on the score"
    bars = found.plot_importances(top=3)
    widths = [bar.get_width() for bar in bars.patches]
    assert widths[::-1] == pytest.approx(found.importances()["importance"][:3].tolist())
    import matplotlib.pyplot as plt

    plt.close("all")


def test_comparison_over_the_whole_background_is_what_batch_computes(found, artifact, people):
    background = artifact.background
    orders = np.argsort(np.random.default_rng(0).random((64, 4)), axis=1)
    columns = dict(zip(background.names, zip(*background.rows, strict=True), strict=True))
    compare = Comparison(artifact, columns, orders)
    row = people.iloc[found.ids[0]]
    (one,) = compare([[row[name] for name in background.names]])
    assert one.effects.mean(axis=0) == pytest.approx(found.values[0], abs=0.03)
    assert one.starts.mean() == pytest.approx(found.base_values[0], abs=1e-6)
