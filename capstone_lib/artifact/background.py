"""The people that an explanation compares a person with; the passport carries them.

They are made up. Each value is drawn from its own column's margin, whatever stands beside it, and
numbers are quantiles: so no row of the file is a person's, and the file says no more of the data
than the passport's schema and counts do. :mod:`capstone_lib.artifact.choose` makes them at export.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

__all__ = ["WHOLE", "Background"]

WHOLE = 10_000
"""What the weights of all nodes add up to."""


@dataclass(frozen=True)
class Background:
    """Made-up people, and the ways from them to a person on which columns are exchanged.

    Attributes
    ----------
    names : tuple of str
        The columns, in the order of the rows' values.
    rows : tuple of tuple
        The made-up people, as JSON has values; None where missing. All count alike.
    nodes : tuple of (int, tuple of int, int)
        A row's place, an order of the columns, and how much this way counts, in parts of
        :data:`WHOLE`. Few, and chosen so that they speak for all rows and all orders.
    errors : mapping of str to float
        By column how far an effect is from the exhaustive one, as a root mean square, over people
        who had no part in the choice.
    error : float
        The same over all columns.
    measured : mapping of str to int
        ``people`` over whom the error was measured, and ``rows`` of real people with whom each was
        compared exhaustively.
    seed : int
        Of the draws at export.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    nodes: tuple[tuple[int, tuple[int, ...], int], ...]
    errors: Mapping[str, float] = field(repr=False)
    error: float
    measured: Mapping[str, int]
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "names": list(self.names),
            "rows": [list(row) for row in self.rows],
            "nodes": [[place, list(order), weight] for place, order, weight in self.nodes],
            "errors": dict(self.errors),
            "error": self.error,
            "measured": dict(self.measured),
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Background":
        """Read what :meth:`to_dict` wrote."""
        return cls(
            names=tuple(data["names"]),
            rows=tuple(tuple(row) for row in data["rows"]),
            nodes=tuple((place, tuple(order), weight) for place, order, weight in data["nodes"]),
            errors=dict(data["errors"]),
            error=data["error"],
            measured=dict(data["measured"]),
            seed=data["seed"],
        )

    @cached_property
    def sha256(self) -> str:
        """The snapshot: the hash of everything that an explanation follows from."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def orders(self) -> np.ndarray:
        """The nodes' orders, of shape (n_nodes, n_columns)."""
        return np.array([order for _, order, _ in self.nodes], dtype=np.intp)

    @cached_property
    def weights(self) -> np.ndarray:
        """The nodes' weights, of shape (n_nodes,); they add up to 1."""
        return np.array([weight for _, _, weight in self.nodes]) / WHOLE

    def node_columns(self) -> dict[str, list[Any]]:
        """The nodes' people, column by column."""
        people = [self.rows[place] for place, _, _ in self.nodes]
        return dict(zip(self.names, map(list, zip(*people, strict=True)), strict=True))
