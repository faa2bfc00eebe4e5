"""What a folder says when it is asked for what only a database keeps."""

from capstone_lib.errors import StoreError

__all__ = ["needs_database"]


def needs_database(url: str, *, who: str) -> StoreError:
    """Return the error to raise.

    Parameters
    ----------
    url : str
        Where the folder is.
    who : str
        Who cannot do without a database, with the verb: ``"alerts need"``.

    Examples
    --------
    >>> print(needs_database("runs", who="alerts need"))
    runs is a folder and keeps batch results only; alerts need a database, such as ...
    """
    return StoreError(
        f"{url} is a folder and keeps batch results only; {who} a database, such as "
        "'sqlite:///predictions.db'"
    )
