"""Three models to choose from, each as a pipeline that becomes one file without losing a bit."""

from typing import TYPE_CHECKING, Any

from capstone_lib.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MODELS", "make_pipeline_of"]

_MOST_CODES = 30


def _boosting(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=60, random_state=seed)


def _linear(seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=2_000, random_state=seed)


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=60, min_samples_leaf=5, random_state=seed)


MODELS = {
    "boosting": ("gradient boosting: many small trees, each on the others' errors", _boosting),
    "linear": ("logistic regression: a weighted sum, which can be read", _linear),
    "forest": ("random forest: many large trees, averaged", _forest),
}
"""By name: in words, and how it is made."""


def make_pipeline_of(model: str, X: "pd.DataFrame", *, seed: int = 0) -> Any:
    """Put a model behind the preparation that its columns need; not fitted yet.

    Parameters
    ----------
    model : str
        One of :data:`MODELS`.
    X : pandas.DataFrame
        Text, and whole numbers of few values, are codes and become one column a value; all else is
        a number. Missing numbers become the median.
    seed : int
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    if model not in MODELS:
        raise DataError(f"model is {model!r}; choose one of {', '.join(MODELS)}")
    codes = [name for name in X.columns if _is_code(X[name])]
    gaps = [name for name in X.columns if name not in codes and X[name].isna().any()]
    whole = [name for name in X.columns if name not in codes and name not in gaps]
    scaled = model == "linear"
    last: Any = StandardScaler() if scaled else "passthrough"
    filled: Any = SimpleImputer(strategy="median")
    if scaled:
        filled = Pipeline([("fill", filled), ("scale", StandardScaler())])
    encode = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    steps = [("codes", encode, codes), ("gaps", filled, gaps), ("numbers", last, whole)]
    prepare = ColumnTransformer([step for step in steps if step[2]])
    return Pipeline([("prepare", prepare), ("model", MODELS[model][1](seed))])


def _is_code(values: "pd.Series[Any]") -> bool:
    if values.dtype.kind in "iu":
        return int(values.nunique()) <= _MOST_CODES
    return values.dtype.kind not in "f"
