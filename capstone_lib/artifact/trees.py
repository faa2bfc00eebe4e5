"""Trees as one ONNX node: every split exactly as scikit-learn takes it.

scikit-learn's tree models become a ``TreeEnsemble`` node (ai.onnx.ml 5) in double precision, with
the direction of missing values, native categories and, where a one-hot encoder stands in front,
splits on the codes themselves. Anything else is left to skl2onnx
(:mod:`capstone_lib.artifact.convert`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Ensemble", "Feature", "UnsupportedModelError", "read_ensemble"]

_LEQ, _NEQ, _MEMBER = 0, 5, 6


class UnsupportedModelError(Exception):
    """The model is not one that this module can read exactly; the text says why."""


@dataclass(frozen=True)
class Feature:
    """Where one column of a model's design matrix comes from.

    ``index`` is the raw column; ``code`` is set when the design column is the indicator of one code
    of that raw column (a folded one-hot encoder); NaN is the code of a missing value.
    """

    index: int
    code: float | None = None


@dataclass(frozen=True)
class _Leaf:
    weight: float


@dataclass(frozen=True)
class _Split:
    feature: int
    threshold: float
    left: int
    right: int
    missing_left: bool
    members: tuple[float, ...] | None = None  # codes that go to the true branch


_Tree = Sequence[_Leaf | _Split]
CodeOf = Callable[[int, Any], float]


@dataclass
class Ensemble:
    """The attributes of one ``TreeEnsemble`` node, and how its sums become probabilities.

    Attributes
    ----------
    n_outputs : int
        Sums per row.
    base : numpy.ndarray of shape (n_outputs,)
        Added to the sums.
    link : {"sigmoid", "softmax", "mean"}
        What makes probabilities of the sums; "mean" divides them by ``divisor``.
    float32_first : bool
        Whether the model rounds its input to single precision before it compares.
    """

    n_outputs: int
    base: np.ndarray
    link: str
    float32_first: bool
    divisor: int = 1
    feature_ids: list[int] = field(default_factory=list)
    modes: list[int] = field(default_factory=list)
    splits: list[float] = field(default_factory=list)
    true_ids: list[int] = field(default_factory=list)
    true_leaf: list[int] = field(default_factory=list)
    false_ids: list[int] = field(default_factory=list)
    false_leaf: list[int] = field(default_factory=list)
    missing_true: list[int] = field(default_factory=list)
    members: list[float] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    leaf_targets: list[int] = field(default_factory=list)
    leaf_weights: list[float] = field(default_factory=list)

    def add(self, tree: _Tree, features: Sequence[Feature], output: int) -> None:
        """Append one tree whose leaves add to ``output``."""
        if isinstance(tree[0], _Leaf):
            tree = [_Split(0, 0.0, 1, 2, False), tree[0], tree[0]]
        places = self._place(tree, output)
        self.roots.append(places[0][0])
        for node in tree:
            if isinstance(node, _Split):
                self._add_split(node, features[node.feature], places)

    def _place(self, tree: _Tree, output: int) -> list[tuple[int, int]]:
        """For each node its position in its array, and whether that is the array of leaves."""
        places, at = [], len(self.feature_ids)
        for node in tree:
            if isinstance(node, _Leaf):
                places.append((len(self.leaf_weights), 1))
                self.leaf_weights.append(float(node.weight))
                self.leaf_targets.append(output)
            else:
                places.append((at, 0))
                at += 1
        return places

    def _add_split(self, node: _Split, feature: Feature, places: Sequence[tuple[int, int]]) -> None:
        left, right = places[node.left], places[node.right]
        if feature.code is not None and np.isnan(feature.code):
            mode, value, (yes, no), missing = _LEQ, np.inf, (left, right), False
        elif feature.code is not None:
            mode, value, (yes, no), missing = _NEQ, feature.code, (left, right), True
        elif node.members is not None:
            mode, value, (yes, no), missing = _MEMBER, 0.0, (left, right), False
            if node.missing_left:
                yes, no = right, left
            self.members += [*node.members, np.nan]
        else:
            mode, value, (yes, no), missing = _LEQ, node.threshold, (left, right), node.missing_left
        self.feature_ids.append(feature.index)
        self.modes.append(mode)
        self.splits.append(value)
        self.missing_true.append(int(missing))
        self.true_ids.append(yes[0])
        self.true_leaf.append(yes[1])
        self.false_ids.append(no[0])
        self.false_leaf.append(no[1])


def read_ensemble(
    model: Any, features: Sequence[Feature], *, code_of: CodeOf = lambda _, code: float(code)
) -> Ensemble:
    """Read a fitted tree classifier as an :class:`Ensemble`.

    Parameters
    ----------
    model : scikit-learn classifier
        HistGradientBoosting, gradient boosting, random forest, extra trees or a decision tree.
    features : sequence of Feature
        The origin of each column of the matrix that the model was fitted on.
    code_of : callable
        The number that stands for a category of a raw column, given the column's index.

    Raises
    ------
    UnsupportedModelError
        For any other model, or a setting of these that is not read exactly.
    """
    from sklearn import ensemble, tree

    if type(model) is ensemble.HistGradientBoostingClassifier:
        return _read_histogram(model, features, code_of)
    if type(model) is ensemble.GradientBoostingClassifier:
        return _read_boosting(model, features)
    if type(model) in (ensemble.RandomForestClassifier, ensemble.ExtraTreesClassifier):
        return _read_forest(model, model.estimators_, features)
    if type(model) in (tree.DecisionTreeClassifier, tree.ExtraTreeClassifier):
        return _read_forest(model, [model], features)
    raise UnsupportedModelError(f"{type(model).__name__} is not a tree model known here")


def _read_histogram(model: Any, features: Sequence[Feature], code_of: CodeOf) -> Ensemble:
    n_outputs = len(model._predictors[0])
    base = np.asarray(model._baseline_prediction, dtype=np.float64).ravel()
    link = "sigmoid" if n_outputs == 1 else "softmax"
    result = Ensemble(n_outputs, base, link, float32_first=False)
    ordered, categories = _after_encoder(model, features, code_of)
    for stage in model._predictors:
        for output, predictor in enumerate(stage):
            result.add(list(_histogram_tree(predictor, ordered, categories)), ordered, output)
    return result


def _after_encoder(
    model: Any, features: Sequence[Feature], code_of: CodeOf
) -> tuple[list[Feature], dict[int, list[float]]]:
    """Undo the model's own encoder of categories: it moves them to the front and numbers them."""
    flags = model.is_categorical_
    if flags is None or not np.any(flags):
        return list(features), {}
    front, back = np.flatnonzero(flags), np.flatnonzero(~np.asarray(flags))
    ordered = [features[i] for i in (*front, *back)]
    if any(feature.code is not None for feature in ordered[: len(front)]):
        raise UnsupportedModelError("native categories behind a one-hot encoder")
    encoder = model._preprocessor.named_transformers_["encoder"]
    return ordered, {
        at: [code_of(ordered[at].index, category) for category in known if not _missing(category)]
        for at, known in enumerate(encoder.categories_)
    }


def _missing(category: Any) -> bool:
    return category is None or (isinstance(category, float) and bool(np.isnan(category)))


def _histogram_tree(
    predictor: Any, features: Sequence[Feature], categories: dict[int, list[float]]
) -> Iterator[_Leaf | _Split]:
    for node in predictor.nodes:
        if node["is_leaf"]:
            yield _Leaf(node["value"])
            continue
        at, missing_left = int(node["feature_idx"]), bool(node["missing_go_to_left"])
        members = None
        if node["is_categorical"]:
            known = categories[at]
            bits = predictor.raw_left_cat_bitsets[node["bitset_idx"]]
            left = [(int(bits[i // 32]) >> (i % 32)) & 1 == 1 for i in range(len(known))]
            side = [bool(flag) != missing_left for flag in left]
            members = tuple(code for code, chosen in zip(known, side, strict=True) if chosen)
        yield _Split(
            at,
            float(node["num_threshold"]),
            int(node["left"]),
            int(node["right"]),
            missing_left,
            members,
        )


def _read_boosting(model: Any, features: Sequence[Feature]) -> Ensemble:
    from sklearn.dummy import DummyClassifier

    n_outputs = model.estimators_.shape[1]
    if isinstance(model.init_, DummyClassifier) and model.init_.strategy == "prior":
        base = model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))
    elif model.init == "zero":
        base = np.zeros((1, n_outputs))
    else:
        raise UnsupportedModelError("gradient boosting that starts from a model of its own")
    if model.loss != "log_loss":
        raise UnsupportedModelError(f"gradient boosting with loss {model.loss!r}")
    link = "sigmoid" if n_outputs == 1 else "softmax"
    result = Ensemble(n_outputs, np.asarray(base, dtype=np.float64).ravel(), link, True)
    for stage in model.estimators_:
        for output, estimator in enumerate(stage):
            values = estimator.tree_.value[:, 0, 0] * model.learning_rate
            result.add(list(_plain_tree(estimator.tree_, values)), features, output)
    return result


def _read_forest(model: Any, estimators: Sequence[Any], features: Sequence[Feature]) -> Ensemble:
    if model.n_outputs_ != 1:
        raise UnsupportedModelError("several targets at once")
    # summed and then divided, class by class, as scikit-learn does: a tie must stay a tie
    n_classes = len(model.classes_)
    result = Ensemble(n_classes, np.zeros(n_classes), "mean", True, divisor=len(estimators))
    for estimator in estimators:
        for output in range(n_classes):
            shares = estimator.tree_.value[:, 0, output]
            result.add(list(_plain_tree(estimator.tree_, shares)), features, output)
    return result


def _plain_tree(tree: Any, values: np.ndarray) -> Iterator[_Leaf | _Split]:
    missing = getattr(tree, "missing_go_to_left", None)
    for at in range(tree.node_count):
        if tree.children_left[at] < 0:
            yield _Leaf(values[at])
            continue
        yield _Split(
            int(tree.feature[at]),
            float(tree.threshold[at]),
            int(tree.children_left[at]),
            int(tree.children_right[at]),
            bool(missing[at]) if missing is not None else False,
        )
