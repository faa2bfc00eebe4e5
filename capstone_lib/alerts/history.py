"""What a playbook needs to know of the past."""

from typing import TYPE_CHECKING

from capstone_lib.alerts.catalogue import KNOWN
from capstone_lib.alerts.playbook import Playbook
from capstone_lib.store import Store

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_history"]


def read_history(
    store: Store, playbook: Playbook, *, model: str, version: str | None = None
) -> "pd.DataFrame":
    """The measurements of a model that the playbook's rules look at, of every window.

    All windows are read, later ones too, so that measuring an old window again tells nothing new
    of what has happened since.

    Parameters
    ----------
    store : Store
        In a database.
    playbook : Playbook
    model : str
        The model's name.
    version : str, optional
        Of this version only.

    Returns
    -------
    DataFrame
        As ``store.measurements()`` gives it, for ``evaluate_alerts(..., history=)``.

    Raises
    ------
    StoreError
        If the store is a folder, or cannot be used.
    """
    import pandas as pd

    named = {rule.measurement for rule in playbook}
    behind = {KNOWN[name].told_by for name in named if name in KNOWN}
    names = sorted((named | behind) - {""})
    frames = [store.measurements(name=name, model=model, version=version) for name in names]
    some = [frame for frame in frames if len(frame)]
    return pd.concat(some, ignore_index=True) if some else store.measurements(name="", model=model)
