"""Words, numbers, truth values, two classes or three: the desk takes them all."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

import capstone_lib as cap
from capstone_lib.review import ReviewQueue
from capstone_lib.review.markup import case_html
from capstone_lib.review.view import view_case

IRIS = load_iris(as_frame=True)
KINDS = {
    "words": IRIS.target.map(dict(enumerate(IRIS.target_names))).to_numpy(dtype=object),
    "numbers": IRIS.target.to_numpy() * 10,
    "truth": (IRIS.target == 2).to_numpy(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_case_of_every_kind_is_seen_overridden_and_counts(store, tmp_path, kind):
    labels = KINDS[kind]
    some = np.random.default_rng(0).permutation(150)
    X = IRIS.data.set_axis(["a", "b", "c", "d"], axis=1).iloc[some].reset_index(drop=True)
    y = labels[some]
    artifact = cap.export_model(
        DecisionTreeClassifier(max_depth=2, random_state=0).fit(X[:90], y[:90]),
        X[:90],
        tmp_path / "m.onnx",
        name="flowers",
        version="1",
        X_calibration=X[90:],
        y_calibration=y[90:],
    )
    people = X.assign(row_id=[f"flower {k}" for k in range(150)])
    cap.score_batch(
        artifact, people, store=store, as_of="2016-01-31", id="row_id", show_progress=False
    )
    queue = ReviewQueue(store, double_share=0)
    assert queue.fill_audit(artifact=artifact, source=people, alert_id="a", n=9) == 9
    for _ in range(2):  # the second has a like one
        case = queue.see(queue.next("ana"))
        view = view_case(case, queue, artifact=artifact)
        page = case_html(view)
        assert f"Case {case.row_id}" in page
        assert len(view.choices()) == len(artifact.classes) + 1
        other = view.choices()[1]
        made = queue.decide(
            case.case_id, reviewer="ana", verdict=other.verdict, label=other.label
        )  # fmt: skip
        counts = store.predictions(ids=[case.row_id]).iloc[0]
        assert counts["decided_by"] == "ana"
        assert counts["label"] == artifact.classes[list(case.classes).index(other.label)]
        assert made.label == other.label != made.model_label == case.label
    said = store.outcomes()
    assert pd.Series(said["outcome"]).isin(list(case.classes)).all()
    assert queue.verdict_on(queue.peek().case_id, queue.peek().label) == "accept"
