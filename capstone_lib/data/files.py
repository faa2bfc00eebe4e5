"""Find the shipped files and read them only if they are what they should be.

A checkout has them in ``data/``, a folder for each data set; an installed wheel carries those
folders beside this module.
"""

from hashlib import sha256
from pathlib import Path

from capstone_lib.errors import DataError

__all__ = ["data_folder", "read_checked"]

_SUMS = "SHA256SUMS"
_IN_WHEEL = Path(__file__).parent
_IN_CHECKOUT = Path(__file__).parents[2] / "data"
_CURE = "restore it with `git checkout -- data`, or install capstone-lib again"


def data_folder(name: str, *places: Path) -> Path:
    """Return the folder that holds a data set: the first of ``places`` that has its files.

    Parameters
    ----------
    name : str
        The data set, such as ``"census"``.
    *places : Path
        Other folders to look at than the wheel's and the checkout's.

    Raises
    ------
    DataError
        No place has them.
    """
    places = places or (_IN_WHEEL / name, _IN_CHECKOUT / name)
    for folder in places:
        if (folder / _SUMS).is_file():
            return folder
    raise DataError(
        f"the {name} files are not there: no {_SUMS} in {' or '.join(map(str, places))}; {_CURE}"
    )


def read_checked(folder: Path, name: str) -> bytes:
    """Return the bytes of a file after comparing their SHA-256 with the folder's ``SHA256SUMS``.

    Raises
    ------
    DataError
        The file is missing, is not listed, or is damaged.
    """
    expected = _read_sums(folder).get(name)
    if expected is None:
        raise DataError(f"{name} is not listed in {folder / _SUMS}; {_CURE}")
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise DataError(f"{folder / name} cannot be read ({error.strerror}); {_CURE}") from error
    seen = sha256(content).hexdigest()
    if seen != expected:
        raise DataError(
            f"{folder / name} is damaged or was changed: its SHA-256 begins with {seen[:12]}, "
            f"{_SUMS} says {expected[:12]}; {_CURE}"
        )
    return content


def _read_sums(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / _SUMS).read_text("utf-8").splitlines()
        pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
        return {name.lstrip("*"): digest for digest, name in pairs}
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / _SUMS} cannot be read ({error}); {_CURE}") from error
