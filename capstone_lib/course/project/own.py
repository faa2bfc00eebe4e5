"""A file of one's own: read, questioned column by column, and cut into the three parts.

What cannot be right is refused, with the column's name, what was seen in it and what to do.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.course.project.parts import KEPT, Parts, keep, place_of
from capstone_lib.course.project.roles import Columns, check_ids, check_names, named, shown
from capstone_lib.course.project.shipped import spread_over_time
from capstone_lib.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.artifact.bands import Cuts

__all__ = ["open_own"]

_LEAST_ROWS, _LEAST_OF_A_CLASS = 80, 8
_MOST_CLASSES, _MOST_WORDS, _MOST_GROUPS = 12, 60, 12
_TRAINED, _CALIBRATED = 0.5, 0.75  # shares of the rows at which the parts end


def open_own(path: Path, columns: Columns, *, seed: int, rows: int) -> Parts:
    """Read a Parquet or CSV file, and cut it: by time if it has one, else by a hash of the id.

    Raises
    ------
    DataError
        If it cannot be used; the message names the column, and what to do.
    """
    frame = _read(path)
    check_names(path.name, frame, columns)
    frame = named(frame, columns)
    target = columns.target
    check_ids(frame, columns)
    notes: list[str] = []
    frame = _with_times(frame, columns, seed=seed)
    frame = _with_classes(frame, target)
    features, left_out = _features(frame, columns)
    notes += left_out
    groups, banded = _groups(frame, columns.sensitive)
    notes += banded
    train, held_out, later, how = _cut(frame, columns, seed=seed)
    kept = list(dict.fromkeys([*KEPT, *features, *groups, target]))
    train, held_out = (part[part[target].notna()] for part in (train, held_out))
    _check_parts(train, held_out, later, target)
    if not columns.time:
        notes.append("the file names no time: days of arrival are simulated")
    return Parts(
        name=_plain(path.stem),
        question=f"Which {target} is it?",
        target=target,
        features=tuple(features),
        groups=groups,
        train=keep(train[kept], rows, seed=seed),
        calibration=keep(held_out[kept], rows // 2, seed=seed),
        production=later[kept].reset_index(drop=True),
        ahead=bool(columns.known),
        how=how,
        notes=tuple(notes),
    )


def _read(path: Path) -> "pd.DataFrame":
    import pandas as pd

    from capstone_lib.errors import SourceError
    from capstone_lib.monitoring.gather import read_source

    if not path.is_file():
        raise DataError(
            f"dataset={str(path)!r} is neither census, flights nor wine, and there is no such "
            "file; give the path of a Parquet or CSV file"
        )
    try:
        frame = read_source(path)
    except (SourceError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} cannot be read as a table: {error}") from error
    names = _header(path, frame)
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise DataError(f"{path.name} has the column {twice[0]!r} twice; rename one")
    if len(frame) < _LEAST_ROWS:
        raise DataError(
            f"{path.name} has {len(frame)} rows; with fewer than {_LEAST_ROWS} nothing can be "
            "trained, calibrated and watched"
        )
    return frame.rename(columns=str)


def _header(path: Path, frame: "pd.DataFrame") -> list[str]:
    """The names as they stand in the file: of two equal ones pandas would rename the second."""
    import pandas as pd

    if path.suffix != ".csv":
        return [str(name) for name in frame.columns]
    first = pd.read_csv(path, header=None, nrows=1, dtype=str)
    return [str(name) for name in first.iloc[0]]


def _with_times(frame: "pd.DataFrame", columns: Columns, *, seed: int) -> "pd.DataFrame":
    import pandas as pd

    if not columns.time:
        if columns.known:
            raise DataError("known= needs time=: an outcome is known some time after the case came")
        months = int(np.clip(len(frame) // 4 // 300, 1, 3))
        return spread_over_time(frame, seed=seed, months=months)
    given = {"arrived_at": columns.time, "known_at": columns.known}
    for name, role in given.items():
        if not role:
            frame[name] = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[s]")
            continue
        if frame[name].dtype.kind in "iufb":
            raise DataError(
                f"the column {role!r} holds numbers such as {shown(frame[name].iloc[0])}, and is "
                "named as a time; write dates such as 2026-01-31"
            )
        times = pd.to_datetime(frame[name], errors="coerce", utc=True, format="ISO8601")
        wrong = times.isna() & (frame[name].notna() | (name == "arrived_at"))
        if wrong.any():
            first = shown(frame.loc[wrong, name].iloc[0])
            raise DataError(
                f"the column {role!r} is named as a time, and {first} is none "
                f"({int(wrong.sum())} rows); write dates such as 2026-01-31"
            )
        frame[name] = times.dt.tz_localize(None).astype("datetime64[s]")
    early = frame["known_at"] < frame["arrived_at"]
    if early.any():
        raise DataError(
            f"in {int(early.sum())} rows the outcome is known ({columns.known!r}) before the case "
            f"came ({columns.time!r}); are the two columns mixed up?"
        )
    return frame


def _with_classes(frame: "pd.DataFrame", target: str) -> "pd.DataFrame":
    values = frame[target]
    known = values.dropna()
    kinds = known.nunique()
    if not len(known):
        raise DataError(f"the column {target!r}, named as target, is empty in every row")
    if kinds < 2:
        raise DataError(
            f"the column {target!r}, named as target, is always {shown(known.iloc[0])}; a model "
            "needs two classes at least"
        )
    if kinds > _MOST_CLASSES:
        raise DataError(
            f"the column {target!r}, named as target, has {kinds} different values, such as "
            f"{shown(known.iloc[0])}; the artifact decides between {_MOST_CLASSES} classes at "
            "most: cut numbers into bands, or name another column"
        )
    if known.dtype.kind == "f" and (known != np.floor(known)).any():
        raise DataError(
            f"the column {target!r}, named as target, holds fractions such as "
            f"{float(known[known != np.floor(known)].iloc[0])!r}; the artifact decides between "
            "classes: cut them into bands"
        )
    if known.dtype.kind in "fbiu":
        return frame.assign(**{target: values.astype("float64")})
    return frame.assign(**{target: values.astype("object")})


def _features(frame: "pd.DataFrame", columns: Columns) -> tuple[list[str], list[str]]:
    """The columns to predict from, and why others are left out."""
    features, why = [], []
    classes = frame[columns.target]
    for name in frame.columns:
        if name in (*KEPT, columns.target):
            continue
        values = frame[name]
        kinds = values.nunique(dropna=True)
        if values.dtype.kind in "mM":
            why.append(f"{name} is left out: a date; derive from it what may matter")
        elif kinds < 2:
            why.append(f"{name} is left out: it is the same in every row")
        elif values.dtype.kind not in "iufb" and kinds > _MOST_WORDS:
            why.append(f"{name} is left out: {kinds} different texts, as names are or free words")
        elif _tells(values, classes):
            raise DataError(
                f"the column {name!r} says the same as the target {columns.target!r}: it would be "
                "the answer, given with the question; take it out of the file"
            )
        else:
            features.append(name)
            if values.dtype.kind == "f" and np.isinf(values).any():
                raise DataError(f"the column {name!r} holds infinite values; mend or empty them")
    if not features:
        raise DataError(
            f"no column is left to predict {columns.target!r} from: {'; '.join(why) or 'no other'}"
        )
    return features, why


def _tells(values: "pd.Series[Any]", classes: "pd.Series[Any]") -> bool:
    known = classes.notna() & values.notna()
    values, classes = values[known], classes[known]
    if values.nunique() != classes.nunique():
        return False
    pairs = set(zip(values.tolist(), classes.tolist(), strict=True))
    return len(pairs) == classes.nunique()


def _groups(frame: "pd.DataFrame", names: Sequence[str]) -> tuple["Cuts", list[str]]:
    groups: Cuts = {}
    notes = []
    for name in names:
        values = frame[name]
        if values.dtype.kind in "mM":
            raise DataError(f"the column {name!r}, named as sensitive, holds dates; cut into bands")
        kinds = values.nunique()
        if kinds <= _MOST_GROUPS:
            groups[name] = ()
        elif values.dtype.kind in "iuf":
            cuts = sorted({float(cut) for cut in values.quantile([0.25, 0.5, 0.75])})
            groups[name] = tuple(cuts)
            notes.append(f"{name} is cut into bands at {', '.join(f'{cut:g}' for cut in cuts)}")
        else:
            raise DataError(
                f"the column {name!r}, named as sensitive, has {kinds} different values; put them "
                f"into {_MOST_GROUPS} groups at most"
            )
    return groups, notes


def _cut(
    frame: "pd.DataFrame", columns: Columns, *, seed: int
) -> tuple["pd.DataFrame", "pd.DataFrame", "pd.DataFrame", str]:
    if columns.time:
        times = frame["arrived_at"]
        in_order = times.sort_values(ignore_index=True)
        ends = (in_order[int(share * len(times))] for share in (_TRAINED, _CALIBRATED))
        first, second = (end.floor("D") for end in ends)
        masks = (times < first, (times >= first) & (times < second), times >= second)
        how = (
            f"cut by time: before {first:%Y-%m-%d} trains, from {second:%Y-%m-%d} on is production"
        )
    else:
        place = place_of(frame["row_id"], seed=seed, purpose="capstone split")
        masks = (
            place < _TRAINED, (place >= _TRAINED) & (place < _CALIBRATED), place >= _CALIBRATED
        )  # fmt: skip
        how = "cut by a hash of the id: half train, a quarter calibrates, a quarter is production"
    train, held_out, later = (frame[mask] for mask in masks)
    return train, held_out, later, how


def _check_parts(
    train: "pd.DataFrame", held_out: "pd.DataFrame", later: "pd.DataFrame", target: str
) -> None:
    parts = {"to train on": train, "to calibrate with": held_out}
    for what, part in parts.items():
        counts = part[target].value_counts()
        lacking = sorted(set(map(str, train[target])) - set(map(str, counts.index)))
        if lacking:
            raise DataError(
                f"of the rows {what} none has {target} = {lacking[0]}; cut the file otherwise, or "
                "put rare classes together"
            )
        if len(counts) < 2:
            only = f"all have {target} = {counts.index[0]}" if len(counts) else "there is none"
            raise DataError(
                f"of the rows {what} {only}; two classes are needed in each part: cut the file "
                "otherwise, or bring more rows"
            )
        if counts.min() < _LEAST_OF_A_CLASS:
            rare, least = counts.idxmin(), int(counts.min())
            raise DataError(
                f"of the rows {what} {least} have {target} = {rare}; {_LEAST_OF_A_CLASS} of each "
                "class are needed: bring more rows, or put rare classes together"
            )
    if not len(later):
        raise DataError("no row is left for production: do all rows have the same time?")


def _plain(stem: str) -> str:
    name = "".join(one if one.isascii() and one.isalnum() else "_" for one in stem).strip("_")
    return name[:40] or "own"
