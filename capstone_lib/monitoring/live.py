"""Windows of a live endpoint: the log of requests, read as the table that a batch would be."""

import json
from typing import TYPE_CHECKING

from capstone_lib.artifact.binning import Binning
from capstone_lib.artifact.window import Window
from capstone_lib.errors import MonitoringError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["features_of", "window_of_requests"]


def features_of(requests: "pd.DataFrame") -> "pd.DataFrame":
    """The features of logged requests, a column each, beside ``row_id``.

    Parameters
    ----------
    requests : pandas.DataFrame
        What ``store.requests()`` gives: ``features`` holds a JSON object a row.

    Returns
    -------
    pandas.DataFrame of the same rows
        A feature that a request left out is NaN.

    Raises
    ------
    MonitoringError
        If it has no column ``features``.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"row_id": ["a", "b"], "features": ['{"age": 41}', '{"age": 52}']})
    >>> features_of(log)
      row_id  age
    0      a   41
    1      b   52
    """
    import pandas as pd

    if "features" not in requests.columns:
        raise MonitoringError(
            "this is no log of requests: it has no column 'features'; give what store.requests() "
            "returns"
        )
    texts = requests["features"].tolist()
    rows = [json.loads(text) if isinstance(text, str | bytes) else text for text in texts]
    frame = pd.DataFrame(rows, index=requests.index)
    if "row_id" not in frame.columns and "row_id" in requests.columns:
        frame.insert(0, "row_id", requests["row_id"])
    return frame


def window_of_requests(
    requests: "pd.DataFrame", *, binning: Binning, name: str = "live", pairs: bool = True
) -> Window:
    """Count logged requests: the same numbers as those of a batch of the same rows.

    Parameters
    ----------
    requests : pandas.DataFrame
        What ``store.requests()`` gives, with the answers.
    binning : Binning
        The reference's bins.
    name : str, default "live"
        What to call the window.
    pairs : bool, default True
        Whether to count pairs of columns too.

    Returns
    -------
    Window
        From the first arrival to just after the last; with the model's name and version if there is
        but one.

    Raises
    ------
    MonitoringError
        If there is no request, or features are missing.
    """
    import pandas as pd

    if not len(requests):
        raise MonitoringError("there is no request in this window; nothing can be said of nothing")
    times = requests["received_at"]
    models = {key: requests[key].astype(str).unique() for key in ("model", "version")}
    return Window.of(
        features_of(requests),
        binning=binning,
        predictions=requests if binning.answers else None,
        pairs=pairs,
        name=name,
        start=times.min().isoformat(),
        end=(times.max() + pd.Timedelta(microseconds=1)).isoformat(),
        **{key: str(found[0]) for key, found in models.items() if len(found) == 1},
    )
