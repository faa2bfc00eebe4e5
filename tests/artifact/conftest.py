import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder

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


@pytest.fixture(scope="session")
def people():
    return People()
