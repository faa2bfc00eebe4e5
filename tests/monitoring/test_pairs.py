"""Pairs: the model without a three-way term, solved by hand; joins on the wrong key; chance."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from capstone_lib.artifact.binning import Binning
from capstone_lib.artifact.window import Window
from capstone_lib.monitoring.pairs import compare_pairs
from capstone_lib.schema import Column, Schema

TWO = Schema(tuple(Column(name, "category", categories=(0, 1)) for name in "ab"))
FOUR = Schema(
    (
        Column("x", "integer"),
        Column("y", "category", categories=(0, 1, 2, 3, 4, 5)),
        Column("z", "number"),
    )
)


def from_table(table):
    a, b = np.divmod(np.repeat(np.arange(4), np.ravel(table)), 2)
    return pd.DataFrame({"a": a, "b": b})


def windows(before, now, schema):
    binning = Binning.of(before, schema)
    return tuple(Window.of(rows, binning=binning) for rows in (before, now))


def linked(n, rng, *, shift=0.0, link=1.0):
    """Three columns that hang together; ``shift`` moves all margins, ``link`` the association."""
    base = rng.normal(size=n)
    x, y, z = (link * base + rng.normal(size=n) for _ in range(3))
    return pd.DataFrame(
        {
            "x": np.clip(10 * (x + shift) + 50, 0, 99).astype(int),
            "y": np.clip(y + shift + 2.5, 0, 5).astype(int),
            "z": z + shift,
        }
    )


def common_odds(p, q):
    """Fitted tables of two by two with one odds ratio, all margins kept, by a root search."""

    def fit(table, corner):
        rows, columns = table.sum(1), table.sum(0)
        b, c = rows[0] - corner, columns[0] - corner
        return np.array([[corner, b], [c, table.sum() - corner - b - c]])

    def odds(table):
        return np.log(table[0, 0] * table[1, 1]) - np.log(table[0, 1] * table[1, 0])

    def apart(corner):
        other = p[0, 0] + q[0, 0] - corner
        return odds(fit(p, corner)) - odds(fit(q, other))

    low = max(0, p.sum(1)[0] + p.sum(0)[0] - p.sum()) + 1e-9
    high = min(p.sum(1)[0], p.sum(0)[0]) - 1e-9
    low = max(low, p[0, 0] + q[0, 0] - min(q.sum(1)[0], q.sum(0)[0]) + 1e-9)
    high = min(high, p[0, 0] + q[0, 0] - max(0, q.sum(1)[0] + q.sum(0)[0] - q.sum()) - 1e-9)
    corner = optimize.brentq(apart, low, high, xtol=1e-12)
    return fit(p, corner), fit(q, p[0, 0] + q[0, 0] - corner)


@pytest.mark.parametrize(
    ("p", "q"),
    [
        ([[400, 100], [150, 350]], [[60, 40], [30, 70]]),
        ([[4000, 900], [700, 300]], [[150, 80], [40, 130]]),
        ([[500, 500], [500, 500]], [[90, 20], [35, 60]]),
    ],
)
def test_the_statistic_is_that_of_one_odds_ratio(p, q):
    p, q = np.array(p, dtype=float), np.array(q, dtype=float)
    want = sum(
        ((seen - fitted) ** 2 / fitted).sum()
        for seen, fitted in zip((p, q), common_odds(p, q), strict=True)
    )
    before, now = windows(from_table(p.astype(int)), from_table(q.astype(int)), TWO)
    (found,) = compare_pairs(before, now)
    assert found.statistic == pytest.approx(want, rel=1e-4)
    assert found.dof == 1
    assert found.p_value == pytest.approx(stats.chi2.sf(want, 1), rel=1e-3)


def test_a_wrong_join_is_seen_though_every_margin_is_the_same():
    rng = np.random.default_rng(0)
    before, now = linked(8000, rng), linked(600, rng)
    now["x"] = rng.permutation(now["x"])
    found = compare_pairs(*windows(before, now, FOUR))
    p_values = {one.name: one.p_value for one in found}
    assert p_values["x × y"] < 1e-6
    assert p_values["x × z"] < 1e-6
    assert p_values["y × z"] > 0.01
    assert found[0].effect > 0.1


def test_margins_that_move_are_not_the_pairs_business():
    rng = np.random.default_rng(1)
    base = pd.DataFrame({"a": rng.integers(0, 2, 9000)})
    base["b"] = (rng.random(9000) < np.where(base["a"], 0.7, 0.3)).astype(int)
    weight = np.where(base["a"] == 1, 0.2, 1.0)
    now = base[rng.random(9000) < weight]  # many fewer of a = 1
    (found,) = compare_pairs(*windows(base, now, TWO))
    assert found.p_value > 0.01
    assert found.effect < 0.03


@pytest.mark.parametrize("rows", [60, 300, 3_000])
def test_chance_is_seen_no_more_often_than_the_level(rows):
    rng = np.random.default_rng(rows)
    n, found = 200, []
    for _ in range(n):
        found += compare_pairs(*windows(linked(4000, rng), linked(rows, rng), FOUR))
    p_values = np.array([one.p_value for one in found])
    assert len(p_values) == 3 * n
    assert (p_values <= 0.05).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(p_values))


def test_too_few_rows_are_not_tested():
    rng = np.random.default_rng(2)
    assert compare_pairs(*windows(linked(4000, rng), linked(3, rng), FOUR)) == ()
    whole = Window.of(linked(50, rng), binning=Binning.of(linked(50, rng), FOUR), pairs=False)
    assert compare_pairs(whole, whole) == ()
