"""The playbook: all alert rules, in one TOML file that people can read."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from capstone_lib.alerts.rule import BurnRate, Rule
from capstone_lib.errors import PlaybookError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DEFAULT", "Playbook", "Webhook", "load_playbook"]

DEFAULT = Path(__file__).with_name("playbook.toml")
"""The documented default."""


@dataclass(frozen=True)
class Webhook:
    """An address that is told of alerts.

    Attributes
    ----------
    url : str
        ``http`` or ``https``.
    timeout_s : float
        For how long an answer is waited for.
    tries : int
        How often it is tried.
    token_env : str
        The environment variable that holds a bearer token; empty for none.
    """

    url: str
    timeout_s: float = 5.0
    tries: int = 4
    token_env: str = ""


@dataclass(frozen=True)
class Playbook:
    """All rules.

    Attributes
    ----------
    rules : tuple of Rule
        In the order of the file.
    webhook : Webhook or None
    sla_ms : float
        Within which an answer should come: what the measurement ``slow_share`` counts from.
    path : str
        The file; empty if it is none.
    max_replicas : int
        The most that ``scale_up`` asks for.
    """

    rules: tuple[Rule, ...]
    webhook: Webhook | None = None
    sla_ms: float = 100.0
    path: str = ""
    max_replicas: int = 4

    @classmethod
    def default(cls) -> "Playbook":
        """The documented default, for an application that nobody has thought about yet."""
        return load_playbook(None)

    def __getitem__(self, name: str) -> Rule:
        for rule in self.rules:
            if rule.name == name:
                return rule
        raise KeyError(f"no rule {name!r}; there are {', '.join(one.name for one in self.rules)}")

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def __len__(self) -> int:
        return len(self.rules)

    def to_frame(self) -> "pd.DataFrame":
        """One row a rule."""
        import pandas as pd

        rows = [
            {
                "rule": one.name, "measurement": one.measurement, "feature": one.feature,
                "group": one.group, "use": one.use, "comparison": one.comparison,
                "threshold": str(one.threshold)
                if isinstance(one.threshold, BurnRate) else one.threshold,
                "for_windows": one.for_windows, "clear_windows": one.clear_windows,
                "severity": one.severity, "actions": ", ".join(one.actions), "owner": one.owner,
            }
            for one in self.rules
        ]  # fmt: skip
        return pd.DataFrame(rows).set_index("rule")

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html())


def load_playbook(path: str | Path | None = None) -> Playbook:
    """Read a playbook, or refuse it with every mistake in it.

    Parameters
    ----------
    path : str or Path, optional
        A TOML file; the default playbook if left out.

    Raises
    ------
    PlaybookError
        If it cannot be read or anything in it is wrong: for each mistake the line, what stands
        there, what was expected and what to write instead.

    Examples
    --------
    >>> load_playbook()["slow_answers"].measurement
    'latency_p99'
    """
    return _default() if path is None else _read(Path(path))


@cache
def _default() -> Playbook:
    return _read(DEFAULT)


def _read(path: Path) -> Playbook:
    from capstone_lib.alerts.reading import read_playbook

    try:
        text = path.read_bytes().decode("utf-8-sig")  # some editors begin with a mark
    except OSError as error:
        raise PlaybookError(
            f"the playbook {path} cannot be read: {error.strerror or error}; leave it out for the "
            f"default one, or begin with a copy of {DEFAULT}"
        ) from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise PlaybookError(
            f"{path}:{line}: a byte here is no UTF-8, which TOML is written in; save the file as "
            "UTF-8"
        ) from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlaybookError(_syntax(path, text, str(error))) from error
    except RecursionError:
        raise PlaybookError(f"{path}: brackets within brackets, too deep to be read") from None
    except ValueError as error:  # a number of thousands of digits
        raise PlaybookError(f"{path}: a number in it is too long to be one: {error}") from error
    return read_playbook(table, text, path=str(path))


def _syntax(path: Path, text: str, said: str) -> str:
    """TOML's own message, with its line in front and that line shown."""
    import re

    found = re.search(r" ?\(at line (\d+), column (\d+)\)", said)
    line = int(found[1]) if found else max(text.count("\n"), 1)
    lines = text.splitlines() or [""]
    shown = lines[min(line, len(lines)) - 1].strip()
    what = re.sub(r" ?\(at .*\)$", "", said)
    return (
        f"{path}:{line}: this is no TOML: {what}; seen {shown!r}. Text stands in quotes, a rule "
        'begins with [[rule]], and a key stands once: name = "late_batch"'
    )
