"""Zero label disagreements over all 226,891 adults, whatever the model and the costume."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

import capstone_lib as cap

MODELS = {
    "logistic": lambda: LogisticRegression(max_iter=500),
    "forest": lambda: RandomForestClassifier(40, min_samples_leaf=5, random_state=0),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=40, random_state=0),
    "histogram": lambda: HistGradientBoostingClassifier(random_state=0),
    "mlp": lambda: MLPClassifier((32,), max_iter=400, tol=1e-3, random_state=0),
}


@pytest.mark.slow
@pytest.mark.parametrize("costume", ["codes", "words", "codes with gaps", "words with gaps"])
@pytest.mark.parametrize("model", MODELS)
def test_every_adult_gets_the_pipelines_label(people, tmp_path, model, costume):
    census = cap.load_census()
    everybody = pd.concat([census.frame(year) for year in census.years], ignore_index=True)
    train = everybody[everybody["year"] == 2015].sample(12_000, random_state=0)
    X = people.dress(train, costume)
    pipeline = people.pipeline(MODELS[model](), costume, scaled=model in ("logistic", "mlp"))
    pipeline.fit(X, train["employed"])
    artifact = cap.export_model(pipeline, X, tmp_path / "m.onnx", name="a", version="1")
    for start in range(0, len(everybody), 60_000):
        rows = people.dress(everybody.iloc[start : start + 60_000], costume)
        got = artifact.predict(rows)
        assert (got.label == pipeline.predict(rows)).all()
        score = pipeline.predict_proba(rows)[:, 1]
        np.testing.assert_allclose(got.score, score, atol=1e-5)
