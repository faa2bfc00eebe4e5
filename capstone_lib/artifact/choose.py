"""Choosing a background: few ways from made-up people that speak for an exhaustive comparison.

Some people of the reference rows are compared exhaustively with many others, and with every
candidate: a made-up person and an order of the columns. Then candidates are picked one by one, with
weights, so that their effects are nearest to the exhaustive ones; small columns count too, each by
the root of its size. People who had no part in this measure how far off the effects are.
"""

from typing import Any

import numpy as np

from capstone_lib.artifact.background import WHOLE, Background
from capstone_lib.artifact.comparison import Comparison
from capstone_lib.artifact.margins import draw_people
from capstone_lib.artifact.model import Artifact

__all__ = ["choose_background"]

_ROWS = 64  # made-up people
_NODES = 9
_PEOPLE = 64  # compared exhaustively
_MIXTURES = 3_000  # candidates, and real rows, times columns
_TRIED = 25  # of the candidates that promise most, at each pick
_CHUNK = 8  # people scored together
_SMALL = 1e-4  # an effect below is of no account


def choose_background(artifact: Artifact, rows: Any, *, seed: int = 0) -> Background:
    """Choose whom explanations compare a person with.

    Parameters
    ----------
    artifact : Artifact
        As it will be written, but for this.
    rows : pandas.DataFrame of shape (n_rows, n_columns)
        Reference rows; none of them is kept.
    seed : int
        For the draws.
    """
    rng = np.random.default_rng(seed)
    features = artifact.passport.features
    columns, n_columns = features.check(rows).columns, len(features.columns)
    many = int(np.clip(_MIXTURES // n_columns, 40, 4 * _ROWS))
    made_up = draw_people(columns, features, n=_ROWS, rng=rng)
    people, real = _people(columns, features.names, many, rng)
    target = _effects(artifact, people, real, _orders(len(real), n_columns, rng)).mean(axis=1)

    places, orders = np.arange(many) % _ROWS, _orders(many, n_columns, rng)
    effects = _effects(artifact, people, [made_up[place] for place in places], orders)
    fitted = max(1, len(people) * 3 // 4)
    picked, weights = _pick(effects[:fitted], target[:fitted])
    off = np.einsum("pnc,n->pc", effects[:, picked], np.array(weights) / WHOLE) - target
    off = off[fitted:] if len(off) > fitted else off
    nodes = zip(places[picked].tolist(), orders[picked].tolist(), weights, strict=True)
    return Background(
        names=features.names,
        rows=tuple(made_up),
        nodes=tuple((place, tuple(order), weight) for place, order, weight in nodes),
        errors=dict(zip(features.names, map(_short, _root_mean_square(off)), strict=True)),
        error=_short(_root_mean_square(off.ravel())),
        measured={"people": len(off), "rows": len(real)},
        seed=seed,
    )


def _people(
    columns: Any, names: tuple[str, ...], many: int, rng: np.random.Generator
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Real people who are asked about, and those they are compared with: others, if there are."""
    places = rng.permutation(len(columns[names[0]]))
    asked, others = places[:_PEOPLE], places[_PEOPLE : _PEOPLE + many]
    if len(others) < many // 4:
        others = places[:many]
    return _rows(columns, names, asked), _rows(columns, names, others)


def _rows(columns: Any, names: tuple[str, ...], places: np.ndarray) -> list[tuple[Any, ...]]:
    return list(zip(*(columns[name][places].tolist() for name in names), strict=True))


def _orders(n: int, n_columns: int, rng: np.random.Generator) -> np.ndarray:
    return np.argsort(rng.random((n, n_columns)), axis=1)


def _effects(
    artifact: Artifact,
    people: list[tuple[Any, ...]],
    others: list[tuple[Any, ...]],
    orders: np.ndarray,
) -> np.ndarray:
    """Effects of shape (n_people, n_others, n_columns)."""
    names = artifact.passport.features.names
    columns = dict(zip(names, map(list, zip(*others, strict=True)), strict=True))
    compare = Comparison(artifact, columns, orders)
    found = [
        one.effects
        for start in range(0, len(people), _CHUNK)
        for one in compare(people[start : start + _CHUNK])
    ]
    return np.array(found)


def _pick(effects: np.ndarray, target: np.ndarray) -> tuple[list[int], list[int]]:
    """Pick candidates and their weights, which add up to :data:`WHOLE`.

    Orthogonal matching pursuit with weights that are not negative: at each pick, of the candidates
    along which the error falls most steeply, the one that leaves the least.
    """
    scale = 1 / np.sqrt(np.abs(target).mean(axis=0) + _SMALL)
    design = (effects * scale).transpose(0, 2, 1).reshape(-1, effects.shape[1])
    aim = (target * scale).ravel()
    heavy = 10 * np.linalg.norm(aim) + _SMALL  # for the weights' sum, which is to be 1
    design = np.vstack([design, np.full(design.shape[1], heavy)])
    aim = np.append(aim, heavy)
    gram, along = design.T @ design, design.T @ aim
    picked: list[int] = []
    weights = np.zeros(0)
    while len(picked) < min(_NODES, len(gram)):
        slope = (along - gram[:, picked] @ weights) / np.sqrt(np.diag(gram))
        slope[picked] = -np.inf
        tried = np.argsort(-slope, kind="stable")[:_TRIED]
        _, picked, weights = min(
            (_fit(gram, along, [*picked, int(one)]) for one in tried if slope[one] > -np.inf),
            key=lambda found: found[0],
        )
    parts = _parts(weights)
    kept = [place for place, part in enumerate(parts) if part]
    return [picked[place] for place in kept], [parts[place] for place in kept]


def _fit(
    gram: np.ndarray, along: np.ndarray, places: list[int]
) -> tuple[float, list[int], np.ndarray]:
    """The best weights for some candidates, and what they leave."""
    from scipy.optimize import nnls

    square = gram[np.ix_(places, places)]
    root = np.linalg.cholesky(square + 1e-9 * np.trace(square) * np.eye(len(places)))
    weights, left = nnls(root.T, np.linalg.solve(root, along[places]), maxiter=1_000)
    return float(left), places, weights


def _parts(weights: np.ndarray) -> list[int]:
    """Weights in whole parts; what rounding leaves goes to the heaviest."""
    share = weights / weights.sum()
    parts = np.floor(share * WHOLE).astype(int)
    parts[share.argmax()] += WHOLE - parts.sum()
    return list(map(int, parts))


def _root_mean_square(values: np.ndarray) -> Any:
    return np.sqrt((values**2).mean(axis=0))


def _short(value: Any) -> float:
    return float(f"{float(value):.3g}")
