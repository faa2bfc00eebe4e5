import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import capstone_lib as cap


class People:
    """Census rows in four costumes: codes, codes with gaps, words, words with gaps."""

    def __init__(self):
        census = cap.load_census()
        self.features = census.features
        self.codes = [name for name in census.features if name != "AGEP"]
        train, held_out = census.split(2015)
        later = census.frame(2017)
        self.train = train.sample(4000, random_state=0)
        self.held_out = held_out.sample(2000, random_state=0)
        self.later = later.sample(6000, random_state=0)

    def dress(self, frame, costume):
        X = frame[self.features].copy()
        if "words" in costume:
            for name in self.codes:
                X[name] = X[name].astype(str).astype(object)
        if "gaps" in costume:
            rng = np.random.default_rng(1)
            X["AGEP"] = X["AGEP"].astype(float)
            for name in self.features:
                if "words" not in costume:
                    X[name] = X[name].astype(float)
                X.loc[rng.random(len(X)) < 0.05, name] = np.nan
        return X

    def encode(self, numbers="passthrough", codes=None):
        codes = codes or OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        return ColumnTransformer([("codes", codes, self.codes), ("age", numbers, ["AGEP"])])

    def pipeline(self, model, costume, *, scaled):
        """A model over columns in a costume: gaps are filled, and ages scaled if it needs that."""
        numbers = [SimpleImputer()] if "gaps" in costume else []
        codes = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        if "gaps" in costume:
            fill = "none" if "words" in costume else -1
            codes = make_pipeline(SimpleImputer(strategy="constant", fill_value=fill), codes)
        if scaled:
            numbers.append(StandardScaler())
        encode = self.encode(make_pipeline(*numbers) if numbers else "passthrough", codes)
        return make_pipeline(encode, model)


@pytest.fixture(scope="session")
def people():
    return People()
