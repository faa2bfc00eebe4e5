"""Explanations of batch runs, kept beside their predictions."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from capstone_lib.errors import RunError
from capstone_lib.explain.table import BatchExplanation
from capstone_lib.store import RunRecord, Store
from capstone_lib.store.engine import engine_of, reading, writing
from capstone_lib.store.explanation_tables import explanation_rows, explanation_runs
from capstone_lib.store.ids import decode_ids, encode_ids
from capstone_lib.store.queries import all_runs
from capstone_lib.store.run import now

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Explanations"]


class Explanations:
    """What a store knows of why a batch's scores are what they are.

    Parameters
    ----------
    store : Store
        A database.

    Raises
    ------
    StoreError
        If it is a folder.
    """

    def __init__(self, store: Store) -> None:
        self._engine = engine_of(store, who="explanations need")

    def run(self, run_id: str, *, required: bool = True) -> RunRecord | None:
        """The record of a published run.

        Raises
        ------
        RunError
            If there is none, and it is required.
        """
        with reading(self._engine) as connection:
            found = [one for _, one in all_runs(connection, status="published")]
        for record in reversed(found):
            if record.run_id == run_id:
                return record
        if not required:
            return None
        there = ", ".join(one.run_id for one in found[-5:]) or "none"
        raise RunError(f"the store has no published run {run_id!r}; the last ones are: {there}")

    def keep(self, found: BatchExplanation, run_id: str) -> BatchExplanation:
        """Keep an explanation of a run, whole or not at all; return it with its key."""
        run = {
            "run_id": run_id,
            "made_at": now(),
            "method": json.dumps(dict(found.method), sort_keys=True),
            "background": found.background,
            "seed": found.seed,
            "base_value": found.base,
            "importance": json.dumps(
                {one.column: one.importance for one in found.importances().itertuples()}
            ),
        }
        ids = encode_ids(list(found.ids))
        with writing(self._engine) as connection:
            adding = (
                insert(explanation_runs).values(run).returning(explanation_runs.c.explanation_key)
            )
            key = int(connection.execute(adding).scalar_one())
            connection.execute(
                insert(explanation_rows),
                [
                    {
                        "explanation_key": key,
                        "row_id": row_id,
                        "reasons": json.dumps(found.reasons(place), ensure_ascii=False),
                    }
                    for place, row_id in enumerate(ids)
                ],
            )
        return replace(found, key=key)

    def runs(self) -> "pd.DataFrame":
        """The explanations that are kept, oldest first.

        Returns
        -------
        pandas.DataFrame
            ``explanation_key``, ``run_id``, ``made_at``, ``method`` (a dict), ``background``,
            ``seed``, ``base_value`` and ``importance`` (a dict).
        """
        import pandas as pd

        query = select(explanation_runs).order_by(explanation_runs.c.explanation_key)
        with reading(self._engine) as connection:
            rows = [dict(row._mapping) for row in connection.execute(query)]
        for row in rows:
            row["method"] = json.loads(row["method"])
            row["importance"] = json.loads(row["importance"])
        return pd.DataFrame(rows, columns=[column.name for column in explanation_runs.columns])

    def reasons(self, *, key: int | None = None, ids: Any = None) -> "pd.DataFrame":
        """The reasons of rows.

        Parameters
        ----------
        key : int, optional
            Of which explanation; by default of the last one of each row.
        ids : array, optional
            Only of these rows.

        Returns
        -------
        pandas.DataFrame
            ``row_id``, ``run_id``, ``explanation_key`` and ``reasons``, a list of dicts with
            ``feature``, ``value``, ``effect`` and ``text``, the strongest first.
        """
        import pandas as pd

        rows, runs = explanation_rows.c, explanation_runs.c
        query = select(rows.row_id, runs.run_id, rows.explanation_key, rows.reasons).join(
            explanation_runs
        )
        if key is not None:
            query = query.where(rows.explanation_key == key)
        if ids is not None:
            query = query.where(rows.row_id.in_(encode_ids(ids)))
        with reading(self._engine) as connection:
            found = {
                row.row_id: tuple(row)
                for row in connection.execute(query.order_by(rows.explanation_key))
            }
        columns = ["row_id", "run_id", "explanation_key", "reasons"]
        frame = pd.DataFrame(list(found.values()), columns=columns)
        frame["row_id"] = decode_ids(encode_ids(list(found)) if found else [])
        frame["reasons"] = [json.loads(text) for text in frame["reasons"]]
        return frame
