"""The artifact at work: loading a file that can be trusted, and asking it.

A session has one intra-op thread and rows are scored in tiles of 4,096: so a row's answer does not
depend on its neighbours, and callers may score several tiles at once from threads of their own.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.artifact.background import Background
from capstone_lib.artifact.bands import Cuts
from capstone_lib.artifact.group_head import group_feed
from capstone_lib.artifact.groups import GroupCounts
from capstone_lib.artifact.passport import KEY, Passport
from capstone_lib.artifact.recalibration import Recalibration
from capstone_lib.artifact.session import open_session
from capstone_lib.artifact.window import Window
from capstone_lib.errors import ArtifactError
from capstone_lib.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "NUMBERS",
    "TEXT",
    "TEXT_MISSING",
    "TILE",
    "Artifact",
    "Predictions",
    "load_model",
    "seal",
]

TILE = 4096
_SEAL_KEY = b"capstone.sha256"
NUMBERS = "capstone.numbers"
TEXT = "capstone.text."
TEXT_MISSING = "<missing>"


@dataclass(frozen=True)
class Predictions:
    """An artifact's answers, row by row.

    Attributes
    ----------
    score : numpy.ndarray of float32, shape (n_rows,)
        With two classes the probability of the second, else the largest probability.
    label : numpy.ndarray of shape (n_rows,)
        The decision: one of ``classes``.
    uncertainty : numpy.ndarray of float32, shape (n_rows,)
        The entropy of the probabilities in bits: 0 is certain, log2(n_classes) is a coin's toss.
    prediction_set : numpy.ndarray of bool, shape (n_rows, n_classes)
        The classes that cannot be ruled out at the calibrated coverage.
    review : numpy.ndarray of bool, shape (n_rows,)
        Whether a person should decide.
    classes : tuple
        The labels in the order of ``prediction_set``'s columns.
    """

    score: np.ndarray
    label: np.ndarray
    uncertainty: np.ndarray
    prediction_set: np.ndarray
    review: np.ndarray
    classes: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.score)

    def covers(self, truth: Any) -> np.ndarray:
        """Whether each row's prediction set holds its true class.

        Parameters
        ----------
        truth : array of shape (n_rows,)
            True labels, each one of ``classes``.

        Returns
        -------
        numpy.ndarray of bool, shape (n_rows,)
        """
        hits = np.asarray(truth)[:, None] == np.array(self.classes)[None, :]
        return np.asarray((hits & self.prediction_set).any(axis=1))

    def to_frame(self) -> "pd.DataFrame":
        """One row a person; the prediction set as a tuple of labels."""
        import pandas as pd

        patterns, codes = np.unique(self.prediction_set, axis=0, return_inverse=True)
        sets = np.empty(len(patterns), dtype=object)
        for place, pattern in enumerate(patterns):
            sets[place] = tuple(
                c for c, inside in zip(self.classes, pattern, strict=True) if inside
            )
        return pd.DataFrame(
            {
                "score": self.score,
                "label": self.label,
                "uncertainty": self.uncertainty,
                "prediction_set": sets[codes.ravel()],
                "review": self.review,
            }
        )

    def _repr_html_(self) -> str:
        return str(self.to_frame().head(10).to_html()) + f"<p>{len(self):,} rows</p>"


class Artifact:
    """One ONNX file that can score: made by :func:`export_model`, opened by :func:`load_model`.

    Attributes
    ----------
    passport : Passport
        What the file says of itself.
    sha256 : str
        The hash of the file's content.
    path : pathlib.Path or None
        Where it was read from.
    content : bytes
        The file.
    """

    def __init__(self, data: bytes, *, path: Path | None = None) -> None:
        self.content = data
        self.path = path
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.passport = _read_passport(data, str(path or "the data"))
        self._inputs  # noqa: B018 - a file that cannot score is refused now, not at the first row

    @property
    def name(self) -> str:
        """The model's name."""
        return self.passport.name

    @property
    def version(self) -> str:
        """The model's version."""
        return self.passport.version

    @property
    def schema(self) -> Schema:
        """What a row must look like."""
        return self.passport.schema

    @property
    def classes(self) -> tuple[Any, ...]:
        """The labels, in the order of the probabilities."""
        return self.passport.classes

    @property
    def threshold(self) -> float | None:
        """The operating threshold, if the caller set one."""
        return self.passport.threshold

    @cached_property
    def recalibration(self) -> Recalibration | None:
        """What a score has meant on held-out rows; None if the export had no such outcomes."""
        held = (self.passport.reference or {}).get("recalibration")
        return None if held is None else Recalibration.from_dict(held)

    @cached_property
    def reference(self) -> Window | None:
        """What later windows are compared with; None in files of older versions."""
        kept = (self.passport.reference or {}).get("window")
        if kept is None:
            return None
        window = Window.from_dict(kept)
        return replace(window, model=self.name, version=self.version)

    @cached_property
    def background(self) -> Background | None:
        """Whom explanations compare a person with; None in files of older versions."""
        kept = (self.passport.reference or {}).get("background")
        return None if kept is None else Background.from_dict(kept)

    @cached_property
    def reference_groups(self) -> GroupCounts | None:
        """Decisions by group on held-out rows; None unless export was told ``sensitive``."""
        kept = (self.passport.reference or {}).get("groups")
        return None if kept is None else GroupCounts.from_dict(kept)

    @cached_property
    def reference_cuts(self) -> Cuts:
        """The columns of :attr:`reference_groups`, each with the cuts between its bands, if any."""
        kept = (self.passport.reference or {}).get("groups")
        if kept is None:
            return {}
        cuts = kept.get("cuts", {})
        return {name: tuple(cuts.get(name, ())) for name in kept["columns"]}

    @cached_property
    def session(self) -> Any:
        """The onnxruntime session: one intra-op thread; it may be called from several threads."""
        return open_session(self.content, where=str(self.path or "the artifact"))

    @cached_property
    def _inputs(self) -> dict[str, Any]:
        kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64}
        return {item.name: kinds.get(item.type, object) for item in self.session.get_inputs()}

    def predict(self, X: Any) -> Predictions:
        """Score rows given by column name, in any order.

        Parameters
        ----------
        X : pandas.DataFrame, pyarrow.Table or mapping of str to array
            ``n_rows`` rows; columns that the model does not know are left out.

        Returns
        -------
        Predictions

        Raises
        ------
        SchemaError
            If any row does not fit the schema; the message lists every problem.
        """
        checked = self.schema.check(X)
        checked.raise_for_errors()
        return self.score(checked.columns)

    def score(self, columns: Any) -> Predictions:
        """Score columns that have passed the gate; safe to call from several threads at once.

        Parameters
        ----------
        columns : mapping of str to numpy.ndarray of shape (n_rows,)
            :attr:`capstone_lib.schema.Checked.columns`, or a part of their rows.
        """
        n_rows = len(columns[self.schema.names[0]])
        tiles = [
            self.session.run(None, self.feed(columns, start, min(start + TILE, n_rows)))
            for start in range(0, n_rows, TILE)
        ] or [self._nothing()]
        parts = [np.concatenate(part) for part in zip(*tiles, strict=True)]
        return Predictions(
            score=parts[0],
            label=self._labels(parts[1]),
            uncertainty=parts[2],
            prediction_set=parts[3],
            review=parts[4],
            classes=self.classes,
        )

    def feed(self, columns: Any, start: int, stop: int) -> dict[str, np.ndarray]:
        """The graph's inputs for rows ``start`` to ``stop`` of columns that passed the gate."""
        rule = self.passport.group_rule
        feed = {} if rule is None else group_feed(rule, columns, start, stop)
        features = self.passport.features
        numbers = [column.name for column in features.columns if not column.is_text]
        if NUMBERS in self._inputs:
            matrix = np.empty((stop - start, len(numbers)), dtype=self._inputs[NUMBERS])
            with np.errstate(over="ignore"):  # a code beyond float32 is one nobody knows
                for place, name in enumerate(numbers):
                    matrix[:, place] = columns[name][start:stop]
            feed[NUMBERS] = matrix
        for column in self.schema.columns:
            if column.is_text and TEXT + column.name in self._inputs:
                words = columns[column.name][start:stop].reshape(-1, 1)
                if column.nullable:
                    words = np.where(words == None, TEXT_MISSING, words)  # noqa: E711 - elementwise
                feed[TEXT + column.name] = words
        return feed

    def _labels(self, labels: np.ndarray) -> np.ndarray:
        return labels.astype(bool) if isinstance(self.classes[0], bool) else labels

    def _nothing(self) -> list[np.ndarray]:
        label = object if isinstance(self.classes[0], str) else np.int64
        shapes = ((0,), (0,), (0,), (0, len(self.classes)), (0,))
        kinds = (np.float32, label, np.float32, bool, bool)
        return [np.empty(shape, kind) for shape, kind in zip(shapes, kinds, strict=True)]

    def save(self, path: str | Path) -> None:
        """Write the file, whole or not at all."""
        from capstone_lib.artifact.files import write_whole

        write_whole(Path(path), self.content)

    def __repr__(self) -> str:
        return f"<Artifact {self.name} {self.version}, {self.sha256[:12]}>"

    def _repr_html_(self) -> str:
        return self.passport._repr_html_()


def seal(model: Any, passport: Passport) -> bytes:
    """Write the passport into the model and end the file with the hash of all that stands before.

    Protocol buffers may be continued: the seal is one more metadata entry, written last, so the
    whole stays one valid ONNX file.
    """
    from onnx import StringStringEntryProto

    del model.metadata_props[:]
    model.metadata_props.append(StringStringEntryProto(key=KEY, value=passport.to_json()))
    body: bytes = model.SerializeToString(deterministic=True)
    return body + _seal(body)


def _seal(body: bytes) -> bytes:
    digest = hashlib.sha256(body).hexdigest().encode()
    entry = b"\x0a" + bytes([len(_SEAL_KEY)]) + _SEAL_KEY + b"\x12" + bytes([len(digest)]) + digest
    return b"\x72" + bytes([len(entry)]) + entry  # field 14, metadata_props


_SEAL_LENGTH = len(_seal(b""))


def load_model(path: str | Path) -> Artifact:
    """Open an artifact, or say why it cannot be trusted.

    Parameters
    ----------
    path : str or path
        A file that :func:`export_model` wrote.

    Returns
    -------
    Artifact

    Raises
    ------
    ArtifactError
        If there is no such file, or it is empty, cut short, changed, not ONNX, without a passport,
        or leans on data outside itself.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"the artifact {str(path)!r} cannot be read: {error.strerror or error}; "
            "give the path of a file that export_model wrote"
        ) from error
    return Artifact(data, path=path)


def _read_passport(data: bytes, where: str) -> Passport:
    import onnx
    from google.protobuf.message import DecodeError

    sealed = data[:-_SEAL_LENGTH]
    intact = len(data) > _SEAL_LENGTH and _seal(sealed) == data[-_SEAL_LENGTH:]
    if not intact and _SEAL_KEY in data[-_SEAL_LENGTH:]:
        raise ArtifactError(
            f"{where} was changed after it was exported: its content does not match its hash; "
            "use the original file or export the model again"
        )
    try:
        model = onnx.ModelProto.FromString(data)
    except (DecodeError, ValueError) as error:
        raise ArtifactError(
            f"{where} is not an ONNX file, or was cut short ({len(data):,} bytes); "
            "copy it again or export the model again"
        ) from error
    texts = {entry.key: entry.value for entry in model.metadata_props}
    if KEY not in texts:
        raise ArtifactError(
            f"{where} has no passport: it was not written by capstone_lib's export_model, "
            "or was cut short; export the model again"
        )
    if not intact:
        raise ArtifactError(
            f"{where} was changed after it was exported: its content does not match its hash; "
            "use the original file or export the model again"
        )
    if _leans_outside(model):
        raise ArtifactError(
            f"{where} asks for data outside itself (external tensors), which is never loaded; "
            "an artifact is one file: export the model again"
        )
    return Passport.from_json(texts[KEY])


def _leans_outside(message: Any) -> bool:
    """Whether any tensor, at any depth, keeps its data in another file."""
    import onnx

    if isinstance(message, onnx.TensorProto):
        return message.data_location == onnx.TensorProto.EXTERNAL or bool(message.external_data)
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        inner = value if hasattr(value, "__len__") and not hasattr(value, "ListFields") else [value]
        if any(_leans_outside(item) for item in inner):
            return True
    return False
