"""Shapley values along chains: from one person to another, a column at a time.

A chain begins with a person of the background and takes on the values of the person asked about,
in a given order; each step's change of the score belongs to the column that changed. The changes of
a chain add up to the difference of the two scores, whatever the order. Each order is gone forwards
and backwards, which cancels all that is odd in it (antithetic sampling; Mitchell, Cooper, Frank and
Holmes, "Sampling Permutations for Shapley Value Estimation", 2022). The mean over all orders and
people is the interventional Shapley value (Strumbelj and Kononenko, 2014).

Nothing here knows what a model is.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["Chains", "Steps"]


@dataclass(frozen=True)
class Steps:
    """The steps that change something, chain after chain, and the mixtures to be scored.

    Attributes
    ----------
    chain, column : numpy.ndarray of int, shape (n_steps,)
        Whose step it is, and what changes.
    last : numpy.ndarray of bool, shape (n_steps,)
        Whether the step arrives: then the mixture is the person asked about.
    node : numpy.ndarray of int, shape (n_mixtures,)
        The person of the background that a mixture began with.
    taken : numpy.ndarray of bool, shape (n_mixtures, n_columns)
        Which columns have the values of the person asked about.
    """

    chain: np.ndarray
    column: np.ndarray
    last: np.ndarray
    node: np.ndarray
    taken: np.ndarray


class Chains:
    """Two chains for each node of a background.

    Parameters
    ----------
    orders : numpy.ndarray of int, shape (n_nodes, n_columns)
        In what order each node's columns change.

    Examples
    --------
    >>> chains = Chains(np.array([[0, 1]]))
    >>> steps = chains.between(np.array([[True, True]]))  # one background row; both columns differ
    >>> steps.taken.tolist()
    [[True, False], [False, True]]
    >>> scores = np.array([3.0, 5.0])  # of the two mixtures; the ends are 1 and 9
    >>> chains.effects(steps, scores, 9.0, np.array([1.0])).tolist()
    [[3.0, 5.0]]
    """

    def __init__(self, orders: np.ndarray) -> None:
        self.n_nodes, self.n_columns = orders.shape
        self._order = np.concatenate([orders, orders[:, ::-1]])
        self._node = np.tile(np.arange(self.n_nodes), 2)
        rank = np.argsort(self._order, axis=1)
        self._taken = rank[:, None, :] <= np.arange(self.n_columns)[None, :, None]
        self._cell = self._node[:, None] * self.n_columns + self._order

    def between(self, differs: np.ndarray) -> Steps:
        """Say which mixtures must be scored.

        Parameters
        ----------
        differs : numpy.ndarray of bool, shape (n_nodes, n_columns)
            Where the person asked about is not like the node's.
        """
        chain, step = differs[self._node[:, None], self._order].nonzero()
        last = np.ones(len(chain), dtype=bool)
        np.not_equal(chain[1:], chain[:-1], out=last[:-1])
        on_the_way = ~last
        between = chain[on_the_way]
        return Steps(
            chain=chain,
            column=self._cell[chain, step],
            last=last,
            node=self._node[between],
            taken=self._taken[between, step[on_the_way]],
        )

    def effects(
        self, steps: Steps, scores: np.ndarray, score: float, starts: np.ndarray
    ) -> np.ndarray:
        """Turn scores into effects.

        Parameters
        ----------
        steps : Steps
            As :meth:`between` gave them.
        scores : numpy.ndarray of shape (n_mixtures,)
        score : float
            Of the person asked about.
        starts : numpy.ndarray of shape (n_nodes,)
            Of each node's person.

        Returns
        -------
        numpy.ndarray of float64, shape (n_nodes, n_columns)
            Each row adds up to ``score`` less its node's start.
        """
        after = np.full(len(steps.chain), score, dtype=np.float64)
        after[~steps.last] = scores
        before = np.empty_like(after)
        before[1:] = after[:-1]
        first = np.ones(len(after), dtype=bool)
        first[1:] = steps.last[:-1]
        before[first] = starts[self._node[steps.chain[first]]]
        changes = (after - before) / 2
        sums = np.bincount(steps.column, changes, minlength=self.n_nodes * self.n_columns)
        return np.asarray(sums.reshape(self.n_nodes, self.n_columns))
