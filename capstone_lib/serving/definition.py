"""An endpoint written down: a small TOML file that says what is to be served, and how.

Whoever has the file and its folder can start the same endpoint: its author, a colleague, a grader.
The files it names lie in its folder or below, so that it can be moved, and names nothing elsewhere.

    [endpoint]
    model = "model.onnx"
    store = "store.db"        # left out: answers are not logged
    fallback = "plain.onnx"   # and canary = "…", both optional
    hybrid = "36h"            # optional: pass nightly scores on while they are younger
    workers = 1

    [limits]                  # optional; see capstone_lib.serving.Limits
    max_in_flight = 64
"""

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from capstone_lib.errors import EndpointError
from capstone_lib.serving.hybrid import parse_age
from capstone_lib.serving.limits import Limits

if TYPE_CHECKING:
    from capstone_lib.serving.endpoint import Endpoint

__all__ = ["EndpointDefinition", "read_definition"]

_FILES = ("model", "store", "fallback", "canary")
_KEYS = (*_FILES, "hybrid", "workers")
_LARGEST = 100_000


@dataclass(frozen=True)
class EndpointDefinition:
    """What an endpoint is to be started with.

    Attributes
    ----------
    folder : Path
        Where the file lies; what it names lies in there.
    model : str
        The artifact.
    store : str or None
        A SQLite file, for the log; it is made if it is missing.
    fallback, canary : str or None
        Further artifacts.
    hybrid : str or None
        Up to which age nightly scores are passed on, such as ``36h``.
    workers : int
        Processes, for :meth:`command`; :meth:`start` starts one.
    limits : Limits
    """

    folder: Path
    model: str
    store: str | None = None
    fallback: str | None = None
    canary: str | None = None
    hybrid: str | None = None
    workers: int = 1
    limits: Limits = field(default_factory=Limits)

    @property
    def store_url(self) -> str | None:
        """The store as a URL; None without one."""
        return None if self.store is None else f"sqlite:///{(self.folder / self.store).as_posix()}"

    def start(self, **other: Any) -> "Endpoint":
        """Start it, on a free port of this machine.

        Parameters
        ----------
        **other
            Of :func:`capstone_lib.serve` what is to be otherwise, such as ``store=`` a copy,
            ``port=`` or ``mode=``.

        Raises
        ------
        EndpointError, ArtifactError, StoreError
            If it cannot be started.
        """
        from capstone_lib.serving.endpoint import serve

        named = {"fallback": self.fallback, "canary": self.canary}
        given: dict[str, Any] = {
            key: self.folder / name for key, name in named.items() if name is not None
        }
        given |= {"store": self.store_url, "hybrid": self.hybrid, "limits": self.limits}
        return serve(self.folder / self.model, **(given | other))

    def command(self) -> list[str]:
        """The same as a command line, to be run in the folder."""
        words = ["capstone", "serve", self.model]
        words += [] if self.store is None else ["--store", f"sqlite:///{self.store}"]
        for name in ("fallback", "canary", "hybrid"):
            value = getattr(self, name)
            words += [] if value is None else [f"--{name}", value]
        words += ["--workers", str(self.workers)] if self.workers != 1 else []
        usual = Limits()
        for item in fields(Limits):
            value = getattr(self.limits, item.name)
            if value != getattr(usual, item.name):
                words += [f"--{item.name.replace('_', '-')}", f"{value:g}"]
        return words

    def to_toml(self) -> str:
        """The file's text."""
        lines = ["# What `capstone serve` is started with; files lie beside this one.", ""]
        lines += ["[endpoint]"]
        lines += [f'{key} = "{value}"' for key in _KEYS if (value := self._text(key)) is not None]
        lines += [f"workers = {self.workers}"]
        usual = Limits()
        changed = [
            f for f in fields(Limits) if getattr(self.limits, f.name) != getattr(usual, f.name)
        ]
        if changed:
            lines += ["", "[limits]"]
            lines += [f"{item.name} = {getattr(self.limits, item.name)}" for item in changed]
        return "\n".join(lines) + "\n"

    def _text(self, key: str) -> str | None:
        value = getattr(self, key)
        return value if isinstance(value, str) else None

    def __str__(self) -> str:
        return " ".join(self.command())


def read_definition(path: str | Path) -> EndpointDefinition:
    r"""Read an endpoint's definition.

    Raises
    ------
    EndpointError
        If it cannot be read or something in it is wrong: which key, what was seen, and what to
        write.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "endpoint.toml")
    ...     _ = path.write_text('[endpoint]\nmodel = "model.onnx"\nhybrid = "36h"\nstore = "s.db"')
    ...     print(read_definition(path))
    capstone serve model.onnx --store sqlite:///s.db --hybrid 36h
    """
    path = Path(path)
    table = _load(path)
    unknown = sorted(table.keys() - {"endpoint", "limits"})
    if unknown:
        raise _wrong(path, f"[{unknown[0]}] means nothing; write [endpoint] and [limits]")
    found = table.get("endpoint")
    if not isinstance(found, dict):
        raise _wrong(path, 'there is no [endpoint]; write [endpoint] and model = "model.onnx"')
    unknown = sorted(found.keys() - set(_KEYS))
    if unknown:
        raise _wrong(path, f"{unknown[0]} means nothing; there are {', '.join(_KEYS)}")
    named = {key: _file(path, key, found[key]) for key in _FILES if key in found}
    if "model" not in named:
        raise _wrong(path, 'no model is named; write model = "model.onnx" below [endpoint]')
    return EndpointDefinition(
        folder=path.absolute().parent,
        hybrid=_hybrid(path, found),
        workers=_workers(path, found.get("workers", 1)),
        limits=_limits(path, table.get("limits", {})),
        **named,
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EndpointError(
            f"{path.name} cannot be read ({error.strerror}); write one with [endpoint] and "
            'model = "model.onnx"'
        ) from error
    if len(content) > _LARGEST:
        raise _wrong(path, f"it has {len(content):,} bytes; a definition has a few hundred")
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _wrong(path, f"it is no TOML: {error}") from None


def _file(path: Path, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _wrong(path, f'{key} is {value!r}; name a file, such as {key} = "{key}.onnx"')
    place = PurePosixPath(value)
    strange = place.is_absolute() or ".." in place.parts or any(c in value for c in '\\:?"\n\0')
    if strange:
        raise _wrong(path, f"{key} is {value!r}; name a file in the folder of {path.name}")
    return value


def _hybrid(path: Path, found: dict[str, Any]) -> str | None:
    value = found.get("hybrid")
    if value is None:
        return None
    try:
        parse_age(value)
    except (ValueError, TypeError, AttributeError):
        raise _wrong(path, f'hybrid is {value!r}; write an age, such as hybrid = "36h"') from None
    if "store" not in found:
        raise _wrong(path, 'hybrid needs a store with nightly scores; write store = "store.db"')
    return str(value)


def _workers(path: Path, value: Any) -> int:
    if type(value) is not int or not 1 <= value <= 64:
        raise _wrong(path, f"workers is {value!r}; write a whole number from 1 to 64")
    return value


def _limits(path: Path, found: Any) -> Limits:
    if not isinstance(found, dict):
        raise _wrong(path, "limits is no table; write [limits] on a line of its own")
    names = [item.name for item in fields(Limits)]
    unknown = sorted(found.keys() - set(names))
    if unknown:
        raise _wrong(path, f"{unknown[0]} is no limit; there are {', '.join(names)}")
    try:
        return Limits(**found)
    except ValueError as error:
        raise _wrong(path, str(error)) from None


def _wrong(path: Path, what: str) -> EndpointError:
    return EndpointError(f"{path.name}: {what}")
